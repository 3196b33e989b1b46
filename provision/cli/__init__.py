"""The command ``dlrig``. Each command has a module of its own; heavy imports wait until they are needed."""

from __future__ import annotations

import sys

import rich_click as click

from provision import __version__
from provision.cli.bench import bench
from provision.cli.check import check
from provision.cli.demo import demo
from provision.cli.look_back import compare, history, report
from provision.cli.plan import plan
from provision.cli.rollback import rollback
from provision.cli.trouble import reporting
from provision.cli.up import up
from provision.cli.upgrade import upgrade
from provision.cli.watch import watch

click.rich_click.TEXT_MARKUP = "rich"
click.rich_click.MAX_WIDTH = 100
click.rich_click.OPTION_GROUPS = {
    "dlrig *": [
        {
            "name": "Which rig, and how to reach it",
            "options": [
                "--inventory",
                "--limit",
                "--ssh-config",
                "--identity",
                "--accept-new",
                "--ask-become-pass",
                "--become-password-file",
            ],
        },
        {
            "name": "Wishes",
            "options": [
                "--driver",
                "--driver-source",
                "--modules",
                "--adopt",
                "--purge-conflicts",
                "--ignore-display",
                "--ignore-kernel",
                "--nvidia-repository",
                "--container-toolkit",
                "--cuda",
                "--python",
                "--env",
                "--tensorflow",
                "--torch",
                "--jax",
                "--environment-maker",
                "--conda-channel",
                "--miniforge-url",
                "--miniforge-checksum",
                "--index-url",
                "--watch",
            ],
        },
        {
            "name": "A machine that does not exist yet",
            "options": ["--os", "--gpu", "--kernel", "--secure-boot"],
        },
        {"name": "The driver's change", "options": ["--set", "--list", "--keep"]},
        {
            "name": "Several machines",
            "options": [
                "--together",
                "--address",
                "--framework",
                "--device",
                "--batch",
                "--time-limit",
            ],
        },
        {"name": "Restart", "options": ["--reboot", "--reboot-limit"]},
        {
            "name": "Checks",
            "options": ["--check", "--data", "--steps", "--mode", "--dtype", "--waivers", "-m"],
        },
    ]
}
click.rich_click.COMMAND_GROUPS = {
    "dlrig": [
        {"name": "A rig", "commands": ["up", "plan", "check", "bench"]},
        {"name": "Its driver", "commands": ["upgrade", "rollback"]},
        {"name": "Looking back", "commands": ["report", "history", "compare"]},
        {"name": "Trying out", "commands": ["demo"]},
        {"name": "On the rig itself", "commands": ["watch"]},
    ]
}


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="dlrig")
def cli() -> None:
    """From a bare Ubuntu or Debian box to an accepted deep-learning rig.

    A rig is [bold]user@host[/], [bold]ssh://user@host:port[/], an alias of your SSH config, [bold]local[/] for
    this machine, or the hosts of an Ansible inventory ([bold]-i[/]).

    Exit codes: 0 accepted or nothing to do; 1 the rig fails a check; 2 wrong usage; 3 the work could
    not be done.
    """


for _command in (up, plan, check, bench, upgrade, rollback, report, history, compare, demo, watch):
    cli.add_command(_command)


def main() -> None:
    """Entry point: runs the command and turns every trouble into a message and an exit code."""
    sys.exit(reporting(lambda: cli.main(prog_name="dlrig", standalone_mode=False)))
