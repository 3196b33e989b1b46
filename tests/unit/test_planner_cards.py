"""What is planned for which GPUs on which system: a table, and a case for every trap.

Expected values: NVIDIA's life cycle, installation guides and release notes, and what the frameworks' wheels hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from packaging.requirements import Requirement
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
    GTX_1080_TI,
    GTX_1660,
    H100,
    K80,
    L40S,
    M40,
    NOBLE,
    NVIDIA_UNREACHED,
    P100,
    RTX_3090,
    RTX_4090,
    RTX_5090,
    SYSTEMS,
    T4,
    TITAN_V,
    UNKNOWN,
    V100,
    constraints,
    driver,
    failed,
    pins,
    releases,
    situation,
    solved,
    toolkits,
)

from provision.planner.cautions import warnings
from provision.planner.solve import Failure, Solution, solve

if TYPE_CHECKING:
    from provision.catalogue.whole import Catalogue

# system → (branch, flavour, repository), CUDA toolkits. Pre-Turing: proprietary modules, no branch after 580, no CUDA
# after 12.9. NVIDIA's repository for Debian 13 begins with 590, so Debian's own 550 remains there, with its CUDA 12.4;
# the one for Ubuntu 26.04 has only CUDA 13.3.
PRE_TURING = {
    "debian-12": ((580, "proprietary", "nvidia"), ["12.9"]),
    "debian-13": ((550, "proprietary", "debian"), ["12.4"]),
    "ubuntu-22.04": ((580, "proprietary", "ubuntu"), ["12.9"]),
    "ubuntu-24.04": ((580, "proprietary", "ubuntu"), ["12.9"]),
    "ubuntu-26.04": ((580, "proprietary", "ubuntu"), []),
}
# 580 is the long-term branch; where it is not, 595 is the production branch. The toolkit is the newest that was made
# with a driver no newer than the one planned: 13.0 for 580.65.06, 13.2 for 595.45.04.
OPEN = {
    "debian-12": ((580, "open", "nvidia"), ["13.0"]),
    "debian-13": ((595, "open", "nvidia"), ["13.2"]),
    "ubuntu-22.04": ((580, "open", "ubuntu"), ["13.0"]),
    "ubuntu-24.04": ((580, "open", "ubuntu"), ["13.0"]),
    "ubuntu-26.04": ((580, "open", "ubuntu"), ["13.3"]),
}
MINING = {
    system: ((branch, "proprietary", source), cuda)
    for system, ((branch, _, source), cuda) in OPEN.items()
}
# card(s) → table, TensorFlow with GPUs, whether cuDNN is kept below 9.11
CARDS: dict[tuple[str, ...], tuple[dict[str, tuple[object, list[str]]], str, bool]] = {
    (GTX_970,): (PRE_TURING, "2.16.2", False),
    (M40,): (PRE_TURING, "2.16.2", False),
    (GTX_1060,): (PRE_TURING, "2.21.0", True),
    (GTX_1060, GTX_1060): (PRE_TURING, "2.21.0", True),
    (GTX_1080_TI,): (PRE_TURING, "2.21.0", True),
    (P100,): (PRE_TURING, "2.21.0", True),
    (V100,): (PRE_TURING, "2.21.0", True),
    (TITAN_V,): (PRE_TURING, "2.21.0", True),
    (GTX_1660,): (OPEN, "2.21.0", False),
    (T4,): (OPEN, "2.21.0", False),
    (CMP_50HX,): (MINING, "2.21.0", False),
    (RTX_3090,): (OPEN, "2.21.0", False),
    (A100,): (OPEN, "2.21.0", False),
    (RTX_4090,): (OPEN, "2.21.0", False),
    (L40S,): (OPEN, "2.21.0", False),
    (H100,) * 8: (OPEN, "2.21.0", False),
    (B200,) * 8: (OPEN, "2.21.0", False),
    (RTX_5090,): (OPEN, "2.21.0", False),
    (GTX_970, GTX_1060): (PRE_TURING, "2.16.2", False),
    (GTX_1060, RTX_3090): (PRE_TURING, "2.21.0", True),
    (V100, T4): (PRE_TURING, "2.21.0", True),
    (GTX_970, RTX_4090): (PRE_TURING, "2.16.2", False),
    (T4, RTX_5090): (OPEN, "2.21.0", False),
}
CASES = [
    pytest.param(cards, system, *table[system], tensorflow, bound, id=f"{'+'.join(cards)}-{system}")
    for cards, (table, tensorflow, bound) in CARDS.items()
    for system in SYSTEMS
]


def words(solution: Solution) -> str:
    return "\n".join(warnings(solution, CATALOGUE))


@pytest.mark.parametrize(("cards", "system", "wanted", "cuda", "tensorflow", "bound"), CASES)
def test_every_card_on_every_system(
    cards: tuple[str, ...],
    system: str,
    wanted: tuple[int, str, str],
    cuda: list[str],
    tensorflow: str,
    bound: bool,  # noqa: FBT001 - a column
) -> None:
    found = solved(*cards, system=system)
    assert driver(found) == wanted
    assert toolkits(found) == cuda
    assert releases(found) == {"tensorflow": tensorflow, "tensorflow_gpu": tensorflow}
    assert pins(found, "tensorflow_gpu")[0] == f"tensorflow[and-cuda]=={tensorflow}"
    assert cudnn_is_bounded(found) is bound
    assert found.left_out == ()


def cudnn_is_bounded(solution: Solution) -> bool:
    """Whether pip may take 9.10.2.21, but nothing from 9.11 on."""
    own = [
        requirement
        for requirement in map(Requirement, pins(solution, "tensorflow_gpu"))
        if requirement.name == "nvidia-cudnn-cu12"
    ]
    for requirement in own:
        assert requirement.specifier.contains("9.10.2.21")
        assert requirement.specifier.contains("9.3.0.75")
        assert not requirement.specifier.contains("9.11.0.98")
    return bool(own)


# --- traps -----------------------------------------------------------------------------------------------------------


def test_pre_turing_has_no_open_modules() -> None:
    for card in (GTX_970, M40, GTX_1060, GTX_1080_TI, P100, V100, TITAN_V):
        assert constraints(failed(card, modules="open")) == ["no-open-modules", "wish-modules"]


@pytest.mark.parametrize("card", [GTX_970, GTX_1060, P100, V100])
@pytest.mark.parametrize("branch", ["595", "610"])
def test_580_is_the_last_branch_for_maxwell_pascal_and_volta(card: str, branch: str) -> None:
    assert constraints(failed(card, driver=branch)) == ["last-branch", "wish-driver"]
    assert driver(solved(T4, driver=branch))[0] == int(branch)  # type: ignore[index]


@pytest.mark.parametrize("card", [GTX_970, GTX_1060, V100])
def test_12_9_is_the_last_cuda_before_turing(card: str) -> None:
    assert set(constraints(failed(card, cuda="13.0"))) >= {"cuda-last-target", "wish-cuda"}
    assert toolkits(solved(card, cuda="12.9")) == ["12.9"]
    assert toolkits(solved(T4, cuda="13.0")) == ["13.0"]


@pytest.mark.parametrize(("card", "bounded"), [(GTX_1060, True), (V100, True), (T4, False)])
def test_cudnn_9_11_has_no_code_before_turing(card: str, bounded: bool) -> None:  # noqa: FBT001 - a column
    found = solved(card, jax=">=0.10", env="jax")
    cudnn = [pin for pin in pins(found, "jax") if "cudnn" in pin]
    assert [pin.endswith("<9.11") for pin in cudnn] == ([True] if bounded else [])
    # PyTorch pins its own: 9.10.2.21 is the last with code for Volta.
    torch = solved(V100, env="torch")
    assert releases(torch) == {"torch": "2.10.0"}
    assert pins(torch, "torch") == ("torch==2.10.0",)


@pytest.mark.parametrize(
    ("card", "torch"),
    [
        (GTX_970, "2.7.1"),
        (GTX_1060, "2.7.1"),
        (P100, "2.7.1"),
        (V100, "2.10.0"),
        (T4, "2.15.0"),
        (RTX_3090, "2.15.0"),
        (RTX_4090, "2.15.0"),
        (H100, "2.15.0"),
        (RTX_5090, "2.15.0"),
    ],
)
def test_the_last_torch_with_code_for_a_card(card: str, torch: str) -> None:
    assert releases(solved(card, env="torch")) == {"torch": torch}


@pytest.mark.parametrize(
    ("card", "family"), [(GTX_970, "12"), (GTX_1060, "12"), (V100, "12"), (T4, "13"), (B200, "13")]
)
def test_jax_for_cuda_13_begins_with_turing(card: str, family: str) -> None:
    found = solved(card, env="jax")
    assert pins(found, "jax")[0].startswith(f"jax[cuda{family}]==")


def test_2_16_2_is_the_last_tensorflow_for_maxwell() -> None:
    assert constraints(failed(GTX_970, tensorflow="2.17.1")) == ["no-kernels", "wish-tensorflow"]
    assert releases(solved(GTX_1060, tensorflow="2.17.1"))["tensorflow_gpu"] == "2.17.1"


@pytest.mark.parametrize("card", [B200, RTX_5090])
def test_blackwell_runs_with_open_modules_only(card: str) -> None:
    assert constraints(failed(card, modules="proprietary")) == ["open-modules-only", "wish-modules"]


def test_blackwell_needs_570_or_newer() -> None:
    assert constraints(failed(RTX_5090, system="ubuntu-22.04", driver="535")) == [
        "first-driver",
        "wish-driver",
    ]
    assert driver(solved(RTX_3090, system="ubuntu-22.04", driver="535")) == (
        535,
        "proprietary",
        "ubuntu",
    )


@pytest.mark.parametrize("card", [B200, RTX_5090])
def test_tensorflow_starts_on_blackwell_by_jit(card: str) -> None:
    found = solved(card)
    (fit,) = [fit for fit in found.fits if fit.kind.name == "tensorflow_gpu"]
    assert [one.device for one in fit.jit] == [card]
    assert "compiles it at the first start" in words(found)
    assert "first start" not in words(solved(RTX_4090))


def test_open_modules_only_from_620_on() -> None:
    """No repository has 620 yet: here is one that would."""
    rows = CATALOGUE.repositories
    offer = next(row for row in rows.driver if row.branch == 580 and NOBLE in row.systems)
    newer = msgspec.structs.replace(offer, branch=620, version="620.10", systems=(NOBLE,))
    known = changed(driver=(newer, *rows.driver))
    found = solve(situation(T4, driver="620"), known)
    assert isinstance(found, Solution)
    assert driver(found) == (620, "open", "ubuntu")
    why = solve(situation(T4, driver=">=615", modules="proprietary"), known)
    assert isinstance(why, Failure)
    assert "proprietary-modules-end" in constraints(why)
    assert isinstance(solve(situation(GTX_1060, driver="620"), known), Failure)


def changed(**rows: object) -> Catalogue:
    """The catalogue with other rows of repositories."""
    repositories = msgspec.structs.replace(CATALOGUE.repositories, **rows)
    return msgspec.structs.replace(CATALOGUE, repositories=repositories)


def test_ubuntus_615_has_open_modules_only() -> None:
    """nvidia-driver-615 is transitional to nvidia-driver-615-open."""
    assert driver(solved(T4, driver="615")) == (615, "open", "ubuntu")
    assert "wish-modules" in constraints(failed(T4, driver="615", modules="proprietary"))


@pytest.mark.parametrize("branch", ["570", "590"])
def test_transitional_branches_of_ubuntu_are_not_taken(branch: str) -> None:
    """570 installs 580, 590 installs 595."""
    why = failed(T4, driver=branch)
    assert constraints(why) == ["offered-branches", "transitional-branch", "wish-driver"]
    loaded = {"570": "570.211.01", "590": "590.48.01"}[branch]
    assert driver(solved(T4, loaded=loaded)) == (580, "open", "ubuntu")


@pytest.mark.parametrize("system", ["debian-12", "debian-13"])
def test_debians_own_drivers_bar_cuda_13(system: str) -> None:
    own = {"system": system, "driver_source": "debian"}
    why = constraints(failed(RTX_3090, **own, torch="2.15"))
    assert why == [
        "framework-driver",
        "offered-branches",
        "wish-driver-source",
        "wish-torch",
    ]
    found = solved(RTX_3090, **own, torch=">=2")
    assert releases(found)["torch"] == "2.10.0"
    assert driver(found)[0] in {535, 550}  # type: ignore[index]
    assert "past its end of life" in words(found)


@pytest.mark.parametrize("system", ["debian-12", "debian-13"])
def test_debians_own_drivers_bar_blackwell(system: str) -> None:
    why = constraints(failed(RTX_5090, system=system, driver_source="debian"))
    assert why == ["first-driver", "offered-branches", "wish-driver-source"]


@pytest.mark.parametrize(("python", "fits"), [("3.9", 1), ("3.10", 1), ("3.11", 0)])
def test_tensorflow_2_14_with_gpus_has_wheels_for_python_3_9_and_3_10_only(
    python: str, fits: int
) -> None:
    """Its extra wants a TensorRT without wheels for 3.11; on CPUs it runs there."""
    wanted = {"tensorflow": "2.14.1", "python": python}
    if fits:
        assert releases(solved(T4, **wanted))["tensorflow_gpu"] == "2.14.1"
    else:
        assert constraints(failed(T4, **wanted)) == [
            "framework-python",
            "wish-python",
            "wish-tensorflow",
        ]
    assert releases(solved(**wanted)) == {"tensorflow": "2.14.1"}


@pytest.mark.parametrize("system", ["debian-12", "ubuntu-22.04"])
def test_k80_where_470_is_to_be_had(system: str) -> None:
    source = system.partition("-")[0]
    found = solved(K80, system=system)
    assert driver(found) == (470, "proprietary", source)
    assert toolkits(found) == ["11.8"]
    assert releases(found)["tensorflow_gpu"] == "2.14.1"
    assert "470 is past its end of life" in words(found)
    assert "minor-version compatibility" in words(found)


def test_gtx_680_has_a_driver_and_no_framework() -> None:
    found = solved(GTX_680, system="ubuntu-22.04")
    assert driver(found) == (470, "proprietary", "ubuntu")
    assert toolkits(found) == []
    assert releases(found) == {"tensorflow": "2.21.0"}
    assert [conflict.constraint for conflict in found.left_out] == ["no-kernels"]
    assert "no TensorFlow" in words(found)


@pytest.mark.parametrize("card", [GTX_680, K80])
@pytest.mark.parametrize("system", ["debian-13", "ubuntu-24.04", "ubuntu-26.04"])
def test_kepler_is_left_out_where_470_is_not_to_be_had(card: str, system: str) -> None:
    found = solved(card, system=system)
    assert driver(found) is None
    assert releases(found) == {"tensorflow": "2.21.0"}
    assert {conflict.constraint for conflict in found.left_out} == {
        "last-branch",
        "offered-branches",
    }
    mixed = solved(card, RTX_4090, system=system)
    assert driver(mixed)[:2] == OPEN[system][0][:2]  # type: ignore[index]
    assert mixed.left_out == found.left_out
    assert [card.device for card in mixed.situation.cards] == [RTX_4090]


@pytest.mark.parametrize("system", ["debian-12", "ubuntu-22.04"])
def test_kepler_and_ada_have_no_driver_in_common(system: str) -> None:
    assert constraints(failed(GTX_680, RTX_4090, system=system)) == ["first-driver", "last-branch"]


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("card", [GTX_970, GTX_1060, V100])
def test_pre_turing_and_blackwell_have_no_modules_in_common(card: str, system: str) -> None:
    why = failed(card, RTX_5090, system=system)
    assert constraints(why) == ["no-open-modules", "open-modules-only"]
    assert {conflict.source for conflict in why.conflicts}.isdisjoint({"you", "the rig", ""})


@pytest.mark.parametrize("system", SYSTEMS)
def test_gb10_is_a_part_of_an_arm64_machine(system: str) -> None:
    found = solved(GB10, system=system)
    assert driver(found) is None
    assert [conflict.constraint for conflict in found.left_out] == ["arm64-only"]


@pytest.mark.parametrize("system", ["ubuntu-22.04", "ubuntu-24.04", "ubuntu-26.04"])
def test_rubin_needs_615(system: str) -> None:
    found = solved(GR100, system=system)
    assert driver(found) == (615, "open", "ubuntu")
    # Its first toolkit is 13.4, which no repository has yet.
    assert toolkits(found) == []
    assert "How long driver branch 615 is supported is not known" in words(found)
    assert "first-driver" in constraints(failed(GR100, system=system, driver="595"))


@pytest.mark.parametrize("system", ["debian-12", "debian-13"])
def test_rubin_is_left_out_where_615_is_not_to_be_had(system: str) -> None:
    found = solved(GR100, system=system)
    assert driver(found) is None
    assert "first-driver" in {conflict.constraint for conflict in found.left_out}


@pytest.mark.parametrize("system", SYSTEMS)
def test_an_unknown_card_gets_the_newest_driver_and_a_doubt(system: str) -> None:
    found = solved(UNKNOWN, system=system)
    newest = {"debian-12": 595, "debian-13": 595}.get(system, 615)
    assert driver(found)[0] == newest  # type: ignore[index]
    assert "best guess" in words(found)


def test_a_mining_card_has_no_open_modules() -> None:
    assert constraints(failed(CMP_50HX, modules="open")) == ["no-open-modules", "wish-modules"]
    assert constraints(failed(CMP_50HX, RTX_5090)) == ["no-open-modules", "open-modules-only"]


# --- Secure Boot, reach, what runs -----------------------------------------------------------------------------------


@pytest.mark.parametrize("system", ["ubuntu-22.04", "ubuntu-24.04", "ubuntu-26.04"])
def test_secure_boot_takes_ubuntus_signed_modules(system: str) -> None:
    assert driver(solved(RTX_3090, system=system, secure_boot=True)) == OPEN[system][0]
    why = constraints(failed(RTX_3090, system=system, secure_boot=True, driver_source="nvidia"))
    assert why == ["secure-boot", "wish-driver-source"]


@pytest.mark.parametrize("own", ["6.12.9-xanmod1", "6.8.0-60-lowlatency"])
def test_secure_boot_bars_modules_that_are_not_built_for_the_kernel(own: str) -> None:
    """Ubuntu builds and signs them for some of its own kernels; DKMS builds the others on the rig."""
    assert driver(solved(RTX_3090, kernel=own)) == OPEN["ubuntu-24.04"][0]
    assert set(constraints(failed(RTX_3090, kernel=own, secure_boot=True))) == {"secure-boot"}


@pytest.mark.parametrize("system", ["debian-12", "debian-13"])
def test_secure_boot_bars_modules_built_on_the_rig(system: str) -> None:
    why = failed(RTX_3090, system=system, secure_boot=True)
    assert set(constraints(why)) == {"secure-boot"}
    assert {conflict.source for conflict in why.conflicts} == {"the rig"}
    # Where one is loaded in spite of it, the key is enrolled.
    found = solved(RTX_3090, system=system, secure_boot=True, loaded="595.91.07")
    assert "mokutil" in words(found)


def test_a_signed_module_that_runs_does_not_vouch_for_modules_built_on_the_rig() -> None:
    why = failed(
        RTX_3090, kernel="6.8.12-own", secure_boot=True, loaded="580.95.05", loaded_signed=True
    )
    assert set(constraints(why)) == {"secure-boot"}
    assert solved(RTX_3090, kernel="6.8.12-own", secure_boot=True, loaded="580.95.05")


def test_without_nvidias_repository_ubuntu_has_a_driver_and_no_toolkit() -> None:
    found = solved(RTX_3090, unreached=NVIDIA_UNREACHED)
    assert driver(found) == (580, "open", "ubuntu")
    assert toolkits(found) == []


@pytest.mark.parametrize(
    ("system", "wanted", "cuda"),
    [
        ("debian-12", (535, "proprietary", "debian"), "11.8"),
        ("debian-13", (550, None, "debian"), "12.4"),
    ],
)
def test_without_nvidias_repository_debian_has_its_own(
    system: str, wanted: tuple[int, str | None, str], cuda: str
) -> None:
    found = solved(RTX_3090, system=system, unreached=NVIDIA_UNREACHED)
    branch, flavour, source = driver(found) or (0, "", "")
    assert (branch, source) == (wanted[0], wanted[2])
    assert wanted[1] in {None, flavour}
    assert toolkits(found) == [cuda]


def test_without_nvidias_repository_debian_has_nothing_for_blackwell() -> None:
    why = constraints(failed(RTX_5090, system="debian-12", unreached=NVIDIA_UNREACHED))
    assert why == ["first-driver", "offered-branches", "unreached-repository"]


@pytest.mark.parametrize(
    ("loaded", "is_open", "wanted"),
    [
        ("595.71.05", True, (595, "open")),
        ("580.95.05", True, (580, "open")),
        ("580.95.05", False, (580, "proprietary")),
        ("580.95.05", None, (580, "open")),
        ("615.71.09", True, (615, "open")),
        ("610.43.02", True, (580, "open")),
        ("570.211.01", True, (580, "open")),
        ("535.309.01", False, (580, "open")),
    ],
)
def test_a_supported_driver_that_runs_is_kept(
    loaded: str,
    is_open: bool | None,  # noqa: FBT001 - a column
    wanted: tuple[int, str],
) -> None:
    found = driver(solved(RTX_3090, loaded=loaded, loaded_open=is_open))
    assert found is not None
    assert found[:2] == wanted


def test_a_driver_that_runs_and_drives_no_added_card_is_not_kept() -> None:
    assert driver(solved(RTX_3090, loaded="595.71.05"))[0] == 595  # type: ignore[index]
    assert driver(solved(RTX_3090, GTX_1060, loaded="595.71.05")) == (580, "proprietary", "ubuntu")


def test_a_branch_is_kept_in_its_last_month_and_not_after() -> None:
    assert driver(solved(T4, loaded="610.43.02", month="2026-08"))[0] == 610  # type: ignore[index]
    assert driver(solved(T4, loaded="610.43.02", month="2026-09"))[0] == 580  # type: ignore[index]


@pytest.mark.parametrize(
    ("kernel", "branch", "warned"),
    [
        ("6.12.41+deb13-amd64", 550, False),
        ("6.12.117+deb13-cloud-amd64", 550, False),
        ("6.15.9-amd64", 550, False),
        ("6.16.3+deb13-amd64", 535, False),
        ("6.18.2+deb13-amd64", 550, True),
    ],
)
def test_a_debian_kernel_newer_than_the_driver_was_tried_on(
    kernel: str,
    branch: int,
    warned: bool,  # noqa: FBT001 - a column
) -> None:
    found = solved(T4, system="debian-13", kernel=kernel, unreached=NVIDIA_UNREACHED)
    assert driver(found)[0] == branch  # type: ignore[index]
    assert ("was tried up to Linux" in words(found)) is warned


def test_debian_13_open_modules_are_said_to_build_on_its_older_kernels_only() -> None:
    asked = {"system": "debian-13", "modules": "open", "unreached": NVIDIA_UNREACHED}
    assert "was tried up to Linux" not in words(solved(T4, kernel="6.12.94+deb13-amd64", **asked))
    said = words(solved(T4, kernel="6.12.117+deb13-amd64", **asked))
    assert "was tried up to Linux 6.12.94; the rig boots 6.12.117+deb13-amd64" in said


def test_ubuntu_26_04_has_one_toolkit() -> None:
    assert toolkits(solved(T4, system="ubuntu-26.04")) == ["13.3"]
    assert "made with driver 610.43.02" in words(solved(T4, system="ubuntu-26.04"))


def test_toolkits_that_fail_on_ubuntu_26_04_are_not_chosen_and_warned_of() -> None:
    """Before 13.3, nvcc was reported not to compile against its glibc 2.43; here a repository has them."""
    rows = CATALOGUE.repositories
    offer = next(row for row in rows.cuda if "ubuntu-26.04" in row.systems)
    more = msgspec.structs.replace(offer, versions=("13.3", "13.1", "13.0"))
    known = changed(cuda=(more, *(row for row in rows.cuda if row != offer)))
    found = solve(situation(T4, system="ubuntu-26.04"), known)
    assert isinstance(found, Solution)
    assert toolkits(found) == ["13.3"]
    wanted = solve(situation(T4, system="ubuntu-26.04", cuda="13.1"), known)
    assert isinstance(wanted, Solution)
    assert toolkits(wanted) == ["13.1"]
    assert "glibc 2.43" in words(wanted)
