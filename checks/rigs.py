"""The rigs of a session: each is asked once, in one round trip, before any check is collected.

Under pytest-xdist the controller asks, and its workers get the answers; a worker connects only when a check
of its own must run something there.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from checks import options, recording
from checks.baselines import baseline_of, read_all
from provision import catalogue, decode, facts
from provision.connection import Completed, Connection, connect
from provision.errors import DlrigError, ImpossiblePlanError
from provision.facts.reading import Transcript
from provision.gather import gather
from provision.plan import EnvironmentPlan, Plan
from provision.planner import make_plan
from provision.results import Acceptance
from provision.target import Target
from provision.wishes import Wishes, with_variables

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from provision.connection import Settings
    from provision.facts import Facts


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """An error that a person can act on, in words; see ``provision.errors.DlrigError``."""

    what: str
    hint: str
    reference: str


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What was learnt about a rig before the checks; travels to xdist's workers.

    Attributes:
        target: how it is reached.
        started: UTC, ISO 8601.
        transcript: None where the rig could not be reached (see ``unreachable``).
        plan: None where there is none (see ``unplanned``).
        baseline: its last acceptance, as far as one was given.
        recorded: the transcript came from a file: nothing can be run.
    """

    target: Target
    started: str = ""
    transcript: Transcript | None = None
    plan: Plan | None = None
    baseline: Acceptance | None = None
    unreachable: Trouble | None = None
    unplanned: Trouble | None = None
    recorded: bool = False


class Rig:
    """A rig as the checks see it.

    Attributes:
        known: what was learnt before.
        name: as the user wrote it.
        cache: what several checks of this process share, e.g. the answer of a slow import.
    """

    def __init__(self, known: Known, settings: Settings) -> None:
        self.known = known
        self.name = known.target.name
        self.cache: dict[str, Any] = {}
        self._settings = settings
        self._connection: Connection | None = None
        self._facts = facts.parse(known.transcript) if known.transcript else None

    @property
    def facts(self) -> Facts:
        """What it is now."""
        if self._facts is None:
            raise LookupError(f"{self.name} was not reached")
        return self._facts

    @property
    def environments(self) -> tuple[EnvironmentPlan, ...]:
        """Those that the plan promises."""
        return tuple(self.known.plan.environments.values()) if self.known.plan else ()

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        limit: float,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """See ``Connection.run``; skips the check where there is only a recorded transcript."""
        return self._open().run(argv, stdin=stdin, limit=limit, on_line=on_line)

    def put(self, source: Path, destination: str) -> None:
        """See ``Connection.put``; skips the check where there is only a recorded transcript."""
        self._open().put(source, destination)

    def _open(self) -> Connection:
        if self.known.recorded:
            pytest.skip("this is a recorded transcript: nothing can be run")
        if self._connection is None:
            self._connection = connect(self.known.target, self._settings)
        return self._connection

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def learn(self, plans: dict[str, Plan], baselines: Sequence[Acceptance], *, alone: bool) -> Rig:
        """Ask the rig everything, and plan; the same rig, now known.

        Args:
            plans: those that were given, by target.
            baselines: those that were given.
            alone: it is the only rig.
        """
        started = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
        known = msgspec.structs.replace(self.known, started=started)
        if known.transcript is None:
            try:
                known = msgspec.structs.replace(known, transcript=self._ask())
            except DlrigError as error:
                self.close()
                return self._now(msgspec.structs.replace(known, unreachable=_trouble(error)))
        baseline = baseline_of(self.name, self._now(known).facts, baselines, alone=alone)
        known = msgspec.structs.replace(known, baseline=baseline)
        learnt = self._now(known)
        given = plans.get(learnt.name) or (next(iter(plans.values())) if alone and plans else None)
        try:
            plan = given or _plan(learnt)
        except ImpossiblePlanError as error:
            known = msgspec.structs.replace(known, unplanned=_trouble(error))
            return self._now(known)
        return self._now(msgspec.structs.replace(known, plan=plan))

    def _ask(self) -> Transcript:
        asked = facts.all_readings(
            catalogue.managed_files(), catalogue.places(), catalogue.driver_look()
        )
        return gather(self._open(), self.name, asked)

    def _now(self, known: Known) -> Rig:
        rig = Rig(known, self._settings)
        rig._connection = self._connection
        return rig


def _trouble(error: DlrigError) -> Trouble:
    return Trouble(what=error.what, hint=error.hint, reference=error.reference)


def _plan(rig: Rig) -> Plan:
    target = rig.known.target
    wishes = with_variables(Wishes(), target.variables, target.name)
    return make_plan(rig.facts, wishes, catalogue.load())


def learn_all(config: pytest.Config) -> dict[str, Rig]:
    """Every rig that the options name, asked side by side.

    Raises:
        UsageError: an option is wrong.
    """
    settings = options.settings(config)
    plans = options.plans(config)
    baselines = read_all(config)
    known = [Known(target=target) for target in options.targets(config)]
    known += [_recorded(one) for one in recording.read_all(config)]
    options.refuse_twice([one.target.name for one in known])
    rigs = [Rig(one, settings) for one in known]
    with ThreadPoolExecutor(max_workers=min(16, len(rigs))) as pool:
        learn = partial(Rig.learn, plans=plans, baselines=baselines, alone=len(rigs) == 1)
        learnt = pool.map(learn, rigs)
        return {rig.name: rig for rig in learnt}


def _recorded(transcript: Transcript) -> Known:
    return Known(target=Target(name=transcript.target), transcript=transcript, recorded=True)


def pack(rigs: dict[str, Rig]) -> str:
    """What is known of the rigs, as text for xdist's workers."""
    return msgspec.json.encode([rig.known for rig in rigs.values()]).decode()


def unpack(text: str, config: pytest.Config) -> dict[str, Rig]:
    """The rigs, in a worker."""
    settings = options.settings(config)
    known = decode.json(text, list[Known])
    return {one.target.name: Rig(one, settings) for one in known}
