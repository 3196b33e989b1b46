"""What holds for every rig and every wish: found by trying, judged by the catalogue's rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from facts_of import facts_of
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from situations import (
    A100,
    B200,
    CATALOGUE,
    CMP_50HX,
    GB10,
    GR100,
    GTX_680,
    GTX_970,
    GTX_1060,
    H100,
    K80,
    NVIDIA_UNREACHED,
    RTX_3090,
    RTX_4090,
    RTX_5090,
    SYSTEMS,
    T4,
    UNKNOWN,
    V100,
    situation,
    summary,
)
from violations import violations

from provision.errors import ImpossiblePlanError, UsageError
from provision.plan import Plan
from provision.planner import make_plan
from provision.planner.conflicts import WISH
from provision.planner.nearest import nearest
from provision.planner.situation import Situation, cards
from provision.planner.solve import Failure, Solution, solve
from provision.wishes import Wishes, make_wishes

if TYPE_CHECKING:
    import random

    from provision.facts import Facts

FAST = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])

# --- what is tried ---------------------------------------------------------------------------------------------------

KNOWN = [
    *(GTX_680, K80, GTX_970, GTX_1060, V100, T4, CMP_50HX, A100, RTX_3090, RTX_4090, H100, B200),
    *(RTX_5090, GB10, GR100, UNKNOWN),
]
DEVICES = st.sampled_from(KNOWN) | st.integers(0, 0xFFFF).map("{:04x}".format)
CHOICES: dict[str, st.SearchStrategy[Any]] = {
    "driver": st.sampled_from(
        [
            *("580", "595", "570", "535", "470", "615", "999", ">=580", "<600", ">=590", "!=580"),
            *("580.95.05", "535.261.03", ">=580.100", "<581", "==595.91.07", "~=580.95"),
        ]
    ),
    "driver_source": st.sampled_from(["ubuntu", "nvidia", "debian"]),
    "modules": st.sampled_from(["open", "proprietary"]),
    "cuda": st.lists(
        st.sampled_from(
            ["13", "13.0", "13.3", "12", "12.9", "12.4", "11.8", "<12", ">=13.1", "99"]
        ),
        min_size=1,
        max_size=3,
    )
    | st.just(["none"]),
    "python": st.sampled_from(["3.9", "3.10", "3.11", "3.12", "3.14", ">=3.11", "<3.11", "2.7"]),
    "tensorflow": st.sampled_from(["2.21", "2.20.0", "<2.17", "2.14.1", ">=2.18,<2.20", "1.15"]),
    "torch": st.sampled_from(["2.15.0", "2.10", "2.7.1", ">=2.11", "<2.9", "1.0"]),
    "jax": st.sampled_from(["0.10.2", ">=0.4", "<0.11", "0.1"]),
}
ENV = st.lists(
    st.sampled_from([kind.name for kind in CATALOGUE.frameworks.environment]), unique=True
)
WISHES = st.fixed_dictionaries({}, optional=CHOICES)
RIGS = st.fixed_dictionaries(
    {
        "system": st.sampled_from(SYSTEMS),
        "kernel": st.sampled_from(
            [
                *("", "6.8.0-60-generic", "6.1.0-40-amd64", "6.12.0-1-cloud-amd64", "6.16.3-amd64"),
                *("6.18.0-amd64", "6.11.0-21-generic", "6.9.3-own", "7.0.0-1-generic", "?"),
            ]
        ),
        "secure_boot": st.booleans(),
        "loaded": st.sampled_from(["", "", "580.95.05", "595.71.05", "570.211.01", "470.256.02"]),
        "loaded_open": st.sampled_from([None, True, False]),
        "loaded_signed": st.booleans(),
        "installed": st.sampled_from(
            ["", "", "535.261.03", "580.65.06", "595.71.05", "525.147.05"]
        ),
        "installed_flavour": st.sampled_from(["", "open", "proprietary"]),
        "installed_source": st.sampled_from(["", "ubuntu", "nvidia", "debian"]),
        "stays": st.booleans(),
        "newest": st.booleans(),
        "unreached": st.sampled_from([(), (), NVIDIA_UNREACHED]),
        "month": st.sampled_from(["2026-01", "2026-11", "2029-01"]),
        "pythons": st.sampled_from(
            [CATALOGUE.conda.pythons, ("3.10",), ("3.11",), ("3.12",), ("3.13",), ("3.14",)]
        ),
        "maker": st.sampled_from(["conda", "venv"]),
        "env": ENV,
    }
)


def situated(devices: list[str], rig: dict[str, Any], wanted: dict[str, Any]) -> Situation:
    return situation(*devices, **rig, **wanted)


# --- what holds ------------------------------------------------------------------------------------------------------


@settings(FAST, max_examples=200)
@given(st.lists(DEVICES, max_size=4), RIGS, WISHES)
def test_whatever_comes_out_keeps_every_rule(
    devices: list[str], rig: dict[str, Any], wanted: dict[str, Any]
) -> None:
    here = situated(devices, rig, wanted)
    answer = solve(here, CATALOGUE)
    if isinstance(answer, Solution):
        assert violations(here, answer, CATALOGUE) == []
    else:
        assert answer.conflicts
        assert all(conflict.statement and conflict.source for conflict in answer.conflicts)


@settings(FAST, max_examples=150)
@given(st.lists(DEVICES, max_size=3), RIGS, WISHES)
def test_one_wish_at_most_never_breaks_a_rule(
    devices: list[str], rig: dict[str, Any], wanted: dict[str, Any]
) -> None:
    """With fewer wishes more has a plan, so that more plans are judged."""
    for name, value in wanted.items():
        here = situated(devices, {**rig, "env": []}, {name: value})
        answer = solve(here, CATALOGUE)
        if isinstance(answer, Solution):
            assert violations(here, answer, CATALOGUE) == []


@FAST
@given(st.lists(DEVICES, max_size=3), RIGS, WISHES, st.data())
def test_another_wish_makes_nothing_possible(
    devices: list[str], rig: dict[str, Any], wanted: dict[str, Any], data: st.DataObject
) -> None:
    if isinstance(solve(situated(devices, rig, wanted), CATALOGUE), Solution):
        return
    free = sorted(set(CHOICES) - set(wanted))
    if free:
        name = data.draw(st.sampled_from(free))
        more = {**wanted, name: data.draw(CHOICES[name])}
        assert isinstance(solve(situated(devices, rig, more), CATALOGUE), Failure)
    elif wanted["cuda"] != ["none"]:
        more = {**wanted, "cuda": [*wanted["cuda"], "12.6"]}
        assert isinstance(solve(situated(devices, rig, more), CATALOGUE), Failure)


@FAST
@given(st.lists(DEVICES, min_size=2, max_size=6), RIGS, WISHES, st.randoms(use_true_random=False))
def test_the_order_of_gpus_does_not_matter(
    devices: list[str], rig: dict[str, Any], wanted: dict[str, Any], chance: random.Random
) -> None:
    shuffled = chance.sample(devices, len(devices))
    here, there = situated(devices, rig, wanted), situated(shuffled, rig, wanted)
    assert here == there
    assert solve(here, CATALOGUE) is solve(there, CATALOGUE)


@FAST
@given(DEVICES, st.integers(2, 16), RIGS, WISHES)
def test_how_many_of_a_kind_does_not_matter(
    device: str, count: int, rig: dict[str, Any], wanted: dict[str, Any]
) -> None:
    one = solve(situated([device], rig, wanted), CATALOGUE)
    many = solve(situated([device] * count, rig, wanted), CATALOGUE)
    if isinstance(one, Solution):
        assert isinstance(many, Solution)
        assert summary(one) == summary(many)
    else:
        assert isinstance(many, Failure)
        assert one.conflicts == many.conflicts


@settings(FAST, max_examples=150)
@given(st.lists(DEVICES, max_size=3), RIGS, WISHES)
def test_every_wish_that_conflicts_is_needed_for_the_conflict(
    devices: list[str], rig: dict[str, Any], wanted: dict[str, Any]
) -> None:
    here = situated(devices, rig, wanted)
    answer = solve(here, CATALOGUE)
    if isinstance(answer, Solution):
        return
    said = [conflict for conflict in answer.conflicts if conflict.source == WISH]
    blamed = [one for one in stated(here.wishes) if any(told(one, each) for each in said)]
    asked = len([one for one in said if one.constraint != "wish-env"])
    assert len(blamed) >= asked
    only = msgspec.structs.replace(here, wishes=only_these(here.wishes, blamed))
    assert isinstance(solve(only, CATALOGUE), Failure), "the wishes that are named do not clash"
    for one in blamed:
        rest = [other for other in blamed if other != one]
        fewer = msgspec.structs.replace(here, wishes=only_these(here.wishes, rest))
        assert isinstance(solve(fewer, CATALOGUE), Solution), f"{one} is not needed"


def stated(wishes: Wishes) -> list[tuple[str, str]]:
    """(field, value) of every wish but the environments."""
    single = [name for name in CHOICES if name != "cuda"]
    found = [(name, getattr(wishes, name)) for name in single]
    return [
        *((name, value) for name, value in found if value != getattr(Wishes(), name)),
        *(("cuda", value) for value in dict.fromkeys(wishes.cuda)),
    ]


def told(wish: tuple[str, str], conflict: Any) -> bool:  # noqa: ANN401 - a Conflict
    name, value = wish
    same = conflict.constraint == f"wish-{name.replace('_', '-')}"
    asked = conflict.statement.partition(" (")[0]
    return same and (name != "cuda" or asked.endswith(f" {value}"))


def only_these(wishes: Wishes, kept: list[tuple[str, str]]) -> Wishes:
    """The environments that were asked for, and these wishes."""
    fields: dict[str, Any] = {name: value for name, value in kept if name != "cuda"}
    many = tuple(value for name, value in kept if name == "cuda")
    return Wishes(env=wishes.env, cuda=many, **fields)


@settings(FAST, max_examples=25)
@given(st.lists(DEVICES, max_size=3), RIGS, WISHES)
def test_what_is_nearest_has_cards_and_sources(
    devices: list[str], rig: dict[str, Any], wanted: dict[str, Any]
) -> None:
    here = situated(devices, rig, wanted)
    if isinstance(solve(here, CATALOGUE), Failure):
        found = nearest(here, CATALOGUE)
        assert len({plan.change for plan in found}) == len(found) <= 4
        assert all(plan.gives for plan in found)


# --- texts of any kind -----------------------------------------------------------------------------------------------

OS = {
    "debian-12": 'ID=debian\nVERSION_ID="12"\n',
    "debian-13": 'ID=debian\nVERSION_ID="13"\n',
    "ubuntu-22.04": 'ID=ubuntu\nVERSION_ID="22.04"\n',
    "ubuntu-24.04": 'ID=ubuntu\nVERSION_ID="24.04"\n',
    "ubuntu-26.04": 'ID=ubuntu\nVERSION_ID="26.04"\n',
}
TEXT = (
    st.text(max_size=12)
    | st.from_regex(r"[<>=!~]{0,3} ?[0-9\u0660-\u0669]{1,4}(\.[0-9*]{1,3}){0,3}", fullmatch=True)
    | st.sampled_from(
        [
            "9" * 5000,
            "==580.*",
            "1!580",
            "===x",
            "\u0665\u0668\u0660",
            "580.\u0669.\u0661",
            "none",
            " ",
            ",",
            ">=1,",
        ]
    )
)
VERSIONS = ["driver", "cuda", "python", "tensorflow", "torch", "jax", "env"]


def outcome(facts: Facts, wanted: dict[str, str]) -> Plan | ImpossiblePlanError | UsageError:
    """The plan, or the error that a person may cause; no other."""
    try:
        return make_plan(facts, make_wishes(wanted, "options"), CATALOGUE)
    except (ImpossiblePlanError, UsageError) as error:
        return error


@settings(FAST, max_examples=150)
@given(
    st.sampled_from(sorted(OS)),
    st.lists(st.integers(0, 0xFFFF).map("{:04x}".format), max_size=3),
    st.text(max_size=20)
    | st.from_regex(
        r"[0-9\u0660-\u0669]{1,3}\.[0-9\u0660-\u0669]{1,3}[-a-z.0-9]{0,9}", fullmatch=True
    ),
    st.text(max_size=12) | st.from_regex(r"[0-9]{3}\.[0-9]{1,3}(\.[0-9]{1,2})?", fullmatch=True),
    st.dictionaries(st.sampled_from(VERSIONS), TEXT, max_size=2),
)
@example("debian-12", ["1c03"], "6.1.0", "", {"driver": "9" * 5000})
@example("debian-12", ["1c03"], "6.1.0", "", {"cuda": "9" * 5000})
@example("debian-12", ["1c03"], "6.1.0", "", {"driver": "\u0665\u0668\u0660"})
@example("debian-12", ["102d"], "\u0666.\u0661", "", {})
@example("debian-13", ["1c03"], "9" * 5000 + ".1", "\u0665\u0668\u0660.1", {})
def test_any_text_gives_a_plan_or_a_plain_word(
    system: str, devices: list[str], kernel: str, loaded: str, wanted: dict[str, str]
) -> None:
    pci = "".join(f"0000:{n:02x}:00.0 0x030000 0x{d} - - -1 -\n" for n, d in enumerate(devices))
    facts = facts_of(
        os_release=OS[system],
        uname=f"Linux {kernel} x86_64\nrig\n",
        pci_nvidia=pci,
        nvidia_module=loaded,
        reach_conda="conda yes http 200",
        reach_miniforge="miniforge yes http 200",
    )
    made = outcome(facts, wanted)
    if isinstance(made, Plan):
        assert made.environments
    else:
        assert made.what
        assert made.hint


@FAST
@given(
    st.lists(st.text(max_size=6) | DEVICES, max_size=3), st.text(max_size=12), st.text(max_size=8)
)
def test_any_text_in_a_situation_gives_an_answer(
    devices: list[str], kernel: str, loaded: str
) -> None:
    here = situation(T4, kernel=kernel, loaded=loaded, system="debian-13")
    here = msgspec.structs.replace(here, cards=cards(devices, CATALOGUE))
    assert isinstance(solve(here, CATALOGUE), (Solution, Failure))
