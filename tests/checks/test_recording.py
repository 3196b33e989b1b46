"""``--record`` and ``--anonymise``: what was asked can be judged again, anywhere, without the names."""

from __future__ import annotations

import re
import stat
from typing import TYPE_CHECKING

import made_rigs
import msgspec
import pytest
import rig_cases

from provision.facts.reading import Transcript, from_json

if TYPE_CHECKING:
    from pathlib import Path

    from acceptance_suite import Ran, Suite

NOBODY = "nobody@127.0.0.1:9"


def statuses(ran: Ran, rig: str) -> dict[str, str]:
    return {check: result.status for check, result in ran.results(rig).items()}


def transcript_of(name: str) -> Transcript:
    if name in made_rigs.MACHINES:
        return made_rigs.transcript(name)
    if name.endswith(".json"):
        return from_json((rig_cases.TRANSCRIPTS / name).read_bytes())
    return rig_cases.transcript(name)


NAMES = [
    *("debian12-vm.json", "debian12-vm-driver.json"),
    *("healthy", "disk_full", "made_off_the_bus", "made_mismatch", "hostile"),
    *made_rigs.MACHINES,
]


def test_nameless_rigs_are_judged_as_the_named_ones(suite: Suite) -> None:
    named, nameless = suite.folder / "named.json", suite.folder / "nameless.json"
    rigs = [
        msgspec.structs.replace(
            transcript_of(name), target=f"ada@gpu{number}q.lab.example.com", login="ada"
        )
        for number, name in enumerate(NAMES)
    ]
    named.write_bytes(msgspec.json.encode(rigs))
    selected = ("-m", "not training")
    options = ("--record", str(nameless), "--anonymise")
    before = suite.run("--transcript", str(named), *options, *selected)
    after = suite.run("--transcript", str(nameless), *selected)
    for number, rig in enumerate(rigs):
        assert statuses(before, rig.target) == statuses(after, f"rig-{number + 1}"), NAMES[number]
    assert "rig-1, rig-2" in before.out
    assert "names and ids replaced" in before.out
    written = nameless.read_text()
    assert not re.search(r"\bada\b|gpu\d+q|lab\.example", written)


def test_as_it_was_and_for_the_user_alone(suite: Suite) -> None:
    file = suite.folder / "kept.json"
    suite.run(*suite.record("disk_full"), "--record", str(file), "-k", "disk")
    assert from_json(file.read_bytes()) == rig_cases.transcript("disk_full")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("more", [(), ("-n", "2")])
def test_several_rigs_are_one_file(suite: Suite, more: tuple[str, ...]) -> None:
    file: Path = suite.folder / "several.json"
    options = [*suite.record("disk_full"), *suite.record("healthy"), "--rig", NOBODY]
    suite.run(*options, "--record", str(file), "-k", "disk", *more)
    again = suite.run("--transcript", str(file), "-k", "disk")
    assert list(again.found) == ["disk_full", "healthy"]
    assert again.found["disk_full"]["verdict"] == "rejected"


def test_collecting_records_too(suite: Suite) -> None:
    file = suite.folder / "collected.json"
    ran = suite.run(*suite.record("healthy"), "--collect-only", "-q", "--record", str(file))
    assert ran.code == 0
    assert from_json(file.read_bytes()).target == "healthy"


def test_no_rig_no_file(suite: Suite) -> None:
    file = suite.folder / "none.json"
    ran = suite.run("--rig", NOBODY, "--record", str(file))
    assert "recorded: nothing, as no rig was reached" in ran.out
    assert not file.exists()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--anonymise"], "--anonymise is about the file that --record writes"),
        (["--record", "missing/folder.json"], "results cannot be kept in this folder"),
        (["--transcript", "healthy.transcript.json"], "healthy is named twice"),
    ],
)
def test_wrong_usage(suite: Suite, options: list[str], complaint: str) -> None:
    ran = suite.run(*suite.record("healthy"), *options)
    assert ran.code == 4
    assert complaint in ran.out
    assert "Traceback" not in ran.out
