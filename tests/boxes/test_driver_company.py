"""What keeps a driver company: persistence, fabric manager, container toolkit; and work that goes on beside a driver.

Drivers, daemons and NVIDIA's container toolkit are simulated (``ubuntu_archive``, and below): the repository of the
last is not reached from everywhere. systemd, apt and the roles are real.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
from plain_ansible import changes
from test_roles import play, record, small
from ubuntu_archive import H100, UbuntuRig, ubuntu
from ubuntu_archive.package import Package

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

OLD, BRANCH = ubuntu.FIRST[1], "595"
DRIVER = (
    f"linux-modules-nvidia-{BRANCH}-server-open-generic",
    f"nvidia-headless-no-dkms-{BRANCH}-server-open",
    f"nvidia-utils-{BRANCH}-server",
)
FABRIC = ("--tags", "fabric_manager")
PERSISTENCE = ("--tags", "persistence")
CONTAINERS = ("--tags", "container_toolkit")
CTK = b"""#!/bin/sh
# simulated nvidia-ctk
case "$1 $2" in
"runtime configure")
    mkdir -p /etc/docker
    echo '{"runtimes": {"nvidia": {"path": "nvidia-container-runtime"}}}' >/etc/docker/daemon.json ;;
"cdi generate")
    mkdir -p /etc/cdi
    echo "libcuda.so.$(cat /sys/module/nvidia/version)" >"${3#--output=}" ;;
esac
"""
DOCKER = """[Service]
ExecStart=/usr/bin/dockerd
"""


@pytest.fixture(scope="module")
def rig(ubuntu_start: Callable[..., AbstractContextManager[UbuntuRig]]) -> Iterator[UbuntuRig]:
    """A rig with a GPU and an NVSwitch; the tests go on from each other."""
    with ubuntu_start("company", gpus=(H100,), nvswitch=True, ubuntu=ubuntu.FIRST) as made:
        yield made


def mode(rig: UbuntuRig) -> str:
    """What the simulated daemon did to the GPUs."""
    return rig.shell("cat /run/simulated-gpu/persistence", check=False).stdout.strip()


def test_a_driver_that_fails_leaves_finished_environments_and_a_failed_run(rig: UbuntuRig) -> None:
    tags = ("--tags", "base,environments,nvidia_driver")
    wished = small("six==1.17.0", nvidia_driver_source="nowhere")
    printed = play(rig.box, *tags, code=2, **wished)
    assert "value of nvidia_driver_source must be one of" in printed
    assert record(rig.box, "small")["installed"]["six"] == "1.17.0"


def test_nothing_is_done_on_a_rig_without_a_driver_but_a_fabric_manager_is_missed(
    rig: UbuntuRig,
) -> None:
    assert changes(play(rig.box, *PERSISTENCE)) == 0
    assert "Install the driver first" in play(rig.box, *FABRIC, code=2)


def test_before_the_reboot_everything_is_enabled_and_nothing_started(rig: UbuntuRig) -> None:
    rig.apt("install", *DRIVER)
    assert changes(play(rig.box, "--tags", "fabric_manager,persistence", "--check")) > 0
    play(rig.box, "--tags", "fabric_manager,persistence")
    (version,) = rig.installed("nvidia-fabricmanager-*").values()
    assert version.startswith(f"{OLD}-")
    states = "systemctl is-enabled nvidia-fabricmanager; systemctl is-active nvidia-fabricmanager nvidia-persistenced"
    assert rig.shell(states, check=False).stdout.split() == ["enabled", "inactive", "inactive"]
    assert changes(play(rig.box, "--tags", "fabric_manager,persistence")) == 0


def test_canonicals_option_against_persistence_is_gone(rig: UbuntuRig) -> None:
    packaged = rig.shell("cat /lib/systemd/system/nvidia-persistenced.service").stdout
    assert "--no-persistence-mode" in packaged
    rig.reboot()
    assert rig.loaded == OLD
    play(rig.box, "--tags", "fabric_manager,persistence")
    assert mode(rig) == "Enabled"
    shown = rig.shell("systemctl show -p ExecStart nvidia-persistenced").stdout
    assert "--verbose" in shown
    assert "--no-persistence-mode" not in shown
    assert rig.shell("systemctl is-active nvidia-fabricmanager").stdout == "active\n"
    assert changes(play(rig.box, "--tags", "fabric_manager,persistence")) == 0


def test_no_other_fabric_manager_than_the_drivers_is_installed(rig: UbuntuRig) -> None:
    rig.apt("remove", f"nvidia-fabricmanager-{BRANCH}")
    withdrawn = rig.archive.ubuntu.withdraw(name=f"nvidia-fabricmanager-{BRANCH}")
    assert withdrawn
    rig.archive.publish_ubuntu(ubuntu.SECOND[1])
    rig.apt("update")
    printed = " ".join(play(rig.box, *FABRIC, code=2).split())
    assert f"no archive of this rig has nvidia-fabricmanager-{BRANCH} in exactly that" in printed
    assert not rig.installed("nvidia-fabricmanager-*")


def test_where_no_daemon_is_packaged_a_unit_sets_the_mode(rig: UbuntuRig) -> None:
    unit = "/lib/systemd/system/nvidia-persistenced.service"
    rig.shell(f"systemctl stop nvidia-persistenced; mv {unit} /root; systemctl daemon-reload")
    play(rig.box, *PERSISTENCE)
    assert rig.shell("systemctl is-enabled dlrig-persistence").stdout == "enabled\n"
    started = rig.shell("systemctl show -p ExecStart,Result dlrig-persistence").stdout
    assert "nvidia-smi -pm 1" in started
    assert "Result=success" in started
    assert changes(play(rig.box, *PERSISTENCE)) == 0
    rig.shell(f"mv /root/nvidia-persistenced.service {unit}; systemctl daemon-reload")
    play(rig.box, *PERSISTENCE)
    assert rig.shell("ls /etc/systemd/system | grep dlrig-pers", check=False).stdout == ""
    assert mode(rig) == "Enabled"


def containers(rig: UbuntuRig) -> dict[str, Any]:
    """Variables for the simulated container toolkit, which the rig's archive gets."""
    package = Package(
        name="nvidia-container-toolkit", version="1.17.8-1", files={"/usr/bin/nvidia-ctk": CTK}
    )
    rig.archive.nvidia.publish([package])
    key = base64.encodebytes(rig.box.path("/root/key.gpg").read_bytes()).decode()
    block = "PGP PUBLIC KEY BLOCK-----"
    rig.box.path("/root/key.asc").write_text(f"-----BEGIN {block}\n\n{key}-----END {block}\n")
    return {
        "container_toolkit_enabled": True,
        "container_toolkit_repository_url": rig.archive.nvidia_url,
        "container_toolkit_key_url": "file:///root/key.asc",
    }


def test_containers_get_gpus_on_wish_alone(rig: UbuntuRig) -> None:
    assert changes(play(rig.box, *CONTAINERS)) == 0
    rig.shell(
        "/usr/lib/apt/apt-helper download-file "
        f"{rig.archive.keyring_url} /root/k.deb && dpkg-deb --fsys-tarfile /root/k.deb "
        "| tar -xO ./usr/share/keyrings/cuda-archive-keyring.gpg >/root/key.gpg"
    )
    wished = containers(rig)
    for path, text in (
        ("/usr/bin/dockerd", "#!/bin/sh\n# simulated dockerd\nexec sleep infinity\n"),
        ("/etc/systemd/system/docker.service", DOCKER),
    ):
        rig.box.path(path).write_text(text)
    rig.shell("chmod 755 /usr/bin/dockerd; systemctl daemon-reload; systemctl start docker")
    before = rig.shell("systemctl show -p MainPID docker").stdout
    assert changes(play(rig.box, *CONTAINERS, "--check", "--diff", **wished)) > 0
    assert not rig.installed("nvidia-container-toolkit")
    play(rig.box, *CONTAINERS, **wished)
    assert rig.shell("systemctl show -p MainPID docker").stdout != before
    assert "nvidia-container-runtime" in rig.shell("cat /etc/docker/daemon.json").stdout
    assert rig.shell("ls /etc/containerd", check=False).stdout == ""
    assert OLD in rig.shell("cat /etc/cdi/nvidia.yaml").stdout
    rig.archive.server.requests.clear()
    assert changes(play(rig.box, *CONTAINERS, **wished)) == 0
    assert not rig.archive.server.requests
