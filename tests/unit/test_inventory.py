"""Hosts of an Ansible inventory, read by Ansible itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from provision.errors import UsageError
from provision.inventory import read_inventory

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.subprocess


def test_hosts_with_their_variables(tmp_path: Path) -> None:
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(
        "rigs:\n  hosts:\n    one: {ansible_host: 192.0.2.1, ansible_port: 2222, ansible_user: rigger}\n"
        "    two: {}\n    here: {ansible_connection: local}\n"
        "  vars: {dlrig_tensorflow: '==2.20.0'}\n"
    )
    found = {target.name: target for target in read_inventory(str(inventory))}
    assert list(found) == ["one", "two", "here"]
    one, two = found["one"], found["two"]
    assert (one.host, one.port, one.user) == ("192.0.2.1", 2222, "rigger")
    assert (two.host, two.port, two.user) == ("two", None, None)
    assert found["here"].local
    assert all(target.variables["dlrig_tensorflow"] == "==2.20.0" for target in found.values())


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "there is no such inventory"),
        ("", "no host in it matches"),
        ("[unclosed\n", "Ansible cannot read it"),
    ],
)
def test_what_is_no_inventory(tmp_path: Path, content: str | None, complaint: str) -> None:
    inventory = tmp_path / "hosts.ini"
    if content is not None:
        inventory.write_text(content)
    with pytest.raises(UsageError, match=complaint) as raised:
        read_inventory(str(inventory))
    assert str(inventory) in str(raised.value)
