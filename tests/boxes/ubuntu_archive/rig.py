"""A box with Ubuntu's name, pretended GPUs and a local archive of drivers."""

from __future__ import annotations

import ipaddress
import shlex
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from provision.box import Box, Settings
from ubuntu_archive import kernel, nvidia, ubuntu
from ubuntu_archive.archive import HOSTS, Archive
from ubuntu_archive.driver import FILES
from ubuntu_archive.gpus import RTX_3090, address, answers, bus, listing

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from ubuntu_archive.archive import Store
    from ubuntu_archive.gpus import Card

_ETC = "/etc/simulated-gpu"
_PROGRAMS = {
    "simulated-boot": "/usr/local/lib/simulated-boot",
    "uname": "/usr/local/bin/uname",
    "simulated-boot.service": "/etc/systemd/system/simulated-boot.service",
}
_KEYRING = "/usr/share/keyrings/ubuntu-archive-keyring.gpg"
_ALLOWED = """Unattended-Upgrade::Allowed-Origins {
    "${distro_id}:${distro_codename}";
    "${distro_id}:${distro_codename}-security";
};
"""
"""As Ubuntu's package has it, but for its extended support; Debian's names Debian's archive."""
LOOK = Path(__file__).parents[3] / "playbooks/roles/nvidia_driver/files/look.sh"


class UbuntuRig:
    """The rig; made by ``ubuntu_rig`` or ``start``.

    Attributes:
        box: the box itself.
        archive: what its apt sources hold, which tests change.
    """

    def __init__(self, box: Box, archive: Archive) -> None:
        self.box = box
        self.archive = archive

    @classmethod
    @contextmanager
    def start(  # noqa: PLR0913 - each is one way in which a rig differs
        cls,
        store: Store,
        name: str = "ubuntu",
        *,
        gpus: tuple[Card, ...] = (RTX_3090, RTX_3090),
        ubuntu: tuple[str, ...] = (*ubuntu.FIRST, *ubuntu.SECOND),
        nvidia: tuple[str, ...] = (*nvidia.FIRST, *nvidia.SECOND),
        secure_boot: bool | None = None,
        nvswitch: bool = False,
        empty: Path,
        **settings: Any,  # noqa: ANN401 - as Settings
    ) -> Iterator[UbuntuRig]:
        """A rig without a driver, with both repositories served and Ubuntu's configured.

        Args:
            store: of the test run.
            name: of the box.
            gpus: what is plugged in.
            ubuntu: driver versions in Ubuntu's archive.
            nvidia: driver versions in NVIDIA's repository.
            secure_boot: None for a machine without EFI.
            nvswitch: there is one.
            empty: an empty folder, over which the box pretends.
            **settings: of the box.
        """
        places = ("/sys/module", "/sys/bus/pci/devices", "/sys/firmware")
        binds = {**dict.fromkeys(places, empty), **settings.pop("binds", {})}
        whole = Settings(python=True, binds=binds, **settings)
        with Box.start(name, "ubuntu-24.04-flavour", whole) as box:
            here = str(ipaddress.ip_address(box.address) - 1)
            archive = Archive(store, box, here)
            try:
                archive.publish_ubuntu(*ubuntu)
                archive.publish_nvidia(*nvidia)
                rig = cls(box, archive)
                rig._write("/etc/apt/sources.list.d/ubuntu.sources", _sources(archive.ubuntu_url))
                rig._name_servers(here)
                box.path(_KEYRING).write_bytes(store.ubuntu_key.public)
                rig._pretend(gpus, secure_boot=secure_boot, nvswitch=nvswitch)
                yield rig
            finally:
                archive.close()

    def shell(
        self, command: str, *, check: bool = True, limit: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """As ``Box.shell``."""
        return self.box.shell(command, check=check, limit=limit)

    def apt(self, *words: str, check: bool = True) -> str:
        """Run apt-get without questions; returns both streams."""
        command = f"DEBIAN_FRONTEND=noninteractive apt-get -y -q {shlex.join(words)} 2>&1"
        return self.shell(command, check=check, limit=300).stdout

    def reboot(self) -> None:
        """Reboot: what is loaded becomes what is installed."""
        self.box.reboot()

    @property
    def loaded(self) -> str:
        """Version of the module that is loaded; empty for none."""
        return self.shell("cat /sys/module/nvidia/version 2>/dev/null || true").stdout.strip()

    @property
    def flavour(self) -> str:
        """Of the module that is loaded."""
        return self.shell("cat /run/simulated-gpu/flavour 2>/dev/null || true").stdout.strip()

    def installed(self, *patterns: str) -> dict[str, str]:
        """Name → version of the installed packages of these patterns; NVIDIA's without any."""
        wanted = patterns or ("*nvidia*", "cuda-drivers*")
        form = "-f='${db:Status-Abbrev}|${Package}|${Version}\\n'"
        words = " ".join(f"'{pattern}'" for pattern in wanted)
        listed = self.shell(f"dpkg-query -W {form} {words} 2>/dev/null || true").stdout
        rows = [line.split("|") for line in listed.splitlines()]
        return {name: version for status, name, version in rows if status.startswith(("ii", "hi"))}

    def smi(self) -> subprocess.CompletedProcess[str]:
        """``nvidia-smi`` with one line per GPU: index and driver."""
        query = "nvidia-smi --query-gpu=index,driver_version --format=csv,noheader"
        return self.shell(query, check=False)

    def add_nvidia(self) -> None:
        """Configure NVIDIA's repository as its guide says: by its keyring package."""
        fetch = f"/usr/lib/apt/apt-helper download-file {self.archive.keyring_url} /tmp/keyring.deb"
        self.shell(
            f"{fetch} && dpkg -i /tmp/keyring.deb && rm /tmp/keyring.deb && apt-get -q update"
        )

    def look(self) -> dict[str, str]:
        """What the driver role's own reading says of the rig."""
        script = LOOK.read_text()
        printed = self.box.shell("sh -s", stdin=script).stdout
        read: dict[str, str] = yaml.safe_load(printed)
        return read

    def unattended_upgrade(self) -> str:
        """A real run of unattended-upgrades with Ubuntu's own configuration; returns what it printed."""
        if not self.installed("unattended-upgrades"):
            self.apt("install", "unattended-upgrades")
            self._write("/etc/apt/apt.conf.d/50unattended-upgrades", _ALLOWED)
        return self.shell("apt-get -q update && unattended-upgrade -d 2>&1", limit=300).stdout

    def hide(self, version: str, number: int = 0) -> None:
        """With loaded drivers of this pattern, a GPU is missing: an upgrade that makes the rig worse."""
        self._write(f"{_ETC}/missing", f"{version} {address(number)}\n")

    def secure_boot(self, *, on: bool) -> None:
        """As the firmware says after the next boot."""
        self._write(f"{_ETC}/secure-boot", f"{int(on)}\n")

    def builds_fail(self, *, yes: bool = True) -> None:
        """Whether dkms fails to build modules."""
        self.shell(f"touch {_ETC}/build-fails" if yes else f"rm -f {_ETC}/build-fails")

    def boot_kernel(self, abi: int) -> None:
        """The next boot takes this kernel, not the newest one."""
        self._write(f"{_ETC}/boot-kernel", f"{kernel.release(abi)}\n")

    def variables(
        self,
        source: str,
        branch: int,
        flavour: str = "open",
        version: str = "",
        **more: Any,  # noqa: ANN401 - role variables
    ) -> dict[str, Any]:
        """Variables of the driver role that say the same as a plan for this rig."""
        chosen = _names(source, branch, flavour, version)
        repository = {
            "repository_url": self.archive.nvidia_url,
            "keyring_url": self.archive.keyring_url,
            "keyring_sha256": self.archive.keyring_sha256,
        }
        found = {
            "source": source,
            "branch": branch,
            "version": version,
            "flavour": flavour,
            **chosen,
            **(repository if source == "nvidia" else {}),
            **more,
        }
        return {f"nvidia_driver_{name}": value for name, value in found.items()}

    def _write(self, path: str, text: str) -> None:
        place = self.box.path(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def _name_servers(self, here: str) -> None:
        direct = "".join(f'Acquire::http::Proxy::{name} "DIRECT";\n' for name in HOSTS)
        self._write("/etc/apt/apt.conf.d/91simulated", direct)
        hosts = self.box.path("/etc/hosts")
        hosts.write_text(f"{hosts.read_text()}{here} {' '.join(HOSTS)}\n")

    def _pretend(self, gpus: tuple[Card, ...], *, secure_boot: bool | None, nvswitch: bool) -> None:
        for name, lines in (("pci", bus(gpus, int(nvswitch))), ("gpus", listing(gpus))):
            self._write(f"{_ETC}/{name}", "".join(f"{line}\n" for line in lines))
        for place, text in answers(gpus, int(nvswitch)):
            self._write(f"{_ETC}/answers/{place}", text)
        self._write(f"{_ETC}/first-kernel", f"{kernel.release()}\n")
        if secure_boot is not None:
            self.secure_boot(on=secure_boot)
        for name, path in _PROGRAMS.items():
            self._write(path, (FILES / name).read_text())
            self.box.path(path).chmod(0o644 if path.endswith(".service") else 0o755)
        self.apt("update")
        self.apt("install", "linux-image-generic")
        self.shell("systemctl daemon-reload; systemctl enable --now simulated-boot 2>&1")


def _sources(url: str) -> str:
    return (
        f"Types: deb\nURIs: {url}\nSuites: noble\n"
        f"Components: main restricted universe multiverse\nSigned-By: {_KEYRING}\n"
    )


def _names(source: str, branch: int, flavour: str, version: str) -> dict[str, Any]:
    if source == "ubuntu":
        tail = "-open" if flavour == "open" else ""
        user_space = [
            f"nvidia-headless-no-dkms-{branch}-server{tail}",
            f"nvidia-utils-{branch}-server",
        ]
        return {
            "modules": "precompiled",
            "component": "restricted" if branch < 590 else "multiverse",
            "packages": [f"linux-modules-nvidia-{branch}-server{tail}-generic", *user_space],
            "dkms_packages": [
                "linux-headers-generic",
                f"nvidia-dkms-{branch}-server{tail}",
                *user_space,
            ],
        }
    wished = "nvidia-open" if flavour == "open" else "cuda-drivers"
    suffix = f"-{branch}" if branch <= nvidia.LAST_SUFFIXED else ""
    names = [
        "linux-headers-generic",
        f"nvidia-driver-pinning-{version or branch}",
        f"{wished}{suffix}",
    ]
    return {"modules": "dkms", "packages": names, "dkms_packages": names}
