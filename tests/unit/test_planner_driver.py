"""The driver on a rig against the planned one: what is changed, what is left, what is in the way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import yaml
from facts_of import GTX_1060, base_done, driver, environment, facts_of
from hypothesis import given, settings
from hypothesis import strategies as st

from provision import catalogue
from provision.errors import Exit, ImpossiblePlanError
from provision.plan import Action, Plan, state_digest
from provision.planner import make_plan
from provision.wishes import make_wishes

if TYPE_CHECKING:
    from provision.facts import Facts

ROLES = Path(__file__).resolve().parents[2] / "playbooks" / "roles"
KNOWN = catalogue.load()
OLD = "535.261.03"
NEW = "535.309.01"
GPU_PINS = ["tensorflow[and-cuda]==2.21.0", "nvidia-cudnn-cu12>=9.3.0.75,<9.11"]
NVIDIA_UNREACHED = "nvidia no http curl: (6) Could not resolve host 000"


def rig(look: str, **readings: str) -> Facts:
    """A Debian 12 box in November 2026 with a GTX 1060; all but the driver is done, NVIDIA's repository not reached."""
    done = {
        **base_done(),
        "environments": environment("tensorflow", ["tensorflow-cpu==2.21.0"])
        + environment("tensorflow_gpu", GPU_PINS),
        "pci_nvidia": GTX_1060,
        "reach_nvidia": NVIDIA_UNREACHED,
        "driver": look,
    }
    found = facts_of(**{**done, **readings})
    return msgspec.structs.replace(found, taken="2026-11-23T10:00:00+00:00")


def plan(
    look: str,
    *,
    newest: bool = False,
    readings: dict[str, str] | None = None,
    **wishes: Any,  # noqa: ANN401 - as an inventory has them
) -> Plan:
    return make_plan(
        rig(look, **(readings or {})), make_wishes(wishes, "options"), KNOWN, newest=newest
    )


def action(made: Plan, role: str = "nvidia_driver") -> Action:
    (found,) = [each for each in made.actions if each.role == role]
    return found


def references(made: Plan) -> list[str]:
    return [stop.reference for stop in made.stops]


def recorded(**values: object) -> dict[str, str]:
    fields = {"source": "debian", "branch": 535, "version": NEW, "how": "installed", **values}
    return {"record": json.dumps(fields)}


MISSING = "class: 'missing'\nkernel: '6.1.0-40-amd64'\nnext_kernel: '6.1.0-40-amd64'\npersistence: 'absent'\n"
UNMANAGED = {
    "class": "unmanaged",
    "why": "a driver that no package owns",
    "packages": "",
    "held": "",
    "record": "",
    "run_file": "yes",
    "persistence": "absent",
}
MIXED = {"class": "mixed", "why": "packages from several sources: debian nvidia", "record": ""}
ALL = ("nvidia_driver", "cuda_toolkit", "persistence", "hold")


def test_a_driver_that_is_missing_is_installed_with_all_that_goes_with_it() -> None:
    made = plan(MISSING)
    assert made.roles == ALL
    found = action(made)
    assert (found.present, found.reason) == ("none", "it is not there")
    assert found.wanted == f"{NEW} or a newer 535 (proprietary modules, Debian's archive)"
    assert made.stops == ()
    assert any(
        each == f"A reboot follows: no NVIDIA driver is loaded, {NEW} will be installed."
        for each in made.warnings
    )


def test_a_driver_that_is_as_planned_is_left() -> None:
    made = plan(driver())
    assert made.actions == ()
    assert made.stops == ()
    assert not any("reboot" in each for each in made.warnings)


def test_an_older_release_of_the_branch_stays_where_no_other_was_asked_for() -> None:
    old = driver(version=OLD, loaded=OLD, module_next=OLD, **recorded(version=OLD))
    made = plan(old)
    assert made.actions == ()
    assert made.driver is not None
    assert made.driver.version == OLD
    assert action(plan(old, newest=True)).reason == f"{NEW} was published since"
    assert plan(old, newest=True).variables["nvidia_driver_upgrade"] is True
    assert plan(old, driver=NEW).variables["nvidia_driver_version"] == NEW
    assert action(plan(old, driver=NEW)).present == f"{OLD} (proprietary, debian)"
    assert plan(old, driver="535").actions == ()
    assert plan(old, driver="<535.300").actions == ()
    assert action(plan(old, driver=">=535.300")).reason == f"{NEW} was chosen"


def test_a_newer_release_than_the_catalogue_knows_is_the_newest() -> None:
    ahead = "535.999.01"
    look = driver(version=ahead, loaded=ahead, module_next=ahead, **recorded(version=ahead))
    assert plan(look).actions == plan(look, newest=True).actions == ()


@pytest.mark.parametrize("wish", [OLD, f"=={OLD}", ">=535.200,<535.300"])
def test_an_older_release_that_the_archive_still_has(wish: str) -> None:
    made = plan(MISSING, driver=wish)
    assert made.driver is not None
    assert (made.driver.version, made.driver.source) == (OLD, "debian")
    assert made.variables["nvidia_driver_version"] == OLD
    assert action(made).wanted == f"{OLD} (proprietary modules, Debian's archive)"


def test_the_newest_is_not_named_by_its_number() -> None:
    """The archive may have replaced it by now."""
    made = plan(MISSING)
    assert made.variables["nvidia_driver_version"] == ""
    assert made.variables["nvidia_driver_upgrade"] is False


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ({"class": "broken", "why": "packages that are unpacked: libcuda1"}, "unpacked: libcuda1"),
        ({"class": "broken", "why": ""}, "it is broken"),
        ({"module_next": "", "next_kernel": "6.1.0-41-amd64"}, "no module for 6.1.0-41-amd64"),
        ({"record": ""}, "no record of it"),
        ({"record": "{"}, "no record of it"),
        (recorded(version=OLD), f"changed from outside: {OLD} was recorded"),
        (
            recorded(packages={"libcuda1": "1", "nvidia-smi": "535.309.01-0+deb12u1"}),
            "packages were changed from outside: libcuda1",
        ),
        (recorded(packages={"gone": "1"}), "packages were changed from outside: gone"),
    ],
)
def test_a_driver_that_is_not_whole_is_repaired(rows: dict[str, str], reason: str) -> None:
    made = plan(driver(**rows))
    assert reason in action(made).reason
    assert made.stops == ()


def test_a_driver_without_a_record_is_only_recorded() -> None:
    made = plan(driver(record=""), readings={"reach_apt": "apt no http curl: (6) x 000"})
    assert made.roles == ("nvidia_driver",)
    assert not any("reboot" in each for each in made.warnings)


def test_another_branch_and_another_source() -> None:
    made = plan(
        driver(),
        driver="580",
        readings={"reach_nvidia": "nvidia yes http 200", "secure_boot": "no-efi"},
    )
    assert action(made).reason == "branch 580 was chosen"
    assert made.variables["nvidia_driver_source"] == "nvidia"
    assert "nvidia-driver-pinning-580" in made.variables["nvidia_driver_packages"]
    assert made.roles == ("nvidia_driver", "cuda_toolkit", "persistence", "hold")
    assert any(
        each.startswith(f"A reboot follows: {NEW} is loaded, 580.") for each in made.warnings
    )


def test_another_flavour() -> None:
    look = driver(flavour="open", module_flavour="open")
    assert action(plan(look)).reason == "proprietary kernel modules were chosen"


@pytest.mark.parametrize(
    ("rows", "reference"), [(UNMANAGED, "unmanaged-driver"), (MIXED, "mixed-driver")]
)
def test_what_nobody_manages_is_in_the_way(rows: dict[str, str], reference: str) -> None:
    made = plan(driver(**rows))
    assert references(made) == [reference]
    assert made.driver is not None
    error = made.refusal
    assert isinstance(error, ImpossiblePlanError)
    assert (error.reference, error.exit_code) == (reference, Exit.FAILED)
    assert "--adopt" in error.hint
    assert "--purge-conflicts" in error.hint
    assert rows["why"] in error.what


@pytest.mark.parametrize("rows", [UNMANAGED, MIXED])
def test_it_is_purged_where_that_was_asked_for(rows: dict[str, str]) -> None:
    made = plan(driver(**rows), existing="purge")
    assert made.stops == ()
    assert made.refusal is None
    assert made.variables["nvidia_driver_existing"] == "purge"
    assert "removed first" in action(made).reason


@pytest.mark.parametrize("rows", [UNMANAGED, MIXED])
def test_it_is_adopted_where_that_was_asked_for(rows: dict[str, str]) -> None:
    version = "525.147.05"
    look = driver(**rows, version=version, loaded=version)
    made = plan(look, existing="adopt")
    assert made.stops == ()
    assert made.driver is not None
    assert (made.driver.version, made.driver.adopted) == (version, True)
    assert (made.driver.source, made.driver.packages) == ("elsewhere", ())
    assert made.variables["nvidia_driver_existing"] == "adopt"
    assert "nvidia_driver_packages" not in made.variables
    assert action(made).wanted == "as it is, recorded"
    assert not any("reboot" in each for each in made.warnings)
    # The environments are planned against it: 535 would run newer ones.
    assert made.cuda.toolkits == ("11.8",)


def test_what_was_adopted_once_stays_so() -> None:
    version = "550.54.15"
    rows = {**UNMANAGED, **recorded(version=version, source="", how="adopted")}
    look = driver(**rows, version=version, loaded=version)
    made = plan(look)
    assert (made.actions, made.stops) == ((), ())
    assert references(plan(look, driver="535")) == ["unmanaged-driver"]
    assert plan(look, driver="535", existing="purge").stops == ()
    with pytest.raises(ImpossiblePlanError, match="you asked for driver 535"):
        plan(look, driver="535", existing="adopt")


def test_nothing_to_adopt_is_installed() -> None:
    made = plan(MISSING, existing="adopt")
    assert made.roles == ALL
    assert action(made).reason == "it is not there"


def test_what_was_rolled_back_to_stays_though_it_is_no_longer_supported() -> None:
    reached = {"reach_nvidia": "nvidia yes http 200"}
    assert action(plan(driver(), readings=reached)).reason == "branch 580 was chosen"
    back = driver(**recorded(how="rolled back"))
    assert [a for a in plan(back, readings=reached).actions if a.role == "nvidia_driver"] == []


def test_a_look_that_failed_is_in_the_way() -> None:
    made = plan("")
    assert references(made) == ["driver-unread"]
    assert "nvidia_driver" not in made.roles


def test_a_kernel_that_the_driver_was_not_tried_on_is_in_the_way() -> None:
    look = MISSING.replace("next_kernel: '6.1.0-40-amd64'", "next_kernel: '6.18.1-amd64'")
    assert references(plan(look)) == ["kernel-too-new"]
    made = plan(look, ignore_kernel=True)
    assert made.stops == ()
    assert made.variables["nvidia_driver_kernel_check"] is False
    assert plan(look).variables["nvidia_driver_kernel_last"] == "6.16"
    # What is there and works needs no module to be built.
    assert plan(driver(next_kernel="6.18.1-amd64")).stops == ()


def test_a_display_is_in_the_way_of_a_change_only() -> None:
    shown = {"display": "Xorg"}
    assert plan(driver(**shown)).stops == ()
    broken = driver(**shown, **{"class": "broken"})
    made = plan(broken)
    assert references(made) == ["display-in-use"]
    assert "Xorg" in made.stops[0].what
    made = plan(broken, ignore_display=True)
    assert made.stops == ()
    assert made.variables["nvidia_driver_display"] == "ignore"


def disk(free_gb: float) -> dict[str, str]:
    return {"df_bytes": f"head\n/dev/sda1 ext4 {10**12} 1 {int(free_gb * 1e9)} 1% /\n"}


def test_room_for_driver_and_toolkits() -> None:
    assert references(plan(MISSING, readings=disk(8.0))) == ["disk-full"]
    assert plan(MISSING, readings=disk(9.0)).stops == ()
    assert plan(MISSING, readings=disk(2.0), cuda="none").stops == ()
    assert references(plan(MISSING, readings=disk(1.0), cuda="none")) == ["disk-full"]
    assert plan(driver(), readings=disk(1.0)).stops == ()
    # Environments that are to be made lie on the same disk here.
    both = plan(MISSING, readings={**disk(12.0), "environments": ""})
    assert references(both) == ["disk-full"]
    assert "with the environments" in both.stops[0].what


def test_what_is_not_held_is_held_and_nothing_else_is_done() -> None:
    made = plan(driver(held="nvidia-smi"))
    assert made.roles == ("hold",)
    found = action(made, "hold")
    assert found.present == "1 of 2 packages are not held"
    assert "libcuda1" in found.reason


@pytest.mark.parametrize("state", ["disabled", "absent"])
def test_persistence(state: str) -> None:
    assert plan(driver(persistence=state)).roles == ("persistence",)


def test_toolkits_that_are_missing_are_installed() -> None:
    made = plan(driver(toolkits="12.0=/usr/local/cuda-12.0"))
    assert made.roles == ("cuda_toolkit",)
    assert action(made, "cuda_toolkit").present == "only 12.0"
    assert made.variables["cuda_toolkit_wanted"] == [
        {"version": "11.8", "source": "debian", "package": "nvidia-cuda-toolkit"}
    ]
    assert plan(driver(toolkits=""), cuda="none").actions == ()


def test_the_container_toolkit_only_on_wish() -> None:
    assert "container_toolkit" not in plan(MISSING).roles
    made = plan(driver(), container_toolkit=True)
    assert made.roles == ("container_toolkit",)
    assert made.variables["container_toolkit_enabled"] is True
    there = base_done()["dpkg"] + "ii  nvidia-container-toolkit 1.17.8-1\n"
    assert plan(driver(), container_toolkit=True, readings={"dpkg": there}).actions == ()


NVSWITCH = "0000:05:00.0 0x068000 0x22a3 0x10de 0x1796 -1 -\n"
H100 = GTX_1060.replace("0x1c03", "0x2331").replace("0x030000", "0x030200")
NOBLE = {
    "os_release": 'ID=ubuntu\nVERSION_ID="24.04"\n',
    "uname": "Linux 6.8.0-60-generic x86_64\nrig\n",
    "reach_nvidia": "nvidia yes http 200",
}


def test_a_fabric_manager_with_an_nvswitch_and_as_new_as_the_driver() -> None:
    version = "580.173.02"
    packages = f"nvidia-utils-580-server={version}-0ubuntu0.24.04.1"
    fabric = f"nvidia-fabricmanager-580={version}-0ubuntu0.24.04.1"
    rows = {
        "version": version,
        "loaded": version,
        "module_next": version,
        "flavour": "open",
        "module_flavour": "open",
        "sources": "ubuntu nvidia",
        "toolkits": "13.0=/usr/local/cuda-13.0",
        **recorded(version=version, branch=580, source="ubuntu"),
    }
    readings = {**NOBLE, "pci_nvidia": H100 + NVSWITCH}

    def made(installed: str) -> Plan:
        held = " ".join(word.partition("=")[0] for word in installed.split())
        return plan(driver(**rows, packages=installed, held=held), readings=readings)

    assert "fabric_manager" in made(packages).roles
    assert made(packages).variables["fabric_manager_package"] == "nvidia-fabricmanager-580"
    assert "fabric_manager" not in made(f"{packages} {fabric}").roles
    assert "fabric_manager" in made(f"{packages} {fabric.replace(version, '580.65.06')}").roles
    without = plan(driver(**rows, packages=packages), readings={**NOBLE, "pci_nvidia": H100})
    assert "fabric_manager" not in without.roles
    assert "fabric_manager_package" not in without.variables


@pytest.mark.parametrize(
    ("packages", "source"),
    [
        ("nvidia-utils-580-server=580.65.06-0ubuntu0.24.04.4", "ubuntu"),
        ("libnvidia-compute-580=580.65.06-1ubuntu1", "nvidia"),
        ("libnvidia-compute-580=580.65.06-0ubuntu1", "ubuntu"),
    ],
)
def test_a_driver_from_elsewhere_keeps_its_source(packages: str, source: str) -> None:
    """Put there by hand, without dlrig's record: its branch is planned from where it came."""
    version = "580.65.06"
    look = driver(
        version=version,
        loaded=version,
        module_next=version,
        flavour="open",
        module_flavour="open",
        packages=packages,
        sources="ubuntu nvidia",
        record="",
    )
    made = plan(look, readings={**NOBLE, "pci_nvidia": H100})
    assert made.driver is not None
    assert (made.driver.source, made.driver.version) == (source, version)
    assert "no record" in action(made).reason


def test_what_is_installed_counts_and_not_what_still_runs() -> None:
    """Between an upgrade and the reboot."""
    look = driver(loaded=OLD)
    made = plan(look, readings={"nvidia_module": f"{OLD}\n"})
    assert made.actions == ()
    assert f"A reboot is due: {OLD} is loaded, {NEW} is installed." in made.warnings


def test_a_cut_upgrade_is_told() -> None:
    made = plan(driver(upgrade='{"wish":"580"}'))
    assert any("An upgrade to 580 was cut there" in each for each in made.warnings)


def test_without_a_gpu_nothing_of_this_happens() -> None:
    made = plan(driver(**UNMANAGED), readings={"pci_nvidia": ""})
    assert (made.driver, made.stops, made.actions) == (None, (), ())
    assert not any(name.startswith(("nvidia_", "cuda_", "hold_")) for name in made.variables)


def test_the_state_changes_with_the_installed_driver_and_the_next_kernel() -> None:
    states = {
        state_digest(rig(driver(**rows)))
        for rows in ({}, {"version": OLD}, {"next_kernel": "6.1.0-41-amd64"})
    }
    assert len(states) == 3


def test_a_mirror_stands_for_nvidias_repository() -> None:
    made = plan(MISSING, driver="580", nvidia_repository="https://mirror.example.org/debian12")
    assert made.variables["nvidia_driver_repository_url"] == "https://mirror.example.org/debian12/"
    assert made.variables["nvidia_driver_keyring_url"].startswith("https://mirror.example.org/")
    with pytest.raises(ImpossiblePlanError, match="not reached"):
        plan(MISSING, driver="580")


CASES = {
    "missing": plan(MISSING),
    "nvidia": plan(MISSING, driver="580", readings={"reach_nvidia": "nvidia yes http 200"}),
    "mirror": plan(MISSING, driver="580", nvidia_repository="https://mirror.example.org/x"),
    "fabric": plan(MISSING, readings={**NOBLE, "pci_nvidia": H100 + NVSWITCH}),
    "adopted": plan(driver(**MIXED), existing="adopt", container_toolkit=True),
}


@pytest.mark.parametrize("case", CASES)
def test_every_variable_is_one_of_its_role(case: str) -> None:
    made = CASES[case]
    names = sorted((path.name for path in ROLES.iterdir()), key=len, reverse=True)
    for variable, value in made.variables.items():
        role = next(name for name in names if variable.startswith(f"{name}_"))
        specs = yaml.safe_load((ROLES / role / "meta/argument_specs.yml").read_text())
        option = specs["argument_specs"]["main"]["options"][variable]
        kind = {"str": str, "int": int, "bool": bool, "list": list, "dict": dict}[option["type"]]
        assert isinstance(value, kind), variable
        assert value in option.get("choices", [value]), variable


@pytest.mark.parametrize("case", CASES)
def test_every_role_of_a_plan_is_there(case: str) -> None:
    assert set(CASES[case].roles) <= {path.name for path in ROLES.iterdir()}


LOOKS = st.fixed_dictionaries(
    {},
    optional={
        "class": st.sampled_from(["missing", "managed", "broken", "mixed", "unmanaged", "?"]),
        "version": st.sampled_from(["", OLD, NEW, "580.65.06", "9999.1", "12.1"])
        | st.text(max_size=9),
        "module_next": st.sampled_from(["", OLD, NEW]),
        "next_kernel": st.sampled_from(["", "6.18.1-amd64", "6.1.0-41-amd64"])
        | st.text(max_size=9),
        "flavour": st.sampled_from(["", "open", "proprietary"]),
        "packages": st.sampled_from(["", "a=1-0ubuntu1", f"libcuda1={NEW}-1"])
        | st.text(max_size=9),
        "held": st.text(max_size=9),
        "display": st.sampled_from(["", "Xorg"]),
        "toolkits": st.sampled_from(["", "12.4=/usr/local/cuda-12.4"]) | st.text(max_size=9),
        "record": st.sampled_from(["", "{}", '{"how":"adopted","version":"580.65.06"}']),
    },
)


@settings(deadline=None, max_examples=150)
@given(LOOKS, st.sampled_from(["stop", "adopt", "purge"]), st.sampled_from(["", "535", "580", OLD]))
def test_any_look_gives_a_plan_or_a_plain_word(
    look: dict[str, str], existing: str, wish: str
) -> None:
    rows = {key: value.replace("\n", " ") for key, value in look.items()}
    try:
        made = plan(driver(**rows), existing=existing, driver=wish)
    except ImpossiblePlanError:
        return
    assert made.driver is not None
    assert all(stop.what and stop.hint and stop.reference for stop in made.stops)
    if made.driver.adopted:
        assert made.stops == () or references(made) == ["disk-full"]
        assert "nvidia_driver_packages" not in made.variables
    else:
        assert made.driver.packages
    # A driver that nobody manages is never touched without being asked about.
    if existing == "stop" and rows.get("class") in {"mixed", "unmanaged"}:
        assert made.stops or made.driver.adopted
