"""The playbooks on real boxes, by plain ansible-playbook: check, converge, again, repair, finish, refuse."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from plain_ansible import PLAYBOOKS, argv, changes, environment, what_failed
from rigs import kill

from provision.box import Box

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STAND_IN = Path(__file__).parent / "conda_standin"
ENVIRONMENTS = "/opt/dlrig/envs"
LIMIT = 600


def small(*requirements: str, name: str = "small", **more: Any) -> dict[str, Any]:  # noqa: ANN401 - variables of roles
    """Variables that wish one environment without a framework."""
    return {"environments_wanted": [{"name": name, "requirements": list(requirements)}], **more}


def play(
    box: Box,
    *options: str,
    user: str = "rigger",
    code: int = 0,
    **variables: Any,  # noqa: ANN401 - variables of roles
) -> str:
    """Run site.yml on the box; returns what it printed."""
    done = subprocess.run(
        argv(box, "site.yml", variables, *options, user=user),
        cwd=PLAYBOOKS,
        env=environment(box),
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    printed = done.stdout + done.stderr
    assert done.returncode == code, f"exit code {done.returncode}\n{what_failed(printed)}"
    return printed


def record(box: Box, name: str) -> dict[str, Any]:
    found = json.loads(box.shell(f"cat {ENVIRONMENTS}/{name}/dlrig-environment.json").stdout)
    assert isinstance(found, dict)
    return found


def distributions(box: Box, name: str) -> dict[str, str]:
    """As whoever looks for drift reads them: from folder names, by a shell."""
    listed = box.shell(f"ls -d {ENVIRONMENTS}/{name}/lib/python*/site-packages/*.dist-info").stdout
    names = [
        Path(line).name.removesuffix(".dist-info").split("-", 1) for line in listed.splitlines()
    ]
    return {name: version for name, version in names}  # noqa: C416 - dict() cannot be typed


@pytest.fixture(scope="module")
def rig(boxes_possible: None) -> Iterator[Box]:  # noqa: ARG001 - only says whether
    """A box that the tests of this module provision step by step."""
    with Box.start("roles") as box:
        yield box


@pytest.fixture(scope="module")
def provisioned(rig: Box) -> Box:
    """The same box, provisioned with the roles' defaults."""
    assert "no Python yet" in play(rig, "--check", "--diff")
    assert rig.shell("command -v python3 || ls /opt/dlrig", check=False).stdout == ""
    play(rig)
    return rig


def test_tensorflow_computes(provisioned: Box) -> None:
    program = "import tensorflow as tf; print(float(tf.reduce_sum(tf.ones([3, 4]))))"
    python = f"{ENVIRONMENTS}/tensorflow/bin/python"
    printed = provisioned.shell(f"su guest -c '{python} -c \"{program}\"'").stdout
    assert printed.strip() == "12.0"


def test_the_record_says_what_is_installed(provisioned: Box) -> None:
    found = record(provisioned, "tensorflow")
    assert found["installed"] == distributions(provisioned, "tensorflow")
    assert found["installed"]["tensorflow_cpu"] == "2.21.0"
    assert found["maker"] == "venv"


def test_a_second_run_changes_nothing(provisioned: Box) -> None:
    assert changes(play(provisioned)) == 0
    assert changes(play(provisioned, "--check", "--diff")) == 0


def test_copied_files_are_the_roles_files(provisioned: Box) -> None:
    for source, destination in (
        ("base/files/limits.conf", "/etc/security/limits.d/90-dlrig.conf"),
        ("environments/files/profile.sh", "/etc/profile.d/dlrig.sh"),
    ):
        copied = provisioned.shell(f"cat {destination}; stat -c %a%U {destination}").stdout
        assert copied == (PLAYBOOKS / "roles" / source).read_text("utf-8") + "644root\n"


def test_an_environment_is_activated_by_name(provisioned: Box) -> None:
    script = ". /etc/profile.d/dlrig.sh; dlrig_activate tensorflow; command -v python"
    for shell in ("sh -u", "bash -u"):
        assert (
            provisioned.shell(f"{shell} -c '{script}'").stdout
            == f"{ENVIRONMENTS}/tensorflow/bin/python\n"
        )


def test_drift_is_repaired(provisioned: Box) -> None:
    wished = small("requests==2.32.5")
    play(provisioned, "--tags", "environments", **wished)
    before = distributions(provisioned, "small")
    uv = f"/opt/dlrig/uv/bin/uv pip uninstall --python {ENVIRONMENTS}/small/bin/python idna"
    site = f"{ENVIRONMENTS}/small/lib/python3.11/site-packages"
    provisioned.shell(
        f"{uv}; mkdir {site}/added-1.0.dist-info; echo added > {site}/added-1.0.dist-info/METADATA"
    )
    provisioned.shell(f"touch {site}/added-1.0.dist-info/RECORD")
    seen = play(provisioned, "--tags", "environments", "--check", "--diff", **wished)
    assert "+  idna" in seen
    assert "-  added 1.0" in seen
    assert distributions(provisioned, "small") != before
    play(provisioned, "--tags", "environments", **wished)
    assert (
        distributions(provisioned, "small") == before == record(provisioned, "small")["installed"]
    )


def test_a_broken_interpreter_is_replaced(provisioned: Box) -> None:
    wished = small("six==1.17.0", name="broken")
    play(provisioned, "--tags", "environments", **wished)
    provisioned.shell(f"ln -sf /nowhere {ENVIRONMENTS}/broken/bin/python")
    play(provisioned, "--tags", "environments", **wished)
    assert (
        provisioned.shell(
            f"{ENVIRONMENTS}/broken/bin/python -c 'import six; print(six.__version__)'"
        ).stdout
        == "1.17.0\n"
    )


def test_a_run_without_power_is_finished_by_the_next(provisioned: Box) -> None:
    provisioned.shell(f"rm -rf {ENVIRONMENTS}/tensorflow")
    first = subprocess.Popen(
        argv(provisioned, "site.yml", {}, "--tags", "environments"),
        cwd=PLAYBOOKS,
        env=environment(provisioned),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        begun = f"test -d {ENVIRONMENTS}/tensorflow/lib/python3.11/site-packages/tensorflow"
        deadline = time.monotonic() + 120
        while provisioned.shell(begun, check=False).returncode and time.monotonic() < deadline:
            time.sleep(0.1)
        provisioned.power_cut()
    finally:
        kill(first)
    provisioned.power_on()
    left = provisioned.shell(f"ls -a {ENVIRONMENTS} {ENVIRONMENTS}/tensorflow").stdout.split()
    assert ".tensorflow.making" in left
    assert "dlrig-environment.json" not in left
    play(provisioned)
    test_tensorflow_computes(provisioned)
    test_the_record_says_what_is_installed(provisioned)


def test_an_interrupted_dpkg_is_repaired(provisioned: Box) -> None:
    provisioned.shell(
        "cd /tmp && apt-get update -q && apt-get download kmod && dpkg --unpack kmod_*.deb && rm kmod_*.deb"
    )
    assert provisioned.shell("dpkg --audit").stdout
    assert changes(play(provisioned, "--tags", "base")) == 1
    assert not provisioned.shell("dpkg --audit").stdout


def test_one_failed_environment_leaves_the_others(provisioned: Box) -> None:
    wanted = [
        {"name": "wrong", "requirements": ["six==0.0.1.dev0"]},
        {"name": "right", "requirements": ["six==1.17.0"]},
    ]
    notes = provisioned.shell("ls /root/.ansible_async").stdout
    printed = play(provisioned, "--tags", "environments", code=2, environments_wanted=wanted)
    assert "environment wrong: could not install the requirements" in printed
    assert record(provisioned, "right")["installed"]["six"] == "1.17.0"
    assert provisioned.shell("ls /root/.ansible_async").stdout == notes


def test_credentials_of_the_index_stay_on_the_rig(provisioned: Box) -> None:
    provisioned.shell("cp /etc/pip.conf /etc/pip.conf.kept 2>/dev/null; true")
    secret = "http://me:s3cret@127.0.0.1:9/simple"
    provisioned.shell(f"printf '[global]\\nindex-url = {secret}\\ntimeout = 2\\n' > /etc/pip.conf")
    try:
        wished = small("six==1.17.0", name="secret")
        printed = play(provisioned, "--tags", "environments", "-vvv", code=2, **wished)
    finally:
        provisioned.shell("rm /etc/pip.conf; mv /etc/pip.conf.kept /etc/pip.conf 2>/dev/null; true")
    assert "127.0.0.1:9" in printed
    assert "s3cret" not in printed
    assert (
        provisioned.shell(
            "grep -rl s3cret /opt/dlrig /root /tmp /var/lib/dlrig", check=False
        ).stdout
        == ""
    )


def test_a_folder_that_is_not_ours_is_left_alone(provisioned: Box) -> None:
    provisioned.shell(
        f"mkdir -p {ENVIRONMENTS}/theirs && echo data > {ENVIRONMENTS}/theirs/thesis.txt"
    )
    printed = play(provisioned, "--tags", "environments", code=2, **small("six", name="theirs"))
    assert "dlrig did not make it" in printed
    assert provisioned.shell(f"cat {ENVIRONMENTS}/theirs/thesis.txt").stdout == "data\n"


def test_too_little_room_is_told_beforehand(provisioned: Box) -> None:
    printed = play(
        provisioned,
        "--tags",
        "environments",
        code=2,
        environments_minimum_free_gb=10**6,
        **small("six", name="big"),
    )
    assert "environments_minimum_free_gb" in printed
    assert provisioned.shell(f"ls -d {ENVIRONMENTS}/big", check=False).stdout == ""


def test_pip_does_the_work_where_uv_does_not_run(provisioned: Box) -> None:
    wished = small("six==1.17.0", name="slow", environments_uv_requirement="uv==0.0.0")
    provisioned.shell("mv /opt/dlrig/uv /opt/dlrig/uv.kept")
    try:
        printed = play(provisioned, "--tags", "environments", **wished)
        assert changes(play(provisioned, "--tags", "environments", **wished)) == 0
    finally:
        provisioned.shell("rm -rf /opt/dlrig/uv; mv /opt/dlrig/uv.kept /opt/dlrig/uv")
    assert "uv does not run on this rig" in printed
    assert record(provisioned, "slow")["installed"]["six"] == "1.17.0"


def test_proxies_reach_apt_under_sudo(provisioned: Box) -> None:
    proxy = {"http": "http://127.0.0.1:9", "https": "http://127.0.0.1:9", "no_proxy": "localhost"}
    provisioned.shell(
        "cp -a /etc/environment /root/environment.kept 2>/dev/null; ls /etc/apt/apt.conf.d > /root/apt.kept"
    )
    try:
        assert changes(play(provisioned, "--tags", "base", base_proxy=proxy)) == 1
        assert changes(play(provisioned, "--tags", "base", base_proxy=proxy)) == 0
        assert (
            'Proxy "http://127.0.0.1:9"'
            in provisioned.shell("apt-config dump | grep ::Proxy").stdout
        )
        assert 'http_proxy="http://127.0.0.1:9"' in provisioned.shell("cat /etc/environment").stdout
    finally:
        provisioned.shell("rm -f /etc/environment /etc/apt/apt.conf.d/95dlrig-proxy")
        provisioned.shell("mv /root/environment.kept /etc/environment 2>/dev/null; true")


def test_conda_environments(provisioned: Box) -> None:
    for file in STAND_IN.iterdir():
        shutil.copy(file, provisioned.path("/srv"))
    provisioned.shell("python3 /srv/channel.py /srv/channel", limit=300)
    conda: dict[str, Any] = {
        "environments_maker": "conda",
        "environments_wanted": [
            {"name": "forge", "python": "3.11", "requirements": ["six==1.17.0"]}
        ],
        "environments_miniforge_url": "file:///srv/installer.sh",
        "environments_miniforge_checksum": f"sha256:{'0' * 64}",
        "environments_conda_channels": ["file:///srv/channel"],
    }
    refused = play(provisioned, "--tags", "environments", code=2, **conda)
    assert "verify the Miniforge installer" in refused
    provisioned.shell("cd /srv && sha256sum installer.sh > installer.sh.sha256")
    conda["environments_miniforge_checksum"] = ""
    # What an installation that was cut off leaves.
    provisioned.shell("mkdir -p /opt/dlrig/miniforge/bin && touch /opt/dlrig/miniforge/bin/conda")
    play(provisioned, "--tags", "environments", **conda)
    assert changes(play(provisioned, "--tags", "environments", **conda)) == 0
    found = record(provisioned, "forge")
    assert (found["maker"], found["wished_python"]) == ("conda", "3.11")
    assert found["installed"] == distributions(provisioned, "forge")
    assert "python-3.11.2-0.json" in provisioned.shell(f"ls {ENVIRONMENTS}/forge/conda-meta").stdout


def test_a_private_channel_with_a_password_is_refused(provisioned: Box) -> None:
    channel: dict[str, Any] = {
        "environments_conda_channels": ["https://me:s3cret@conda.example.org/main"]
    }
    printed = play(provisioned, "--tags", "environments", code=2, **small("six"), **channel)
    assert "Nothing was changed" in printed


def test_other_systems_are_refused(fresh_box: Callable[..., Box]) -> None:
    box = fresh_box("fedora-41-flavour", "fedora", python=True)
    assert "is not supported" in play(box, code=2)
    assert box.shell("ls /var/lib/dlrig /opt/dlrig", check=False).stdout == ""


@pytest.mark.parametrize("system", ["debian-13", "ubuntu-22.04-flavour"])
def test_other_supported_systems(fresh_box: Callable[..., Box], system: str) -> None:
    box = fresh_box(system, python=True)
    wished = small("six==1.17.0")
    # A rig with Python and nothing else: check mode looks into both roles.
    seen = play(box, "--check", "--diff", **wished)
    assert changes(seen) > 0
    assert box.shell("ls /var/lib/dlrig /opt/dlrig", check=False).stdout == ""
    play(box, **wished)
    assert changes(play(box, **wished)) == 0
    assert record(box, "small")["installed"]["six"] == "1.17.0"
