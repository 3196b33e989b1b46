"""A relay that makes a link longer: TCP with a round-trip time of its own, and no other limit.

    .venv/bin/python benchmarks/relay.py ADDRESS PORT MILLISECONDS

It listens on a free port of the loopback, prints that port, and ends when its standard input does: with whoever
started it. Each chunk is stamped as it comes and sent on half a round trip later, in order, so that a full link
is as fast as an empty one. A connection costs what its handshake would: the kernel's own, on the loopback, takes
no time. Timers are those of ``epoll_wait``, in whole milliseconds: what is measured through it is up to 2 ms more
than asked for.
"""

from __future__ import annotations

import asyncio
import socket
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 65536
_HANDSHAKE = 1.5
"""Round trips until a server has accepted; the client, which has not waited for any, may send after one."""


class Relay:
    """One address, seen from afar; ``rtt`` in seconds."""

    def __init__(self, address: str, port: int, rtt: float) -> None:
        self._address = address
        self._port = port
        self._rtt = rtt

    async def serve(self) -> None:
        """Relay until standard input ends."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        async with server:
            await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

    async def _accept(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        await asyncio.sleep(_HANDSHAKE * self._rtt)
        try:
            far, forth = await asyncio.open_connection(self._address, self._port)
        except OSError:
            back.close()
            return
        for writer in (back, forth):
            writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Cancelled at the relay's end, which asyncio's streams would print.
        with suppress(asyncio.CancelledError):
            await asyncio.gather(self._pass(near, forth), self._pass(far, back))

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Pass one direction on, its end included."""
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        sender = asyncio.create_task(_send(waiting, sink))
        loop = asyncio.get_running_loop()
        chunk = b"-"
        while chunk:
            try:
                chunk = await source.read(_CHUNK)
            except OSError:
                chunk = b""
            waiting.put_nowait((loop.time() + self._rtt / 2, chunk))
        await sender


async def _send(waiting: asyncio.Queue[tuple[float, bytes]], sink: asyncio.StreamWriter) -> None:
    """Send each chunk when it is due; an empty one is the end."""
    loop = asyncio.get_running_loop()
    with suppress(OSError):
        while True:
            due, chunk = await waiting.get()
            if due > loop.time():
                await asyncio.sleep(due - loop.time())
            if not chunk:
                break
            sink.write(chunk)
            await sink.drain()
    sink.close()


@contextmanager
def relayed(address: str, port: int, rtt: float) -> Iterator[int]:
    """A relay to ``address`` while the block runs, as a process of its own; gives its port. ``rtt`` in seconds."""
    argv = [sys.executable, str(Path(__file__)), address, str(port), f"{rtt * 1000:g}"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as relay:
        try:
            yield int(relay.stdout.readline() if relay.stdout else "")
        finally:
            relay.communicate(timeout=10)


def measured(rtt: float, rounds: int = 15) -> float:
    """Median seconds of a byte's way through a relay to an echo on the loopback, and back."""
    with (
        socket.create_server(("127.0.0.1", 0)) as echo,
        relayed("127.0.0.1", echo.getsockname()[1], rtt) as port,
        socket.create_connection(("127.0.0.1", port), timeout=10) as near,
    ):
        echo.settimeout(10)
        far, _ = echo.accept()
        with far:
            far.settimeout(10)
            return statistics.median(_there_and_back(near, far) for _ in range(rounds))


def _there_and_back(near: socket.socket, far: socket.socket) -> float:
    start = time.perf_counter()
    near.sendall(b"?")
    far.sendall(far.recv(1))
    near.recv(1)
    return time.perf_counter() - start


if __name__ == "__main__":
    address, port, milliseconds = sys.argv[1:]
    asyncio.run(Relay(address, int(port), float(milliseconds) / 1000).serve())
