"""How much a login may lock in memory and hold open."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.conditions import container, require_answers
from checks.question import could_not_measure, question, require_reading
from provision.facts.health import user
from provision.results import Status

if TYPE_CHECKING:
    from checks.question import Measure
    from checks.rigs import Rig
    from provision.facts.health.user import User

GIB = 2**30
_KERNEL = 0.9
"""Of the memory: what may be locked of it, where it is not 'unlimited'."""

FILES = 65_536


@pytest.fixture
def login(rig: Rig) -> User:
    """The limits, where they are a login's."""
    require_answers(rig, user.LIMITS)
    found = rig.facts.health.user
    if not found.login:
        pytest.skip(f"asked from within {found.within}, whose limits are not a login's")
    return found


@question(
    "May a login lock as much memory as there is?",
    expected="memlock 'unlimited', or at least 90 % of the memory",
    source="Red Hat, Configuring InfiniBand and RDMA networks, chapter 5: what RDMA registers is locked",
    remedy="dlrig up sets it; by hand: echo '* - memlock unlimited' | sudo tee /etc/security/limits.d/90-gpu.conf; "
    "log in again",
    severity=Status.WARN,
)
def test_limit_memlock(login: User, rig: Rig, measure: Measure) -> None:
    """RLIMIT_MEMLOCK, soft, of the session that this connection is."""
    require_reading(rig.facts, "meminfo")
    limit, total = login.memlock, rig.facts.memory.total
    if limit is None or total is None:
        could_not_measure("no limit of a process of the login could be read")
    found = (
        "unlimited" if limit == user.UNLIMITED else f"{limit / GIB:.3g} of {total / GIB:.1f} GiB"
    )
    measure.found(found)
    _host_allows(rig, login.memlock_most, total * _KERNEL)
    assert limit >= total * _KERNEL, found


@question(
    "May a login hold enough files open?",
    expected=f"{FILES:,}",
    source="PyTorch, sharing strategies: loaders that share tensors use a descriptor each; the default is 1,024",
    remedy="dlrig up sets it; by hand: echo '* - nofile 1048576' | sudo tee /etc/security/limits.d/90-gpu.conf; "
    "log in again",
    severity=Status.WARN,
)
def test_limit_files(login: User, rig: Rig, measure: Measure) -> None:
    """RLIMIT_NOFILE, soft, of the session that this connection is."""
    limit = login.nofile
    if limit is None:
        could_not_measure("no limit of a process of the login could be read")
    found = "unlimited" if limit == user.UNLIMITED else f"{limit:,}"
    measure.found(found)
    _host_allows(rig, login.nofile_most, FILES)
    assert limit >= FILES, found


def _host_allows(rig: Rig, most: int | None, wanted: float) -> None:
    """In a container no login gets more than the host let the container have."""
    kind = container(rig.facts)
    if kind and most is not None and most < wanted:
        pytest.skip(f"the host allows this container ({kind}) no more than {most:,}")
