"""The units of ``docs/recipes/systemd.md`` under a real systemd; ``dlrig`` is a stand-in that ends as it is told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from provision.box import Box

FILES = Path(__file__).parents[2] / "docs" / "recipes" / "files" / "systemd"
METRICS = "/var/lib/prometheus/node-exporter/dlrig.prom"
STAND_IN = """#!/bin/sh
while [ $# -gt 1 ]; do shift; done
echo "dlrig_accepted 1" >"$1"
read -r code </opt/dlrig/code
exit "$code"
"""


@pytest.fixture
def rig(fresh_box: Callable[..., Box]) -> Box:
    """With the units, and the stand-in where dlrig would be."""
    box = fresh_box(name="timed")
    dlrig = box.path("/opt/dlrig/tool/bin/dlrig")
    dlrig.parent.mkdir(parents=True)
    dlrig.write_text(STAND_IN)
    dlrig.chmod(0o755)
    for path in FILES.iterdir():
        box.path(f"/etc/systemd/system/{path.name}").write_text(path.read_text())
    return box


def test_the_timer_waits_and_the_service_ends_as_dlrig_does(rig: Box) -> None:
    rig.shell("systemctl daemon-reload; systemctl enable --now dlrig-check.timer")
    timers = rig.shell("systemctl list-timers dlrig-check.timer --no-legend").stdout
    assert "dlrig-check.service" in timers
    assert rig.shell("systemctl is-enabled dlrig-check.timer").stdout.strip() == "enabled"
    for code, failed in ((0, False), (1, True), (3, True), (0, False)):
        rig.path("/opt/dlrig/code").write_text(f"{code}\n")
        done = rig.shell("systemctl start dlrig-check.service", check=False)
        assert bool(done.returncode) == failed
        units = rig.shell("systemctl --failed --plain --no-legend").stdout
        assert ("dlrig-check.service" in units) == failed
    assert rig.shell(f"cat {METRICS}").stdout == "dlrig_accepted 1\n"
