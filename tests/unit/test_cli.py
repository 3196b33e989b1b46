"""Every command and option explains itself, and every trouble ends in an exit code."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from provision.cli import cli
from provision.cli.trouble import STOPPED, reporting
from provision.errors import DlrigError, Exit, UsageError

COMMANDS = sorted(cli.commands)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_and_each_of_its_options_has_help(name: str) -> None:
    command = cli.commands[name]
    assert command.help
    assert command.get_short_help_str(limit=200).endswith((".", "!"))
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.opts}"


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_is_shown(name: str) -> None:
    shown = CliRunner().invoke(cli, [*([name] if name else []), "--help"])
    assert shown.exit_code == 0
    assert "Usage" in shown.output


def test_the_readme_names_every_command() -> None:
    from pathlib import Path  # noqa: PLC0415 - only here

    text = (Path(__file__).parents[2] / "README.md").read_text()
    for name in COMMANDS:
        assert f"`dlrig {name}" in text or f"`{name}`" in text or f"$ dlrig {name}" in text, name


def raising(error: BaseException) -> int:
    def command() -> None:
        raise error

    return reporting(command)


def test_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert raising(UsageError("wrong", hint="do this", reference="x")) == Exit.USAGE
    assert raising(DlrigError("failed", where="rig", reference="y")) == Exit.FAILED
    assert raising(click.UsageError("no such option")) == Exit.USAGE
    assert raising(KeyboardInterrupt()) == STOPPED
    shown = capsys.readouterr().err
    assert "do this" in shown
    assert "goes on from there" in shown
    assert "Traceback" not in shown


def test_a_defect_of_ours_is_a_sentence_and_a_file(
    capsys: pytest.CaptureFixture[str], state: object
) -> None:
    assert raising(ZeroDivisionError("by nobody")) == Exit.FAILED
    shown = capsys.readouterr().err
    assert "ZeroDivisionError: by nobody" in shown
    assert "Traceback" not in shown
    from pathlib import Path  # noqa: PLC0415 - only here

    (kept,) = Path(str(state)).glob("defect-*.txt")
    assert "Traceback" in kept.read_text()
