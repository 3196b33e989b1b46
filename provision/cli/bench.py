"""``dlrig bench``."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

import rich_click as click

from provision.cli.check import run_checks
from provision.cli.options import output_options, reach_options, scope_options, wish_options
from provision.errors import UsageError

if TYPE_CHECKING:
    from provision.together import Wish

_ONLY_TOGETHER = ("addresses", "framework", "device", "batch", "time_limit")


@click.command()
@reach_options
@wish_options
@scope_options
@click.option(
    "--together",
    is_flag=True,
    help="Train over all rigs at once, and say how much faster that is than each alone. While it runs, the "
    "frameworks' ports are open on the rigs without any password (docs/together.md).",
)
@click.option(
    "--address",
    "addresses",
    multiple=True,
    metavar="RIG=IP",
    help="Where the other rigs reach this one. Default: found by trying.",
)
@click.option(
    "--framework",
    type=click.Choice(["tensorflow", "torch"]),
    help="What trains. Default: the first that every rig has.",
)
@click.option(
    "--device",
    type=click.Choice(["cpu", "gpu"]),
    help="Default: the GPUs where every rig has some, else the CPUs.",
)
@click.option(
    "--mode",
    type=click.Choice(["reference", "limit"]),
    help="reference: as published; limit: as fast as the hardware allows.  [default: reference]",
)
@click.option(
    "--dtype", type=click.Choice(["float32", "bfloat16"]), help="bfloat16 in limit mode only."
)
@click.option("--batch", type=click.IntRange(min=1), help="Examples per device.  [default: 128]")
@click.option(
    "--time-limit",
    type=click.IntRange(min=30),
    metavar="SECONDS",
    help="For each of the two runs.  [default: 300]",
)
@output_options
def bench(**chosen: Any) -> int:  # noqa: ANN401 - the shared options
    """Measure a rig's training throughput, and nothing else.

    Runs the CIFAR-10 workload in the environments that are installed, on the CPU and on the GPUs. With
    [bold]--together[/]: on several rigs, each alone and then all as one.

    Examples:

        dlrig bench rigger@10.0.0.7 --steps 300

        dlrig bench rigger@10.0.0.7 --mode limit --dtype bfloat16

        dlrig bench --together rigger@10.0.0.7 rigger@10.0.0.8
    """
    if chosen["together"]:
        return _together(chosen)
    given = [name for name in _ONLY_TOGETHER if chosen[name]]
    if given:
        option = {"addresses": "address"}.get(given[0], given[0]).replace("_", "-")
        raise UsageError(
            f"--{option} goes with --together",
            hint="One rig is measured on all its devices: leave the option out.",
            reference="only-together",
        )
    _refuse_dtype(chosen)
    options = [
        word for name in ("mode", "dtype") if chosen[name] for word in (f"--{name}", chosen[name])
    ]
    return run_checks({**chosen, "markers": "performance or training", "pytest_options": options})


def _together(chosen: dict[str, Any]) -> int:
    from provision.cli.options import make_run, write_json  # noqa: PLC0415 - --help needs none of it
    from provision.stages import read_facts  # noqa: PLC0415
    from provision.stages.together import measure_together  # noqa: PLC0415
    from provision.together.telling import document  # noqa: PLC0415

    wish = _wish(chosen)
    run = make_run(chosen)
    read_facts(run)
    found = measure_together(run, wish)
    if chosen["as_json"]:
        write_json(document(found))
    return run.exit_code


def _refuse_dtype(chosen: dict[str, Any]) -> None:
    if chosen["dtype"] == "bfloat16" and chosen["mode"] != "limit":
        raise UsageError(
            "--dtype bfloat16 needs --mode limit",
            hint="The reference is float32, as it was published.",
            reference="dtype-needs-limit",
        )


def _wish(chosen: dict[str, Any]) -> Wish:
    from provision.together import Wish  # noqa: PLC0415 - as above

    _refuse_dtype(chosen)
    names = {"framework", "device", "mode", "dtype", "batch", "steps"}
    given = {name: chosen[name] for name in names if chosen[name]}
    if chosen["time_limit"]:
        given["limit"] = float(chosen["time_limit"])
    return Wish(**given, data=_data(chosen["data"]), addresses=_addresses(chosen["addresses"]))


def _data(asked: str) -> str:
    """What every rig is given; a file of this machine is not carried to a whole fleet."""
    if asked in {"auto", "synthetic"}:
        return asked
    if asked.startswith("rig:"):
        return asked.removeprefix("rig:")
    raise UsageError(
        "with --together the images must lie on the rigs",
        where=f"--data {asked}",
        hint="Give --data rig:PATH, the same path on every rig; or synthetic: throughput is the same.",
        reference="data-not-on-rigs",
    )


def _addresses(given: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for each in given:
        rig, _, address = each.rpartition("=")
        try:
            found[rig] = str(ipaddress.ip_address(address))
        except ValueError:
            rig = ""
        if not rig:
            raise UsageError(
                "it has not the form RIG=IP",
                where=f"--address {each}",
                hint="For example: --address rigger@node1=10.0.0.7, with the rig as it is named in the command.",
                reference="bad-address",
            )
    return found
