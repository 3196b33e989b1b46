"""``dlrig check``."""

from __future__ import annotations

from typing import Any

import rich_click as click

from provision.cli.options import (
    make_run,
    output_options,
    reach_options,
    scope_options,
    wish_options,
    write_each,
)
from provision.cli.printing import (
    output_file_option,
    print_nagios,
    print_prometheus,
    refuse_output,
)
from provision.errors import UsageError


def run_checks(chosen: dict[str, Any]) -> int:
    """Check the rigs and report; the same for ``check`` and ``bench``."""
    import msgspec  # noqa: PLC0415 - --help needs none of it

    from provision.pipeline import carry  # noqa: PLC0415
    from provision.report.document import to_json  # noqa: PLC0415
    from provision.stages import CHECK  # noqa: PLC0415

    form = chosen.get("form", "terminal")
    run = make_run({**chosen, "as_json": chosen["as_json"] or form != "terminal"})
    code = carry(run, CHECK)
    found = [rig.acceptance for rig in run.rigs if rig.acceptance]
    if chosen["as_json"]:
        write_each(chosen, [msgspec.Raw(to_json(each)) for each in found])
    elif form == "prometheus":
        print_prometheus(found, chosen["output"])
    elif form == "nagios":
        return print_nagios(found, [(rig.target.name, rig.error) for rig in run.rigs if rig.error])
    return code


@click.command()
@reach_options
@wish_options
@scope_options
@click.option(
    "-m",
    "markers",
    default="",
    metavar="EXPRESSION",
    help="Only checks with these markers: 'hardware', 'driver', 'runtime', 'quick', 'not training' …",
)
@click.option(
    "--last",
    is_flag=True,
    help="Run nothing: show what a rig that watches itself (dlrig up --watch) found last. Needs no root.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["terminal", "nagios", "prometheus"]),
    default="terminal",
    help="nagios is one line for monitoring, with its exit codes; everything else goes to standard error.  "
    "[default: terminal]",
)
@output_file_option
@output_options
def check(**chosen: Any) -> int:  # noqa: ANN401 - the shared options
    """Accept a rig: run every check and report. Changes nothing but the note on a rig that watches itself.

    The same as [bold]pytest checks/ --rig TARGET[/] in a checkout, with the result kept and the report written.

    Examples:

        dlrig check rigger@10.0.0.7

        dlrig check local -m 'not training'

        dlrig check local --last --format nagios

        dlrig check local -m quick --format prometheus --output /var/lib/node_exporter/dlrig.prom
    """
    refuse_output(chosen["form"], chosen["output"])
    if chosen["as_json"] and chosen["form"] != "terminal":
        raise UsageError(
            "--json and --format exclude each other",
            hint="Both belong on standard output: choose one, and dlrig report gives the other.",
            reference="two-forms",
        )
    if chosen["last"] and chosen["form"] == "prometheus":
        raise UsageError(
            "--last knows no metrics: the note on a rig is a verdict alone",
            hint="After a check: dlrig report --format prometheus; or --last --format nagios",
            reference="last-without-metrics",
        )
    if chosen["last"]:
        from provision.cli.last import show_last  # noqa: PLC0415 - --help needs none of it

        return show_last(chosen)
    return run_checks(chosen)
