"""Which framework, device and environment the rigs have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from facts_of import facts_of

from provision.facts.environments import Environment, Environments
from provision.facts.nvidia import Nvidia, SmiGpu
from provision.together import TogetherError, Wish
from provision.together.choosing import choose

if TYPE_CHECKING:
    from provision.facts import Facts

TENSORFLOW = {"tensorflow_cpu": "2.21.0"}
TENSORFLOW_GPU = {"tensorflow": "2.21.0", "nvidia_cudnn_cu12": "9.3.0.75"}
TORCH = {"torch": "2.13.0"}


def rig(number: int, gpus: int = 0, **environments: dict[str, str]) -> Facts:
    present = {
        name: Environment(name=name, runs=True, installed=installed)
        for name, installed in environments.items()
    }
    cards = tuple(
        SmiGpu(index=str(i), name="Card", uuid=f"GPU-{i}", address="0000:01:00.0", driver="580.1")
        for i in range(gpus)
    )
    facts = facts_of(machine=f"{number:016d}\n")
    return msgspec.structs.replace(
        facts, environments=Environments(present=present), nvidia=Nvidia(gpus=cards)
    )


def test_the_processors_where_one_rig_has_no_gpu() -> None:
    rigs = {
        "a": rig(1, gpus=1, tensorflow=TENSORFLOW, tensorflow_gpu=TENSORFLOW_GPU),
        "b": rig(2, tensorflow=TENSORFLOW),
    }
    chosen = choose(rigs, Wish())
    assert (chosen.framework, chosen.device) == ("tensorflow", "cpu")
    assert "b" in chosen.why
    assert [one.environment for one in chosen.members] == ["tensorflow", "tensorflow"]
    assert chosen.members[0].python == "/opt/dlrig/envs/tensorflow/bin/python"


def test_the_gpus_where_all_have_some() -> None:
    both = {"tensorflow": TENSORFLOW, "tensorflow_gpu": TENSORFLOW_GPU}
    chosen = choose({"a": rig(1, 2, **both), "b": rig(2, 2, **both)}, Wish())
    assert chosen.device == "gpu"
    assert [one.environment for one in chosen.members] == ["tensorflow_gpu"] * 2
    assert [one.gpus for one in chosen.members] == [2, 2]


def test_torch_where_tensorflow_is_not_everywhere() -> None:
    rigs = {"a": rig(1, tensorflow=TENSORFLOW, torch=TORCH), "b": rig(2, torch=TORCH)}
    assert choose(rigs, Wish()).framework == "torch"


@pytest.mark.parametrize(
    ("rigs", "wish", "reference", "named"),
    [
        ({"a": rig(1, torch=TORCH)}, Wish(), "too-few-rigs", "a"),
        ({"a": rig(1, torch=TORCH), "b": rig(1, torch=TORCH)}, Wish(), "same-machine", "b"),
        ({"a": rig(1, torch=TORCH), "b": rig(2)}, Wish(), "no-common-environment", "b"),
        (
            {"a": rig(1, torch=TORCH), "b": rig(2, torch=TORCH)},
            Wish(device="gpu"),
            "no-gpu",
            "a, b",
        ),
        (
            {"a": rig(1, torch=TORCH), "b": rig(2, torch={"torch": "2.9.0"})},
            Wish(),
            "unlike-versions",
            "b has 2.9.0",
        ),
        (
            {"a": rig(1, 1, g=TENSORFLOW_GPU), "b": rig(2, 2, g=TENSORFLOW_GPU)},
            Wish(),
            "unlike-gpus",
            "b has 2",
        ),
    ],
)
def test_what_does_not_fit_names_the_rig(
    rigs: dict[str, Facts], wish: Wish, reference: str, named: str
) -> None:
    with pytest.raises(TogetherError) as caught:
        choose(rigs, wish)
    assert caught.value.reference == reference
    assert named in str(caught.value)


def test_an_environment_that_does_not_run_is_none() -> None:
    broken = rig(2, torch=TORCH)
    dead = msgspec.structs.replace(broken.environments.present["torch"], runs=False)
    broken = msgspec.structs.replace(broken, environments=Environments(present={"torch": dead}))
    with pytest.raises(TogetherError, match="every rig has"):
        choose({"a": rig(1, torch=TORCH), "b": broken}, Wish())
