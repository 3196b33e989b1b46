"""Both repositories of a rig, and the keys and packages that all rigs of a test run share."""

from __future__ import annotations

import fcntl
import hashlib
from typing import TYPE_CHECKING
from urllib.parse import unquote

import platformdirs

from ubuntu_archive import kernel, nvidia, ubuntu
from ubuntu_archive.dkms import dkms
from ubuntu_archive.module import Signer
from ubuntu_archive.package import build
from ubuntu_archive.repository import Release, Repository
from ubuntu_archive.server import Server
from ubuntu_archive.signing import Key

if TYPE_CHECKING:
    from pathlib import Path

    from provision.box import Box
    from ubuntu_archive.package import Package

UBUNTU = Release(
    origin="Ubuntu",
    label="Ubuntu",
    suite="noble",
    components=("main", "restricted", "universe", "multiverse"),
)
NVIDIA = Release(origin="NVIDIA", label="NVIDIA CUDA")
NVIDIA_PATH = "/compute/cuda/repos/ubuntu2404/x86_64/"
HOSTS = ("ubuntu.mirror.test", "nvidia.mirror.test")
"""Names of the server in a rig: apt's pins tell archives apart by them."""


class Store:
    """What is made once for all rigs: keys and the modules' certificate; ``close`` removes them."""

    def __init__(self, folder: Path) -> None:
        self.signer = Signer(folder / "modules")
        self.ubuntu_key = Key("Ubuntu Archive")
        self.nvidia_key = Key("NVIDIA CUDA Repository")
        self._made: dict[tuple[str, ...], list[Package]] = {}

    def close(self) -> None:
        """Remove the keys."""
        self.ubuntu_key.remove()
        self.nvidia_key.remove()

    def ubuntu_packages(self, *versions: str) -> list[Package]:
        """Drivers of Ubuntu's archive, made once."""
        if versions not in self._made:
            self._made[versions] = list(ubuntu.packages(versions, self.signer))
        return self._made[versions]

    @staticmethod
    def dkms_deb(box: Box) -> Path:
        """Debian's package of dkms, downloaded by way of the box the first time."""
        folder = platformdirs.user_cache_path("dlrig", appauthor=False) / "test-debs"
        folder.mkdir(parents=True, exist_ok=True)
        kept = folder / "dkms.deb"
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not kept.exists():
                box.shell("apt-get update -q && cd /tmp && apt-get download dkms", limit=300)
                found = next(box.path("/tmp").glob("dkms_*.deb"))
                scratch = kept.with_suffix(".new")
                scratch.write_bytes(found.read_bytes())
                scratch.replace(kept)
        return kept


class Archive:
    """The two repositories that one box sees.

    Attributes:
        ubuntu: Ubuntu's archive; ``publish``, ``withdraw``, ``mid_sync`` as in ``Repository``.
        nvidia: NVIDIA's repository.
        server: how they are reached; ``server.requests``, ``server.down``.
    """

    def __init__(self, store: Store, box: Box, address: str) -> None:
        self._store = store
        self.server = Server(address, self._get)
        self.ubuntu = Repository("/ubuntu/", UBUNTU, store.ubuntu_key)
        self.nvidia = Repository(NVIDIA_PATH, NVIDIA, store.nvidia_key)
        self.ubuntu.publish(kernel.kernel())
        self.ubuntu.publish([kernel.compiler(), dkms(store.dkms_deb(box))])
        self._keyring = nvidia.keyring(self.nvidia_url, store.nvidia_key.public)
        self.nvidia.publish([self._keyring, *nvidia.toolkits()])

    @property
    def ubuntu_url(self) -> str:
        """Of Ubuntu's archive."""
        return f"http://{HOSTS[0]}:{self.server.port}{self.ubuntu.prefix}"

    @property
    def nvidia_url(self) -> str:
        """Of NVIDIA's repository."""
        return f"http://{HOSTS[1]}:{self.server.port}{NVIDIA_PATH}"

    @property
    def keyring_url(self) -> str:
        """Of the package that brings the key of NVIDIA's repository."""
        return f"{self.nvidia_url}{nvidia.KEYRING}"

    @property
    def keyring_sha256(self) -> str:
        """Its checksum."""
        return hashlib.sha256(build(self._keyring).content).hexdigest()

    def publish_ubuntu(self, *versions: str) -> None:
        """Drivers in Ubuntu's archive, with signed modules for the first kernel."""
        self.ubuntu.publish(self._store.ubuntu_packages(*versions))

    def publish_nvidia(self, *versions: str) -> None:
        """Drivers in NVIDIA's repository."""
        self.nvidia.publish(nvidia.drivers(versions))

    def publish_kernel(self, abi: int, *modules_of: str) -> None:
        """A newer kernel, with signed modules of these driver versions and of no others."""
        self.ubuntu.publish(kernel.kernel(abi))
        self.ubuntu.publish(ubuntu.packages(modules_of, self._store.signer, (abi,)))

    def withdraw_ubuntu(self, version: str) -> None:
        """A driver version is gone from Ubuntu's archive, with the modules that belong to it."""
        self.ubuntu.withdraw(ubuntu.driver(version).package_version)
        number = 1 if version in ubuntu.SECOND else 0
        branch = version.partition(".")[0]
        for kind in ("objects", "modules"):
            self.ubuntu.withdraw(ubuntu.modules_version(number), f"linux-{kind}-nvidia-{branch}-*")

    def withdraw_nvidia(self, version: str) -> None:
        """A driver version is gone from NVIDIA's repository."""
        self.nvidia.withdraw(nvidia.driver(version).package_version)

    def close(self) -> None:
        """Stop serving."""
        self.server.close()

    def _get(self, path: str) -> bytes | None:
        # a flat repository names its files ./name
        plain = unquote(path).replace("/./", "/")
        for repository in (self.ubuntu, self.nvidia):
            if plain.startswith(repository.prefix):
                return repository.get(plain)
        return None
