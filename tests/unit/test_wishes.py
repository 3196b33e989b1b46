"""Wishes, from options and from inventories."""

from __future__ import annotations

import pytest

from provision.errors import UsageError
from provision.wishes import (
    DriverSource,
    Existing,
    Maker,
    Modules,
    Wishes,
    make_wishes,
    with_variables,
)


def test_an_inventory_fills_what_the_options_left() -> None:
    wishes = with_variables(
        Wishes(tensorflow="==2.20.0"),
        {"dlrig_tensorflow": "==2.19.1", "dlrig_environment_maker": "venv", "ansible_user": "x"},
        "inventory",
    )
    assert (wishes.tensorflow, wishes.environment_maker) == ("==2.20.0", Maker.VENV)


def test_every_wish_from_an_inventory() -> None:
    wishes = with_variables(
        Wishes(),
        {
            "dlrig_driver": "580.95.05",
            "dlrig_driver_source": "nvidia",
            "dlrig_modules": "open",
            "dlrig_cuda": ["12.9", "13.0"],
            "dlrig_python": "3.10",
            "dlrig_tensorflow": "2.20",
            "dlrig_torch": ">=2.10",
            "dlrig_jax": "0.10.2",
            "dlrig_env": ["torch", "jax"],
            "dlrig_existing": "purge",
            "dlrig_container_toolkit": True,
            "dlrig_nvidia_repository": "https://mirror.example.org/debian12/",
            "dlrig_ignore_display": "yes",
            "dlrig_ignore_kernel": "True",
            "dlrig_watch": "no",
        },
        "inventory",
    )
    assert wishes == Wishes(
        driver="580.95.05",
        driver_source=DriverSource.NVIDIA,
        modules=Modules.OPEN,
        cuda=("12.9", "13.0"),
        python="3.10",
        tensorflow="2.20",
        torch=">=2.10",
        jax="0.10.2",
        env=("torch", "jax"),
        existing=Existing.PURGE,
        container_toolkit=True,
        nvidia_repository="https://mirror.example.org/debian12/",
        ignore_display=True,
        ignore_kernel=True,
        watch=False,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("existing", "keep"),
        ("container_toolkit", "perhaps"),
        ("ignore_display", 1),
        ("newest", True),
    ],
)
def test_what_is_no_answer_is_refused(name: str, value: object) -> None:
    with pytest.raises(UsageError) as caught:
        with_variables(Wishes(), {f"dlrig_{name}": value}, "inventory")
    assert caught.value.reference == "bad-wish"


def test_a_mirror_with_a_password_is_refused() -> None:
    with pytest.raises(UsageError, match="password"):
        make_wishes({"nvidia_repository": "https://me:secret@mirror.example.org/"}, "options")


def test_lists_of_options_win_over_an_inventorys() -> None:
    wishes = with_variables(
        Wishes(cuda=("12.9",), env=("torch",)),
        {"dlrig_cuda": ["13.0"], "dlrig_env": ["jax"], "dlrig_driver": 580},
        "inventory",
    )
    assert (wishes.cuda, wishes.env, wishes.driver) == (("12.9",), ("torch",), "580")


def test_whole_numbers_and_single_values_are_taken_as_they_are_meant() -> None:
    wishes = make_wishes({"driver": 580, "cuda": 12, "env": "torch", "tensorflow": 2}, "inventory")
    assert wishes == Wishes(driver="580", cuda=("12",), env=("torch",), tensorflow="2")
    assert make_wishes({"cuda": ["12.9", 13]}, "inventory").cuda == ("12.9", "13")


@pytest.mark.parametrize(
    ("name", "value", "quoted"),
    [
        ("python", 3.1, "dlrig_python: '3.1'"),
        ("cuda", 12.9, "dlrig_cuda: '12.9'"),
        ("cuda", ["13.0", 12.9], "dlrig_cuda"),
        ("driver", 580.0, "dlrig_driver: '580.0'"),
        ("torch", float("nan"), "dlrig_torch"),
    ],
)
def test_a_version_written_as_a_number_is_refused(name: str, value: object, quoted: str) -> None:
    """YAML reads 3.10 as 3.1."""
    with pytest.raises(UsageError) as caught:
        with_variables(Wishes(), {f"dlrig_{name}": value}, "inventory, host lab-1")
    assert caught.value.reference == "bad-wish"
    assert caught.value.where == "inventory, host lab-1"
    assert quoted in caught.value.hint
    assert "quotes" in caught.value.hint


@pytest.mark.parametrize(
    "variables",
    [
        {"dlrig_tensorflov": "1"},
        {"dlrig_driver_branch": "580"},
        {"dlrig_environment_maker": "docker"},
        {"dlrig_driver_source": "runfile"},
        {"dlrig_modules": "nouveau"},
        {"dlrig_tensorflow": True},
        {"dlrig_tensorflow": None},
        {"dlrig_tensorflow": ["2.20", "2.21"]},
        {"dlrig_driver": []},
        {"dlrig_driver": {"branch": 580}},
        {"dlrig_cuda": [["12.9"]]},
    ],
)
def test_a_slip_in_an_inventory_names_what_can_be_wished(variables: dict[str, object]) -> None:
    with pytest.raises(UsageError) as caught:
        with_variables(Wishes(), variables, "inventory, host lab-1")
    assert caught.value.reference == "bad-wish"
    assert "dlrig_environment_maker" in caught.value.hint
    assert caught.value.where == "inventory, host lab-1"


@pytest.mark.parametrize("name", ["driver", "cuda", "python", "tensorflow", "torch", "jax"])
def test_what_is_no_version_names_the_option(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        make_wishes({name: "newest please"}, "options")
    assert caught.value.reference == "bad-version"
    assert caught.value.where == f"--{name}"
    assert caught.value.hint.startswith(f"For example: --{name} ")


def test_no_toolkit_and_some_exclude_each_other() -> None:
    assert make_wishes({"cuda": "none"}, "options").cuda == ("none",)
    with pytest.raises(UsageError, match="exclude each other"):
        make_wishes({"cuda": ["none", "12.9"]}, "options")
    with pytest.raises(UsageError, match="not a version"):
        make_wishes({"driver": "none"}, "options")


@pytest.mark.parametrize("name", ["index_url", "conda_channel", "miniforge_url"])
def test_a_password_in_a_url_is_refused_and_not_repeated(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        make_wishes({name: "https://me:hunter2@index.example/simple"}, "options")
    assert caught.value.reference == "password-in-url"
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("text", ["3.12.4", "==3.11.9"])
def test_python_is_chosen_by_its_series(text: str) -> None:
    with pytest.raises(UsageError, match="chosen by its series") as caught:
        make_wishes({"python": text}, "options")
    assert caught.value.hint.endswith(text.lstrip("=").rpartition(".")[0])


def test_a_blank_wish_is_none() -> None:
    assert make_wishes({"torch": " ", "driver": " 580 "}, "options") == Wishes(driver="580")


def test_an_option_undoes_a_variable_also_with_its_default() -> None:
    variables = {"dlrig_modules": "open", "dlrig_cuda": ["12.9"]}
    assert with_variables(Wishes(), variables, "host").modules is Modules.OPEN
    undone = with_variables(Wishes(), variables, "host", given={"modules"})
    assert undone == Wishes(cuda=("12.9",))


def test_whether_a_rig_may_be_restarted_is_no_wish() -> None:
    """An inventory has it beside the wishes; ``provision.stages.restarting`` reads it."""
    assert with_variables(Wishes(), {"dlrig_reboot": True}, "inventory") == Wishes()
