"""The one round trip, with a real shell on this machine."""

from __future__ import annotations

import glob
import time

import pytest

from provision.connection.local import LocalConnection
from provision.facts.reading import Reading, from_json, to_json
from provision.facts.script import take_apart
from provision.gather import gather

pytestmark = pytest.mark.subprocess


def read(*readings: Reading, password: str | None = None):  # noqa: ANN201 - a transcript
    with LocalConnection() as connection:
        return gather(connection, "local", readings, become_password=password)


def test_each_reading_has_its_own_outcome() -> None:
    transcript = read(
        Reading(name="fine", command="echo yes; echo no >&2"),
        Reading(name="failed", command="echo why >&2; exit 3"),
        Reading(name="bytes", command=r"printf '\377\000x'"),
        Reading(name="quotes", command="""printf '%s' "it's \\"so\\"" """),
    )
    assert (transcript["fine"].out, transcript["fine"].err, transcript["fine"].ok) == (
        "yes\n",
        "no\n",
        True,
    )
    assert transcript["failed"].trouble == "exit 3: why"
    assert transcript["bytes"].out == "\\xff\\x00x"
    assert transcript["quotes"].out == """it's "so\""""
    assert transcript["never asked"].trouble


def test_a_reading_that_hangs_costs_its_limit_and_nothing_else() -> None:
    start = time.monotonic()
    transcript = read(
        Reading(name="hangs", command="sleep 60", limit=0.5),
        Reading(name="stubborn", command="trap '' TERM; sleep 61 & wait; sleep 62", limit=0.5),
        Reading(name="fine", command="echo yes"),
    )
    assert time.monotonic() - start < 10
    assert transcript["hangs"].hung
    assert transcript["stubborn"].hung
    assert transcript["fine"].out == "yes\n"


def test_a_slow_rig_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    pace = Reading(name="pace", command="sleep 1", limit=0.3)
    monkeypatch.setattr("provision.gather._PACE", pace)
    transcript = read(
        Reading(name="late", command="sleep 1; echo yes", limit=0.3),
        Reading(name="fine", command="echo yes"),
    )
    assert {name: outcome.out for name, outcome in transcript.outcomes.items()} == {
        "late": "yes\n",
        "fine": "yes\n",
    }


def test_a_rig_with_a_broken_part_is_not_asked_again() -> None:
    transcript = read(Reading(name="broken", command="sleep 1", limit=0.3))
    assert transcript.outcomes.keys() == {"broken"}
    assert transcript["broken"].hung


def test_a_flood_is_cut() -> None:
    transcript = read(Reading(name="flood", command="yes", limit=20))
    assert not transcript["flood"].ok
    assert len(transcript["flood"].out) <= 9 * 1024 * 1024


def test_nothing_is_left_behind() -> None:
    before = set(glob.glob("/dev/shm/dlrig.*") + glob.glob("/tmp/dlrig.*"))  # noqa: PTH207 - plain names
    read(Reading(name="fine", command="pwd"))
    assert set(glob.glob("/dev/shm/dlrig.*") + glob.glob("/tmp/dlrig.*")) == before  # noqa: PTH207


def test_credentials_in_urls_stay_on_the_rig() -> None:
    transcript = read(
        Reading(
            name="url", command="echo 'index-url = https://me:hunter2@host/simple' | sed \"$SCRUB\""
        )
    )
    assert transcript["url"].out == "index-url = https://***@host/simple\n"


def test_a_password_is_not_taken_for_the_script() -> None:
    """Root needs none: the line must be skipped, not run."""
    transcript = read(Reading(name="fine", command="echo yes"), password="touch /tmp/never")
    assert transcript["fine"].out == "yes\n"
    assert transcript.privilege == "root"


def test_a_transcript_is_kept_and_read_again() -> None:
    transcript = read(Reading(name="fine", command="echo 'ä \x1b[31m'"))
    assert from_json(to_json(transcript)) == transcript


@pytest.mark.parametrize(
    "stream",
    [b"", b"\ntoken", b"\ntoken root me\n", b"\ntoken root me\nnot a tar", b"banner\ntoken x\n"],
)
def test_a_broken_answer_is_said_to_be_broken(stream: bytes) -> None:
    if stream == b"\ntoken root me\n":
        # An empty archive: whole, and without any reading.
        assert take_apart(stream + bytes(10240), "token")[2] == {}
        return
    with pytest.raises(ValueError, match="answer"):
        take_apart(stream, "token")
