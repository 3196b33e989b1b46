"""The catalogue loads, its rows agree with each other and with the wheels, and the roles repeat it rightly."""

from __future__ import annotations

import datetime as dt
import re
import string
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from provision import catalogue, layout
from provision.catalogue.cuda import Cuda
from provision.catalogue.drivers import Architectures, Drivers
from provision.catalogue.frameworks import Frameworks
from provision.catalogue.gpu_limits import GpuLimits
from provision.catalogue.makers import Makers
from provision.catalogue.peaks import PeakFile
from provision.catalogue.places import Places
from provision.catalogue.published import Published
from provision.catalogue.repositories import Repositories
from provision.catalogue.rows import Row, read_bytes
from provision.catalogue.systems import read_systems
from provision.catalogue.xid import KernelLog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provision.catalogue.frameworks import Release

ROLES = Path(__file__).parents[2] / "playbooks" / "roles"
KNOWN = catalogue.load()
FORMS = {
    "architectures.toml": Architectures,
    "cuda.toml": Cuda,
    "drivers.toml": Drivers,
    "frameworks.toml": Frameworks,
    "makers.toml": Makers,
    "places.toml": Places,
    "repositories.toml": Repositories,
    "gpu_limits.toml": GpuLimits,
    "peaks.toml": PeakFile,
    "xid.toml": KernelLog,
    "published.toml": Published,
}
DAY = dt.date(2026, 1, 1)


def variables(role: str, kind: str) -> dict[str, Any]:
    found = yaml.safe_load((ROLES / role / kind / "main.yml").read_text())
    assert isinstance(found, dict)
    return found


def rows(value: object) -> Iterator[Row]:
    """Every row below a value."""
    if isinstance(value, Row):
        yield value
    elif isinstance(value, tuple):
        for each in value:
            yield from rows(each)
    elif isinstance(value, msgspec.Struct):
        for field in value.__struct_fields__:
            yield from rows(getattr(value, field))


def newest_first(versions: list[str]) -> bool:
    return versions == sorted(versions, key=Version, reverse=True)


# --- form ------------------------------------------------------------------------------------------------------------


def test_every_row_says_where_it_comes_from_and_when_it_was_read() -> None:
    found = list(rows(KNOWN))
    assert len(found) > 100
    for row in found:
        assert row.source.strip(), row
        assert row.date >= DAY, row
        assert row.confidence in {"high", "medium", "low"}


@pytest.mark.parametrize("name", sorted(FORMS))
def test_an_unknown_key_and_a_missing_source_are_refused(name: str) -> None:
    text = read_bytes(name).decode()
    form = FORMS[name]
    msgspec.toml.decode(text, type=form)
    with pytest.raises(msgspec.ValidationError, match="colour"):
        msgspec.toml.decode(text.replace("source =", 'colour = "red"\nsource =', 1), type=form)
    without = re.sub(r"^source = .*\n", "", text, count=1, flags=re.MULTILINE)
    with pytest.raises(msgspec.ValidationError, match="source"):
        msgspec.toml.decode(without, type=form)
    wrong = text.replace('confidence = "high"', 'confidence = "sure"', 1)
    with pytest.raises(msgspec.ValidationError, match="sure"):
        msgspec.toml.decode(wrong, type=form)


def test_an_unknown_system_key_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = read_bytes("systems.toml").replace(b"gcc =", b"clang = 1\ngcc =", 1)
    monkeypatch.setattr("provision.catalogue.rows.read_bytes", lambda _name: changed)
    with pytest.raises(msgspec.ValidationError, match="clang"):
        read_systems()


def test_every_specifier_and_version_of_a_framework_parses() -> None:
    for release in KNOWN.frameworks.release:
        for spec in (release.python, release.python_gpu, release.cudnn):
            SpecifierSet(spec)
        for number in (release.version, release.cuda, *release.sass, *release.ptx):
            Version(number)
        for pin in (*release.cpu, *release.gpu):
            Requirement(pin)


def test_every_specifier_and_version_of_cuda_parses() -> None:
    for target in KNOWN.cuda.target:
        SpecifierSet(target.compute_capability)
        assert all(Version(number) for number in (target.first, target.last) if number)
    for row in KNOWN.cuda.cudnn:
        assert row.bound.startswith("<")
        assert Version(row.bound[1:]) in SpecifierSet(row.versions)
        SpecifierSet(row.compute_capability)
    for quirk in KNOWN.cuda.quirk:
        SpecifierSet(quirk.versions)
    for toolkit in KNOWN.cuda.toolkit:
        Version(toolkit.driver)


def test_every_version_of_a_driver_parses() -> None:
    for architecture in KNOWN.architectures.architecture:
        for first in (architecture.first_driver, *architecture.first_driver_of.values()):
            assert not first or Version(first)
    for branch in KNOWN.drivers.branch:
        assert not branch.newest or Version(branch.newest).major == branch.branch
        assert re.fullmatch(r"(20[0-9]{2}-(0[1-9]|1[0-2]))?", branch.end_of_life)


def test_versions_stand_newest_first() -> None:
    assert newest_first([str(row.branch) for row in KNOWN.drivers.branch])
    assert newest_first([row.version for row in KNOWN.cuda.toolkit])
    for name in KNOWN.frameworks.labels:
        assert newest_first([row.version for row in KNOWN.frameworks.of(name)])
    for offer in KNOWN.repositories.cuda:
        assert newest_first(list(offer.versions))


def test_nothing_stands_twice() -> None:
    repositories = KNOWN.repositories
    keys = [
        [row.branch for row in KNOWN.drivers.branch],
        [row.version for row in KNOWN.cuda.toolkit],
        [row.major for row in KNOWN.cuda.family],
        [row.id for row in KNOWN.architectures.architecture],
        [row.id for row in KNOWN.systems],
        [row.id for row in repositories.repository],
        [row.id for row in repositories.names],
        [(row.name, row.version, row.build) for row in KNOWN.frameworks.release],
        [kind.name for kind in KNOWN.frameworks.environment],
        [(r.repository, s, r.branch) for r in repositories.driver for s in r.systems],
        [(r.repository, s, r.branch) for r in repositories.transition for s in r.systems],
        [(r.repository, s, v) for r in repositories.cuda for s in r.systems for v in r.versions],
    ]
    for found in keys:
        assert len(set(found)) == len(found)


# --- rows that refer to rows -----------------------------------------------------------------------------------------


def test_offers_refer_to_what_there_is() -> None:
    repositories = KNOWN.repositories
    serves = {row.id: set(row.systems) for row in repositories.repository}
    systems = {row.id for row in KNOWN.systems}
    branches = {row.branch for row in KNOWN.drivers.branch}
    toolkits = {row.version for row in KNOWN.cuda.toolkit}
    assert set().union(*serves.values()) == systems
    for offer in repositories.driver:
        assert set(offer.systems) <= serves[offer.repository]
        assert offer.branch in branches
        assert offer.flavours
        assert repositories.names_of(offer).id == offer.names
        assert not offer.version or Version(offer.version).major == offer.branch
    for transition in repositories.transition:
        assert set(transition.systems) <= serves[transition.repository]
        assert {transition.branch, transition.to} <= branches
        for system in transition.systems:
            offered = {row.branch for row in repositories.drivers(transition.repository, system)}
            assert transition.to in offered
            assert transition.branch not in offered
    for cuda in repositories.cuda:
        assert set(cuda.systems) <= serves[cuda.repository]
        assert set(cuda.versions) <= toolkits
    assert {row.names for row in repositories.driver} == {row.id for row in repositories.names}


def test_package_names_use_known_words_only() -> None:
    known = {"branch", "pin", "flavour", "kernel"}
    for names in KNOWN.repositories.names:
        for name in (*names.packages, *names.dkms, names.fabric_manager):
            assert {field for _, field, _, _ in string.Formatter().parse(name) if field} <= known
        assert bool(names.packages) == (names.modules == "precompiled")
    for cuda in KNOWN.repositories.cuda:
        words = {field for _, field, _, _ in string.Formatter().parse(cuda.package) if field}
        assert words <= {"dashed"}
        # cuda and cuda-12-9 pull a driver.
        assert "toolkit" in cuda.package


def test_offers_keep_to_what_a_branch_can_be() -> None:
    modules = KNOWN.drivers.modules
    for offer in KNOWN.repositories.driver:
        if offer.branch > modules.proprietary_last:
            assert offer.flavours == ("open",)
        if offer.branch < modules.open_first:
            assert offer.flavours == ("proprietary",)
        suffixed = any("{branch}" in name for name in KNOWN.repositories.names_of(offer).dkms)
        if offer.repository == "nvidia":
            assert suffixed == (offer.branch < 590)


def test_older_releases_are_older_and_of_the_branch() -> None:
    for offer in KNOWN.repositories.driver:
        every = [offer.version, *offer.versions] if offer.versions else []
        assert every == sorted(every, key=Version, reverse=True)
        assert {each.partition(".")[0] for each in every} <= {str(offer.branch)}


def test_room_is_known_for_all_that_is_offered() -> None:
    repositories = KNOWN.repositories
    offers = [("driver", row.repository, row.systems) for row in repositories.driver]
    offers += [("cuda", row.repository, row.systems) for row in repositories.cuda]
    for subject, repository, systems in offers:
        for system in systems:
            assert 1 <= repositories.room_for(subject, repository, system) <= 20
    assert repositories.room_for("driver", "debian", "ubuntu-24.04") == 0


def test_what_a_driver_needs_of_debian_is_enabled() -> None:
    """The kernel modules depend on firmware, which has a section of its own."""
    for offer in KNOWN.repositories.driver:
        if offer.repository == "debian":
            assert offer.component.split() == ["contrib", "non-free", "non-free-firmware"]


def test_every_cuda_has_a_family_and_a_toolkit() -> None:
    for toolkit in KNOWN.cuda.toolkit:
        family = KNOWN.cuda.family_of(toolkit.version)
        assert Version(toolkit.driver) >= Version(family.driver) or toolkit.version == "11.0"
    for release in KNOWN.frameworks.release:
        assert KNOWN.cuda.family_of(release.cuda).major == Version(release.cuda).major
        assert KNOWN.cuda.toolkit_of(release.cuda)
        assert release.cudnn_package == f"nvidia-cudnn-cu{Version(release.cuda).major}"
    with pytest.raises(KeyError):
        KNOWN.cuda.family_of("9.0")


def test_every_capability_of_the_list_has_at_most_one_target() -> None:
    known = {chip.compute_capability for chip in KNOWN.gpus.chips.chips.values()} - {""}
    for capability in known:
        fitting = [r for r in KNOWN.cuda.target if capability in SpecifierSet(r.compute_capability)]
        assert len(fitting) == (1 if Version(capability) >= Version("3.0") else 0), capability
        assert KNOWN.cuda.target_of(capability) == (fitting[0] if fitting else None)


def test_every_chips_generation_is_known() -> None:
    generations = {row.id for row in KNOWN.architectures.architecture}
    assert {chip.architecture for chip in KNOWN.gpus.chips.chips.values()} == generations


def test_environments_are_of_known_frameworks() -> None:
    names = {row.name for row in KNOWN.frameworks.release}
    assert set(KNOWN.frameworks.labels) == names
    assert {kind.framework for kind in KNOWN.frameworks.environment} == names
    assert {row.id for row in KNOWN.systems} == {
        *("debian-12", "debian-13", "ubuntu-22.04", "ubuntu-24.04", "ubuntu-26.04")
    }
    with pytest.raises(KeyError):
        KNOWN.system("ubuntu-20.04")
    for system in KNOWN.systems:
        assert set(system.module_flavours) <= set(system.kernel_flavours)
        signed = any(row.signed_modules for row in KNOWN.repositories.of(system.id))
        assert bool(system.module_flavours) == signed


# --- what is in the rows ---------------------------------------------------------------------------------------------

# CUDA release notes: the driver that a toolkit was made with, and the newest host compiler.
TOOLKITS = """
13.3 610.43.02 15
13.2 595.45.04 15
13.1 590.44.01 15
13.0 580.65.06 15
12.9 575.51.03 14
12.8 570.26    14
12.6 560.28.03 13
12.5 555.42.02 13
12.4 550.54.14 13
12.3 545.23.06 12
12.2 535.54.03 12
12.1 530.30.02 12
12.0 525.60.13 12
11.8 520.61.05 11
11.7 515.43.04 11
11.4 470.42.01 -
11.2 460.27.03 -
11.0 450.51.05 -
"""


@pytest.mark.parametrize("line", TOOLKITS.split("\n")[1:-1])
def test_toolkits_are_as_nvidias_release_notes_have_them(line: str) -> None:
    number, driver, gcc = line.split()
    row = KNOWN.cuda.toolkit_of(number)
    assert row
    assert (row.driver, str(row.gcc or "-"), row.major) == (driver, gcc, int(number[:2]))


def test_minor_version_compatibility_begins_where_nvidia_says() -> None:
    assert {row.major: row.driver for row in KNOWN.cuda.family} == {
        13: "580",
        12: "525.60.13",
        11: "450.80.02",
    }


# NVIDIA's driver life cycle.
BRANCHES = {580: ("LTSB", "2028-06"), 595: ("PB", "2027-03"), 610: ("NFB", "2026-08")}
PAST = {570: "2026-02", 535: "2026-06"}


def test_branches_are_as_nvidias_life_cycle_has_them() -> None:
    rows = {row.branch: row for row in KNOWN.drivers.branch}
    assert {n: (rows[n].type, rows[n].end_of_life) for n in BRANCHES} == BRANCHES
    assert {n: rows[n].end_of_life for n in PAST} == PAST
    for number in (470, 550, 560, 565, 570, 575, 535):
        assert rows[number].is_over("2026-11")
    for number in (580, 590, 595, 615, 620):
        assert not rows[number].is_over("2026-11")
    assert not rows[580].is_over("2028-06")
    assert rows[580].is_over("2028-07")


# NVIDIA's installation guides: last branch, open modules, first driver.
GENERATIONS = {
    "kepler": (470, "no", ""),
    "maxwell": (580, "no", ""),
    "pascal": (580, "no", "367.48"),
    "volta": (580, "no", "384.81"),
    "turing": (None, "yes", "410.48"),
    "ampere": (None, "yes", "450.36"),
    "ada": (None, "yes", "520.61"),
    "hopper": (None, "yes", "520.61"),
    "blackwell": (None, "only", "570.26"),
}


def test_generations_are_as_nvidia_drives_them() -> None:
    found = {
        row.id: (row.last_branch, row.open_modules, row.first_driver)
        for row in KNOWN.architectures.architecture
        if row.id in GENERATIONS
    }
    assert found == GENERATIONS
    ampere, blackwell = (KNOWN.architectures.get(name) for name in ("ampere", "blackwell"))
    assert ampere
    assert blackwell
    assert (ampere.first("8.0"), ampere.first("8.6")) == ("450.36", "455.23")
    assert blackwell.first("10.0") == blackwell.first("12.0") == "570.26"
    assert blackwell.first("10.3").startswith("575.")
    assert blackwell.first("12.1").startswith("575.")


# The wheels' own METADATA and build information. TensorFlow: Pythons, CUDA, cuDNN.
TENSORFLOW = """
2.14.1 3.9-3.11  11.8 ==8.7.0.84
2.15.1 3.9-3.11  12.2 ==8.9.4.25
2.16.2 3.9-3.12  12.3 ==8.9.7.29
2.17.1 3.9-3.12  12.3 ==8.9.7.29
2.18.1 3.9-3.12  12.5 ==9.3.0.75
2.19.1 3.9-3.12  12.5 ==9.3.0.75
2.20.0 3.9-3.13  12.5 >=9.3.0.75,<10
2.21.0 3.10-3.13 12.5 >=9.3.0.75,<10
"""
TORCH = """
2.9.1  3.10-     12.8 ==9.10.2.21
2.10.0 3.10-     12.8 ==9.10.2.21
2.11.0 3.10-     13.0 ==9.19.0.56
2.12.1 3.10-     13.0 ==9.20.0.48
2.13.0 3.10-     13.0 ==9.20.0.48
2.14.1 3.10-     13.0 ==9.24.0.43
2.15.0 3.11-3.15 13.2 ==9.26.0.51
"""
PYTHONS = [f"3.{minor}" for minor in range(7, 18)]


def release(name: str, number: str) -> Release:
    (row,) = [row for row in KNOWN.frameworks.of(name) if row.version == number]
    return row


@pytest.mark.parametrize(
    ("name", "line"),
    [
        *(("tensorflow", line) for line in TENSORFLOW.split("\n")[1:-1]),
        *(("torch", line) for line in TORCH.split("\n")[1:-1]),
    ],
)
def test_releases_are_as_their_wheels_are(name: str, line: str) -> None:
    number, pythons, cuda, cudnn = line.split()
    first, last = pythons.split("-")
    row = release(name, number)
    found = [one for one in PYTHONS if one in SpecifierSet(row.python)]
    wanted = PYTHONS[PYTHONS.index(first) : PYTHONS.index(last or found[-1]) + 1]
    assert found == wanted
    assert (row.cuda, row.cudnn) == (cuda, cudnn)


def test_every_release_of_tensorflow_is_in_the_table() -> None:
    known = [line.split()[0] for line in TENSORFLOW.split("\n")[1:-1]]
    assert [row.version for row in KNOWN.frameworks.of("tensorflow")] == known[::-1]


def test_tensorflow_2_14_with_gpus_lacks_python_3_11() -> None:
    """Its extra wants tensorrt 8.5.3.1, which has wheels up to Python 3.10."""
    for row in KNOWN.frameworks.of("tensorflow"):
        with_gpu = [one for one in PYTHONS if one in SpecifierSet(row.python_gpu or row.python)]
        assert ("3.11" in with_gpu) == (row.version != "2.14.1")
    assert "3.10" in SpecifierSet(release("tensorflow", "2.14.1").python_gpu)


@pytest.mark.parametrize(
    ("name", "number", "native", "jit", "none"),
    [
        ("tensorflow", "2.21.0", ["6.0", "6.1", "7.0", "7.5", "8.6", "8.9", "9.0"], "12.0", "5.2"),
        ("tensorflow", "2.16.2", ["5.0", "5.2", "6.1"], "10.0", "3.7"),
        ("tensorflow", "2.14.1", ["3.5", "3.7", "5.2", "8.9"], "9.0", "3.0"),
        ("torch", "2.15.0", ["7.5", "8.6", "8.9", "10.3", "12.1"], "", "7.0"),
        ("torch", "2.10.0", ["7.0", "7.5"], "", "6.1"),
        ("torch", "2.7.1", ["5.2", "6.1", "9.0"], "", "12.0"),
    ],
)
def test_which_gpus_a_release_has_code_for(
    name: str, number: str, native: list[str], jit: str, none: str
) -> None:
    row = release(name, number)
    for capability in native:
        assert row.runs_natively(capability), capability
    assert not row.runs_natively(none)
    assert not row.runs_by_jit(none)
    if jit:
        assert row.runs_by_jit(jit)
        assert not row.runs_natively(jit)


def test_frameworks_are_pinned() -> None:
    for row in KNOWN.frameworks.release:
        assert row.cpu[0].endswith(f"=={row.version}")
        assert row.gpu[0].endswith(f"=={row.version}")
        own = Requirement(row.gpu[0])
        # PyPI's tensorflow-gpu is a stub that only fails: the extra brings the libraries.
        assert own.name != "tensorflow-gpu"
        assert row.name != "tensorflow" or own.extras == {"and-cuda"}


def test_every_system_but_the_newest_ubuntu_has_a_framework_for_its_own_python() -> None:
    without = [
        system.id
        for system in KNOWN.systems
        if not any(
            SpecifierSet(row.python).contains(system.python)
            for row in KNOWN.frameworks.of("tensorflow")
        )
    ]
    assert without == ["ubuntu-26.04"]


# --- the roles -------------------------------------------------------------------------------------------------------


def test_every_base_package_is_the_roles() -> None:
    assert sorted(KNOWN.base_packages) == sorted(variables("base", "defaults")["base_packages"])


def test_every_managed_file_is_its_roles() -> None:
    ours = {(file.role, file.path, file.file) for file in KNOWN.files}
    theirs = {
        (role, path, file)
        for role in sorted(path.name for path in ROLES.iterdir() if path.is_dir())
        for path, file in variables(role, "vars").get(f"{role}_files", {}).items()
    }
    assert ours == theirs


def test_the_default_environment_is_the_newest_release() -> None:
    newest = KNOWN.frameworks.of("tensorflow")[0]
    (default,) = variables("environments", "defaults")["environments_wanted"]
    assert (default["name"], tuple(default["requirements"])) == (newest.name, newest.cpu)
    assert variables("environments", "defaults")["environments_prefix"] == layout.PREFIX


def test_every_remedy_is_a_pattern_and_a_next_step() -> None:
    for row in catalogue.load_remedies():
        assert re.compile(row.pattern)
        assert row.hint.endswith(".")
