"""A rig that watches itself: after a change from outside its own unit runs the real acceptance, and says what it found.

Tests of this file go in order. To stay short, the rig's own acceptance is that of the hardware and the package manager.
"""

from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
from plain_ansible import changes
from rigs import dlrig, reach
from test_roles import play
from wheels import INSIDE, offer, wheelhouse

from provision.box import Box, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OWN = {"watch_enabled": True, "watch_checks": "hardware or driver"}
TRACES = (
    "find /opt/dlrig/tool /etc/dlrig/watch.json /usr/local/sbin/dlrig-watch /etc/update-motd.d/95-dlrig "
    "/etc/systemd/system -name '*dlrig*' -o -path '/opt/dlrig/tool' 2>/dev/null; ls /var/lib/dlrig/*t*e*d*.json"
)
OTHER_KERNEL = "6.99.0-pretended"
UNAME = f"""#!/bin/sh
/usr/bin/uname "$@" | sed "s/$(/usr/bin/uname -r)/{OTHER_KERNEL}/"
"""


@pytest.fixture(scope="module")
def rig(boxes_possible: None) -> Iterator[Box]:  # noqa: ARG001 - only says whether
    with Box.start("watched", settings=Settings(binds={INSIDE: wheelhouse()})) as box:
        offer(box)
        play(box, "--tags", "base")
        yield box


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("watch-state")


def note(rig: Box, name: str) -> dict[str, Any]:
    found = json.loads(rig.shell(f"cat /var/lib/dlrig/{name}.json").stdout)
    assert isinstance(found, dict)
    return found


def unit(rig: Box) -> dict[str, str]:
    """Properties of the unit, all of one moment."""
    shown = rig.shell("systemctl show dlrig-watch.service").stdout
    return dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)


def boot(rig: Box) -> str:
    """Restart, wait for the unit to end; returns how it ended."""
    rig.reboot()
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        now = unit(rig)
        if (
            now["ActiveState"] in {"inactive", "failed"}
            and now["ConditionTimestampMonotonic"] != "0"
        ):
            return now["Result"]
        time.sleep(1)
    pytest.fail(
        rig.shell("systemctl status dlrig-watch; journalctl -u dlrig-watch", check=False).stdout
    )


def login(rig: Box) -> str:
    """What a person sees who logs in over SSH."""
    done = subprocess.run(
        ["ssh", "-tt", "-F", str(rig.ssh_config), rig.target_for("guest")],
        input="exit\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    lines = [line.strip() for line in done.stdout.splitlines()]
    return "\n".join(line for line in lines if line.startswith("dlrig:"))


def monitored(rig: Box) -> tuple[int, str]:
    """As a monitoring agent without any right asks, on the rig."""
    ask = "cd / && /opt/dlrig/tool/bin/dlrig check local --last --format nagios"
    done = rig.shell(f"su -s /bin/sh nobody -c 'HOME=/nonexistent {ask}'", check=False)
    (line,) = done.stdout.splitlines()
    return done.returncode, line


def test_check_mode_says_what_would_come_and_leaves_nothing(rig: Box) -> None:
    assert changes(play(rig, "--tags", "watch", "--check", "--diff", **OWN)) > 0
    assert rig.shell(TRACES, check=False).stdout == ""
    assert changes(play(rig, "--tags", "watch")) == 0, "nobody asked for it"


def test_it_is_installed_once(rig: Box) -> None:
    play(rig, "--tags", "watch", **OWN)
    assert changes(play(rig, "--tags", "watch", **OWN)) == 0
    assert changes(play(rig, "--tags", "watch", "--check", "--diff", **OWN)) == 0
    assert rig.shell("/opt/dlrig/tool/bin/dlrig --version").stdout.startswith("dlrig")
    assert "verdict.json" not in rig.shell("ls /var/lib/dlrig").stdout
    assert monitored(rig)[0] == 3


def test_a_rig_that_was_never_accepted_checks_itself(rig: Box) -> None:
    assert boot(rig) == "success"
    found = note(rig, "verdict")
    assert found["verdict"].startswith("accepted"), found
    assert (found["how"], found["scope"]) == ("boot", OWN["watch_checks"])
    assert note(rig, "accepted") == found
    assert found["kernel"] == rig.shell("uname -r").stdout.strip()
    assert login(rig) == ""
    code, line = monitored(rig)
    assert (code, line) == (found["exit_code"], found["line"])
    assert code in {0, 1}
    assert line.startswith("DLRIG ")
    assert "checks" in line


def test_an_unchanged_boot_runs_nothing(rig: Box) -> None:
    before = note(rig, "verdict")
    assert boot(rig) == "exec-condition"
    assert unit(rig)["ExecMainPID"] == "0", "Python was started"
    assert note(rig, "verdict") == before
    assert login(rig) == ""


def test_a_changed_kernel_is_noticed_and_what_broke_with_it_is_said(rig: Box, state: Path) -> None:
    was = note(rig, "accepted")
    rig.path("/usr/local/bin/uname").write_text(UNAME)
    rig.path("/usr/local/bin/uname").chmod(0o755)
    assert "kernel or driver changed" in login(rig)
    code, line = monitored(rig)
    assert (code, OTHER_KERNEL in line, "not checked since" in line) == (1, True, True)
    # As a package that an upgrade was cut in.
    rig.shell(
        'awk \'/^Package: /{p=$2} p=="bzip2" && /^Status: /{$0="Status: install ok unpacked"} {print}\' '
        "/var/lib/dpkg/status >/root/status && cp /root/status /var/lib/dpkg/status"
    )
    assert boot(rig) == "success"
    found = note(rig, "verdict")
    assert (found["verdict"], found["kernel"]) == ("rejected", OTHER_KERNEL)
    assert note(rig, "accepted") == was
    shown = login(rig)
    assert f"kernel {was['kernel']} became {OTHER_KERNEL} since the acceptance of" in shown
    assert "checked at boot: rejected, 1 of" in shown
    assert "driver/packages_whole" in shown
    code, line = monitored(rig)
    assert code == 2
    assert line.startswith("DLRIG CRITICAL")
    there = rig.shell("/opt/dlrig/tool/bin/dlrig report", check=False)
    assert (there.returncode, "packages_whole" in there.stdout) == (1, True)
    here = dlrig(state, "check", *reach(rig, "guest"), "--last", "--format", "nagios")
    assert (here.code, here.out.strip()) == (code, line)
    assert dlrig(state, "check", *reach(rig, "guest"), "--last").code == 1


def test_the_next_boot_looks_again_until_it_is_accepted(rig: Box) -> None:
    rig.shell("dpkg --configure -a")
    assert boot(rig) == "success"
    assert note(rig, "verdict")["verdict"].startswith("accepted")
    assert note(rig, "accepted")["kernel"] == OTHER_KERNEL
    assert login(rig) == ""
    assert monitored(rig)[0] in {0, 1}


def test_a_driver_that_came_by_itself_is_noticed(rig: Box) -> None:
    """The real library of Debian's driver; its module is not loaded, as on a rig that was not restarted."""
    rig.shell(
        "sed -i 's/^Components: .*/Components: main contrib non-free/' /etc/apt/sources.list.d/*.sources 2>/dev/null; "
        "sed -i 's/ main.*/ main contrib non-free/' /etc/apt/sources.list 2>/dev/null; "
        "apt-get update -q && apt-get install -qy --no-install-recommends libnvidia-ml1",
        limit=300,
    )
    version = rig.shell("dpkg-query -W -f '${Version}' libnvidia-ml1").stdout.partition("-")[0]
    code, line = monitored(rig)
    assert (code, f"installed driver none became {version}" in line) == (1, True), line
    # Whoever restarts it to check it afterwards is not disturbed by a second check.
    rig.shell("touch /var/lib/dlrig/restarted-by-dlrig")
    assert boot(rig) == "exec-condition"
    assert note(rig, "accepted")["installed"] == ""
    assert boot(rig) == "success"
    assert note(rig, "accepted")["installed"] == version
    assert monitored(rig)[0] in {0, 1}


def test_an_acceptance_from_elsewhere_is_noted_and_hears_what_the_rig_found(
    rig: Box, state: Path
) -> None:
    ran = dlrig(state, "check", *reach(rig), "--data", "synthetic", "--steps", "30")
    assert "the rig checked itself at boot, on 20" in ran.text, ran.text[-3000:]
    # No environment was made here.
    assert ran.code == 1
    found = note(rig, "verdict")
    assert (found["verdict"], found["how"], found["scope"]) == ("rejected", "check", "all")
    assert found["acceptance"] in login(rig)
    assert rig.shell("ls /var/lib/dlrig/accepted.json", check=False).stdout == "", "it is refuted"
    again = dlrig(state, "check", *reach(rig), "-m", "driver")
    assert "checked itself" not in again.text
    assert note(rig, "verdict") == found, "a part of the checks is no acceptance"


def test_it_goes_without_a_trace(rig: Box) -> None:
    gone = {**OWN, "watch_enabled": False}
    assert changes(play(rig, "--tags", "watch", **gone)) > 0
    assert rig.shell(TRACES, check=False).stdout == ""
    assert rig.shell("systemctl cat dlrig-watch", check=False).returncode != 0
    assert changes(play(rig, "--tags", "watch", **gone)) == 0
    assert login(rig) == ""
