"""By which address the rigs reach each other: candidates before the test, and the choice after it. Pure."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

import msgspec

from provision.together import Place, TogetherError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Own(msgspec.Struct, frozen=True, kw_only=True):
    """One address of a rig: ``10.0.0.7/24``."""

    interface: str
    network: str

    @property
    def address(self) -> str:
        """Without the length of its network's prefix."""
        return self.network.partition("/")[0]


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What a rig says of itself.

    Attributes:
        arrived: the address at which the control machine reached it, as the rig sees it; empty without SSH.
        addresses: all of its IPv4 addresses beyond loopback.
        gpus: that the framework sees, where that was asked.
    """

    arrived: str = ""
    addresses: tuple[Own, ...] = ()
    gpus: int = 0


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One rig tried one address of another; ``trouble`` is empty where it got through."""

    by: str
    of: str
    address: str
    port: int
    trouble: str = ""


def candidates(name: str, looks: Mapping[str, Look], given: Mapping[str, str]) -> tuple[str, ...]:
    """Addresses of a rig that others may try, best first.

    The given one alone; else first the one at which the control machine reached it where it lies in a network that all
    rigs have, then others in such networks, then the rest.
    """
    if name in given:
        return (given[name],)
    own = looks[name]
    found = list(
        dict.fromkeys([*filter(None, (own.arrived,)), *(one.address for one in own.addresses)])
    )
    others = [look for other, look in looks.items() if other != name]

    def shared(address: str) -> bool:
        mine = [one for one in own.addresses if one.address == address]
        return bool(mine) and all(_has_network(other, mine[0]) for other in others)

    usable = [address for address in found if not ipaddress.ip_address(address).is_loopback]
    # Sorting keeps the order of equals.
    return tuple(sorted(usable, key=lambda address: not shared(address)))


def _has_network(look: Look, own: Own) -> bool:
    """Whether the other has an address in the same network: another one, or it is a bridge that every host has."""
    network = ipaddress.ip_interface(own.network).network
    return any(
        ipaddress.ip_address(one.address) in network and one.address != own.address
        for one in look.addresses
    )


def choose(looks: Mapping[str, Look], trials: Sequence[Trial]) -> dict[str, Place]:
    """For each rig its first address that all others reached.

    Args:
        looks: of all rigs.
        trials: of every rig with every other's addresses, in the order of ``candidates``.

    Raises:
        TogetherError: a rig is out of another's reach; names both, the address and the port.
    """
    return {name: _place(name, looks, [one for one in trials if one.of == name]) for name in looks}


def _place(name: str, looks: Mapping[str, Look], trials: Sequence[Trial]) -> Place:
    others = {one for one in looks if one != name}
    interfaces = {one.address: one.interface for one in looks[name].addresses}
    for address in dict.fromkeys(one.address for one in trials):
        reached = {one.by for one in trials if one.address == address and not one.trouble}
        if reached >= others:
            port = next(one.port for one in trials if one.address == address)
            return Place(address=address, port=port, interface=interfaces.get(address, ""))
    raise _apart(name, trials)


def _apart(name: str, trials: Sequence[Trial]) -> TogetherError:
    failed = [one for one in trials if one.trouble]
    by = failed[0].by if failed else "the others"
    tried = ", ".join(
        f"{one.address} port {one.port} ({one.trouble})" for one in failed if one.by == by
    )
    return TogetherError(
        f"{by} cannot reach {name} at {tried or 'any address: it has none beyond loopback'}",
        where=by,
        hint=f"Let the rigs' firewalls pass TCP between them, any port; or name an address that {by} reaches: "
        f"--address {name}=ADDRESS",
        reference="rigs-apart",
    )
