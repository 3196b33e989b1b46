"""The look at the driver, typed; whatever a rig prints in its place."""

from __future__ import annotations

import re

import pytest
from facts_of import driver, facts_of
from hypothesis import given
from hypothesis import strategies as st

from provision import catalogue, facts
from provision.facts.driver import Driver, DriverRecord, State, UpgradeRecord, parse
from provision.facts.reading import Outcome, Transcript


def of(text: str, *, hung: bool = False) -> Driver:
    outcome = Outcome(exit_code=None if hung else 0, out=text, hung=hung)
    return parse(Transcript(target="rig", taken="", outcomes={"driver": outcome}))


def test_a_whole_look() -> None:
    found = of(
        driver(
            half="libcuda1",
            next_kernel="6.1.0-41-amd64",
            module_next="535.261.03",
            dkms="nvidia/535.309.01, 6.1.0-40-amd64, x86_64: installed; nvidia/1: added",
            display="Xorg gnome-shell",
            secure_boot="on",
            sets="535.261.03-debian-proprietary 550.163.01-debian-open",
            nvswitch="yes",
            toolkits="12.4=/usr/local/cuda-12.4 11.8.89=/usr",
            upgrade='{"baseline":"a1","from_set":"s","wish":"580","began":"2026-11-23T10:00:00Z"}',
        )
    )
    assert found.state is State.MANAGED
    assert found.packages == {
        "libcuda1": "535.309.01-0+deb12u1",
        "nvidia-smi": "535.309.01-0+deb12u1",
    }
    assert (found.version, found.branch, found.loaded) == ("535.309.01", 535, "535.309.01")
    assert (found.next_kernel, found.module_next) == ("6.1.0-41-amd64", "535.261.03")
    assert (found.headers, found.secure_boot, found.nvswitch) == (True, True, True)
    assert len(found.dkms) == 2
    assert found.half == ("libcuda1",)
    assert found.display == ("Xorg", "gnome-shell")
    assert found.sets == ("535.261.03-debian-proprietary", "550.163.01-debian-open")
    assert found.toolkits == {"12.4": "/usr/local/cuda-12.4", "11.8": "/usr"}
    assert found.persistence == "enabled"
    assert isinstance(found.record, DriverRecord)
    assert (found.record.source, found.record.how) == ("debian", "installed")
    assert found.upgrade == UpgradeRecord(
        baseline="a1", from_set="s", wish="580", began="2026-11-23T10:00:00Z"
    )


def test_quotes_are_doubled() -> None:
    assert of("class: 'broken'\nwhy: 'it''s half'\n").why == "it's half"


@pytest.mark.parametrize("record", ["{", "[1]", '{"branch":"x"}', "[" * 5000, "null"])
def test_a_record_that_cannot_be_read_is_none(record: str) -> None:
    assert of(driver(record=record)).record is None


def test_a_field_that_this_version_does_not_know_is_passed_over() -> None:
    found = of(driver(record='{"version":"580.95.05","more":[1]}'))
    assert found.record == DriverRecord(version="580.95.05")


@pytest.mark.parametrize("text", ["", "nothing", "class: 'no such class'\n", "class: managed\n"])
def test_what_is_no_look_is_unknown(text: str) -> None:
    assert of(text) == Driver(state=State.UNKNOWN)
    assert not of(text).present


def test_a_look_that_hung_is_unknown() -> None:
    assert of(driver(), hung=True).state is State.UNKNOWN


def test_a_transcript_from_before_the_look_is_unknown() -> None:
    assert facts.parse(Transcript(target="rig", taken="", outcomes={})).driver.state is (
        State.UNKNOWN
    )


@pytest.mark.parametrize("key", ["version", "loaded", "module_next", "module_running"])
@pytest.mark.parametrize("value", ["no", "1" * 5000, "5²5.1", "-1.2", "580..1", "580.95.05 x"])
def test_a_version_is_one_or_none(key: str, value: str) -> None:
    found = of(driver(**{key: value}))
    assert getattr(found, key) == ""


KEYS = sorted(line.partition(":")[0] for line in driver().splitlines())
VALUES = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        ["=", "a=", "=b", "''", "{}", "12=/", "1.2=/", ";;", "²", "yes", "\x00\x1b[2J"]
    ),
)


@given(st.dictionaries(st.sampled_from(KEYS), VALUES))
def test_any_look_can_be_parsed(values: dict[str, str]) -> None:
    found = of(driver(**values))
    assert found.state in set(State)


def test_the_look_says_what_the_facts_hold_and_no_more() -> None:
    said = re.findall(r"^say (\w+) ", catalogue.driver_look(), flags=re.MULTILINE)
    assert {"state" if key == "class" else key for key in said} == set(Driver.__struct_fields__)


def test_a_box_without_gpus_is_not_looked_at() -> None:
    """The command says so by the shell's own means, before the script begins."""
    (reading,) = [
        each
        for each in facts.readings((), (), catalogue.driver_look())
        if each.name == facts.driver.NAME
    ]
    before, _, look = reading.command.partition("#!/bin/sh")
    assert "exit 0" in before
    assert look in catalogue.driver_look()
    assert facts_of().driver == Driver()
