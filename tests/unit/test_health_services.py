"""Services, and what automatic upgrades would do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from hostile_answers import QUICK, answers, outcomes, torture, whole_facts
from hypothesis import given

from provision.facts.health import services
from provision.facts.health.services import FABRIC, PERSISTENCE, Services

if TYPE_CHECKING:
    from provision.facts.reading import Outcome

SAMPLE = """\
Result=exit-code
Id=nvidia-persistenced.service
LoadState=loaded
ActiveState=failed
SubState=failed
UnitFileState=enabled

Result=success
Id=nvidia-fabricmanager.service
LoadState=not-found
ActiveState=inactive
SubState=dead
UnitFileState=

Id=apt-daily-upgrade.timer
LoadState=loaded
ActiveState=active
UnitFileState=enabled
"""
APT = """\
APT::Periodic::Unattended-Upgrade "1";
Unattended-Upgrade::Automatic-Reboot "true";
Unattended-Upgrade::Package-Blacklist:: "nvidia-";
Unattended-Upgrade::Package-Blacklist:: "linux-(modules|objects)-nvidia-";
Unattended-Upgrade::Package-Blacklist:: "libcuda1$";
Unattended-Upgrade::Package-Blacklist:: "cuda-.*";
"""
STRANGE = (
    "Id=",
    "Id=nvidia-persistenced.service",
    'a "b',
    '::: "x";',
    'Package-Blacklist:: "(((((";',
)


def parse(apt: str = APT, units: str = SAMPLE) -> Services:
    return services.parse(answers(services=units, automatic_upgrades=apt))


def test_units() -> None:
    found = parse()
    assert found.systemd
    assert found.unit(PERSISTENCE).state == "failed (exit-code), enabled"
    assert not found.unit(FABRIC).there
    assert not found.unit("ssh.service").there
    assert not parse(units="none\n").systemd


@pytest.mark.parametrize(
    ("package", "spared"),
    [
        ("nvidia-driver-580", True),
        ("libnvidia-compute-580", False),
        ("linux-modules-nvidia-580-generic", True),
        ("linux-image-generic", False),
        ("libcuda1", True),
        ("libcuda11", False),
        ("cuda-drivers", True),
    ],
)
def test_a_pattern_fits_the_beginning_of_a_name(package: str, spared: bool) -> None:  # noqa: FBT001 - a column
    assert parse().spares(package) is spared


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a|a)(a|a)(a|a)(a|a)(a|a)", "(((", "[a-z]*x", "a{1,99999}", "*"]
)
def test_an_expression_that_could_take_for_ever_is_not_tried(pattern: str) -> None:
    found = parse(f'Unattended-Upgrade::Package-Blacklist:: "{pattern}";\n')
    begun = time.monotonic()
    assert not found.spares("a" * 100 + "!")
    assert time.monotonic() - begun < 1


@pytest.mark.parametrize(
    ("apt", "units", "upgrades"),
    [
        (APT, SAMPLE, True),
        (APT.replace('"1"', '"0"'), SAMPLE, False),
        (APT + 'APT::Periodic::Enable "0";\n', SAMPLE, False),
        ("", SAMPLE, False),
        (APT, SAMPLE.replace("ActiveState=active", "ActiveState=inactive"), False),
        (APT, "none\n", True),
    ],
)
def test_when_packages_are_upgraded_by_themselves(apt: str, units: str, upgrades: bool) -> None:  # noqa: FBT001 - a column
    found = parse(apt, units)
    assert found.upgrades is upgrades
    assert found.reboots is ("Reboot" in apt)


@QUICK
@given(outcomes(SAMPLE, STRANGE), outcomes(APT, STRANGE))
def test_any_answer_can_be_parsed(units: Outcome, apt: Outcome) -> None:
    found = whole_facts(answers(services=units, automatic_upgrades=apt)).health.services
    found.spares("nvidia-driver-580")


def test_a_flood_can_be_parsed() -> None:
    torture(services.parse, "services", SAMPLE, STRANGE)
    torture(services.parse, "automatic_upgrades", APT, STRANGE)
