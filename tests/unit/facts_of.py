"""Facts of imagined rigs for planner tests, made by the real parser from readings in the tools' own form."""

from __future__ import annotations

import msgspec

from provision import catalogue, facts
from provision.facts.reading import Outcome, Transcript

GB = 10**9

BARE = {
    "os_release": 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
    "uname": "Linux 6.1.0-40-amd64 x86_64\nrig\n",
    "machine": "0123456789abcdef\n",
    "virtualization": "none\n",
    "boot": "11111111-2222-3333-4444-555555555555\n100.5\n/usr/lib/systemd/systemd\n",
    "lscpu": "Model name: Test CPU\nCPU(s): 4\nCore(s) per socket: 2\nSocket(s): 1\nFlags: avx avx2\n",
    "meminfo": "MemTotal: 16000000 kB\nMemAvailable: 15000000 kB\nSwapTotal: 0 kB\n",
    "df_bytes": f"Filesystem Type 1B-blocks Used Available Capacity On\n/dev/sda1 ext4 {100 * GB} 1 {90 * GB} 1% /\n",
    "df_inodes": "Filesystem Type Inodes IUsed IFree IUse% Mounted on\n/dev/sda1 ext4 1000000 1 999999 1% /\n",
    "dpkg": "ii  base-files 12.4\nii  openssh-server 1:9.2\n",
    "dpkg_audit": "",
    "dpkg_lock": "",
    "environments": "",
    "makers": "",
    "files": "",
    "reboot": "",
    "secure_boot": "no-efi\n",
    "pci_nvidia": "",
    "driver": "class: 'missing'\n",
    "reach_apt": "apt yes http 200",
    "reach_index": "index unknown none pip is not installed yet",
    "reach_conda": "conda no http curl: (6) Could not resolve host 000",
    "reach_miniforge": "miniforge no http curl: (6) Could not resolve host 000",
}

GTX_1060 = "0000:01:00.0 0x030000 0x1c03 0x1458 0x3724 -1 nvidia\n"
"""In the form of the reading; ids from NVIDIA's list of supported GPUs, the board's from pci.ids."""


def driver(**values: str) -> str:
    """The reading of a driver that is as dlrig left it on a Debian 12 box; ``values`` replace its rows."""
    version, kernel = "535.309.01", "6.1.0-40-amd64"
    packages = dict.fromkeys(("libcuda1", "nvidia-smi"), f"{version}-0+deb12u1")
    record = {
        "source": "debian",
        "branch": 535,
        "version": version,
        "flavour": "proprietary",
        "modules": "dkms",
        "packages": packages,
        "how": "installed",
    }
    rows = {
        "class": "managed",
        "packages": " ".join(f"{name}={full}" for name, full in packages.items()),
        "version": version,
        "flavour": "proprietary",
        "loaded": version,
        "kernel": kernel,
        "next_kernel": kernel,
        "module_running": version,
        "module_next": version,
        "module_flavour": "proprietary",
        "headers": "yes",
        "held": " ".join(packages),
        "sources": "debian-nonfree",
        "toolkits": "11.8=/usr",
        "persistence": "enabled",
        "record": msgspec.json.encode(record).decode(),
    }
    return "".join(f"{key}: '{value}'\n" for key, value in {**rows, **values}.items())


def facts_of(privilege: str = "sudo", **readings: str) -> facts.Facts:
    """A bare Debian 12 box, with some readings replaced."""
    outcomes = {name: Outcome(exit_code=0, out=text) for name, text in {**BARE, **readings}.items()}
    return facts.parse(
        Transcript(
            target="rig",
            taken="2026-01-01T00:00:00+00:00",
            outcomes=outcomes,
            login="rigger",
            privilege=privilege,
        )
    )


def base_done() -> dict[str, str]:
    """Readings of a rig where the role ``base`` has nothing to do."""
    known = catalogue.load()
    return {
        "dpkg": "".join(f"ii  {name} 1.0\n" for name in known.base_packages),
        "files": "".join(f"{file.sha256}  {file.path}\n" for file in known.files),
    }


def environment(name: str, requirements: list[str], *, maker: str = "venv", **changes: str) -> str:
    """The reading's block of a finished environment; ``changes``: distribution → version that is there now."""
    recorded = {"numpy": "2.1.0", "tensorflow_cpu": "2.21.0"}
    record = {
        "name": name,
        "maker": maker,
        "python": "3.11.2",
        "requirements": requirements,
        "installed": recorded,
    }
    now = {**recorded, **changes}
    listing = "".join(f"- {key}-{version}.dist-info\n" for key, version in now.items() if version)
    return f"== {name}\n= python runs\n= record {msgspec.json.encode(record).decode()}\n{listing}"
