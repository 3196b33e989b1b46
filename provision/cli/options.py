"""Options that several commands share, declared once; and how they become a run."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import rich_click as click
from click import get_current_context
from click.core import ParameterSource

from provision.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console

    from provision.connection import Settings
    from provision.pipeline import Run
    from provision.target import Target
    from provision.wishes import Wishes

F = TypeVar("F", bound="Callable[..., Any]")

_REACH = (
    click.argument("targets", nargs=-1, metavar="[TARGET]…"),
    click.option(
        "-i", "--inventory", metavar="PATH", help="An Ansible inventory, instead of targets."
    ),
    click.option(
        "--limit",
        default="all",
        metavar="PATTERN",
        help="Hosts or groups of the inventory.  [default: all]",
    ),
    click.option(
        "--ssh-config", metavar="FILE", help="An OpenSSH configuration instead of your own."
    ),
    click.option("--identity", multiple=True, metavar="FILE", help="A private key to try first."),
    click.option(
        "--accept-new",
        is_flag=True,
        help="Trust a host key that was never seen, without asking; never a changed one.",
    ),
    click.option(
        "-K", "--ask-become-pass", is_flag=True, help="Ask for sudo's password on the rig."
    ),
    click.option(
        "--become-password-file",
        metavar="FILE",
        help="Read sudo's password from a file, or from standard input with '-'.",
    ),
)

_WISHES = (
    click.option(
        "--driver",
        default="",
        metavar="SPEC",
        help="NVIDIA's driver: a branch (580), a release (580.95.05) or a range ('>=570'). Default: the newest "
        "long-term branch that fits.",
    ),
    click.option(
        "--driver-source",
        type=click.Choice(["auto", "ubuntu", "nvidia", "debian"]),
        default="auto",
        help="Where the driver comes from: the system's own archive, or NVIDIA's repository.  [default: auto]",
    ),
    click.option(
        "--modules",
        type=click.Choice(["auto", "open", "proprietary"]),
        default="auto",
        help="The driver's kernel modules. auto: what fits the GPUs.  [default: auto]",
    ),
    click.option(
        "--adopt",
        "existing",
        flag_value="adopt",
        default="stop",
        help="Take the driver that is there as it is, whatever put it there, and plan the rest for it.",
    ),
    click.option(
        "--purge-conflicts",
        "existing",
        flag_value="purge",
        help="Remove a driver that NVIDIA's installer put there, or that is mixed from several sources, and "
        "install the planned one. Default: stop before it.",
    ),
    click.option(
        "--container-toolkit",
        is_flag=True,
        help="Install NVIDIA's container toolkit: containers can use the GPUs.",
    ),
    click.option(
        "--nvidia-repository",
        default="",
        metavar="URL",
        help="A mirror of NVIDIA's repository for the rig's system.",
    ),
    click.option(
        "--ignore-display",
        is_flag=True,
        help="Change the driver though it shows a display.",
    ),
    click.option(
        "--ignore-kernel",
        is_flag=True,
        help="Build the driver's modules for a kernel that is newer than those it was tried on.",
    ),
    click.option(
        "--watch/--no-watch",
        default=None,
        help="Let the rig check itself at boot where its kernel or driver changed from outside. Default: as it is "
        "there; at first not.",
    ),
    click.option(
        "--cuda",
        multiple=True,
        metavar="SPEC",
        help="A CUDA toolkit, such as 12.9; several stand side by side; 'none' for none. Default: one that fits.",
    ),
    click.option(
        "--python",
        default="",
        metavar="SPEC",
        help="The environments' Python, such as 3.12. Default: the best that fits.",
    ),
    click.option(
        "--env",
        multiple=True,
        metavar="NAME",
        help="An environment to make: tensorflow, tensorflow_gpu, torch, jax; several are possible. Default: "
        "tensorflow, and with GPUs tensorflow_gpu.",
    ),
    click.option(
        "--torch",
        default="",
        metavar="SPEC",
        help="PyTorch's version, such as 2.10.0; makes the environment torch too.",
    ),
    click.option(
        "--jax",
        default="",
        metavar="SPEC",
        help="JAX's version, such as 0.10.2; makes the environment jax too.",
    ),
    click.option(
        "--environment-maker",
        type=click.Choice(["auto", "conda", "venv"]),
        default="auto",
        help="What makes the environments. auto: conda where the rig reaches a channel, else venv.  [default: auto]",
    ),
    click.option(
        "--tensorflow",
        default="",
        metavar="SPEC",
        help="TensorFlow's version, such as 2.20.0 or '<2.20'. Default: the newest that fits.",
    ),
    click.option(
        "--conda-channel",
        default="",
        metavar="URL",
        help="A channel instead of conda-forge: a mirror, file://…",
    ),
    click.option(
        "--miniforge-url",
        default="",
        metavar="URL",
        help="Where the Miniforge installer comes from, instead of its own home.",
    ),
    click.option(
        "--miniforge-checksum",
        default="",
        metavar="SHA",
        help="Checksum of that installer: sha256:…",
    ),
    click.option(
        "--index-url",
        default="",
        metavar="URL",
        help="A package index instead of the rig's own configuration.",
    ),
)

_SCOPE = (
    click.option(
        "--data",
        default="auto",
        metavar="DATA",
        help="CIFAR-10 images: a path here, rig:PATH there, 'synthetic', or 'auto': downloaded, else "
        "synthetic.  [default: auto]",
    ),
    click.option("--steps", type=click.IntRange(min=20), help="Steps of the training checks."),
    click.option(
        "--waivers",
        multiple=True,
        metavar="FILE",
        help="Findings that are accepted for a time (TOML; docs/accepting.md).  [default: /etc/dlrig/waivers.toml "
        "and waivers.toml in ~/.config/dlrig, where they are there]",
    ),
)

_OUTPUT = (
    click.option(
        "--json",
        "as_json",
        is_flag=True,
        help="One JSON document on standard output; everything else goes to standard error.",
    ),
    click.option("-v", "--verbose", is_flag=True, help="Every task and reading."),
)


def _apply(options: tuple[Any, ...]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


reach_options = _apply(_REACH)
wish_options = _apply(_WISHES)
scope_options = _apply(_SCOPE)
output_options = _apply(_OUTPUT)


def make_run(chosen: dict[str, Any]) -> Run:
    """A run from a command's options.

    Raises:
        UsageError: no rig was named, or something given is wrong.
    """
    from provision.acceptance import Scope  # noqa: PLC0415 - only once the options are right
    from provision.pipeline import RigRun, Run  # noqa: PLC0415
    from provision.state import new_id, run_folder  # noqa: PLC0415
    from provision.wishes import with_variables  # noqa: PLC0415

    targets = _targets(chosen["targets"], chosen["inventory"], chosen["limit"])
    settings = _settings(chosen, interactive=not chosen.get("yes", False))
    password = _password(chosen)
    wished = make_wishes_from(chosen)
    given = _given(chosen)
    return Run(
        rigs=[
            RigRun(
                target=target,
                id=new_id(),
                wishes=with_variables(
                    wished, target.variables, f"inventory, host {target.name}", given
                ),
                password=password,
            )
            for target in targets
        ],
        settings=settings,
        scope=Scope(
            data=chosen.get("data", "auto"),
            steps=chosen.get("steps"),
            markers=chosen.get("markers", ""),
            waivers=_waivers(chosen),
            pytest_options=tuple(chosen.get("pytest_options", ())),
        ),
        make_console=_messages if chosen.get("as_json", False) else _output,
        folder_of=run_folder,
        inventory=chosen["inventory"],
        yes=chosen.get("yes", False),
        always_check=bool(chosen.get("checking")),
        verbose=chosen.get("verbose", False),
    )


def _waivers(chosen: dict[str, Any]) -> tuple[str, ...]:
    """The files, read once before anything is done: what is wrong with them is said now."""
    if "waivers" not in chosen:
        return ()
    from provision.waivers import read_all, usual_files  # noqa: PLC0415

    files = tuple(Path(name).expanduser().absolute() for name in chosen["waivers"])
    files = files or usual_files()
    read_all(files, dt.datetime.now(dt.UTC).date())
    return tuple(map(str, files))


def make_wishes_from(chosen: dict[str, Any]) -> Wishes:
    """What the options ask for.

    Raises:
        UsageError: a value is wrong.
    """
    from provision.wishes import Wishes, make_wishes  # noqa: PLC0415

    return make_wishes(
        {name: chosen[name] for name in Wishes.__struct_fields__ if name in chosen}, "options"
    )


def _given(chosen: dict[str, Any]) -> frozenset[str]:
    """The options that stood on the command line, with whatever value."""
    context = get_current_context()
    typed = ParameterSource.COMMANDLINE
    return frozenset(name for name in chosen if context.get_parameter_source(name) is typed)


def console_for(chosen: dict[str, Any]) -> Console:
    """For people: standard error where standard output belongs to a program."""
    return _messages() if chosen.get("as_json", False) else _output()


def _targets(names: tuple[str, ...], inventory: str | None, pattern: str) -> tuple[Target, ...]:
    from provision.target import parse_target  # noqa: PLC0415

    if inventory:
        if names:
            raise UsageError(
                "targets and an inventory exclude each other",
                hint="Choose hosts of the inventory with --limit.",
                reference="targets-and-inventory",
            )
        from provision.inventory import read_inventory  # noqa: PLC0415 - starts Ansible

        return read_inventory(inventory, pattern)
    if not names:
        raise UsageError(
            "no rig was named",
            hint="For example: dlrig up user@host; dlrig up local; dlrig up -i hosts.ini",
            reference="no-target",
        )
    return tuple(parse_target(name) for name in dict.fromkeys(names))


def _settings(chosen: dict[str, Any], *, interactive: bool) -> Settings:
    from provision.connection import Settings  # noqa: PLC0415

    somebody = interactive and sys.stdin.isatty() and not chosen.get("as_json", False)
    return Settings(
        ssh_config=chosen["ssh_config"],
        identity=tuple(chosen["identity"]),
        accept_new=chosen["accept_new"],
        ask=_ask if somebody else None,
    )


def _output() -> Console:
    from provision.terminal.console import output  # noqa: PLC0415 - rich takes long to import

    return output()


def _messages() -> Console:
    from provision.terminal.console import messages  # noqa: PLC0415

    return messages()


def _ask(question: str) -> bool:
    return click.confirm(question, default=False, err=True)


def _password(chosen: dict[str, Any]) -> str | None:
    path = chosen["become_password_file"]
    if path:
        try:
            text = sys.stdin.read() if path == "-" else Path(path).expanduser().read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(
                f"cannot read sudo's password: {getattr(error, 'strerror', None) or 'it is not text'}",
                where=path,
                hint="Give --become-password-file a file with the password on its first line, or '-'.",
                reference="no-password-file",
            ) from error
        return text.splitlines()[0] if text else ""
    if chosen["ask_become_pass"]:
        if not sys.stdin.isatty():
            raise UsageError(
                "there is no terminal to ask for sudo's password",
                hint="Give it with --become-password-file, or '-' for standard input.",
                reference="nobody-to-ask",
            )
        return str(click.prompt("sudo's password on the rig", hide_input=True, err=True))
    return None


def write_each(chosen: dict[str, Any], documents: Sequence[object]) -> None:
    """A document per rig: itself where one target was named, else a list, also of one."""
    one = len(chosen["targets"]) == 1 and len(documents) == 1
    write_json(documents[0] if one else documents)


def write_json(document: object) -> None:
    """One JSON document on standard output."""
    import msgspec  # noqa: PLC0415

    sys.stdout.write(msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n")
