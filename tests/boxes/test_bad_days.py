"""What people get wrong, and what goes wrong for them: a clear message and an exit code, never a traceback."""

from __future__ import annotations

import getpass
import os
import socket
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest
from rigs import DLRIG, dlrig, reach

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from provision.box import Box

    FreshBox = Callable[..., Box]


def assert_plain(text: str, *words: str) -> None:
    """A message for people: these words, and no traceback."""
    assert "Traceback" not in text
    flat = " ".join(text.split())
    for word in words:
        assert word in flat, f"{word!r} is not in:\n{text}"


def test_unknown_host(tmp_path: Path) -> None:
    ran = dlrig(tmp_path, "plan", "rigger@no-such-rig.invalid")
    assert ran.code == 3
    assert_plain(
        ran.text, "rigger@no-such-rig.invalid", "there is no host called", "Check the spelling"
    )


def test_refused_port(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ran = dlrig(tmp_path, "plan", f"{getpass.getuser()}@127.0.0.1:{port}")
    assert ran.code == 3
    assert_plain(ran.text, f"nothing listens on port {port}", "openssh-server")


def test_something_else_listens(tmp_path: Path) -> None:
    """A server that accepts and hangs up at once does not speak SSH."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def hang_up() -> None:
            for _ in range(3):
                try:
                    server.accept()[0].close()
                except OSError:
                    return

        thread = threading.Thread(target=hang_up, daemon=True)
        thread.start()
        ran = dlrig(tmp_path, "plan", f"me@127.0.0.1:{port}")
    assert ran.code == 3
    assert_plain(ran.text, "does not speak SSH")


def test_wrong_key(tmp_path: Path, box: Box) -> None:
    key = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    config = tmp_path / "config"
    known = next(
        line.split(None, 1)[1]
        for line in box.ssh_config.read_text().splitlines()
        if line.strip().startswith("UserKnownHostsFile")
    )
    config.write_text(
        f"Host *\n  HostName {box.address}\n  IdentitiesOnly yes\n  IdentityFile {key}\n"
        f"  UserKnownHostsFile {known}\n"
    )
    ran = dlrig(
        tmp_path / "s", "plan", "rigger@some-rig", "--ssh-config", str(config), SSH_AUTH_SOCK=""
    )
    assert ran.code == 3
    assert_plain(ran.text, "it refuses every key that you have", "ssh-copy-id")


def test_changed_host_key(tmp_path: Path, box: Box) -> None:
    key = tmp_path / "impostor"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    kind, public, *_ = key.with_suffix(".pub").read_text().split()
    known = tmp_path / "known_hosts"
    known.write_text(f"{box.address} {kind} {public}\n")
    config = tmp_path / "config"
    config.write_text(
        "".join(
            f"  UserKnownHostsFile {known}\n" if "UserKnownHostsFile" in line else line
            for line in box.ssh_config.read_text().splitlines(keepends=True)
        )
    )
    before = known.read_text()
    ran = dlrig(
        tmp_path / "s",
        "up",
        box.target_for("rigger"),
        "--ssh-config",
        str(config),
        "--accept-new",
        "--yes",
    )
    assert ran.code == 3
    assert_plain(ran.text, "its host key has CHANGED", "ssh-keygen -R")
    assert known.read_text() == before, "a changed key must never be accepted"


def test_first_contact_without_anybody_to_ask(tmp_path: Path, fresh_box: FreshBox) -> None:
    box = fresh_box(first_contact=True)
    ran = dlrig(tmp_path, "plan", *reach(box))
    assert ran.code == 3
    assert_plain(ran.text, "its host key is not known here", "SHA256:", "--accept-new")
    ran = dlrig(tmp_path, "plan", *reach(box), "--accept-new")
    assert ran.code == 0, ran.text[-3000:]
    ran = dlrig(tmp_path, "plan", *reach(box))
    assert ran.code == 0, "the key was not remembered: " + ran.text


def test_first_contact_shows_the_fingerprint_and_asks(tmp_path: Path, fresh_box: FreshBox) -> None:
    import pexpect  # noqa: PLC0415 - only here

    box = fresh_box(first_contact=True)
    own = box.shell("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub").stdout.split()[1]
    for answer, code in (("n", 3), ("y", 0)):
        child = pexpect.spawn(
            DLRIG[0],
            [*DLRIG[1:], "plan", *reach(box)],
            env={**os.environ, "DLRIG_STATE": str(tmp_path), "COLUMNS": "200"},
            encoding="utf-8",
            timeout=60,
        )
        try:
            child.expect_exact(own)
            child.expect("Trust it from now on")
            child.sendline(answer)
            child.expect(pexpect.EOF)
            child.close()
            assert child.exitstatus == code, child.before
        finally:
            child.close(force=True)


def test_no_sudo(tmp_path: Path, box: Box) -> None:
    ran = dlrig(tmp_path, "up", *reach(box, "guest"), "--yes")
    assert ran.code == 3
    assert_plain(ran.text, "'guest' cannot become root", "Nothing was changed")


def test_a_wrong_sudo_password(tmp_path: Path, box: Box) -> None:
    ran = dlrig(
        tmp_path,
        "up",
        *reach(box, "typist"),
        "--yes",
        "--become-password-file",
        "-",
        stdin="wrong-secret\n",
    )
    assert ran.code == 3
    assert_plain(ran.text, "sudo refused", "Check the password")
    assert "wrong-secret" not in ran.text


def test_unsupported_system(tmp_path: Path, fresh_box: FreshBox) -> None:
    box = fresh_box()
    box.shell(
        "rm /etc/os-release; printf 'ID=fedora\\nVERSION_ID=42\\nPRETTY_NAME=\"Fedora Linux 42\"\\n' >/etc/os-release"
    )
    ran = dlrig(tmp_path, "up", *reach(box), "--yes")
    assert ran.code == 3
    assert_plain(
        ran.text, "Fedora Linux 42 is not supported", "Ubuntu 24.04", "Nothing was changed"
    )


def test_full_disk(tmp_path: Path, fresh_box: FreshBox) -> None:
    box = fresh_box(disk_sizes={"/": "400M"})
    ran = dlrig(tmp_path, "up", *reach(box), "--yes")
    assert ran.code == 3
    assert_plain(ran.text, "GB free", "Free some space", "Nothing was changed")


def test_no_network_on_the_rig(tmp_path: Path, fresh_box: FreshBox) -> None:
    box = fresh_box(network="none")
    ran = dlrig(tmp_path, "up", *reach(box), "--yes")
    assert ran.code == 3
    assert_plain(
        ran.text, "does not reach its apt archive", "Give it a network", "Nothing was changed"
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "there is no such inventory"),
        ("[lab\nbroken", "Ansible cannot read it"),
        ("all: {hosts: [", "Ansible cannot read it"),
        ("[lab]\n", "no host in it matches"),
        ("[lab]\nrig1 dlrig_tensorflov='==2.20.0'\n", "dlrig_tensorflow"),
    ],
)
def test_a_bad_inventory(tmp_path: Path, content: str | None, words: str) -> None:
    inventory = tmp_path / ("hosts.yml" if content and content.startswith("all") else "hosts.ini")
    if content is not None:
        inventory.write_text(content)
    ran = dlrig(tmp_path / "s", "plan", "-i", str(inventory))
    assert ran.code == 2
    assert_plain(ran.text, words)


def test_an_unwritable_state_folder(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    ran = dlrig(blocked, "plan", "local")
    assert ran.code == 3
    assert_plain(ran.text, str(blocked), "DLRIG_STATE")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("up",), "no rig was named"),
        (("up", "rigger:secret@rig"), "a password in a target is refused"),
        (("up", "lab:nonsense"), "is not a port"),
        (("plan", "local", "--tensorflow", "newest"), "is not a version or a version specifier"),
        (
            ("plan", "local", "--tensorflow", "==1.15"),
            "you asked for TensorFlow ==1.15 (the catalogue knows 2.21.0",
        ),
        (("plan", "local", "--ssh-config", "/nowhere/config"), ""),
        (("plan", "rig", "--ssh-config", "/nowhere/config"), "there is no such SSH config file"),
        (
            ("plan", "local", "--index-url", "https://me:hunter2@i.example/"),
            "a password in index_url is refused",
        ),
        (("nonsense",), "No such command"),
        (("up", "local", "--nonsense"), "No such option"),
        (("report", "nonsense"), ""),
    ],
)
def test_slips_on_the_command_line(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    ran = dlrig(tmp_path, *arguments)
    assert_plain(ran.text, *([words] if words else []))
    assert ran.code in ((0, 2, 3) if not words else (2, 3))
    assert "secret" not in ran.text.replace("password", "")
    assert "hunter2" not in ran.text
