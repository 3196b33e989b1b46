"""Find for each rig an address and a port by which all others reach it: by trying, from rig to rig."""

from __future__ import annotations

import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import msgspec

from provision import decode
from provision.errors import DlrigError
from provision.together import TogetherError
from provision.together.addresses import Look, Trial, candidates, choose
from provision.together.sending import program

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from provision.connection import Connection
    from provision.together import Chosen, Member, Place

_PROGRAM = "together_reach.py"
_LOOK = 60.0
"""Seconds to start Python there, and with torch to import it."""
_LISTEN = 60.0
_BEGIN = 5.0
"""Seconds for one that is to be stopped to say its process's number: it may only just have been started."""
_CONNECT = 4.0
"""Seconds for one connection; rigs of one room need a thousandth."""
_AT_ONCE = 32


class Listening(msgspec.Struct):
    """What ``listen`` says first."""

    pid: int
    port: int
    troubles: dict[str, str] = {}


class Listener:
    """A rig that listens, in a thread of its own, until it is told to stop."""

    def __init__(self, member: Member, connection: Connection, addresses: Sequence[str]) -> None:
        self.token = secrets.token_hex(8)
        self.addresses = addresses
        self.says: Listening | None = None
        self._connection = connection
        self._member = member
        self._heard = threading.Event()
        self._error: DlrigError | None = None
        self._errors = b""
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def wait(self) -> Listening:
        """What it says; raises where it cannot listen."""
        self._heard.wait(_LISTEN)
        if self._error:
            raise self._error
        if self.says is None:
            last = self._errors.decode(errors="replace").strip().splitlines()[-1:]
            raise TogetherError(
                f"{self._member.python} does not run there: {' '.join(last) or 'it says nothing'}",
                where=self._member.name,
                hint="dlrig check TARGET -m runtime says what is wrong with the environment.",
                reference="environment-broken",
            )
        for address in self.addresses:
            if address in self.says.troubles and len(self.says.troubles) == len(self.addresses):
                raise TogetherError(
                    f"it cannot listen at {address}: {self.says.troubles[address]}",
                    where=self._member.name,
                    hint="An address given by --address must be one of the rig's own: ip address",
                    reference="not-its-address",
                )
        return self.says

    def stop(self) -> None:
        """It ends, and its ports are free."""
        self._heard.wait(_BEGIN)
        if self.says and self._thread.is_alive():
            try:
                self._connection.run(["kill", "-TERM", str(self.says.pid)], limit=10)
            except DlrigError:
                return  # without the connection it ends by its own limit
        self._thread.join(timeout=10)

    def _listen(self) -> None:
        sent = {
            "job": "listen",
            "addresses": list(self.addresses),
            "port": 0,
            "token": self.token,
            "limit": _LISTEN,
        }
        try:
            done = self._connection.run(
                [self._member.python, "-I", "-"],
                stdin=program(_PROGRAM, sent),
                limit=_LISTEN + 10,
                on_line=self._line,
            )
            self._errors = done.stderr
        except DlrigError as error:
            self._error = error
        finally:
            self._heard.set()

    def _line(self, line: str) -> None:
        if self.says is None:
            try:
                self.says = decode.json(line, Listening)
            except msgspec.DecodeError:
                return
            self._heard.set()


def look(chosen: Chosen, connections: Mapping[str, Connection]) -> dict[str, Look]:
    """What every rig says of itself."""

    def ask(member: Member) -> Look:
        # Where processes are counted by GPUs, the framework's own count is what matters.
        counts = chosen.framework if chosen.device == "gpu" else ""
        sent = {"job": "look", "framework": counts}
        found: Look = _answer(connections[member.name], member, sent, Look)
        return found

    return dict(_on_all(chosen, ask))


def reach(
    chosen: Chosen,
    connections: Mapping[str, Connection],
    looks: Mapping[str, Look],
    given: Mapping[str, str],
) -> dict[str, Place]:
    """Where each rig is reached by all others.

    Raises:
        TogetherError: two rigs do not reach each other, or a given address is not the rig's.
    """
    listeners: dict[str, Listener] = {}
    try:
        for member in chosen.members:
            addresses = candidates(member.name, looks, given)
            listeners[member.name] = Listener(member, connections[member.name], addresses)
        places = _places(listeners)

        def attempt(member: Member) -> list[Trial]:
            mine = [place for place in places if place["of"] != member.name]
            sent = {"job": "connect", "limit": _CONNECT, "places": mine}
            troubles = _answer(connections[member.name], member, sent, list[str])
            return [
                Trial(
                    by=member.name,
                    of=place["of"],
                    address=place["address"],
                    port=place["port"],
                    trouble=trouble,
                )
                for place, trouble in zip(mine, troubles, strict=True)
            ]

        trials = [trial for _, tried in _on_all(chosen, attempt) for trial in tried]
    finally:
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
            list(pool.map(Listener.stop, listeners.values()))
    return choose(looks, trials)


def _places(listeners: Mapping[str, Listener]) -> list[dict[str, Any]]:
    found = []
    for name, listener in listeners.items():
        says = listener.wait()
        found += [
            {"of": name, "address": address, "port": says.port, "token": listener.token}
            for address in listener.addresses
            if address not in says.troubles
        ]
    return found


def _on_all(chosen: Chosen, job: Callable[[Member], Any]) -> list[tuple[str, Any]]:
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        return list(
            zip((one.name for one in chosen.members), pool.map(job, chosen.members), strict=True)
        )


def _answer(connection: Connection, member: Member, sent: dict[str, Any], form: Any) -> Any:  # noqa: ANN401 - what `form` says
    done = connection.run([member.python, "-I", "-"], stdin=program(_PROGRAM, sent), limit=_LOOK)
    try:
        return decode.json(done.stdout, form)
    except msgspec.DecodeError as error:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise TogetherError(
            f"{member.python} does not run there: {' '.join(last) or f'exit code {done.exit_code}'}",
            where=member.name,
            hint="dlrig check TARGET -m runtime says what is wrong with the environment.",
            reference="environment-broken",
        ) from error
