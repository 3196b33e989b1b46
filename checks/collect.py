"""Which checks there are: one per rig, or per rig and environment; in the order of the chapters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.options import CHAPTERS
from checks.question import could_not_measure, question, question_of
from checks.rigs import Rig

if TYPE_CHECKING:
    from pathlib import Path

    from provision.plan import EnvironmentPlan

RIGS = pytest.StashKey[dict[str, Rig]]()

MARKERS = {
    "hardware": "the machine itself",
    "driver": "NVIDIA's driver and the package manager",
    "runtime": "the environments and their frameworks",
    "performance": "short timed kernels",
    "training": "training runs",
    "quick": "everything that takes seconds",
    "root": "needs root on the rig",
}

_FOLDER = "checks"


def chapter(item: pytest.Item) -> str:
    """The folder that a check lies in; empty for one of no chapter."""
    folder: Path = item.path.parent
    return folder.name if folder.name in CHAPTERS else ""


def name(item: pytest.Item) -> str:
    """``hardware/disk_space``, ``runtime/environment_imports[tensorflow]``, ``…[tensorflow_gpu-all]``: a check's id."""
    if isinstance(item, Unreachable):
        return "connection/reachable"
    function = getattr(item, "originalname", item.name).removeprefix("test_")
    given = getattr(getattr(item, "callspec", None), "params", {})
    environment = given.get("environment")
    place = f"[{environment}{_also(given.get('device', ''))}]" if environment else ""
    return f"{chapter(item)}/{function}{place}"


def _also(device: str) -> str:
    """What an id says of the device: nothing where the environment tells it."""
    return "-all" if device == "all" else ""


def rig_of(item: pytest.Item) -> str:
    """The name of the rig that a check asks."""
    if isinstance(item, Unreachable):
        return item.rig.name
    return str(item.callspec.params["rig"])  # type: ignore[attr-defined]


def spread(metafunc: pytest.Metafunc) -> None:
    """One check per rig that was reached, and per environment and device where it asks for them."""
    if "rig" not in metafunc.fixturenames:
        return
    rigs = [rig for rig in metafunc.config.stash[RIGS].values() if rig.known.transcript]
    if "environment" not in metafunc.fixturenames:
        every: list[str | None] = [rig.name for rig in rigs] or [None]
        metafunc.parametrize("rig", every, indirect=True, scope="session", ids=_text)
        return
    places = [
        (rig.name, one.name, device)
        for rig in rigs
        for one in rig.environments
        for device in _devices(rig, one)
        if device != "all" or "device" in metafunc.fixturenames
    ]
    # Without a plan there is one check left, which says so.
    places += [(rig.name, "", "") for rig in rigs if not rig.environments]
    names = ["rig", "environment", "device"][: 3 if "device" in metafunc.fixturenames else 2]
    metafunc.parametrize(
        names,
        [place[: len(names)] for place in places] or [(None, None, "")[: len(names)]],
        indirect=["rig", "environment"],
        scope="session",
        ids=[_place(*place) for place in places] or ["none"],
    )


def _devices(rig: Rig, environment: EnvironmentPlan) -> list[str]:
    """Where an environment's framework trains: the CPU, one GPU, and all where there are several."""
    if environment.device != "gpu":
        return ["cpu"]
    return ["gpu", "all"] if len(rig.facts.gpus) > 1 else ["gpu"]


def _place(rig: str, environment: str, device: str) -> str:
    return f"{rig}-{environment}{_also(device)}" if environment else rig


def _text(value: object) -> str:
    return str(value)


def label(item: pytest.Item) -> None:
    """Mark a check with its chapter, and with ``quick`` where it is."""
    if chapter(item):
        item.add_marker(chapter(item))
        if chapter(item) not in {"performance", "training"}:
            item.add_marker("quick")


def arrange(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Order rigs as named and chapters as they build on each other; add what says that a rig is not there."""
    rigs = session.config.stash[RIGS]
    ours = [item for item in items if question_of(item)]
    others = [item for item in items if item not in ours]
    there = [item for item in ours if rig_of(item) in rigs]
    order = {name: place for place, name in enumerate(rigs)}
    there.sort(key=lambda item: (order[rig_of(item)], CHAPTERS.index(chapter(item))))
    missing = [Unreachable.of(session, rig) for rig in rigs.values() if rig.known.unreachable]
    items[:] = [*others, *missing, *there]


@question(
    "Can the rig be reached?",
    expected="one SSH connection, and an answer to every reading",
    source="every other check rests on it",
    remedy="",
)
def reachable(rig: Rig) -> None:
    """Stands in for all checks of a rig that could not be reached; no selection drops it."""
    trouble = rig.known.unreachable
    could_not_measure(f"{trouble.what}\n{trouble.hint}" if trouble else "it was not reached")


class Unreachable(pytest.Item):
    """The one check of a rig that could not be reached."""

    rig: Rig
    obj = staticmethod(reachable)

    @classmethod
    def of(cls, session: pytest.Session, rig: Rig) -> Unreachable:
        """For one rig."""
        item: Unreachable = cls.from_parent(
            session,
            name=f"reachable[{rig.name}]",
            nodeid=f"{_FOLDER}/connection::reachable[{rig.name}]",
            path=session.config.rootpath / _FOLDER / "conftest.py",
        )
        item.rig = rig
        return item

    def runtest(self) -> None:
        """End as ``error``: nothing was measured."""
        reachable(self.rig)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """For pytest's own reports."""
        return self.path, None, self.nodeid
