"""``dlrig plan`` for a machine that does not exist yet: what a person sees, what a program reads, exit codes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from provision.cli import cli
from provision.cli.trouble import reporting
from provision.errors import Exit

if TYPE_CHECKING:
    from collections.abc import Callable

    Ran = tuple[int, str, str]

NOBLE = ("--os", "ubuntu-24.04")


@pytest.fixture
def plan(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> Ran:
        code = reporting(lambda: cli.main(["plan", *arguments], "dlrig", standalone_mode=False))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def document(ran: Ran) -> dict[str, Any]:
    found = json.loads(ran[1])
    assert isinstance(found, dict)
    return found


def test_what_a_program_reads(plan: Callable[..., Ran]) -> None:
    ran = plan(*NOBLE, "--gpu", "10de:1c03", "--gpu", "10de:1c03", "--json")
    assert ran[0] == Exit.OK
    made = document(ran)
    assert made["driver"]["branch"] == 580
    assert made["driver"]["flavour"] == "proprietary"
    assert made["driver"]["source"] == "ubuntu"
    assert "nvidia-utils-580-server" in made["driver"]["packages"]
    assert made["cuda"]["toolkits"] == ["12.9"]
    gpu = made["environments"]["tensorflow_gpu"]
    assert (gpu["python"], gpu["framework"], gpu["version"]) == ("3.12", "tensorflow", "2.21.0")
    assert "nvidia-cudnn-cu12>=9.3.0.75,<9.11" in gpu["pins"]
    assert {row["subject"] for row in made["reasons"]} >= {
        "driver",
        "CUDA toolkit",
        "tensorflow_gpu",
    }
    assert all(row["reason"] for row in made["reasons"])
    assert made["conflicts"] == []


def test_what_a_person_sees(plan: Callable[..., Ran]) -> None:
    code, out, err = plan(*NOBLE, "--gpu", "RTX 5090", "-v")
    assert (code, err) == (Exit.OK, "")
    assert "GeForce RTX 5090: Blackwell" in out
    assert "a long-term support branch, supported until 2028-06" in out
    assert "source: NVIDIA's driver life cycle, read 2026-11-22, high confidence" in out
    assert "the driver compiles it at the first start" in " ".join(out.split())
    assert "reboot" not in out


def test_an_older_release_that_the_archive_still_has(plan: Callable[..., Ran]) -> None:
    debian = ("--os", "debian-12", "--gpu", "10de:1c03")
    made = document(plan(*debian, "--driver", "535.261.03", "--json"))
    assert (made["driver"]["version"], made["driver"]["source"]) == ("535.261.03", "debian")
    assert made["variables"]["nvidia_driver_version"] == "535.261.03"


@pytest.mark.parametrize(
    ("options", "existing"),
    [((), "stop"), (("--adopt",), "adopt"), (("--purge-conflicts",), "purge")],
)
def test_what_becomes_of_a_driver_that_nobody_manages(
    plan: Callable[..., Ran], options: tuple[str, ...], existing: str
) -> None:
    made = document(plan(*NOBLE, "--gpu", "10de:1c03", *options, "--json"))
    assert made["variables"]["nvidia_driver_existing"] == existing


def test_options_for_the_driver(plan: Callable[..., Ran]) -> None:
    options = ("--container-toolkit", "--ignore-display", "--ignore-kernel")
    mirror = ("--nvidia-repository", "https://mirror.example.org/ubuntu2404")
    made = document(plan(*NOBLE, "--gpu", "10de:1c03", *options, *mirror, "--json"))["variables"]
    assert made["container_toolkit_enabled"] is True
    assert made["nvidia_driver_display"] == "ignore"
    assert made["nvidia_driver_kernel_check"] is False
    assert made["cuda_toolkit_repository_url"] == "https://mirror.example.org/ubuntu2404/"


def test_what_would_be_in_the_way_is_shown_with_the_plan(plan: Callable[..., Ran]) -> None:
    machine = ("--os", "debian-12", "--gpu", "10de:1c03", "--kernel", "6.18.1-amd64")
    code, out, _ = plan(*machine, "--driver", "535")
    assert code == Exit.OK
    assert "in the way: Linux 6.18.1-amd64 boots next" in " ".join(out.split())
    assert "--ignore-kernel" in out
    assert "in the way" not in plan(*machine, "--driver", "535", "--ignore-kernel")[1]


def test_without_a_gpu_it_is_a_cpu_machine(plan: Callable[..., Ran]) -> None:
    made = document(plan("--os", "debian-12", "--json"))
    assert made["driver"] is None
    assert made["cuda"]["toolkits"] == []
    assert list(made["environments"]) == ["tensorflow"]


def test_where_nothing_fits(plan: Callable[..., Ran]) -> None:
    ran = plan(*NOBLE, "--gpu", "10de:1c03", "--modules", "open", "--json")
    assert ran[0] == Exit.FAILED
    found = document(ran)
    assert {row["constraint"] for row in found["conflicts"]} == {"wish-modules", "no-open-modules"}
    assert all(row["source"] for row in found["conflicts"])
    assert [row["change"] for row in found["nearest"]] == ["without --modules open"]
    assert "environments" not in found
    shown = " ".join(ran[2].split())
    assert "you asked for open kernel modules" in shown
    assert "it has no GSP that the open ones could use source: NVIDIA driver" in shown
    assert "Nearest plans that fit: - without --modules open: driver 580" in shown
    assert "Traceback" not in shown


@pytest.mark.parametrize(
    ("arguments", "reference"),
    [
        (("--gpu", "10de:1c03"), "no-system"),
        (("rigger@rig", "--os", "noble"), "target-and-imagined"),
        ((*NOBLE, "--driver", "newest"), "bad-version"),
        ((*NOBLE, "--cuda", "none", "--cuda", "12.9"), "bad-wish"),
        ((*NOBLE, "--env", "tensorflow-gpu"), "unknown-environment"),
        ((*NOBLE, "--gpu", "RTX 5080 Ultra"), "unknown-gpu"),
    ],
)
def test_a_slip_is_a_usage_error(
    plan: Callable[..., Ran], arguments: tuple[str, ...], reference: str
) -> None:
    code, out, err = plan(*arguments)
    assert (code, out) == (Exit.USAGE, "")
    assert f"({reference})" in err
