"""What a rig may answer instead of what it was asked, for the tests of parsers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from provision import facts
from provision.facts.reading import Outcome, Transcript, as_text, from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hypothesis.strategies import SearchStrategy

QUICK = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)
HUNG = Outcome(exit_code=None, out="", hung=True)


def said(text: str, *, code: int | None = 0, err: str = "") -> Outcome:
    return Outcome(exit_code=code, out=text, err=err)


def answers(**outcomes: Outcome | str) -> Transcript:
    """A transcript with these readings."""
    made = {n: said(o) if isinstance(o, str) else o for n, o in outcomes.items()}
    taken = "2026-11-23T08:00:00+00:00"
    return Transcript(target="rig", taken=taken, outcomes=made, login="rigger")


def outcomes(sample: str, strange: Iterable[str] = ()) -> SearchStrategy[Outcome]:
    """Answers: random text and bytes; lines of the right one, of strange ones and random ones, in any order; cut."""
    lines = st.sampled_from([*sample.splitlines(), *strange, "", "\x00\x1b[2J", "²", "=", "٣٤"])
    text = st.one_of(
        st.text(max_size=200),
        st.binary(max_size=200).map(as_text),
        st.lists(st.one_of(lines, st.text(max_size=30)), max_size=15).map("\n".join),
        st.integers(0, len(sample)).map(lambda end: sample[:end]),
    )
    codes = st.one_of(st.none(), st.integers(0, 255))
    return st.builds(Outcome, exit_code=codes, out=text, err=text, hung=st.booleans())


def torture(
    parse: Callable[[Transcript], object], name: str, sample: str, strange: Iterable[str] = ()
) -> None:
    """Cut, doubled and flooding answers of the size that a reading may have."""
    floods = [line * (1_000_000 // len(line)) for line in ("a", "9", "= ", "\n", "x=1\n")]
    many = (sample + "\n") * (1 + 400_000 // len(sample))
    for text in (*strange, *floods, many, sample[::-1], sample.upper(), sample[: len(sample) // 2]):
        msgspec.json.encode(parse(answers(**{name: text})))


def whole_facts(transcript: Transcript) -> facts.Facts:
    """All facts, which survive being kept."""
    found = facts.parse(transcript)
    assert facts.parse(from_json(to_json(transcript))) == found
    msgspec.json.encode(found)
    return found
