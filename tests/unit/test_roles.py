"""The roles keep their shape, and what they say of themselves is true."""

from __future__ import annotations

import importlib.util
import os
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path for path in (ROOT / "playbooks/roles").iterdir() if path.is_dir())
FILES = (
    "defaults/main.yml",
    "meta/argument_specs.yml",
    "meta/main.yml",
    "tasks/main.yml",
    "tasks/preflight.yml",
    "tasks/install.yml",
    "tasks/configure.yml",
    "vars/main.yml",
)
each_role = pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)


def read(path: Path) -> Any:  # noqa: ANN401 - whatever the YAML holds
    return yaml.safe_load(path.read_text("utf-8"))


def options(role: Path) -> dict[str, Any]:
    return dict(read(role / "meta/argument_specs.yml")["argument_specs"]["main"]["options"])


SITE = (
    "base",
    "container_toolkit",
    "cuda_toolkit",
    "environments",
    "fabric_manager",
    "hold",
    "nvidia_driver",
    "nvidia_repository",
    "persistence",
)


def test_the_roles_that_others_rely_on_exist() -> None:
    assert set(SITE) <= {role.name for role in ROLES}


def included(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The tasks that include a role, in the order in which they run."""
    found = []
    for task in tasks:
        found += [task] if "ansible.builtin.include_role" in task else []
        found += included(task.get("block", []) + task.get("always", []))
    return found


def test_long_work_begins_before_the_driver_and_ends_after_it() -> None:
    (site,) = read(ROOT / "playbooks/site.yml")
    includes = [task["ansible.builtin.include_role"] for task in included(site["tasks"])]
    order = [(i["name"], i.get("tasks_from", "")) for i in includes]
    assert order[: order.index(("environments", "finish")) + 1] == [
        ("environments", "begin"),
        ("cuda_toolkit", "begin"),
        ("nvidia_driver", ""),
        ("fabric_manager", ""),
        ("cuda_toolkit", "finish"),
        ("container_toolkit", ""),
        ("persistence", ""),
        ("hold", ""),
        ("environments", "finish"),
    ]
    assert [r["role"] for r in site["roles"]] == ["base"]


def test_each_role_of_the_playbook_has_its_tag() -> None:
    (site,) = read(ROOT / "playbooks/site.yml")
    for task in included(site["tasks"]):
        role = task["ansible.builtin.include_role"]
        assert task["tags"] == role["apply"]["tags"] == [role["name"]]


@pytest.mark.parametrize("name", ["environments", "cuda_toolkit"])
def test_both_halves_of_a_role_are_the_whole(name: str) -> None:
    role = ROOT / "playbooks/roles" / name
    halves = [task["ansible.builtin.import_tasks"] for task in read(role / "tasks/main.yml")]
    assert halves == ["begin.yml", "finish.yml"]
    specs = read(role / "meta/argument_specs.yml")["argument_specs"]
    assert specs["begin"]["options"] == specs["main"]["options"]


@pytest.mark.parametrize(
    ("name", "key", "toolkit"),
    [("set", "SET", "driver"), ("never", "NEVER", "never")],
    ids=["set", "never"],
)
def test_what_belongs_to_a_driver_is_said_alike_everywhere(
    name: str, key: str, toolkit: str
) -> None:
    sets = tomllib.loads((ROOT / "provision/catalog/driver_sets.toml").read_text("utf-8"))
    roles = ROOT / "playbooks/roles"
    driver = read(roles / "nvidia_driver/defaults/main.yml")
    cuda = read(roles / "cuda_toolkit/defaults/main.yml")
    script = (roles / "nvidia_driver/files/look.sh").read_text("utf-8")
    assert driver[f"nvidia_driver_{name}_patterns"] == sets[name]
    assert cuda[f"cuda_toolkit_{toolkit}_patterns"] == sets[name]
    assert f"\n{key}='^({'|'.join(sets[name])})$'\n" in script


@each_role
@pytest.mark.parametrize("file", FILES)
def test_a_role_has_the_common_shape(role: Path, file: str) -> None:
    assert (role / file).is_file()


@each_role
def test_argument_specs_equal_defaults(role: Path) -> None:
    documented = {
        name: option["default"] for name, option in options(role).items() if "default" in option
    }
    assert documented == read(role / "defaults/main.yml")


@each_role
def test_public_variables_carry_the_role_name(role: Path) -> None:
    public = [name for name in options(role) if not name.startswith(f"{role.name}_")]
    assert not public


@each_role
def test_every_option_is_described(role: Path) -> None:
    def undescribed(found: dict[str, Any]) -> list[str]:
        mine = [name for name, option in found.items() if not option.get("description")]
        return mine + [n for o in found.values() for n in undescribed(o.get("options", {}))]

    assert not undescribed(options(role))


@pytest.mark.parametrize("role", [r for r in ROLES if r.name in SITE], ids=lambda r: r.name)
def test_every_public_variable_is_in_the_manual(role: Path) -> None:
    manual = (ROOT / "docs/ansible.md").read_text("utf-8")
    assert not [name for name in options(role) if f"`{name}`" not in manual]


@each_role
def test_files_copied_as_they_are_exist(role: Path) -> None:
    files = read(role / "vars/main.yml").get(f"{role.name}_files", {})
    assert not [source for source in files.values() if not (role / "files" / source).is_file()]
    assert not [destination for destination in files if not destination.startswith("/")]


@each_role
def test_every_task_is_named(role: Path) -> None:
    def nameless(tasks: list[dict[str, Any]]) -> list[Any]:
        inner = [
            t for task in tasks for t in nameless(task.get("block", []) + task.get("always", []))
        ]
        return [task for task in tasks if not task.get("name")] + inner

    assert not [found for file in role.glob("tasks/*.yml") for found in nameless(read(file))]


def load(name: str) -> ModuleType:
    """A module utility by its path; Ansible's own import path exists on the rig only."""
    path = ROOT / f"playbooks/roles/environments/module_utils/{name}.py"
    spec = importlib.util.spec_from_file_location(f"roles_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


records = load("dlrig_record")
indexes = load("dlrig_indexes")
processes = load("dlrig_processes")

WISH = records.Wish("tensorflow", "venv", "", ("tensorflow-cpu==2.21.0",))
RECORD = {
    "maker": "venv",
    "python": "3.11.2",
    "wished_python": "",
    "requirements": ["tensorflow-cpu==2.21.0"],
    "installed": {"six": "1.17.0"},
}
COMPLETE = records.Found(
    exists=True,
    ours=True,
    record=RECORD,
    python="3.11.2",
    expected_python="3.11.2",
    installed={"six": "1.17.0"},
)


@pytest.mark.parametrize(
    ("wish", "found", "action"),
    [
        (WISH, COMPLETE, "nothing"),
        (WISH, records.Found(), "create"),
        (WISH, COMPLETE._replace(record={}), "finish"),
        (WISH, COMPLETE._replace(record={}, ours=False), "refuse"),
        (WISH, COMPLETE._replace(python=""), "rebuild"),
        (WISH, COMPLETE._replace(python="3.13.1", expected_python="3.13.1"), "rebuild"),
        (WISH, COMPLETE._replace(expected_python="3.13.1"), "rebuild"),
        (WISH, COMPLETE._replace(python="3.11.9"), "record"),
        (WISH, COMPLETE._replace(installed={}), "repair"),
        (WISH, COMPLETE._replace(installed={"six": "1.16.0"}), "repair"),
        (WISH, COMPLETE._replace(installed={"six": "1.17.0", "cowsay": "6.1"}), "repair"),
        (WISH._replace(requirements=("jax",)), COMPLETE, "repair"),
        (WISH._replace(maker="conda"), COMPLETE, "rebuild"),
        (WISH._replace(python="3.1"), COMPLETE, "rebuild"),
        (WISH._replace(python="3.11"), COMPLETE, "record"),
    ],
)
def test_what_is_done_follows_from_what_is_found(
    wish: tuple[Any, ...], found: tuple[Any, ...], action: str
) -> None:
    assert records.decide(wish, found).what == action


def test_the_reason_of_a_repair_names_what_drifted() -> None:
    found = COMPLETE._replace(installed={"cowsay": "6.1"})
    assert records.decide(WISH, found).reason == (
        "differs from what was installed (missing: six; added: cowsay)"
    )


def test_installed_reads_folder_names(tmp_path: Path) -> None:
    site = tmp_path / "lib/python3.11/site-packages"
    for name in ("tensorflow_cpu-2.21.0.dist-info", "torch-2.15.0+cu132.dist-info", "six.py"):
        (site / name).mkdir(parents=True)
    assert records.installed(tmp_path) == {"tensorflow_cpu": "2.21.0", "torch": "2.15.0+cu132"}


@pytest.mark.parametrize("name", ["", "..", "a/b", "-x", "a b", ".hidden"])
def test_names_that_leave_their_folder_are_refused(name: str) -> None:
    assert not records.valid_name(name)


def test_a_record_that_is_cut_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / records.FILE).write_text('{"name": "tens', "utf-8")
    assert records.read(tmp_path) == {}


def test_credentials_leave_every_message() -> None:
    error = processes.CommandFailedError(
        "install", "fetching https://me:p@ss@pypi.example.org/simple failed"
    )
    assert "p@ss" not in str(error)
    assert "//***@pypi.example.org/simple" in str(error)


def rig(tmp_path: Path, pip: str = "", environment: str = "") -> Path:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/pip.conf").write_text(pip, "utf-8")
    (tmp_path / "etc/environment").write_text(environment, "utf-8")
    return tmp_path


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without this machine's own settings."""
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_", "SSL_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", "/nowhere")


def test_uv_is_told_what_pip_is_told(tmp_path: Path) -> None:
    root = rig(
        tmp_path,
        "[global]\nindex-url = https://a.example.org/simple\ntrusted-host = a.example.org\n b.example.org\n"
        "[install]\nextra-index-url =\n    https://b.example.org/simple\n    https://c.example.org/simple\n"
        "find-links = /srv/wheels\ncert = /etc/ours.pem\n",
        'https_proxy="http://proxy.example.org:3128"\n',
    )
    found = indexes.installer_environment(root=root)
    assert found["UV_DEFAULT_INDEX"] == "https://a.example.org/simple"
    assert found["UV_INDEX"] == "https://b.example.org/simple https://c.example.org/simple"
    assert found["UV_INDEX_STRATEGY"] == "unsafe-best-match"
    assert found["UV_FIND_LINKS"] == "/srv/wheels"
    assert found["UV_INSECURE_HOST"] == "a.example.org b.example.org"
    assert found["SSL_CERT_FILE"] == found["PIP_CERT"] == "/etc/ours.pem"
    assert found["https_proxy"] == "http://proxy.example.org:3128"


def test_a_wished_index_is_the_only_one_asked(tmp_path: Path) -> None:
    root = rig(tmp_path, "[global]\nextra-index-url = https://b.example.org/simple\n")
    found = indexes.installer_environment(index_url="https://mirror.example.org/simple", root=root)
    assert (
        found["UV_DEFAULT_INDEX"] == found["PIP_INDEX_URL"] == "https://mirror.example.org/simple"
    )
    assert not found.get("UV_INDEX")


def test_the_system_bundle_is_trusted_where_nothing_else_is_said(tmp_path: Path) -> None:
    root = rig(tmp_path)
    bundle = root / "etc/ssl/certs/ca-certificates.crt"
    bundle.parent.mkdir(parents=True)
    bundle.touch()
    assert indexes.installer_environment(root=root)["SSL_CERT_FILE"] == str(bundle)


def test_a_broken_pip_configuration_stops_nothing(tmp_path: Path) -> None:
    assert "UV_DEFAULT_INDEX" not in indexes.installer_environment(
        root=rig(tmp_path, "index-url = x\n")
    )
