"""Find the addresses by which machines reach each other, before they train together.

Runs on a rig, from standard input, below a line that sets ``SENT``; standard library alone, Python 3.10 or later. Three
jobs, each with one JSON object on a line:

- ``look``: addresses of this machine, and how many GPUs the framework sees;
- ``listen``: open a port on each of its addresses that others may try, and answer there with a token until the
  limit passes, SIGTERM comes or nobody reads its output any more;
- ``connect``: try the places where others listen. The token tells apart machines that have the same private address,
  as every host of containers has.
"""

from __future__ import annotations

import contextlib
import importlib
import ipaddress
import json
import os
import select
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

SENT: dict[str, Any] = globals().get("SENT", {})
"""Set by a line above this one."""

_UNUSABLE = 3
_AT_ONCE = 64


def look(framework: str) -> dict[str, Any]:
    """What this machine is to others.

    Args:
        framework: ``torch`` to count the GPUs that it sees, one process each; else they are not counted.
    """
    arrived = os.environ.get("SSH_CONNECTION", "").split()
    return {
        # sshd(8): client's address and port, server's address and port.
        "arrived": arrived[2] if len(arrived) == 4 else "",  # noqa: PLR2004 - as above
        "addresses": own_addresses(),
        "gpus": importlib.import_module("torch").cuda.device_count() if framework == "torch" else 0,
    }


def own_addresses() -> list[dict[str, Any]]:
    """IPv4 addresses beyond loopback, by the kernel's order of interfaces; none where `ip` is missing."""
    with contextlib.suppress(OSError, ValueError, subprocess.SubprocessError):
        done = subprocess.run(
            ["ip", "-json", "-4", "address", "show", "up"],  # noqa: S607 - its folder differs
            capture_output=True,
            timeout=10,
            check=True,
        )
        return [
            {"interface": link["ifname"], "network": f"{one['local']}/{one['prefixlen']}"}
            for link in json.loads(done.stdout or b"[]")
            for one in link.get("addr_info", ())
            if not ipaddress.ip_address(one["local"]).is_loopback
        ]
    return []


def listen(addresses: list[str], port: int, token: str, limit: float) -> int:
    """Answer with `token` at each address; one port for all, so that one number describes this machine.

    Args:
        addresses: of this machine, the others' first choice first.
        port: 0 lets the kernel choose one.
        token: the answer.
        limit: seconds.
    """
    opened: dict[str, socket.socket] = {}
    troubles: dict[str, str] = {}
    for address in addresses:
        try:
            opened[address] = _listening(address, port)
        except OSError as error:
            troubles[address] = error.strerror or str(error)
            continue
        port = opened[address].getsockname()[1]
    print(json.dumps({"pid": os.getpid(), "port": port, "troubles": troubles}), flush=True)
    if not opened:
        return _UNUSABLE
    _serve({each.fileno(): each for each in opened.values()}, token, limit)
    return 0


def _serve(opened: dict[int, socket.socket], token: str, limit: float) -> None:
    end, ready = time.monotonic() + limit, select.poll()
    for number in opened:
        ready.register(number, select.POLLIN)
    # A hang-up is always told (poll(2)): the machine that started this has gone.
    ready.register(1, 0)
    while (left := end - time.monotonic()) > 0:
        for number, _ in ready.poll(left * 1000):
            if number == 1:
                return
            _answer(opened[number], token)


def _listening(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.create_server((address, port), family=family, backlog=_AT_ONCE)


def _answer(server: socket.socket, token: str) -> None:
    with contextlib.suppress(OSError):
        visitor, _ = server.accept()
        with visitor:
            visitor.settimeout(1)
            visitor.sendall(token.encode())
            # Whoever closes first keeps the port busy for a minute: let it be the visitor.
            visitor.recv(1)


def connect(places: list[dict[str, Any]], limit: float) -> list[str]:
    """Why each place is out of reach, in order; empty where it answered as it should."""
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        return list(pool.map(lambda place: _try(place, limit), places))


def _try(place: dict[str, Any], limit: float) -> str:
    expected = place["token"].encode()
    try:
        with socket.create_connection((place["address"], place["port"]), timeout=limit) as opened:
            answer = b""
            while len(answer) < len(expected) and (chunk := opened.recv(64)):
                answer += chunk
    except TimeoutError:
        return f"no answer within {limit:g} s"
    except OSError as error:
        return error.strerror or str(error)
    return "" if answer == expected else "another machine answers there"


def main() -> int:
    """Do the job that was sent."""
    job = SENT.pop("job")
    if job == "listen":
        return listen(**SENT)
    answer: Any = look(**SENT) if job == "look" else connect(**SENT)
    print(json.dumps(answer), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
