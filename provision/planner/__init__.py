"""The planner: one part per subject, each from facts, wishes and catalogue to decisions and actions.

``situation`` says what the choice of versions depends on; ``solve`` chooses what is ``wanted``, from the candidates
of ``driver``, ``cuda`` and ``frameworks``; ``conflicts``, ``fewer`` and ``nearest`` explain where nothing fits;
``reasons``, ``cautions`` and ``packages`` put the answer into sentences and packages. ``base``, ``environments`` and
``on_gpus`` (with ``driver_actions`` and ``gpu_actions``) find what is missing on the rig, and what is in the way.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from provision.errors import ImpossiblePlanError, UsageError
from provision.plan import FACT, WISH, Plan, Profile
from provision.planner import (
    base,
    cautions,
    environments,
    on_gpus,
    packages,
    reasons,
    room,
    situation,
    system,
    watch,
)
from provision.planner.solve import Failure, solve

if TYPE_CHECKING:
    from provision.catalogue.whole import Catalogue
    from provision.facts import Facts
    from provision.planner.situation import Situation
    from provision.wishes import Wishes


def make_plan(facts: Facts, wishes: Wishes, catalogue: Catalogue, *, newest: bool = False) -> Plan:
    """Decide what the rig is to be, and what is missing.

    Args:
        facts: the rig.
        wishes: what was asked for.
        catalogue: what is known.
        newest: the driver's newest release of its branch is wanted, where no other was asked for; else one that
            is there stays.

    Raises:
        ImpossiblePlanError: nothing satisfies the wishes on this rig; names what conflicts and what is nearest.
        UsageError: an environment that was asked for is unknown.
    """
    _check_names(wishes, catalogue)
    supported = system.choose(facts, catalogue)
    maker = environments.choose_maker(facts, wishes, catalogue, supported)
    here = situation.of(
        facts,
        wishes,
        catalogue,
        supported,
        maker=maker.maker.value,
        pythons=maker.pythons,
        newest=newest,
    )
    solution = solve(here, catalogue)
    if isinstance(solution, Failure):
        raise _impossible(facts, here, solution, catalogue)
    planned = {fit.kind.name: packages.environment(fit, here.maker) for fit in solution.fits}
    base_actions = base.actions(facts, catalogue)
    environment_actions = environments.actions(facts, catalogue, tuple(planned.values()))
    watch_actions = watch.actions(facts, wishes, catalogue)
    gpus = on_gpus.arrange(facts, solution, here, catalogue)
    gb = room.for_environments(facts, catalogue, tuple(planned.values()), environment_actions)
    # A check changes nothing: what only stops work must not keep anybody from looking.
    stops = (
        *system.network_stops(facts, bool(base_actions) or gpus.fetches, bool(environment_actions)),
        *room.environment_stops(facts, gb, work=bool(environment_actions)),
        *gpus.stops,
        *room.stops(facts, gpus.gb, gb),
    )
    return Plan(
        target=facts.target,
        profile=Profile.GPU if solution.driver else Profile.CPU,
        driver=gpus.driver,
        cuda=gpus.cuda,
        environments=planned,
        reasons=(
            system.decision(facts, supported),
            *reasons.profile(here, solution, catalogue),
            maker.decision,
            *reasons.choices(solution, catalogue),
        ),
        conflicts=solution.left_out,
        warnings=(
            *cautions.warnings(solution, catalogue),
            *gpus.warnings,
            *system.warnings(facts),
        ),
        stops=stops,
        actions=(*base_actions, *gpus.actions, *environment_actions, *watch_actions),
        variables={
            **environments.variables(
                wishes, catalogue, maker, tuple(planned.values()), environment_actions
            ),
            **gpus.variables,
            **watch.variables(facts, wishes),
        },
    )


def _check_names(wishes: Wishes, catalogue: Catalogue) -> None:
    known = [kind.name for kind in catalogue.frameworks.environment]
    for name in wishes.env:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise UsageError(
                f"there is no environment '{name}'",
                where="--env",
                hint=(f"Did you mean {near[0]}? " if near else "") + f"Known: {', '.join(known)}",
                reference="unknown-environment",
            )


def _impossible(
    facts: Facts, here: Situation, failure: Failure, catalogue: Catalogue
) -> ImpossiblePlanError:
    from provision.planner.nearest import nearest  # noqa: PLC0415 - most rigs have a plan

    found = nearest(here, catalogue)
    hints = [f"Nearest: {one.change}: {one.gives}" for one in found]
    return ImpossiblePlanError(
        "nothing fits: " + "; but ".join(_said(failure)),
        where=facts.target,
        hint="\n".join(hints or ["No one or two changes would help."]),
        reference="impossible-plan",
        conflicts=failure.conflicts,
        nearest=found,
    )


def _said(failure: Failure) -> list[str]:
    words = []
    for conflict in failure.conflicts:
        sure = f", {conflict.confidence} confidence" if conflict.confidence else ""
        when = f", {conflict.date}{sure}" if conflict.date else ""
        own = conflict.source in {WISH, FACT}
        words.append(conflict.statement + ("" if own else f" [{conflict.source}{when}]"))
    return words
