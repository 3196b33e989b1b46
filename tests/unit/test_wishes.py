"""Wishes, from options and from inventories."""

from __future__ import annotations

import pytest

from provision.errors import UsageError
from provision.wishes import Maker, Wishes, make_wishes, with_variables


def test_an_inventory_fills_what_the_options_left() -> None:
    wishes = with_variables(
        Wishes(tensorflow="==2.20.0"),
        {"dlrig_tensorflow": "==2.19.1", "dlrig_environment_maker": "venv", "ansible_user": "x"},
        "inventory",
    )
    assert (wishes.tensorflow, wishes.environment_maker) == ("==2.20.0", Maker.VENV)


@pytest.mark.parametrize(
    "variables",
    [{"dlrig_tensorflov": "1"}, {"dlrig_environment_maker": "docker"}, {"dlrig_tensorflow": 2}],
)
def test_a_slip_in_an_inventory_names_what_can_be_wished(variables: dict[str, object]) -> None:
    with pytest.raises(UsageError) as caught:
        with_variables(Wishes(), variables, "inventory, host lab-1")
    assert "dlrig_environment_maker" in caught.value.hint
    assert caught.value.where == "inventory, host lab-1"


def test_a_password_in_a_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError) as caught:
        make_wishes({"index_url": "https://me:hunter2@index.example/simple"}, "options")
    assert caught.value.reference == "password-in-url"
    assert "hunter2" not in str(caught.value)
