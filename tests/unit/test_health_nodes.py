"""Device nodes: their kinds, and whether the login may use them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hostile_answers import QUICK, answers, outcomes, torture, whole_facts
from hypothesis import given

from provision.facts.health import nodes

if TYPE_CHECKING:
    from provision.facts.health.nodes import Nodes
    from provision.facts.reading import Outcome

SAMPLE = """\
uid=1000
gids=1000 44
node 21b6 666 0 0 c3:0 yes /dev/nvidia0
node 21b6 666 0 0 c3:1 no /dev/nvidia1
node 21b6 666 0 0 c3:ff - /dev/nvidiactl
node 81a4 644 0 0 0:0 - /dev/nvidia-uvm
node 2124 444 0 0 f0:1 yes /dev/nvidia-caps/nvidia-cap1
helper=yes
uvm=yes
mig=2
"""
STRANGE = (
    "node ffffffff 77777 9999999999 9999999999 ffffffff:ffffffff - /dev/nvidia99999999999999999999",
    "node 21b6 999 0 0 c3:0 yes /dev/nvidia0",
    "uid=-1",
    "gids=x y 99999999999999999999999",
)


def parse(out: str) -> Nodes:
    return nodes.parse(answers(device_nodes=out))


def test_nodes_are_told_apart() -> None:
    found = parse(SAMPLE)
    assert [node.number for node in found.gpus] == [0, 1]
    assert [node.usable for node in found.gpus] == [True, False]
    assert [node.path for node in found.capabilities] == ["/dev/nvidia-caps/nvidia-cap1"]
    assert (found.helper, found.uvm, found.mig) == (True, True, 2)
    control, memory = found.get("/dev/nvidiactl"), found.get("/dev/nvidia-uvm")
    assert control
    assert memory
    assert (control.character, control.usable) == (True, True)
    assert (memory.character, memory.usable) == (False, False)
    assert found.get("/dev/nvidia7") is None


@pytest.mark.parametrize(
    ("node", "usable"),
    [
        ("666 0 0", True),
        ("660 0 44", True),
        ("660 0 0", False),
        ("600 1000 0", True),
        ("066 1000 0", False),
        ("606 0 44", False),
        ("444 0 0", False),
    ],
)
def test_where_nobody_could_try_the_mode_tells(node: str, usable: bool) -> None:  # noqa: FBT001 - a column
    (found,) = parse(f"uid=1000\ngids=1000 44\nnode 21b6 {node} c3:0 - /dev/nvidia0\n").nodes
    assert found.usable is usable


def test_root_may_always_and_an_unknown_login_is_unknown() -> None:
    row = "node 21b6 600 5 5 c3:0 - /dev/nvidia0\n"
    assert parse(f"uid=0\ngids=0\n{row}").nodes[0].usable is True
    assert parse(row).nodes[0].usable is None


@QUICK
@given(outcomes(SAMPLE, STRANGE))
def test_any_answer_can_be_parsed(outcome: Outcome) -> None:
    whole_facts(answers(device_nodes=outcome))


def test_a_flood_can_be_parsed() -> None:
    torture(nodes.parse, "device_nodes", SAMPLE, STRANGE)
