"""Options, fixtures and hooks of the acceptance; the work is in the modules beside this one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from checks import collect, options, recording, rigs, waiving
from checks.question import Measure, could_not_measure
from checks.recorder import MEASURE, Recorder
from checks.waiving import WAIVERS
from provision.errors import DlrigError

if TYPE_CHECKING:
    from provision.facts import Facts
    from provision.facts.gpus import PciDevice
    from provision.plan import EnvironmentPlan, Plan
    from provision.results import Acceptance

_PLUGIN = "dlrig-recorder"


def pytest_addoption(parser: pytest.Parser) -> None:
    """See ``checks.options``."""
    options.add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder work under any configuration of pytest."""
    for marker, meaning in collect.MARKERS.items():
        config.addinivalue_line("markers", f"{marker}: {meaning}")
    config.pluginmanager.register(Recorder(config), _PLUGIN)
    # A warning of a library on this side is no finding about the rig.
    config.addinivalue_line("filterwarnings", "default")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Ask every rig, once."""
    config = session.config
    given: dict[str, Any] | None = getattr(config, "workerinput", None)
    try:
        config.stash[WAIVERS] = (
            waiving.unpack(given["dlrig_waivers"]) if given else waiving.read(config)
        )
        recording.examine(config)
        found = rigs.unpack(given["dlrig"], config) if given else rigs.learn_all(config)
        told = "" if given else recording.record(config, found.values())
    except DlrigError as error:
        raise pytest.UsageError(str(error)) from error
    config.stash[collect.RIGS] = found
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.showfspath = False
        if told:
            reporter.write_line(told)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:  # noqa: ANN401 - xdist's
    """Tell one of xdist's workers what is known."""
    node.workerinput["dlrig"] = rigs.pack(node.config.stash[collect.RIGS])
    node.workerinput["dlrig_waivers"] = waiving.pack(node.config.stash[WAIVERS])


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """See ``checks.collect``."""
    collect.spread(metafunc)


def pytest_itemcollected(item: pytest.Item) -> None:
    """See ``checks.collect``."""
    collect.label(item)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    """See ``checks.collect``."""
    collect.arrange(session, items)


@pytest.fixture(scope="session")
def rig(request: pytest.FixtureRequest) -> rigs.Rig:
    """The rig that is asked."""
    return request.config.stash[collect.RIGS][request.param]


@pytest.fixture
def facts(rig: rigs.Rig) -> Facts:
    """What the rig is now, from one round trip."""
    return rig.facts


@pytest.fixture(autouse=True)
def _root(request: pytest.FixtureRequest) -> None:
    """What is marked ``root`` and finds none was not measured; that it does not apply would be a lie."""
    if request.node.get_closest_marker("root") is None:
        return
    if request.getfixturevalue("rig").facts.privilege == "none":
        could_not_measure(
            "this needs root, and the login has neither root nor sudo without a password\n"
            "Let it have that, or leave such checks out: -m 'not root'"
        )


@pytest.fixture
def plan(rig: rigs.Rig) -> Plan:
    """What the rig is held against."""
    if rig.known.plan is None:
        pytest.skip("there is no plan for this rig: see runtime/plan_possible")
    return rig.known.plan


@pytest.fixture
def baseline(rig: rigs.Rig) -> Acceptance | None:
    """The rig's last acceptance (``--baseline``); None where there is none to compare with."""
    return rig.known.baseline


@pytest.fixture(scope="session")
def environment(rig: rigs.Rig, request: pytest.FixtureRequest) -> EnvironmentPlan:
    """One environment that the plan promises."""
    for one in rig.environments:
        if one.name == request.param:
            return one
    pytest.skip("no environment is planned for this rig: see runtime/plan_possible")


@pytest.fixture
def gpus(facts: Facts) -> tuple[PciDevice, ...]:
    """The NVIDIA GPUs on the PCI bus; the check does not apply where there is none."""
    if "pci_nvidia" not in facts.unread and not facts.gpus:
        pytest.skip("no NVIDIA GPU in this machine")
    return facts.gpus


@pytest.fixture
def measure(request: pytest.FixtureRequest) -> Measure:
    """Where a check leaves what it found."""
    made = Measure()
    request.node.stash[MEASURE] = made
    return made
