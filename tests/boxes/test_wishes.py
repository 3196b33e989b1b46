"""Wishes of an inventory, on a real rig: another framework than the default one, made, probed and accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rigs import dlrig

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from provision.box import Box


def test_an_inventory_wishes_another_framework(
    tmp_path: Path, fresh_box: Callable[..., Box]
) -> None:
    box = fresh_box(name="wisher", python=True, wheels=True)
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(
        "all:\n  hosts:\n    wisher:\n      ansible_user: rigger\n"
        "      dlrig_env: [jax]\n      dlrig_jax: '0.10'\n"
    )
    fleet = ("-i", str(inventory), "--ssh-config", str(box.ssh_config))
    ran = dlrig(tmp_path / "s", "up", *fleet, "--yes", "--json")
    assert ran.code == 0, ran.text[-3000:]
    (outcome,) = ran.document
    assert outcome["acceptance"]["plan"]["environments"]["jax"]["pins"] == ["jax==0.10.2"]
    results = {row["check"]: row for row in outcome["acceptance"]["results"]}
    assert results["runtime/environment_imports[jax]"]["status"] == "pass"
    assert results["runtime/framework_sees_devices[jax]"]["status"] == "pass"
    assert box.shell("ls /opt/dlrig/envs").stdout.split() == ["jax"]

    (plan,) = dlrig(tmp_path / "s", "plan", *fleet, "--json").document
    assert plan["actions"] == []
    # An option goes before the inventory's variable, and what it asks for beside it is refused with both reasons.
    refused = dlrig(tmp_path / "s", "plan", *fleet, "--env", "tensorflow", "--python", "3.14")
    assert refused.code == 3
    shown = " ".join(refused.text.split())
    assert "you asked for Python 3.14" in shown
    assert "(impossible-plan)" in shown
    assert "Traceback" not in shown
