"""``dlrig bench --together``: what is refused before any rig is asked."""

from __future__ import annotations

from typing import Any

import click
import pytest

from provision.cli.bench import _addresses, _data, _wish, bench
from provision.errors import UsageError
from provision.stages.together import measure_together
from provision.together import TogetherError, Wish


def invoke(*arguments: str) -> Any:  # noqa: ANN401 - an exit code
    return bench.main(list(arguments), standalone_mode=False)


@pytest.mark.parametrize(
    ("arguments", "reference"),
    [
        (("rig", "--address", "rig=10.0.0.1"), "only-together"),
        (("rig", "--framework", "torch"), "only-together"),
        (("rig", "--time-limit", "60"), "only-together"),
        (("--together", "a", "b", "--address", "10.0.0.1"), "bad-address"),
        (("--together", "a", "b", "--address", "a=node"), "bad-address"),
        (("--together", "a", "b", "--data", "images.npz"), "data-not-on-rigs"),
        (("--together", "a", "b", "--dtype", "bfloat16"), "dtype-needs-limit"),
        (("--together",), "no-target"),
    ],
)
def test_wrong_use_is_told(arguments: tuple[str, ...], reference: str) -> None:
    with pytest.raises(UsageError) as caught:
        invoke(*arguments)
    assert caught.value.reference == reference


def test_a_batch_of_nothing_is_refused() -> None:
    with pytest.raises(click.BadParameter):
        invoke("--together", "a", "b", "--batch", "0")


def test_options_become_a_wish() -> None:
    chosen = {
        "framework": "torch",
        "device": None,
        "mode": "limit",
        "dtype": "bfloat16",
        "batch": 512,
        "steps": 40,
        "time_limit": 60,
        "data": "rig:/data/c",
        "addresses": ("user@a=2001:db8::1",),
    }
    assert _wish(chosen) == Wish(
        framework="torch",
        mode="limit",
        dtype="bfloat16",
        batch=512,
        steps=40,
        limit=60.0,
        data="/data/c",
        addresses={"user@a": "2001:db8::1"},
    )
    assert _data("synthetic") == "synthetic"
    assert _addresses(()) == {}


def test_a_rig_that_is_missing_stops_it(run_of_two: Any) -> None:  # noqa: ANN401 - a Run
    run_of_two.rigs[1].error = UsageError("gone", reference="x")
    with pytest.raises(TogetherError) as caught:
        measure_together(run_of_two, Wish())
    assert caught.value.reference == "rig-missing"
    assert caught.value.where == "b"


def test_an_address_of_a_rig_that_is_none_is_refused(run_of_two: Any) -> None:  # noqa: ANN401 - as above
    with pytest.raises(TogetherError) as caught:
        measure_together(run_of_two, Wish(addresses={"c": "10.0.0.1"}))
    assert caught.value.reference == "unknown-rig"


@pytest.fixture
def run_of_two() -> Any:  # noqa: ANN401 - as above
    from facts_of import facts_of  # noqa: PLC0415 - only here

    from provision.acceptance import Scope  # noqa: PLC0415
    from provision.connection import Settings  # noqa: PLC0415
    from provision.pipeline import RigRun, Run  # noqa: PLC0415
    from provision.state import new_id, run_folder  # noqa: PLC0415
    from provision.target import parse_target  # noqa: PLC0415
    from provision.terminal.console import output  # noqa: PLC0415
    from provision.wishes import Wishes  # noqa: PLC0415

    rigs = [
        RigRun(target=parse_target(name), wishes=Wishes(), id=new_id(), facts=facts_of())
        for name in "ab"
    ]
    return Run(
        rigs=rigs, settings=Settings(), scope=Scope(), make_console=output, folder_of=run_folder
    )
