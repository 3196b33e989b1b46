"""``nvidia-smi nvlink`` and ``topo``: links that are up and down, counters of two generations, the matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provision.facts.health import nvlink
from provision.facts.reading import Outcome, Transcript

if TYPE_CHECKING:
    from provision.facts.health.nvlink import NvLink

QUICK = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=150)
HEAD = "GPU 0: NVIDIA H100 PCIe (UUID: GPU-6968dfc2-d444-d92c-c36b-6abe53445cb9)\n"


def read(status: str = "", errors: str = "", topology: str = "", *, code: int | None = 0) -> NvLink:
    hung = code is None
    outcomes = {
        "nvlink_status": Outcome(exit_code=code, out=status, hung=hung),
        "nvlink_errors": Outcome(exit_code=code, out=errors, hung=hung),
        "smi_topology": Outcome(exit_code=0, out=topology),
    }
    return nvlink.parse(Transcript(target="rig", taken="", outcomes=outcomes))


def test_links_up_and_down() -> None:
    found = read(
        f"{HEAD}\t Link 0: 26.562 GB/s\n\t Link 4: <inactive>\nGPU 1: NVIDIA L4 (UUID: GPU-11111111)\n"
    )
    first, second = found.cards
    assert [(link.number, link.speed) for link in first.links] == [(0, 26.562), (4, None)]
    assert (first.uuid, len(first.active)) == ("GPU-6968dfc2-d444-d92c-c36b-6abe53445cb9", 1)
    assert (second.index, second.links, found.trouble) == (1, (), "")


def test_a_link_without_speed_is_not_active() -> None:
    assert read(f"{HEAD}\t Link 0: 0 GB/s\n").cards[0].active == ()


def test_counters_belong_to_their_links() -> None:
    found = read(
        f"{HEAD}\t Link 0: 26.562 GB/s\n\t Link 1: 26.562 GB/s\n",
        f"{HEAD}\t Link 0: Replay Errors: 0\n\t Link 0: CRC Errors: 12\n\n\t Link 1: Symbol Errors: 7\n"
        "\t Link 1: Symbol BER: 15e-255\n\t Link 1: Rx remote Errors: 3\n",
    )
    assert [link.errors for link in found.cards[0].links] == [
        {"Replay Errors": 0, "CRC Errors": 12},
        {"Symbol Errors": 7, "Rx remote Errors": 3},
    ]


@pytest.mark.parametrize(
    ("status", "code", "trouble"),
    [
        ("", None, "hung"),
        ("", 127, "exit 127"),
        (HEAD, 3, ""),
        ("NVML: Unable to retrieve NVLink information as all links are inActive\n", 0, ""),
    ],
)
def test_no_answer_has_a_reason(status: str, code: int | None, trouble: str) -> None:
    found = read(status, code=code)
    assert (trouble in found.trouble, bool(found.trouble)) == (True, bool(trouble))


def test_the_matrix_names_each_pair_once() -> None:
    table = (
        "\x1b[4m\tGPU0\tGPU1\tNIC0\tCPU Affinity\tNUMA Affinity\tGPU NUMA ID\x1b[0m\n"
        "GPU0\t X \tNV4\tPIX\t0-23,96-119\t0\t\tN/A\n"
        "GPU1\tNV4\t X \tSYS\t0-23,96-119\t0\t\tN/A\n"
        "NIC0\tPIX\tSYS\t X \n\nLegend:\n\n  X    = Self\n  NV#  = Connection of # NVLinks\n"
    )
    assert read(topology=table).paths == {"GPU0-GPU1": "NV4"}
    assert read(topology=table.replace("\tCPU Affinity", "")).paths == {}


LINES = st.sampled_from(
    [
        HEAD.strip(),
        "GPU 999999:",
        "\t Link 0: 26.562 GB/s",
        "\t Link 9999999: x",
        "\t Link 0: CRC Errors: 99999999999999999999",
        "\t Link ²: ٣ GB/s",
        "\tGPU0\tGPU1\tCPU Affinity",
        "GPU0\t X ",
        "GPU1",
        "GPU99999\tNV",
        "\x1b[4m\x1b[",
    ]
)


@QUICK
@given(
    st.lists(st.one_of(LINES, st.text(max_size=40)), max_size=14).map("\n".join),
    st.integers(0, 255),
)
def test_any_text_is_read_without_an_exception(text: str, code: int) -> None:
    read(text, text, text, code=code)
