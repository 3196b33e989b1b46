"""Start every rig's part, let the first one's lines through, and leave no process behind, whatever happens."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import msgspec

from provision import decode
from provision.errors import DlrigError
from provision.together import Place
from provision.together.ending import outcome
from provision.together.sending import files, program

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from provision.connection import Completed, Connection
    from provision.together import Chosen, Ended, Member, Wish

_LAUNCH = "together_launch.py"
_WAIT = 30.0
"""Seconds to wait for another measurement on a rig."""
_MARGIN = 30.0
"""Seconds beyond the program's own limit until it is ended on the rig, and again until the connection gives up."""
_TELL = 3.0
"""Seconds after one rig failed in which the others may say why they did: the cause may be told last."""
_BEGIN = 5.0
"""Seconds for a part that is to be stopped to say its process's number: it may only just have been started."""
_END = 20.0
"""Seconds for all to end, once they are told to."""
_POLL = 0.1
_AT_ONCE = 32


class _Says(msgspec.Struct):
    pid: int


class Part:
    """One rig's processes, in a thread of their own."""

    def __init__(
        self,
        member: Member,
        connection: Connection,
        sent: dict[str, Any],
        on_line: Callable[[str], None] | None,
    ) -> None:
        self.member = member
        self._connection = connection
        self._limit = sent["wait"] + sent["limit"] + _MARGIN
        self._program = program(_LAUNCH, sent)
        self._on_line = on_line
        self._pid = 0
        self._began = threading.Event()
        self._completed: Completed | None = None
        self._error: DlrigError | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return not self.thread.is_alive()

    @property
    def ended(self) -> Ended:
        """How it ended."""
        return outcome(self.member, self._completed, self._error)

    def stop(self) -> None:
        """End all its processes."""
        self._began.wait(_BEGIN)
        if self.over or not self._pid:
            return
        try:
            self._connection.run(["kill", "-TERM", str(self._pid)], limit=10)
        except DlrigError:
            return  # without the connection the processes end by themselves

    def _run(self) -> None:
        try:
            self._completed = self._connection.run(
                [self.member.python, "-I", "-"],
                stdin=self._program,
                limit=self._limit,
                on_line=self._line,
            )
        except DlrigError as error:
            self._error = error
        finally:
            self._began.set()

    def _line(self, line: str) -> None:
        if not self._pid:
            try:
                self._pid = decode.json(line, _Says).pid
            except msgspec.DecodeError:
                return
            self._began.set()
        elif self._on_line and not line.startswith("{"):
            self._on_line(line)


def run_together(
    chosen: Chosen,
    wish: Wish,
    connections: Mapping[str, Connection],
    places: Mapping[str, Place],
    on_line: Callable[[str], None],
) -> tuple[Ended, ...]:
    """All rigs as one; the first one's log lines go to ``on_line``."""
    parts = []
    for rank, member in enumerate(chosen.members):
        environments = variables(chosen, rank, places)
        sent = _sent(chosen, wish, environments, [place.address for place in places.values()])
        part = Part(member, connections[member.name], sent, None if rank else on_line)
        parts.append(part)
    return _carry(parts)


def run_alone(
    chosen: Chosen,
    wish: Wish,
    connections: Mapping[str, Connection],
    places: Mapping[str, Place],
) -> tuple[Ended, ...]:
    """Every rig for itself, all at the same time."""
    parts = []
    for member in chosen.members:
        one = msgspec.structs.replace(chosen, members=(member,))
        here = Place(address="127.0.0.1", port=places[member.name].port, interface="lo")
        environments = variables(one, 0, {member.name: here})
        part = Part(member, connections[member.name], _sent(one, wish, environments, []), None)
        parts.append(part)
    return _carry(parts)


def variables(chosen: Chosen, rank: int, places: Mapping[str, Place]) -> list[dict[str, str]]:
    """Of each process of the rig that is ``rank``: as the framework's own engine wants them.

    TensorFlow: one process per rig with TF_CONFIG (https://www.tensorflow.org/guide/distributed_training). PyTorch: one
    per GPU with torchrun's variables (https://docs.pytorch.org/docs/stable/elastic/run.html). Of one rig alone
    nobody else is told.
    """
    if chosen.framework == "tensorflow":
        if len(chosen.members) == 1:
            return [{}]
        workers = [str(places[member.name]) for member in chosen.members]
        config = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": rank}}
        return [{"TF_CONFIG": msgspec.json.encode(config).decode()}]
    counts = [max(1, member.gpus) for member in chosen.members]
    first = sum(counts[:rank])
    here, lead = places[chosen.members[rank].name], places[chosen.members[0].name]
    common = {
        "WORLD_SIZE": str(sum(counts)),
        "LOCAL_WORLD_SIZE": str(counts[rank]),
        "MASTER_ADDR": lead.address,
        "MASTER_PORT": str(lead.port),
        # Else gloo takes the address that the rig's own name stands for, which often is a loopback one.
        **({"GLOO_SOCKET_IFNAME": here.interface} if here.interface else {}),
        **({"NCCL_SOCKET_IFNAME": f"={here.interface}"} if here.interface else {}),
    }
    return [
        {**common, "RANK": str(first + local), "LOCAL_RANK": str(local)}
        for local in range(counts[rank])
    ]


def _sent(
    chosen: Chosen, wish: Wish, environments: list[dict[str, str]], hosts: Sequence[str]
) -> dict[str, Any]:
    name = f"together_{chosen.framework}.py"
    arguments = ["--device", "all" if chosen.device == "gpu" else "cpu", "--json"]
    for option in ("mode", "dtype", "steps", "batch", "window", "data"):
        arguments += [f"--{option}", str(getattr(wish, option))]
    arguments += ["--time-limit", f"{wish.limit:g}"]
    shared = (name, f"cifar10_{chosen.framework}.py", "together_training.py")
    return {
        "files": files(shared),
        "program": name,
        "arguments": arguments,
        "environments": environments,
        "hosts": list(hosts),
        "limit": wish.limit + _MARGIN / 2,
        "wait": _WAIT,
    }


def _carry(parts: Sequence[Part]) -> tuple[Ended, ...]:
    """Start them, and wait until all have ended; the first that fails ends the others."""
    try:
        for part in parts:
            part.thread.start()
        _wait_for_all(parts)
    finally:
        _end(parts)
    return tuple(part.ended for part in parts)


def _wait_for_all(parts: Sequence[Part]) -> None:
    """Each part ends by its own limit at the latest; none is waited for long after another has failed."""
    patience = float("inf")
    while not all(part.over for part in parts):
        time.sleep(_POLL)
        failed = any(part.over and part.ended.failure for part in parts)
        if failed and patience == float("inf"):
            patience = time.monotonic() + _TELL
        if time.monotonic() >= patience:
            return


def _end(parts: Sequence[Part]) -> None:
    begun = [part for part in parts if part.thread.ident is not None and not part.over]
    if not begun:
        return
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        list(pool.map(Part.stop, begun))
    end = time.monotonic() + _END
    for part in begun:
        part.thread.join(timeout=max(0.0, end - time.monotonic()))
