"""What a command prints in another form than for people: where it goes, and what it ends with."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from provision.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeVar

    from provision.errors import DlrigError
    from provision.results import Acceptance

    F = TypeVar("F", bound=Callable[..., Any])

_PUBLIC = 0o644
"""node_exporter has a user of its own."""


def output_file_option(function: F) -> F:
    """``--output``."""
    option: Callable[[F], F] = click.option(
        "--output",
        metavar="FILE",
        help="With --format prometheus: into a file, such as /var/lib/node_exporter/dlrig.prom, in one step.",
    )
    return option(function)


def refuse_output(form: str, output: str | None) -> None:
    """Refuse ``--output`` for other forms.

    Raises:
        UsageError: it is not for this form.
    """
    if output and form != "prometheus":
        raise UsageError(
            "--output is for --format prometheus",
            hint="The other forms go to standard output: dlrig report --format json >FILE",
            reference="output-without-prometheus",
        )


def encodable() -> None:
    """Let standard output take any text: monitoring daemons run in the C locale, whose encoding lacks much."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def print_prometheus(acceptances: Sequence[Acceptance], output: str | None) -> None:
    """As metrics, to standard output or into a file.

    Raises:
        DlrigError: the file cannot be written.
    """
    from provision.report import prometheus  # noqa: PLC0415 - each form loads its own writer
    from provision.state import write_file  # noqa: PLC0415

    text = prometheus.render(acceptances)
    if output:
        # A name that does not end in .prom until it is whole: the collector never reads a half.
        write_file(Path(output).expanduser().absolute(), text.encode(), _PUBLIC)
    else:
        encodable()
        sys.stdout.write(text)


def print_nagios(
    acceptances: Sequence[Acceptance], errors: Sequence[tuple[str, DlrigError]] = ()
) -> int:
    """A line each; returns the worst of their exit codes.

    Args:
        acceptances: of rigs that were checked.
        errors: names of rigs that could not be, and why: they are unknown, whatever the others are.
    """
    from provision.report import nagios  # noqa: PLC0415

    encodable()
    lines = [nagios.render(acceptance) for acceptance in acceptances]
    lines += [nagios.unknown(name, error.what) for name, error in errors]
    for line in lines:
        sys.stdout.write(f"{line.text}\n")
    return max(line.exit_code for line in lines)
