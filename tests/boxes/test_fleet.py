"""Several rigs at once, from an inventory: each gets what it needs, and one that is away stops no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rigs import dlrig

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from provision.box import Box


def test_two_rigs_and_one_that_is_away(tmp_path: Path, fresh_box: Callable[..., Box]) -> None:
    one, two = fresh_box(name="one", wheels=True), fresh_box(name="two", wheels=True)
    config = tmp_path / "config"
    config.write_text(one.ssh_config.read_text() + "\n" + two.ssh_config.read_text())
    inventory = tmp_path / "hosts.ini"
    inventory.write_text(
        "[lab]\none ansible_user=rigger\ntwo ansible_user=rigger\n"
        "[away]\ngone ansible_host=gone.invalid\n"
        "[lab:vars]\ndlrig_tensorflow='==2.20.0'\n"
    )
    fleet = ("-i", str(inventory), "--ssh-config", str(config))
    ran = dlrig(tmp_path / "s", "up", *fleet, "--yes", "--no-check", "--json")
    assert ran.code == 3, "one rig could not be reached"
    outcomes = {outcome["rig"]: outcome for outcome in ran.document}
    assert outcomes["gone"]["error"]["reference"] == "unknown-host"
    for box in (one, two):
        assert outcomes[box.name]["error"] is None, ran.text[-3000:]
        assert outcomes[box.name]["changed"]
        found = box.shell(
            "ls -d /opt/dlrig/envs/tensorflow/lib/python3*/site-packages/tensorflow_cpu-*"
        )
        assert "tensorflow_cpu-2.20.0" in found.stdout, "the inventory's wish was not granted"
    again = dlrig(tmp_path / "s", "up", *fleet, "--limit", "lab", "--yes", "--no-check")
    assert again.code == 0, again.text[-3000:]
    assert again.text.count("nothing to do") == 2
    checked = dlrig(
        tmp_path / "s", "check", *fleet, "--limit", "lab", "-m", "hardware or driver", "--json"
    )
    assert checked.code == 0, checked.text[-3000:]
    assert {acceptance["rig"] for acceptance in checked.document} == {"one", "two"}
