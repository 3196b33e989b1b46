"""The planner: from facts and wishes to decisions and actions, and the plain words where nothing fits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from facts_of import GTX_1060, base_done, environment, facts_of

from provision import catalogue
from provision.errors import ImpossiblePlanError, UsageError
from provision.layout import ENVIRONMENTS
from provision.plan import CudaPlan, EnvironmentPlan, Plan, Profile, state_digest
from provision.planner import make_plan
from provision.wishes import Maker, Modules, Wishes

if TYPE_CHECKING:
    from provision.facts import Facts

TF = "tensorflow-cpu==2.21.0"
REACHED = {"reach_conda": "conda yes http 200", "reach_miniforge": "miniforge yes http 200"}


def plan(facts: Facts, **wishes: object) -> Plan:
    return make_plan(facts, Wishes(**wishes), catalogue.load())  # type: ignore[arg-type]


def choice(made: Plan, subject: str) -> str:
    return next(d.choice for d in made.reasons if d.subject == subject)


def test_a_bare_box_gets_everything() -> None:
    made = plan(facts_of())
    assert made.profile is Profile.CPU
    assert made.roles == ("base", "environments")
    assert [a.subject for a in made.actions] == [
        "packages",
        "/etc/security/limits.d/90-dlrig.conf",
        "tensorflow",
        "/etc/profile.d/dlrig.sh",
    ]
    assert choice(made, "environment maker").startswith("venv")
    assert choice(made, "tensorflow") == "TensorFlow 2.21.0"
    assert made.variables["environments_wanted"] == [
        {"name": "tensorflow", "python": "", "requirements": [TF]}
    ]
    assert all(decision.reason for decision in made.reasons)
    assert made.driver is None
    assert made.cuda == CudaPlan()
    assert list(made.environments) == ["tensorflow"]
    assert made.environments["tensorflow"] == EnvironmentPlan(
        name="tensorflow",
        maker="venv",
        python="3.11",
        pins=(TF,),
        framework="tensorflow",
        version="2.21.0",
        device="cpu",
        path=f"{ENVIRONMENTS}/tensorflow",
    )


def test_a_finished_rig_gets_nothing() -> None:
    made = plan(facts_of(**base_done(), environments=environment("tensorflow", [TF])))
    assert made.actions == ()


@pytest.mark.parametrize(
    ("readings", "present", "reason"),
    [
        ({"environments": "== tensorflow\n= python runs\n"}, "unfinished", "cut"),
        (
            {"environments": environment("tensorflow", [TF]).replace("= python runs\n", "")},
            "broken",
            "does not start",
        ),
        (
            {"environments": environment("tensorflow", [TF], numpy="2.0.1")},
            "drifted",
            "numpy 2.1.0 became 2.0.1",
        ),
        (
            {"environments": environment("tensorflow", [TF], numpy="")},
            "drifted",
            "numpy 2.1.0 is gone",
        ),
        (
            {"environments": environment("tensorflow", [TF], keras_x="1")},
            "drifted",
            "keras_x 1 was added",
        ),
        (
            {"environments": environment("tensorflow", ["tensorflow-cpu==2.20.0"])},
            "tensorflow-cpu==2.20.0",
            "other requirements",
        ),
    ],
)
def test_drift_of_an_environment_is_found_and_only_it_is_mended(
    readings: dict[str, str], present: str, reason: str
) -> None:
    made = plan(facts_of(**base_done(), **readings))
    (action,) = made.actions
    assert (action.role, action.subject, action.present) == ("environments", "tensorflow", present)
    assert reason in action.reason


def test_a_distribution_that_is_there_twice_is_drift() -> None:
    """A half-finished upgrade by hand leaves two; which of them is imported is chance."""
    twice = environment("tensorflow", [TF]) + "- numpy-1.0.dist-info\n"
    (action,) = plan(facts_of(**base_done(), environments=twice)).actions
    assert "numpy 2.1.0 became 2.1.0 and 1.0" in action.reason


def test_drift_of_a_package_and_a_file_is_found_and_only_base_runs() -> None:
    done = base_done()
    done["dpkg"] = done["dpkg"].replace("ii  curl 1.0\n", "rc  curl 1.0\n")
    _, *others = done["files"].splitlines(keepends=True)
    done["files"] = f"{'0' * 64}  /etc/security/limits.d/90-dlrig.conf\n{''.join(others)}"
    made = plan(facts_of(**done, environments=environment("tensorflow", [TF])))
    assert made.roles == ("base",)
    assert [(a.subject, a.present) for a in made.actions] == [
        ("packages", "1 of 9 missing"),
        ("/etc/security/limits.d/90-dlrig.conf", "edited"),
    ]


def test_conda_where_its_channel_is_reached() -> None:
    made = plan(facts_of(**REACHED))
    assert choice(made, "environment maker").startswith("conda")
    assert made.environments["tensorflow"].python == "3.12"
    assert made.variables["environments_conda_channels"] == [
        "https://conda.anaconda.org/conda-forge"
    ]


def test_present_environments_keep_their_maker() -> None:
    made = plan(facts_of(**base_done(), **REACHED, environments=environment("tensorflow", [TF])))
    assert made.actions == ()


def test_a_wished_maker_wins() -> None:
    assert choice(plan(facts_of(), environment_maker=Maker.CONDA), "environment maker").startswith(
        "conda"
    )
    assert choice(
        plan(facts_of(**REACHED), environment_maker=Maker.VENV), "environment maker"
    ).startswith("venv")


def test_a_gpu_gets_a_driver_and_a_second_environment() -> None:
    made = plan(facts_of(pci_nvidia=GTX_1060, **REACHED))
    assert made.profile is Profile.GPU
    assert list(made.environments) == ["tensorflow", "tensorflow_gpu"]
    gpu = made.environments["tensorflow_gpu"]
    assert gpu.pins == ("tensorflow[and-cuda]==2.21.0", "nvidia-cudnn-cu12>=9.3.0.75,<9.11")
    assert (gpu.device, gpu.framework, gpu.version) == ("gpu", "tensorflow", "2.21.0")
    assert gpu.cuda.startswith("12.")
    assert "10de:1c03" in next(d.reason for d in made.reasons if d.subject == "profile")
    assert made.driver is not None
    assert (made.driver.branch, made.driver.flavour) == (580, "proprietary")
    assert (made.driver.type, made.driver.end_of_life) == ("LTSB", "2028-06")
    subjects = [decision.subject for decision in made.reasons]
    assert subjects == [
        *("system", "profile", "GPU", "environment maker", "driver", "kernel modules"),
        *("driver source", "CUDA toolkit", "tensorflow", "tensorflow_gpu"),
    ]
    assert all(
        decision.source and decision.date and decision.confidence
        for decision in made.reasons
        if decision.subject in {"GPU", "driver", "kernel modules", "driver source", "CUDA toolkit"}
    )


def test_two_of_a_kind_are_told_as_two() -> None:
    two = GTX_1060 + GTX_1060.replace("01:00.0", "02:00.0")
    made = plan(facts_of(pci_nvidia=two))
    one = plan(facts_of(pci_nvidia=GTX_1060))
    assert "2 x GeForce GTX 1060 6GB" in next(
        d.reason for d in made.reasons if d.subject == "profile"
    )
    assert (made.driver, made.cuda, made.environments) == (one.driver, one.cuda, one.environments)


def test_a_wished_version() -> None:
    assert choice(plan(facts_of(), tensorflow="<2.20"), "tensorflow") == "TensorFlow 2.19.1"


@pytest.mark.parametrize(
    ("readings", "wishes", "reference", "words"),
    [
        (
            {"os_release": "ID=fedora\nVERSION_ID=42\nPRETTY_NAME=Fedora\n"},
            {},
            "unsupported-system",
            "Ubuntu 24.04",
        ),
        ({"uname": "Linux 6.8.0 aarch64\nrig\n"}, {}, "unsupported-architecture", "x86_64"),
        (
            {"os_release": 'ID=ubuntu\nVERSION_ID="26.04"\n'},
            {},
            "impossible-plan",
            "--environment-maker conda",
        ),
        ({}, {"tensorflow": "==1.15"}, "impossible-plan", "2.21.0"),
    ],
)
def test_what_is_impossible_says_why_and_what_is_nearest(
    readings: dict[str, str], wishes: dict[str, str], reference: str, words: str
) -> None:
    with pytest.raises(ImpossiblePlanError) as caught:
        plan(facts_of(**readings), **wishes)
    assert caught.value.reference == reference
    assert words in str(caught.value)
    assert caught.value.where == "rig"


@pytest.mark.parametrize(
    ("readings", "reference", "words"),
    [
        ({"reach_apt": "apt no http curl: (6) Could not resolve host 000"}, "no-network", "proxy"),
        (
            {"df_bytes": "h\n/dev/sda1 ext4 4000000000 1 900000000 1% /\n"},
            "disk-full",
            "0.9 GB free",
        ),
        ({"df_inodes": "h\n/dev/sda1 ext4 1000 1000 0 1% /\n"}, "disk-full", "no free inode"),
    ],
)
def test_what_stops_work_stops_no_look(
    readings: dict[str, str], reference: str, words: str
) -> None:
    made = plan(facts_of(**readings))
    assert [stop.reference for stop in made.stops] == [reference]
    refusal = made.refusal
    assert refusal is not None
    assert words in str(refusal)
    assert refusal.where == "rig"


def test_a_version_that_is_none_is_a_slip() -> None:
    with pytest.raises(UsageError, match="not a version or a version specifier"):
        plan(facts_of(), tensorflow="newest please")


def test_an_impossible_plan_names_what_clashes_and_what_is_near() -> None:
    with pytest.raises(ImpossiblePlanError) as caught:
        plan(facts_of(pci_nvidia=GTX_1060, **REACHED), modules=Modules.OPEN)
    error = caught.value
    assert error.reference == "impossible-plan"
    assert [conflict.constraint for conflict in error.conflicts] == [
        "wish-modules",
        "no-open-modules",
    ]
    rule = error.conflicts[1]
    assert rule.source in str(error)
    assert rule.date in str(error)
    assert [near.change for near in error.nearest] == ["without --modules open"]
    assert "without --modules open" in error.hint
    assert "driver 580 (proprietary" in error.nearest[0].gives


def test_cards_that_clash_name_each_other() -> None:
    blackwell = GTX_1060.replace("0x1c03", "0x2b85").replace("01:00.0", "02:00.0")
    with pytest.raises(ImpossiblePlanError) as caught:
        plan(facts_of(pci_nvidia=GTX_1060 + blackwell, **REACHED))
    assert sorted(conflict.constraint for conflict in caught.value.conflicts) == [
        "no-open-modules",
        "open-modules-only",
    ]
    assert len(caught.value.nearest) == 2
    assert "GTX 1060" in str(caught.value)
    assert "RTX 5090" in str(caught.value)


def test_a_card_that_nothing_drives_is_left_out_with_the_reason() -> None:
    fermi = GTX_1060.replace("0x1c03", "0x06c0")
    made = plan(facts_of(pci_nvidia=fermi))
    assert made.profile is Profile.CPU
    assert made.driver is None
    assert list(made.environments) == ["tensorflow"]
    assert "last-branch" in {conflict.constraint for conflict in made.conflicts}
    assert any(warning.startswith("Left out: ") for warning in made.warnings)


@pytest.mark.parametrize(("name", "near"), [("tensorflow-gpu", "tensorflow_gpu"), ("jaxx", "jax")])
def test_an_unknown_environment_is_a_slip(name: str, near: str) -> None:
    with pytest.raises(UsageError) as caught:
        plan(facts_of(), env=(name,))
    assert caught.value.reference == "unknown-environment"
    assert f"Did you mean {near}?" in caught.value.hint


def test_warnings_name_what_a_person_should_know() -> None:
    made = plan(
        facts_of(
            dpkg_lock="412 /usr/bin/apt-get\n",
            reboot="pending\nlinux-base\n",
            dpkg_audit="half installed",
        )
    )
    text = " ".join(made.warnings)
    assert "held by apt-get (process 412)" in text
    assert "reboot (for linux-base)" in text
    assert made.actions[0].subject == "dpkg"


def test_the_state_changes_with_the_environment_and_not_with_load() -> None:
    rig = facts_of(environments=environment("tensorflow", [TF]))
    busy = facts_of(
        environments=environment("tensorflow", [TF]),
        meminfo="MemTotal: 16000000 kB\nMemAvailable: 5 kB\n",
    )
    drifted = facts_of(environments=environment("tensorflow", [TF], numpy="1"))
    assert state_digest(rig) == state_digest(busy) != state_digest(drifted)
