"""What the driver's role chooses beside the driver itself."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import ModuleType

ROLE = Path(__file__).resolve().parents[2] / "playbooks/roles/nvidia_driver"
KERNEL = "6.8.0-60-generic"
BUILT = 'CONFIG_CC_VERSION_TEXT="x86_64-linux-gnu-gcc-13 (Ubuntu 13.3.0-6ubuntu2) 13.3.0"\n'


@pytest.fixture
def chooser(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """As Ansible would make it importable on the rig."""
    for name in ("dlrig_apt", "dlrig_choice", "dlrig_sets", "dlrig_chooser"):
        full = f"ansible.module_utils.{name}"
        spec = importlib.util.spec_from_file_location(full, ROLE / f"module_utils/{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, full, module)
        spec.loader.exec_module(module)
    return sys.modules["ansible.module_utils.dlrig_chooser"]


class Apt:
    """An archive that has all that is asked for."""

    def archive(self, names: list[str]) -> dict[str, Any]:
        return dict.fromkeys(names)


def made(chooser: ModuleType, root: Path) -> Any:  # noqa: ANN401 - a class of that module
    proc = root / "proc/sys/kernel"
    proc.mkdir(parents=True)
    (proc / "osrelease").write_text("6.1.0-1-other\n")
    (root / "proc/version").write_text("Linux version 6.1.0-1-other (gcc-9 (Debian 9.3))\n")
    wish = {
        "set_patterns": ["nvidia"],
        "never_patterns": [],
        "packages": [],
        "dkms_packages": ["nvidia-dkms-580"],
        "headers_package": "",
        "source": "ubuntu",
        "branch": 580,
        "version": "",
        "flavour": "open",
        "repository_url": "",
    }
    look = {"kernel": KERNEL, "next_kernel": KERNEL}
    module = SimpleNamespace(params={"look": look, "wish": wish})
    return chooser.Chooser(module, Apt(), root)


@pytest.mark.parametrize("place", ["boot/config-{}", "lib/modules/{}/build/.config"])
def test_the_compiler_of_the_kernel_comes_with_its_headers(
    chooser: ModuleType, tmp_path: Path, place: str
) -> None:
    config = tmp_path / place.format(KERNEL)
    config.parent.mkdir(parents=True)
    config.write_text(BUILT)
    beside = made(chooser, tmp_path).beside(["nvidia-dkms-580"])
    assert beside == ["gcc-13", f"linux-headers-{KERNEL}"]


def test_no_compiler_is_guessed(chooser: ModuleType, tmp_path: Path) -> None:
    beside = made(chooser, tmp_path).beside(["nvidia-dkms-580"])
    assert beside == [f"linux-headers-{KERNEL}"]
