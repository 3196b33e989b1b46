"""Whatever a rig answers, the facts can be made of it, or the answer is refused in words."""

from __future__ import annotations

import contextlib
import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provision import facts
from provision.facts.reading import Outcome, Transcript, from_json, to_json
from provision.facts.script import take_apart

RECORDED = from_json(
    (Path(__file__).parents[1] / "data" / "transcripts" / "debian12-vm.json").read_bytes()
)
TOKEN = "dlrig-0123"

STRANGE = [
    *("== x", "= record {}", "= record [1]", "- a", "- .dist-info", "= python runs", "pending"),
    *("CPU(s): 99999999999999999999999", "Socket(s): -1", "MemTotal:", "MemTotal: x kB", "ID="),
    *(
        "0000:01:00.0 0x030000 0x1c03 0x1458 0x3724 -1 nvidia",
        "0, a, b, c, d, [N/A]",
        "apt yes",
    ),
    *(
        "²",
        "١٢",
        "reach yes http ²²²",
        "a b c d e f g",
        "/dev/sda1 ext4 1 2 3 4% /",
        "\x00\x1b[2J",
    ),
]
LINES = st.sampled_from(STRANGE)
OUTPUT = st.one_of(
    st.text(max_size=300),
    st.lists(st.one_of(LINES, st.text(max_size=40)), max_size=12).map("\n".join),
)
OUTCOME = st.builds(
    Outcome,
    exit_code=st.one_of(st.none(), st.integers(0, 255)),
    out=OUTPUT,
    err=OUTPUT,
    hung=st.booleans(),
)
QUICK = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=150)


def with_answers(**outcomes: Outcome) -> Transcript:
    return Transcript(target="rig", taken="", outcomes={**RECORDED.outcomes, **outcomes}, login="x")


@QUICK
@given(st.dictionaries(st.sampled_from(sorted(RECORDED.outcomes)), OUTCOME, min_size=1))
def test_any_answer_can_be_parsed(outcomes: dict[str, Outcome]) -> None:
    transcript = with_answers(**outcomes)
    found = facts.parse(transcript)
    for name, outcome in outcomes.items():
        if outcome.hung:
            assert "hung" in found.unread[name]
    assert facts.parse(from_json(to_json(transcript))) == found


@pytest.mark.parametrize("name", sorted(RECORDED.outcomes))
def test_a_strange_cut_or_flooding_answer_can_be_parsed(name: str) -> None:
    out = RECORDED.outcomes[name].out
    for text in (*STRANGE, *(f"head\n{line}" for line in STRANGE)):
        facts.parse(with_answers(**{name: Outcome(exit_code=0, out=text)}))
    for text in (
        out[: len(out) // 2],
        out * 2000,
        "a" * 4_000_000,
        "\n" * 1_000_000,
        "9" * 100_000,
    ):
        facts.parse(with_answers(**{name: Outcome(exit_code=0, out=text[:4_000_000])}))


def test_no_answers_at_all_can_be_parsed() -> None:
    found = facts.parse(Transcript(target="rig", taken="", outcomes={}))
    assert found.memory.total is None
    assert found.gpus == ()


def answer(files: dict[str, bytes]) -> bytes:
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return b"motd\n" + f"\n{TOKEN} root rigger\n".encode() + body.getvalue()


WHOLE = answer({"uname.out": b"Linux\n", "uname.err": b"", "codes": b"uname 0\n"})


def test_the_form_that_the_tests_below_break_is_right() -> None:
    how, login, outcomes = take_apart(WHOLE, TOKEN)
    assert (how, login) == ("root", "rigger")
    assert outcomes == {"uname": Outcome(exit_code=0, out="Linux\n")}


def taken(stream: bytes) -> None:
    with contextlib.suppress(ValueError):
        _, _, outcomes = take_apart(stream, TOKEN)
        facts.parse(Transcript(target="rig", taken="", outcomes=outcomes))


@QUICK
@given(st.binary(max_size=2000), st.booleans())
def test_any_stream_is_taken_apart_or_refused(stream: bytes, begun: bool) -> None:  # noqa: FBT001 - hypothesis
    taken(f"\n{TOKEN} root rigger\n".encode() + stream if begun else stream)


@QUICK
@given(
    st.integers(0, len(WHOLE)), st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=8)
)
def test_a_cut_or_damaged_stream_is_taken_apart_or_refused(
    end: int, place: int, damage: bytes
) -> None:
    taken(WHOLE[:end])
    taken(WHOLE[:place] + damage + WHOLE[place + len(damage) :])


@QUICK
@given(
    st.dictionaries(
        st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=30),
        st.binary(max_size=100),
    )
)
def test_any_names_and_contents_are_taken_apart(files: dict[str, bytes]) -> None:
    taken(answer(files))


def test_a_whole_answer_is_never_refused_for_what_it_says() -> None:
    content = bytes(range(256)) * 10
    _, _, outcomes = take_apart(answer({"x.out": content, "x.code": b"\xb2"}), TOKEN)
    assert outcomes["x"].hung
    assert "\\x00" in outcomes["x"].out
