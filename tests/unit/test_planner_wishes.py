"""Every kind of wish, alone and against others: what comes out, and exactly what clashes."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from situations import (
    CATALOGUE,
    GTX_680,
    GTX_970,
    GTX_1060,
    JAMMY,
    NVIDIA_UNREACHED,
    RTX_3090,
    RTX_5090,
    T4,
    constraints,
    driver,
    failed,
    pins,
    releases,
    situation,
    solved,
    toolkits,
)
from violations import violations

from provision.planner.nearest import nearest
from provision.planner.situation import Situation, named
from provision.planner.solve import Failure, Solution, solve
from provision.wishes import Wishes


@pytest.mark.parametrize(
    ("wish", "branch", "source"),
    [
        ("580", 580, "ubuntu"),
        ("595", 595, "ubuntu"),
        (">=590", 595, "ubuntu"),
        ("<590", 580, "ubuntu"),
        ("!=580", 595, "ubuntu"),
        (">600", 615, "ubuntu"),
        # Only NVIDIA's repository keeps older releases of a branch.
        ("580.95.05", 580, "nvidia"),
        ("==580.95.05", 580, "nvidia"),
        (">=580.100", 580, "ubuntu"),
        (">=595.80", 595, "nvidia"),
    ],
)
def test_a_driver(wish: str, branch: int, source: str) -> None:
    found = solved(T4, driver=wish)
    assert driver(found) == (branch, "open", source)
    if wish.endswith("580.95.05"):
        assert found.driver is not None
        assert found.driver.version == "580.95.05"


@pytest.mark.parametrize("source", ["ubuntu", "nvidia"])
def test_a_driver_source(source: str) -> None:
    assert driver(solved(T4, driver_source=source)) == (580, "open", source)


@pytest.mark.parametrize("modules", ["open", "proprietary"])
def test_modules(modules: str) -> None:
    assert driver(solved(T4, modules=modules)) == (580, modules, "ubuntu")


@pytest.mark.parametrize(
    ("wish", "wanted"),
    [
        ("12.9", ["12.9"]),
        ("12", ["12.9"]),
        (("12.6", "13.0"), ["13.0", "12.6"]),
        (("13.0", "12.6"), ["13.0", "12.6"]),
        (("12", "12.9"), ["12.9"]),
        ("<12.9", ["12.8"]),
        ("none", []),
        # Made with a newer driver than 580, which runs its programs all the same.
        ("13.2", ["13.2"]),
    ],
)
def test_cuda(wish: str | tuple[str, ...], wanted: list[str]) -> None:
    assert toolkits(solved(T4, cuda=wish)) == wanted


@pytest.mark.parametrize(
    ("wish", "python", "tensorflow"),
    [
        ("3.11", "3.11", "2.21.0"),
        ("3.9", "3.9", "2.20.0"),
        ("<3.12", "3.11", "2.21.0"),
        (">=3.13", "3.13", "2.21.0"),
    ],
)
def test_a_python(wish: str, python: str, tensorflow: str) -> None:
    found = solved(T4, python=wish)
    assert {fit.python for fit in found.fits} == {python}
    assert set(releases(found).values()) == {tensorflow}


@pytest.mark.parametrize(
    ("wish", "tensorflow"), [("2.19.1", "2.19.1"), ("2.19", "2.19.1"), ("<2.20", "2.19.1")]
)
def test_a_tensorflow(wish: str, tensorflow: str) -> None:
    found = releases(solved(T4, tensorflow=wish))
    assert found == {"tensorflow": tensorflow, "tensorflow_gpu": tensorflow}


@pytest.mark.parametrize(("framework", "wish"), [("torch", "2.10.0"), ("jax", "0.10.2")])
def test_a_framework_that_is_asked_for_is_made_too(framework: str, wish: str) -> None:
    found = releases(solved(T4, **{framework: wish}))
    assert found == {"tensorflow": "2.21.0", "tensorflow_gpu": "2.21.0", framework: wish}
    without_gpu = solved(**{framework: wish})
    assert releases(without_gpu) == {"tensorflow": "2.21.0", framework: wish}
    assert pins(without_gpu, framework)[0] == f"{framework}=={wish}"


def test_environments() -> None:
    assert list(releases(solved(T4, env="torch"))) == ["torch"]
    assert list(releases(solved(T4, env=("jax", "tensorflow")))) == ["tensorflow", "jax"]
    assert list(releases(solved(T4, env="tensorflow_gpu"))) == ["tensorflow_gpu"]


# rig, wishes, what clashes
IMPOSSIBLE: list[tuple[tuple[str, ...], dict[str, Any], list[str]]] = [
    ((T4,), {"driver": "999"}, ["wish-driver"]),
    ((T4,), {"driver": "580.1"}, ["wish-driver"]),
    ((T4,), {"driver": "620"}, ["offered-branches", "offered-branches", "wish-driver"]),
    ((T4,), {"driver_source": "debian"}, ["wish-driver-source"]),
    ((T4,), {"cuda": "99"}, ["wish-cuda"]),
    ((T4,), {"cuda": ("99", "98")}, ["wish-cuda"]),
    ((T4,), {"cuda": ("12.9", "98")}, ["wish-cuda"]),
    ((T4,), {"cuda": "11.8"}, ["offered-toolkits", "offered-toolkits", "wish-cuda"]),
    ((T4,), {"python": "2.7"}, ["wish-python"]),
    ((T4,), {"python": "3.14"}, ["framework-python", "wish-python"]),
    ((T4,), {"tensorflow": "1.15"}, ["wish-tensorflow"]),
    ((T4,), {"torch": "99"}, ["wish-torch"]),
    ((T4,), {"jax": "99"}, ["wish-jax"]),
    ((T4,), {"driver": "999", "cuda": "12.9", "modules": "open"}, ["wish-driver"]),
    ((T4,), {"torch": "2.15", "python": "3.10"}, ["framework-python", "wish-python", "wish-torch"]),
    ((T4,), {"jax": ">0", "python": "3.10"}, ["framework-python", "wish-jax", "wish-python"]),
    (
        (T4,),
        {"tensorflow": "2.21", "python": "3.9"},
        ["framework-python", "wish-python", "wish-tensorflow"],
    ),
    (
        (T4,),
        {"system": JAMMY, "driver": "535", "cuda": "13.0", "python": "3.12"},
        ["cuda-driver", "wish-cuda", "wish-driver"],
    ),
    (
        (T4,),
        {"system": JAMMY, "driver": "535", "torch": "2.15", "modules": "proprietary"},
        ["framework-driver", "wish-driver", "wish-torch"],
    ),
    (
        (T4,),
        {"driver": "615", "modules": "proprietary"},
        ["offered-branches", "offered-flavours", "wish-driver", "wish-modules"],
    ),
    (
        (T4,),
        {"driver": "615", "driver_source": "nvidia"},
        ["offered-branches", "wish-driver", "wish-driver-source"],
    ),
    ((GTX_1060,), {"modules": "open"}, ["no-open-modules", "wish-modules"]),
    ((GTX_1060,), {"driver": "595", "cuda": "12.9"}, ["last-branch", "wish-driver"]),
    ((GTX_1060,), {"torch": "2.10"}, ["no-kernels", "wish-torch"]),
    ((GTX_970,), {"tensorflow": ">=2.20", "driver": "580"}, ["no-kernels", "wish-tensorflow"]),
    ((RTX_5090,), {"modules": "proprietary"}, ["open-modules-only", "wish-modules"]),
    ((RTX_5090,), {"torch": "2.7.1"}, ["no-kernels", "wish-torch"]),
    ((GTX_680,), {"system": JAMMY, "env": "tensorflow_gpu"}, ["no-kernels", "wish-env"]),
    ((GTX_680,), {"system": JAMMY, "env": "torch"}, ["no-kernels", "wish-env"]),
    ((GTX_680,), {"system": JAMMY, "torch": ">=2"}, ["no-kernels", "wish-torch"]),
    ((GTX_1060, RTX_5090), {"driver": "580"}, ["no-open-modules", "open-modules-only"]),
    ((), {"driver": "580"}, ["no-gpu", "wish-driver"]),
    ((), {"driver_source": "ubuntu"}, ["no-gpu", "wish-driver-source"]),
    ((), {"cuda": "12.9"}, ["no-gpu", "wish-cuda"]),
    ((), {"env": "tensorflow_gpu"}, ["no-gpu", "wish-env"]),
    ((), {"driver": "580", "modules": "open"}, ["no-gpu", "wish-modules"]),
    ((), {"tensorflow": "99"}, ["wish-tensorflow"]),
    (
        (),
        {"system": "ubuntu-26.04", "maker": "venv", "pythons": ("3.14",)},
        ["available-python", "framework-python"],
    ),
    (
        (T4,),
        {"maker": "venv", "pythons": ("3.12",), "python": "3.11"},
        ["available-python", "wish-python"],
    ),
    (
        (RTX_3090,),
        {"unreached": NVIDIA_UNREACHED, "cuda": "12.9"},
        ["offered-toolkits", "unreached-repository", "wish-cuda"],
    ),
    (
        (RTX_3090,),
        {"unreached": NVIDIA_UNREACHED, "driver_source": "nvidia"},
        ["unreached-repository", "wish-driver-source"],
    ),
]
IDS = [
    "+".join(cards) + " " + " ".join(f"{k}={v}" for k, v in w.items()) for cards, w, _ in IMPOSSIBLE
]


@pytest.mark.parametrize(("cards", "wanted", "clash"), IMPOSSIBLE, ids=IDS)
def test_exactly_what_clashes_is_named_with_its_source(
    cards: tuple[str, ...], wanted: dict[str, Any], clash: list[str]
) -> None:
    why = failed(*cards, **wanted)
    assert constraints(why) == clash
    for conflict in why.conflicts:
        assert conflict.statement
        assert not conflict.statement.endswith(".")
        assert conflict.source in {"you", "the rig", "conda-forge"} or (
            conflict.date and conflict.confidence
        )


@pytest.mark.parametrize(("cards", "wanted", "_clash"), IMPOSSIBLE, ids=IDS)
def test_what_is_nearest_fits_when_it_is_done(
    cards: tuple[str, ...], wanted: dict[str, Any], _clash: list[str]
) -> None:
    here = situation(*cards, **wanted)
    found = nearest(here, CATALOGUE)
    assert found, "no one or two changes help"
    for plan in found:
        changed = here
        for words in plan.change.split(", and "):
            changed = done(words, changed)
        answer = solve(changed, CATALOGUE)
        assert isinstance(answer, Solution), plan.change
        assert violations(changed, answer, CATALOGUE) == []
        for name, version in releases(answer).items():
            assert re.search(rf"{name}: \S+ {re.escape(version)} on Python", plan.gives)
        for toolkit in toolkits(answer):
            assert toolkit in plan.gives
        if answer.driver:
            assert f"driver {answer.driver.branch.branch} ({answer.driver.flavour}" in plan.gives


def done(words: str, here: Situation) -> Situation:
    """The situation after what a plan's words say."""
    without = re.fullmatch(r"without --(\S+) (.+)", words)
    if without:
        return fewer(here, without[1].replace("-", "_"), without[2])
    if words.startswith("with --environment-maker conda"):
        return msgspec.structs.replace(here, maker="conda", pythons=CATALOGUE.conda.pythons)
    if words.startswith("with NVIDIA's repository in reach"):
        return msgspec.structs.replace(here, unreached=())
    if words.startswith("with Secure Boot switched off"):
        return msgspec.structs.replace(here, secure_boot=False)
    rest = tuple(card for card in here.cards if words != f"without the {named(card, CATALOGUE)}")
    assert len(rest) == len(here.cards) - 1, words
    return msgspec.structs.replace(here, cards=rest)


def fewer(here: Situation, name: str, value: str) -> Situation:
    """Without a wish."""
    present = getattr(here.wishes, name)
    if isinstance(present, tuple):
        assert value in present
        rest: object = tuple(one for one in present if one != value)
    else:
        assert value == present
        rest = getattr(Wishes(), name)
    return msgspec.structs.replace(
        here, wishes=msgspec.structs.replace(here.wishes, **{name: rest})
    )


@pytest.mark.parametrize(
    ("cards", "wanted", "change"),
    [
        ((GTX_1060,), {"modules": "open"}, "without --modules open"),
        (
            (GTX_1060, RTX_5090),
            {},
            "without the GeForce GTX 1060 6GB (GP106, Pascal)",
        ),
        (
            (RTX_3090,),
            {"system": "debian-12", "secure_boot": True},
            "with Secure Boot switched off in the firmware",
        ),
        (
            (RTX_5090,),
            {"system": "debian-12", "unreached": NVIDIA_UNREACHED},
            "with NVIDIA's repository in reach of the rig (a proxy, a mirror)",
        ),
        ((T4,), {"cuda": ("12.9", "98")}, "without --cuda 98"),
        (
            (T4,),
            {"driver": "999", "cuda": "98"},
            "without --driver 999, and without --cuda 98",
        ),
    ],
)
def test_the_nearest_change(cards: tuple[str, ...], wanted: dict[str, Any], change: str) -> None:
    assert change in [one.change for one in nearest(situation(*cards, **wanted), CATALOGUE)]


def test_three_wishes_too_many_have_nothing_near() -> None:
    here = situation(T4, driver="999", cuda="98", tensorflow="97")
    assert isinstance(solve(here, CATALOGUE), Failure)
    assert nearest(here, CATALOGUE) == ()
