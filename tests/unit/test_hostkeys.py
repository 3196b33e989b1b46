"""Host keys: what is known is trusted, what is new is asked about, and files are only appended to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import paramiko
import pytest

from provision.connection import Settings
from provision.connection.hostkeys import AskAboutNewKeys, KnownHosts
from provision.errors import UnreachableError

if TYPE_CHECKING:
    from pathlib import Path

    from paramiko import PKey


@pytest.fixture
def key() -> PKey:
    return paramiko.ECDSAKey.generate()


@pytest.fixture
def known(tmp_path: Path) -> KnownHosts:
    return KnownHosts([str(tmp_path / "ssh" / "known_hosts")], [str(tmp_path / "system")])


def policy(known: KnownHosts, **settings: object) -> AskAboutNewKeys:
    return AskAboutNewKeys(known, Settings(**settings), "me@rig")  # type: ignore[arg-type]


def test_without_anybody_to_ask_a_new_key_is_refused(known: KnownHosts, key: PKey) -> None:
    with pytest.raises(UnreachableError) as caught:
        policy(known).missing_host_key(paramiko.SSHClient(), "rig", key)
    assert caught.value.reference == "host-key-unknown"
    assert key.fingerprint in str(caught.value)
    assert not known.user_files[0].exists()


def test_a_person_sees_the_fingerprint_and_decides(known: KnownHosts, key: PKey) -> None:
    asked: list[str] = []

    def answer(question: str, *, yes: bool) -> bool:
        asked.append(question)
        return yes

    with pytest.raises(UnreachableError, match="did not trust"):
        policy(known, ask=lambda q: answer(q, yes=False)).missing_host_key(
            paramiko.SSHClient(), "rig", key
        )
    policy(known, ask=lambda q: answer(q, yes=True)).missing_host_key(
        paramiko.SSHClient(), "rig", key
    )
    assert all(key.fingerprint in question for question in asked)


def test_an_accepted_key_is_appended_and_found_again(known: KnownHosts, key: PKey) -> None:
    path = known.user_files[0]
    path.parent.mkdir()
    path.write_text("# my own order\nother ssh-ed25519 AAAA")
    policy(known, accept_new=True).missing_host_key(paramiko.SSHClient(), "[rig]:2222", key)
    text = path.read_text()
    assert text.startswith("# my own order\nother ssh-ed25519 AAAA\n[rig]:2222 ")
    client = paramiko.SSHClient()
    known.load_into(client)
    assert client._system_host_keys.check("[rig]:2222", key)  # type: ignore[attr-defined]


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path, key: PKey) -> None:
    (tmp_path / "blocked").write_text("")
    known = KnownHosts([str(tmp_path / "blocked" / "known_hosts")])
    with pytest.raises(UnreachableError) as caught:
        policy(known, accept_new=True).missing_host_key(paramiko.SSHClient(), "rig", key)
    assert caught.value.reference == "known-hosts-unwritable"
