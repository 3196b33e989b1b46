"""The planner: from facts and wishes to decisions and actions, and the plain words where nothing fits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from facts_of import GTX_1060, base_done, environment, facts_of

from provision import catalogue
from provision.errors import ImpossiblePlanError, UsageError
from provision.plan import Plan, Profile, state_digest
from provision.planner import make_plan
from provision.wishes import Maker, Wishes

if TYPE_CHECKING:
    from provision.facts import Facts

TF = "tensorflow-cpu==2.21.0"
REACHED = {"reach_conda": "conda yes http 200", "reach_miniforge": "miniforge yes http 200"}


def plan(facts: Facts, **wishes: object) -> Plan:
    return make_plan(facts, Wishes(**wishes), catalogue.load())  # type: ignore[arg-type]


def choice(made: Plan, subject: str) -> str:
    return next(d.choice for d in made.decisions if d.subject == subject)


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
    assert choice(made, "tensorflow") == "2.21.0"
    assert made.variables["environments_wanted"] == [
        {"name": "tensorflow", "python": "", "requirements": [TF]}
    ]
    assert all(decision.reason for decision in made.decisions)


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
    _, other = done["files"].splitlines(keepends=True)
    done["files"] = f"{'0' * 64}  /etc/security/limits.d/90-dlrig.conf\n{other}"
    made = plan(facts_of(**done, environments=environment("tensorflow", [TF])))
    assert made.roles == ("base",)
    assert [(a.subject, a.present) for a in made.actions] == [
        ("packages", "1 of 9 missing"),
        ("/etc/security/limits.d/90-dlrig.conf", "edited"),
    ]


def test_conda_where_its_channel_is_reached() -> None:
    made = plan(facts_of(**REACHED))
    assert choice(made, "environment maker").startswith("conda")
    assert choice(made, "python") == "3.12"
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


def test_a_gpu_gets_a_second_environment_and_a_plain_word_about_the_driver() -> None:
    made = plan(facts_of(pci_nvidia=GTX_1060))
    assert made.profile is Profile.GPU
    assert [e.name for e in made.environments] == ["tensorflow", "tensorflow_gpu"]
    assert "nvidia-cudnn-cu12>=9.3,<9.11" in made.environments[1].requirements
    assert "10de:1c03" in next(d.reason for d in made.decisions if d.subject == "profile")
    assert any("No NVIDIA driver is loaded" in warning for warning in made.warnings)


def test_a_wished_version() -> None:
    assert choice(plan(facts_of(), tensorflow="<2.20"), "tensorflow") == "2.19.1"


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
            {"reach_apt": "apt no http curl: (6) Could not resolve host 000"},
            {},
            "no-network",
            "proxy",
        ),
        (
            {"df_bytes": "h\n/dev/sda1 ext4 4000000000 1 900000000 1% /\n"},
            {},
            "disk-full",
            "0.9 GB free",
        ),
        ({"df_inodes": "h\n/dev/sda1 ext4 1000 1000 0 1% /\n"}, {}, "disk-full", "no free inode"),
        (
            {"os_release": 'ID=ubuntu\nVERSION_ID="26.04"\n'},
            {},
            "no-fitting-python",
            "--environment-maker conda",
        ),
        ({}, {"tensorflow": "==1.15"}, "no-such-version", "2.21.0"),
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


def test_a_version_that_is_none_is_a_slip() -> None:
    with pytest.raises(UsageError, match="not a version specifier"):
        plan(facts_of(), tensorflow="newest please")


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
