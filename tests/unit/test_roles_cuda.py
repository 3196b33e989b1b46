"""What the modules of the roles cuda_toolkit and nvidia_repository decide: sources of packages, and the record."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import ModuleType

ROLES = Path(__file__).resolve().parents[2] / "playbooks/roles"


def load(role: str, name: str) -> ModuleType:
    """A role's module by its path."""
    path = ROLES / role / "library" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"roles_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


repository = load("nvidia_repository", "dlrig_nvidia_repository")
components = load("cuda_toolkit", "dlrig_cuda_components")
toolkits = load("cuda_toolkit", "dlrig_cuda_record")

MIRROR = "http://mirror.example.org/compute/cuda/repos/debian12/x86_64/"
GOOD = f"deb [signed-by={repository.KEYRING}] {MIRROR} /\n"
OTHER = "deb https://download.docker.com/linux/debian bookworm stable\n"


def lists(tmp_path: Path, **files: str) -> Path:
    """A root with these lists of sources; ``_`` in a name stands for a dot."""
    folder = tmp_path / "etc/apt/sources.list.d"
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text, "utf-8")
    return folder


def test_the_keyring_packages_own_list_is_enough(tmp_path: Path) -> None:
    lists(tmp_path, cuda_list=GOOD, docker_list=OTHER)
    assert repository.plan(tmp_path, MIRROR, None) == {}


def test_nvidias_repository_is_listed_once(tmp_path: Path) -> None:
    theirs = "deb https://developer.download.nvidia.com/compute/cuda/repos/debian12/x86_64/ /\n"
    stanza = f"Types: deb\nURIs: {MIRROR.rstrip('/')}\nSuites: /\n"
    folder = lists(tmp_path, a_list=theirs + OTHER, b_list=theirs, c_sources=stanza)
    old = tmp_path / "etc/apt/trusted.gpg.d/cuda.gpg"
    old.parent.mkdir()
    old.touch()
    ours = tmp_path / repository.OURS
    assert repository.plan(tmp_path, MIRROR, None) == {
        folder / "a.list": OTHER.encode(),
        folder / "b.list": None,
        folder / "c.sources": None,
        ours: repository.source(MIRROR, repository.KEYRING).encode(),
        old: None,
    }


def test_a_mirror_with_a_key_of_its_own_is_listed_with_it(tmp_path: Path) -> None:
    folder = lists(tmp_path, cuda_list=GOOD)
    wanted = repository.plan(tmp_path, MIRROR, b"key")
    assert wanted[tmp_path / repository.OWN_KEY.lstrip("/")] == b"key"
    assert wanted[folder / "cuda.list"] is None
    assert f"Signed-By: {repository.OWN_KEY}".encode() in wanted[tmp_path / repository.OURS]


def test_keys_of_other_repositories_stay(tmp_path: Path) -> None:
    lists(tmp_path, cuda_list=GOOD)
    folder = tmp_path / "etc/apt/trusted.gpg.d"
    folder.mkdir()
    for name in ("nvidia-container-toolkit.gpg", "nvidia-docker.asc", "nvidia.asc", "debian.asc"):
        (folder / name).touch()
    assert repository.plan(tmp_path, MIRROR, None) == {folder / "nvidia.asc": None}


def test_proxies_of_the_rig_are_used_where_no_others_are_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = tmp_path / "environment"
    environment.write_text(
        'PATH=/bin\nhttps_proxy="http://a.example.org:1"\nexport NO_PROXY=b.example.org\n', "utf-8"
    )
    monkeypatch.setattr(repository.os, "environ", {"NO_PROXY": "c.example.org"})
    repository.use_proxies(environment)
    assert repository.os.environ == {
        "https_proxy": "http://a.example.org:1",
        "NO_PROXY": "c.example.org",
    }


def test_a_package_with_another_checksum_is_refused_without_its_password() -> None:
    url = "https://me:secret@mirror.example.org/keyring.deb"
    good = hashlib.sha256(b"x").hexdigest()
    assert repository.checked(b"x", url, good.upper()) == b"x"
    assert repository.checked(b"x", url, "") == b"x"
    with pytest.raises(ValueError, match=r"checksum of https://\*\*\*@mirror") as caught:
        repository.checked(b"x", url, "0" * 64)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "deb http://a.example.org/debian bookworm main # ours\n",
            "deb http://a.example.org/debian bookworm main contrib non-free # ours\n",
        ),
        (
            "deb [arch=amd64] http://a.example.org/debian bookworm-updates main non-free\n",
            "deb [arch=amd64] http://a.example.org/debian bookworm-updates main non-free contrib\n",
        ),
        *((line, line) for line in (
            "# deb http://a.example.org/debian bookworm main\n",
            "deb http://a.example.org/debian trixie main\n",
            "deb http://a.example.org/debian bookworm non-free-firmware\n",
            "deb http://apt.example.org/other bookworm main\n",
        )),
    ],
)  # fmt: skip
def test_components_are_added_to_debians_own_entries(before: str, after: str) -> None:
    assert components.lines(before, ["contrib", "non-free"], "bookworm") == after


def test_components_are_added_to_stanzas_that_are_on() -> None:
    stanza = (
        "Types: deb\nURIs: http://a.example.org/debian\nSuites: bookworm bookworm-updates\n"
        "Components: main\nSigned-By: /k.gpg\n"
    )
    off = f"Enabled: no\n{stanza}"
    added = components.paragraphs(f"{stanza}\n{off}", ["non-free"], "bookworm")
    assert added == stanza.replace("main", "main non-free") + f"\n{off}"


def test_a_toolkit_that_is_gone_leaves_the_record_and_an_unwanted_one_stays() -> None:
    def one(name: str, version: str) -> dict[str, Any]:
        path = f"/usr/local/cuda-{name[-4:].replace('-', '.')}"
        return {"source": "nvidia", "packages": {name: version}, "path": path}

    record = {
        "toolkits": {"12.4": one("cuda-toolkit-12-4", "1"), "12.6": one("cuda-toolkit-12-6", "1")}
    }
    wanted = [{"version": "13.0", "source": "nvidia", "package": "cuda-toolkit-13-0"}]
    present = {"cuda-toolkit-12-6": "2", "cuda-toolkit-13-0": "3"}
    assert toolkits.merged(record, wanted, present) == {
        "12.6": one("cuda-toolkit-12-6", "2"),
        "13.0": one("cuda-toolkit-13-0", "3"),
    }
