"""Ways to a rig that an SSH config knows: aliases, jump hosts, agents, keys with a passphrase."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
from rigs import dlrig, reach

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from provision.box import Box


def test_an_alias_with_a_user_of_its_own(tmp_path: Path, box: Box) -> None:
    config = tmp_path / "config"
    text = box.ssh_config.read_text().replace(f"Host {box.name}", "Host my-rig")
    config.write_text(text.replace("User root", "User rigger"))
    ran = dlrig(tmp_path / "s", "plan", "my-rig", "--ssh-config", str(config), "--json")
    assert ran.code == 0, ran.text[-3000:]
    assert ran.document["target"] == "my-rig"


def test_through_a_jump_host_facts_and_ansible_alike(
    tmp_path: Path, box: Box, fresh_box: Callable[..., Box]
) -> None:
    inner = fresh_box(name="inner", python=True, wheels=True)
    config = tmp_path / "config"
    config.write_text(
        inner.ssh_config.read_text() + f"    ProxyJump {box.name}\n\n" + box.ssh_config.read_text()
    )
    target = (inner.target_for("rigger"), "--ssh-config", str(config))
    count = "journalctl --no-pager | grep -c 'Accepted publickey for root'"
    before = int(box.shell(count, check=False).stdout)
    ran = dlrig(tmp_path / "s", "up", *target, "--yes", "--no-check", limit=300)
    assert ran.code == 0, ran.text[-3000:]
    through = int(box.shell(count, check=False).stdout) - before
    assert through >= 3, "facts, Ansible and facts again: each must come through the jump host"


def test_a_jump_host_that_is_not_known_is_named(tmp_path: Path, box: Box) -> None:
    config = tmp_path / "config"
    config.write_text(box.ssh_config.read_text() + "    ProxyJump nowhere.invalid\n")
    ran = dlrig(tmp_path / "s", "plan", *(box.target_for("rigger"), "--ssh-config", str(config)))
    assert ran.code == 3
    assert "Traceback" not in ran.text


@pytest.fixture
def agent() -> Iterator[str]:
    """The socket of an agent of this test's own."""
    said = subprocess.run(["ssh-agent", "-s"], capture_output=True, text=True, check=True).stdout
    socket = re.search(r"SSH_AUTH_SOCK=([^;]+);", said)
    process = re.search(r"SSH_AGENT_PID=(\d+);", said)
    assert socket
    assert process
    yield socket[1]
    os.kill(int(process[1]), signal.SIGTERM)


def test_a_key_that_only_an_agent_can_open(tmp_path: Path, box: Box, agent: str) -> None:
    key = tmp_path / "locked"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "open sesame", "-f", key], check=True
    )
    public = key.with_suffix(".pub").read_text().strip()
    box.shell(f"echo '{public}' >>/home/rigger/.ssh/authorized_keys")
    config = tmp_path / "config"
    text = re.sub(r'IdentityFile ".*"', f'IdentityFile "{key}"', box.ssh_config.read_text())
    config.write_text(text)
    target = (box.target_for("rigger"), "--ssh-config", str(config))
    ran = dlrig(tmp_path / "s", "plan", *target, SSH_AUTH_SOCK="")
    assert ran.code == 3
    assert "ssh-add" in ran.text
    assert "Traceback" not in ran.text
    answer = tmp_path / "answer"
    answer.write_text("#!/bin/sh\necho open sesame\n")
    answer.chmod(0o700)
    subprocess.run(
        ["ssh-add", key],
        env={
            **os.environ,
            "SSH_AUTH_SOCK": agent,
            "SSH_ASKPASS": str(answer),
            "SSH_ASKPASS_REQUIRE": "force",
        },
        check=True,
        capture_output=True,
    )
    ran = dlrig(tmp_path / "s", "plan", *target, SSH_AUTH_SOCK=agent)
    assert ran.code == 0, ran.text[-3000:]


def test_a_key_named_on_the_command_line(tmp_path: Path, box: Box) -> None:
    own = re.search(r'IdentityFile "(.*)"', box.ssh_config.read_text())
    assert own
    config = tmp_path / "config"
    config.write_text(re.sub(r"\n\s*Identit.*", "", box.ssh_config.read_text()))
    target = (box.target_for("rigger"), "--ssh-config", str(config))
    assert dlrig(tmp_path / "s", "plan", *target, SSH_AUTH_SOCK="", HOME=str(tmp_path)).code == 3
    ran = dlrig(
        tmp_path / "s", "plan", *target, "--identity", own[1], SSH_AUTH_SOCK="", HOME=str(tmp_path)
    )
    assert ran.code == 0, ran.text[-3000:]


def test_plain_ssh_and_dlrig_reach_the_same_rig(tmp_path: Path, box: Box) -> None:
    ran = dlrig(tmp_path, "plan", *reach(box), "--json")
    assert ran.code == 0, ran.text[-3000:]
    plain = ["ssh", "-F", str(box.ssh_config), box.target_for("rigger"), "cat /etc/hostname"]
    assert (
        subprocess.run(plain, capture_output=True, text=True, check=True).stdout.strip() == box.name
    )
