"""CUDA toolkits: Debian's real one, and simulated ones side by side.

Debian's nvcc is the real one and compiles for real. NVIDIA's toolkits, whose repository is not reached from everywhere,
are simulated (``ubuntu_archive``).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from plain_ansible import changes
from test_interrupted import wait_for
from test_roles import play

from provision.box import Box, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from ubuntu_archive import UbuntuRig

CUDA = ("--tags", "cuda_toolkit")
PROGRAM = """
#include <cstdio>
__global__ void add(float *x) { x[threadIdx.x] += 1.0f; }
int main() { add<<<1, 32>>>(nullptr); std::puts("linked"); return 0; }
"""
DEBIAN: dict[str, Any] = {
    "nvidia_driver_without_gpu": True,
    "cuda_toolkit_wanted": [
        {"version": "11.8", "source": "debian", "package": "nvidia-cuda-toolkit"}
    ],
}
COMPILING: dict[str, Any] = {**DEBIAN, "cuda_toolkit_without_driver": True}


def login(box: Box, command: str) -> str:
    """As a person in a new login shell."""
    return box.shell(f"su - guest -c '{command}'").stdout.strip()


def records(box: Box) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What is written down: the toolkits, and the changes that led there."""
    lines = box.shell("cat /var/lib/dlrig/changes.jsonl").stdout.splitlines()
    document = json.loads(box.shell("cat /var/lib/dlrig/cuda.json").stdout)
    return document, [line for line in map(json.loads, lines) if line["what"] == "cuda"]


# --- Debian's toolkit, for real ------------------------------------------------------------------


@pytest.fixture(scope="module")
def bare(boxes_possible: None) -> Iterator[Box]:  # noqa: ARG001 - only says whether
    """A Debian 12 box with nothing but Python."""
    with Box.start("cuda", "debian-12", Settings(python=True)) as box:
        yield box


@pytest.fixture(scope="module")
def compiler(bare: Box) -> Box:
    """The same box with Debian's toolkit; looked at in check mode, and refused, before."""
    assert changes(play(bare, *CUDA, "--check", "--diff", **COMPILING)) > 0
    assert bare.shell("ls /var/lib/dlrig /usr/bin/nvcc", check=False).stdout == ""
    refused = play(bare, *CUDA, code=2, **DEBIAN)
    assert "would change the driver" in refused
    assert "Inst libcuda1" in refused
    assert bare.shell("dpkg-query -W libcuda1 nvidia-cuda-toolkit", check=False).stdout == ""
    play(bare, *CUDA, **COMPILING)
    return bare


def test_nvcc_compiles_for_two_architectures(compiler: Box) -> None:
    compiler.path("/home/guest/add.cu").write_text(PROGRAM)
    targets = " ".join(f"-gencode arch=compute_{n},code=sm_{n}" for n in (61, 80))
    login(compiler, f"nvcc {targets} -c -o add.o add.cu && nvcc {targets} -o add add.o")
    for product in ("add.o", "add"):
        listed = login(compiler, f"cuobjdump --list-elf {product}")
        assert "sm_61.cubin" in listed
        assert "sm_80.cubin" in listed
    assert "FADD" in login(compiler, "cuobjdump -sass -arch sm_80 add")
    assert login(compiler, "./add") == "linked"


def test_login_shells_are_left_as_they_were_otherwise(compiler: Box) -> None:
    assert login(compiler, "command -v nvcc") == "/usr/bin/nvcc"
    assert login(compiler, "env | grep -i -e cuda -e LD_LIBRARY; true") == ""


def test_no_driver_came_with_it(compiler: Box) -> None:
    listed = compiler.shell("dpkg-query -W -f '${Package}\\n'").stdout.split()
    assert not [name for name in listed if "dkms" in name or name.startswith("nvidia-kernel")]
    assert "nvidia-smi" not in listed


def test_what_was_installed_is_written_down(compiler: Box) -> None:
    document, (line,) = records(compiler)
    version = compiler.shell("dpkg-query -W -f '${Version}' nvidia-cuda-toolkit").stdout
    assert version.startswith("11.8.")
    packages = {"nvidia-cuda-toolkit": version}
    assert document["toolkits"] == {
        "11.8": {"source": "debian", "packages": packages, "path": "/usr"}
    }
    assert document["default"] == "11.8"
    assert (line["how"], line["from"], line["packages"]) == ("installed", "", packages)


def test_a_second_run_needs_no_network_and_changes_nothing(compiler: Box) -> None:
    assert compiler.shell("ls /var/cache/apt/dlrig-cuda*", check=False).stdout == ""
    off = "/etc/apt/apt.conf.d/99off"
    compiler.shell(f"echo 'Acquire::http::Proxy \"http://127.0.0.1:9\";' >{off}")
    try:
        assert changes(play(compiler, *CUDA, **COMPILING)) == 0
        assert changes(play(compiler, *CUDA, "--check", **COMPILING)) == 0
    finally:
        compiler.shell(f"rm {off}")


# --- NVIDIA's toolkits, simulated, side by side --------------------------------------------------


@pytest.fixture(scope="module")
def rig(
    ubuntu_start: Callable[..., AbstractContextManager[UbuntuRig]],
) -> Iterator[UbuntuRig]:
    """A rig with GPUs and a simulated archive; no driver."""
    with ubuntu_start("toolkits") as made:
        yield made


def wish(rig: UbuntuRig, *versions: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - role variables
    """Variables for toolkits of NVIDIA's repository, as the rig's archive serves it."""
    wanted = [
        {"version": v, "source": "nvidia", "package": f"cuda-toolkit-{v.replace('.', '-')}"}
        for v in versions
    ]
    return {
        "cuda_toolkit_wanted": wanted,
        "cuda_toolkit_repository_url": rig.archive.nvidia_url,
        "cuda_toolkit_keyring_url": rig.archive.keyring_url,
        "cuda_toolkit_keyring_sha256": rig.archive.keyring_sha256,
        **{f"cuda_toolkit_{name}": value for name, value in more.items()},
    }


def nvcc(rig: UbuntuRig) -> str:
    """The release of the nvcc that a login shell finds."""
    return login(rig.box, "nvcc --version").partition("release ")[2].partition(",")[0]


def test_packages_that_bring_a_driver_are_refused(rig: UbuntuRig) -> None:
    for package in ("cuda", "cuda-13-0", "cuda-runtime-13-0", "cuda-drivers"):
        wanted = [{"version": "13.0", "source": "nvidia", "package": package}]
        printed = play(rig.box, *CUDA, code=2, **wish(rig, wanted=wanted))
        assert f"cuda_toolkit_wanted names {package}" in printed
        assert "Nothing was changed" in printed


def test_a_wrong_checksum_is_refused(rig: UbuntuRig) -> None:
    wrong = {**wish(rig, "12.9"), "cuda_toolkit_keyring_sha256": "0" * 64}
    assert "checksum" in play(rig.box, *CUDA, code=2, **wrong)
    assert not rig.installed("cuda-*")


def test_one_toolkit_after_a_legacy_list_a_locked_dpkg_and_a_mirror_in_mid_sync(
    rig: UbuntuRig,
) -> None:
    url = rig.archive.nvidia_url
    rig.shell(f"echo 'deb [trusted=yes] {url} /' >/etc/apt/sources.list.d/cuda.list")
    rig.shell("echo old >/etc/apt/trusted.gpg.d/cuda-7fa2af80.asc")
    rig.archive.nvidia.mid_sync(requests=2)
    hold = (
        "import fcntl, time; f = open('/var/lib/dpkg/lock-frontend', 'w'); fcntl.lockf(f, fcntl.LOCK_EX); "
        "open('/run/held', 'w').close(); time.sleep(40)"
    )
    rig.shell(f'setsid python3 -c "{hold}" >/dev/null 2>&1 &')
    wait_for(
        lambda: not rig.shell("test -e /run/held", check=False).returncode, "the lock", limit=10
    )
    play(rig.box, *CUDA, **wish(rig, "12.9"))
    assert rig.shell("ls /etc/apt/trusted.gpg.d /etc/apt/sources.list.d").stdout.count("cuda") == 1
    assert nvcc(rig) == "12.9"
    assert "cuda-drivers" not in rig.installed("cuda-*")


def test_another_beside_it_after_a_cut(rig: UbuntuRig) -> None:
    # What a power cut in the middle of the installation leaves.
    rig.shell(
        "cd /tmp && apt-get -q download cuda-nvcc-13-0 && dpkg --unpack cuda-nvcc-13-0_*.deb && rm cuda-nvcc-*"
    )
    assert rig.shell("dpkg --audit").stdout
    play(rig.box, *CUDA, **wish(rig, "12.9", "13.0"))
    assert not rig.shell("dpkg --audit").stdout
    assert nvcc(rig) == "13.0"
    for version in ("12.9", "13.0"):
        assert version in rig.shell(f"/usr/local/cuda-{version}/bin/nvcc --version").stdout
    document, lines = records(rig.box)
    assert set(document["toolkits"]) == {"12.9", "13.0"}
    assert (lines[-1]["from"], lines[-1]["how"]) == ("12.9 (nvidia), default 12.9", "installed")


def test_the_default_is_selectable(rig: UbuntuRig) -> None:
    wished = wish(rig, "12.9", "13.0", default="12.9")
    assert changes(play(rig.box, *CUDA, "--check", **wished)) > 0
    assert nvcc(rig) == "13.0"
    play(rig.box, *CUDA, **wished)
    assert nvcc(rig) == "12.9"
    assert records(rig.box)[1][-1]["how"] == "default changed"
    rig.archive.server.requests.clear()
    assert changes(play(rig.box, *CUDA, **wished)) == 0
    assert not rig.archive.server.requests


def test_a_toolkit_that_is_no_longer_wanted_stays(rig: UbuntuRig) -> None:
    play(rig.box, *CUDA, **wish(rig, "13.0"))
    assert nvcc(rig) == "13.0"
    assert set(records(rig.box)[0]["toolkits"]) == {"12.9", "13.0"}
    assert "cuda-toolkit-12-9" in rig.installed("cuda-toolkit-*")


def test_another_version_than_the_wished_one_is_refused(rig: UbuntuRig) -> None:
    wanted = [{"version": "12.8", "source": "nvidia", "package": "cuda-toolkit-13-0"}]
    rig.apt("remove", "cuda-toolkit-13-0")
    printed = play(rig.box, *CUDA, code=2, **wish(rig, wanted=wanted))
    assert "is 13.0.2-1, wished is 12.8" in printed
