"""The options of ``pytest checks/``, and the targets that they name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from provision import decode
from provision.connection import Settings
from provision.errors import UsageError
from provision.inventory import read_inventory
from provision.plan import Plan
from provision.target import Target, parse_target

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

CHAPTERS = ("hardware", "driver", "runtime", "performance", "training")
"""In the order in which they run; each is a folder and a marker."""

STEPS = 120
"""On a CPU: twelve windows of ten, enough for a spread, and under a minute on two cores of 2026."""
GPU_STEPS = 1000
"""On GPUs: long enough for clocks and heat to be seen; 21 s on the reference rig's GTX 1060."""


def add_options(parser: pytest.Parser) -> None:
    """Declare them all."""
    group = parser.getgroup("rig", "the rigs to accept")
    add = group.addoption
    add("--rig", action="append", default=[], metavar="TARGET", help=_RIG)
    add("--inventory", action="append", default=[], metavar="FILE", help=_INVENTORY)
    add("--limit", default="all", metavar="PATTERN", help="only these hosts of the inventory")
    add("--ssh-config", metavar="FILE", help="OpenSSH configuration instead of your own")
    add("--identity", action="append", default=[], metavar="FILE", help="private key to try first")
    add("--accept-new", action="store_true", help="trust host keys that were never seen")
    add("--transcript", action="append", default=[], metavar="FILE", help=_TRANSCRIPT)
    add("--record", metavar="FILE", help=_RECORD)
    add("--anonymise", action="store_true", help=_ANONYMISE)
    add("--plan", action="append", default=[], metavar="FILE", help=_PLAN)
    add("--baseline", action="append", default=[], metavar="FILE", help=_BASELINE)
    add("--waivers", action="append", default=[], metavar="FILE", help=_WAIVERS)
    add("--data", default="auto", metavar="DATA", help=_DATA)
    add("--steps", type=int, metavar="N", help=_STEPS)
    add("--mode", choices=("reference", "limit"), default="reference", help=_MODE)
    add("--dtype", choices=("float32", "bfloat16"), default="float32", help=_DTYPE)
    add("--results", metavar="FILE", help="write everything found to a JSON file")


_RIG = (
    "user@host, ssh://user@host:port, an alias of your SSH config, or local (default); repeatable"
)
_INVENTORY = "Ansible inventory: checks every host in it; repeatable"
_TRANSCRIPT = "judge a recorded transcript instead of a rig: nothing is run anywhere; repeatable"
_RECORD = "keep what the rigs answered, for --transcript; with --collect-only nothing else is done"
_ANONYMISE = "replace host and user names, serial numbers, UUIDs, addresses and ids in that file"
_PLAN = "hold the rig against this plan (JSON) instead of computing one; repeatable, one per rig"
_BASELINE = (
    "compare with this earlier acceptance (dlrig report --format json, dlrig check --json, or a --results file); "
    "repeatable; each rig takes its own machine's"
)
_WAIVERS = (
    "findings that are accepted for a time, with a reason (TOML, see docs/accepting.md); repeatable"
)
_STEPS = f"of training (default {STEPS} on a CPU, {GPU_STEPS} on GPUs)"
_MODE = "of training: as published (default), or as fast as the hardware allows"
_DTYPE = "of training: float32 (default), or bfloat16, which needs --mode limit"
_DATA = (
    "images for the training checks: auto (default: the rig's cache, a download, else synthetic), "
    "synthetic, a file here (cifar-10-python.tar.gz, cifar-10-binary.tar.gz, .npz), or rig:PATH"
)


def steps_for(config: pytest.Config, device: str) -> int:
    """How long to train: as ``--steps`` says, else by the device (``cpu``, ``gpu``, ``all``)."""
    given: int | None = config.getoption("--steps")
    return given if given is not None else STEPS if device == "cpu" else GPU_STEPS


def targets(config: pytest.Config) -> list[Target]:
    """The rigs asked for; this machine where none is.

    Raises:
        UsageError: a target or an inventory cannot be read.
    """
    chosen = [parse_target(text) for text in config.getoption("--rig")]
    for inventory in config.getoption("--inventory"):
        chosen += read_inventory(inventory, config.getoption("--limit"))
    if not chosen and not config.getoption("--transcript"):
        chosen = [Target(name="local")]
    return chosen


def refuse_twice(names: list[str]) -> None:
    """Results are told apart by the rig's name.

    Raises:
        UsageError: two rigs have the same.
    """
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(
            f"{', '.join(twice)} is named twice",
            where="--rig, --inventory and --transcript",
            hint="Name each rig once; the name in a transcript is its 'target'.",
            reference="rig-twice",
        )


def settings(config: pytest.Config) -> Settings:
    """How to connect."""
    return Settings(
        ssh_config=config.getoption("--ssh-config"),
        identity=tuple(config.getoption("--identity")),
        accept_new=config.getoption("--accept-new"),
    )


def plans(config: pytest.Config) -> dict[str, Plan]:
    """The given plans by target.

    Raises:
        UsageError: a file is missing, or holds no plan.
    """
    read = [
        load(path, "plan", lambda raw: decode.json(raw, Plan))
        for path in given_files(config, "--plan")
    ]
    return {plan.target: plan for plan in read}


def given_files(config: pytest.Config, option: str) -> list[Path]:
    """The files that a repeatable option names, from where pytest was called."""
    here = config.invocation_params.dir
    return [here / path for path in config.getoption(option)]


def load(path: Path, kind: str, decode: Callable[[bytes], Any]) -> Any:  # noqa: ANN401 - as decode
    """Read a file that an option names.

    Raises:
        UsageError: it is missing, or something else.
    """
    try:
        return decode(path.read_bytes())
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
    except msgspec.MsgspecError as error:
        what = f"is not a {kind}: {error}"
    raise UsageError(
        what,
        where=str(path),
        hint=f"Give --{kind} a file that dlrig wrote.",
        reference=f"bad-{kind}",
    )
