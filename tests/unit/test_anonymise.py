"""Anonymising: no name survives, the same stays the same, and the facts that checks judge stay as they were."""

from __future__ import annotations

import re
import string

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provision import facts
from provision.anonymise import anonymise
from provision.errors import DlrigError
from provision.facts.reading import Outcome, Transcript, to_json

WHAT = st.sampled_from(
    [
        "NVRM: GPU at PCI:0000:01:00: {}",
        "connection from {} refused",
        "{}",
        '"{}"',
        "a={};b",
        "first line\n{}\nlast line",
        "(see {})",
    ]
)
LETTERS = string.ascii_lowercase
NAME = st.text(LETTERS + string.digits, min_size=3, max_size=12).map(lambda text: f"x{text}q")
HEX = "0123456789abcdef"
UUID = st.uuids().map(str)
MAC = st.lists(st.text(HEX, min_size=2, max_size=2), min_size=6, max_size=6).map(":".join)
IPV4 = st.ip_addresses(v=4).map(str).filter(lambda a: not a.startswith(("127.", "198.18.", "0.0.")))
IPV6 = st.ip_addresses(v=6).map(str).filter(lambda a: len(a) > 12 and not a.startswith("2001:db8"))


def transcript(*texts: str, **changes: object) -> Transcript:
    outcomes = {f"log_{n}": Outcome(exit_code=0, out=text) for n, text in enumerate(texts)}
    plain = Transcript(target="rig", taken="2026-11-23T00:00:00+00:00", outcomes=outcomes)
    return msgspec.structs.replace(plain, **changes)


def after(*texts: str, **changes: object) -> tuple[str, ...]:
    (one,) = anonymise([transcript(*texts, **changes)])
    return tuple(outcome.out for outcome in one.outcomes.values())


@given(where=WHAT, token=st.one_of(UUID, UUID.map(str.upper), MAC, IPV4, IPV6))
def test_no_id_and_no_address_survives(where: str, token: str) -> None:
    (text,) = after(where.format(token))
    assert token.lower() not in text.lower()


@given(where=WHAT, user=NAME, host=NAME, other=NAME)
def test_no_name_survives_anywhere(where: str, user: str, host: str, other: str) -> None:
    plain = transcript(
        where.format(user),
        where.format(f"{host}.lab.example.com"),
        f"File /home/{other}/venv/bin/python",
        f"{other} was here; {host.upper()} too; uid=1000(q{other}) was there",
        target=f"{user}@{host}.lab.example.com",
        login=user,
    )
    outcomes = {**plain.outcomes, "uname": Outcome(exit_code=0, out=f"Linux 6.1 x86_64\n{host}\n")}
    (one,) = anonymise([msgspec.structs.replace(plain, outcomes=outcomes)])
    written = to_json(one).decode().lower()
    for name in (user, host, other, "lab.example.com"):
        assert name not in written


@given(
    serial=st.from_regex(r"[A-Z0-9]{4}[0-9]{8}", fullmatch=True),
    word=st.sampled_from(
        [
            "Serial Number                         : {}",
            "<serial>{}</serial>",
            'SERIAL="{}"',
            "<pdi>{}</pdi>",
        ]
    ),
)
def test_no_serial_number_survives(serial: str, word: str) -> None:
    texts = after(word.format(serial), f"card {serial} replaced")
    assert not any(serial in text for text in texts)


@given(tokens=st.lists(st.one_of(UUID, MAC, IPV4), min_size=2, max_size=8, unique=True))
def test_the_same_stays_the_same_and_others_stay_others(tokens: list[str]) -> None:
    twice = " ".join([*tokens, *tokens])
    one, two = anonymise([transcript(twice), transcript(twice)])
    words = one.outcomes["log_0"].out.split()
    assert words[: len(tokens)] == words[len(tokens) :]
    assert len(set(words)) == len(tokens)
    assert two.outcomes["log_0"].out == one.outcomes["log_0"].out


@settings(max_examples=200)
@given(
    out=st.text(max_size=300),
    err=st.text(max_size=100),
    login=st.text(max_size=10),
    target=st.text(max_size=20),
)
def test_any_text_is_taken(out: str, err: str, login: str, target: str) -> None:
    outcomes = {
        name: Outcome(exit_code=0, out=out, err=err)
        for name in ("uname", "machine", "dpkg", "df_bytes")
    }
    anonymise([transcript(target=target, login=login, outcomes=outcomes)])


@pytest.mark.parametrize(
    "text",
    [
        "0000:01:00.0 0x030000 0x1c03 0x1458 0x3724 -1 nvidia",
        "00000000:3B:00.0, 580.95.05, 81559",
        "NVRM: Xid (PCI:0000:01:00): 79, pid=1234, name=python, GPU has fallen off the bus.",
        "[   12.345678] pcieport 0000:00:01.0: AER: Corrected error received: 0000:01:00.0",
        "Wed Nov 18 09:12:40 2026",
        "12:34:56 std::vector 127.0.0.1 0.0.0.0 ::1 ::",
        "VBIOS 86.06.3C.40.28, InfoROM G001.0000.03.04, cuBLAS 12.9.1.4-1",
        'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nHOME_URL="https://www.debian.org/"',
        "/usr/lib/x86_64-linux-gnu/libcuda.so.580.95.05",
        "serial8250: ttyS0 at I/O 0x3f8; Serial: 8250/16550 driver",
        "a" * 64,
    ],
)
def test_what_checks_read_stays(text: str) -> None:
    changes = {"login": "ubuntu", "target": "ubuntu@debian"}
    assert after(text, **changes) == (text,)


def test_versions_in_lists_are_no_addresses_but_urls_have_them() -> None:
    listed = {
        "dpkg": Outcome(
            exit_code=0, out="ii libcublas-12-9 12.9.1.4\nhttp://10.1.2.3:80/ 10.1.2.3:443\n"
        )
    }
    (one,) = anonymise([transcript(outcomes=listed)])
    assert one.outcomes["dpkg"].out == (
        "ii libcublas-12-9 12.9.1.4\nhttp://198.18.0.1:80/ 198.18.0.1:443\n"
    )


def test_mirrors_are_replaced_and_public_servers_are_not() -> None:
    (text,) = after(
        "https://mirror.corp.example.com/simple curl: (6) Could not resolve host: pypi.corp.example.com "
        "https://alice:pw@nexus/x https://developer.download.nvidia.com/compute"
    )
    assert "corp" not in text
    assert "nexus" not in text
    assert "alice" not in text
    assert "https://developer.download.nvidia.com/compute" in text


def test_shared_file_systems_do_not_tell_their_server() -> None:
    table = (
        "Filesystem Type 1-blocks\nnas7:/export/home nfs 5\n//filer2/x cifs 5\n/dev/sda1 ext4 5\n"
    )
    (one,) = anonymise([transcript(outcomes={"df_bytes": Outcome(exit_code=0, out=table)})])
    text = one.outcomes["df_bytes"].out
    assert not re.search("nas7|filer2", text)
    assert "/dev/sda1 ext4 5" in text


def test_the_machines_hash_is_replaced() -> None:
    outcomes = {"machine": Outcome(exit_code=0, out="0123456789abcdef\n")}
    one, two = anonymise([transcript(outcomes=outcomes)] * 2)
    assert one.outcomes["machine"].out == two.outcomes["machine"].out == "0000000000000001\n"
    assert facts.parse(one).system.machine == "0000000000000001"


def test_cards_keep_the_form_of_their_ids() -> None:
    (text,) = after(
        "GPU-11111111-1111, GPU-8f2c3a44-1c1b-4d6e-9d5b-5a2f0c9b7e11 MIG-GPU-abcdef12/1/0"
    )
    assert re.fullmatch(r"GPU-[0-9a-f-]{13}, GPU-[0-9a-f-]{36} MIG-GPU-[0-9a-f]{8}/1/0", text)


def test_a_flood_of_names_is_refused() -> None:
    with pytest.raises(DlrigError, match="no ordinary one"):
        after("".join(f"/home/person{n}/ " for n in range(1000)))
