"""The role ``environments``: what makes them, and what differs from what is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from provision.plan import Action, Decision
from provision.planner import files
from provision.wishes import Maker, Wishes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provision.catalogue.systems import System
    from provision.catalogue.whole import Catalogue
    from provision.facts import Facts
    from provision.facts.environments import Environment
    from provision.plan import EnvironmentPlan

ROLE = "environments"
_SHOWN = 3
"""Changed distributions that a line of the plan names."""


class ChosenMaker(msgspec.Struct, frozen=True, kw_only=True):
    """What makes the environments, and the Pythons it can give, best first."""

    maker: Maker
    pythons: tuple[str, ...]
    decision: Decision


def choose_maker(facts: Facts, wishes: Wishes, catalogue: Catalogue, system: System) -> ChosenMaker:
    """Take conda where it was wished or a channel is reached, else venv; present environments keep theirs."""
    maker, reason = _maker(facts, wishes)
    own = facts.python.version or system.python
    label = "conda (Miniforge)" if maker is Maker.CONDA else "venv (filled by uv)"
    return ChosenMaker(
        maker=maker,
        pythons=catalogue.conda.pythons if maker is Maker.CONDA else (own,),
        decision=Decision(subject="environment maker", choice=label, reason=reason),
    )


def _maker(facts: Facts, wishes: Wishes) -> tuple[Maker, str]:
    if wishes.environment_maker is not Maker.AUTO:
        return wishes.environment_maker, "you asked for it"
    made_by = {env.record.maker for env in facts.environments.present.values() if env.record}
    if len(made_by) == 1 and (present := made_by.pop()) in {Maker.CONDA, Maker.VENV}:
        return Maker(present), "the environments on the rig were made with it"
    if wishes.conda_channel:
        return Maker.CONDA, "you named a channel"
    places = {name: facts.network.get(name) for name in ("conda", "miniforge")}
    for name, reach in places.items():
        if reach is None or not reach.reached:
            what = {"conda": "no conda channel", "miniforge": "the Miniforge installer is not"}[
                name
            ]
            detail = (reach.detail if reach else "") or "not asked"
            verb = "is" if name == "conda" else ""
            return Maker.VENV, f"{what} {verb} reached from the rig ({detail})".replace("  ", " ")
    asked = all(reach.how for reach in places.values() if reach)
    how = "are reached from the rig" if asked else "are taken to be in reach"
    return Maker.CONDA, f"conda-forge and the Miniforge installer {how}"


def actions(
    facts: Facts, catalogue: Catalogue, planned: tuple[EnvironmentPlan, ...]
) -> tuple[Action, ...]:
    """What differs from the environments that are to be there. Others are left alone."""
    return (*_actions(facts, planned), *files.actions(facts, catalogue, ROLE))


def _actions(facts: Facts, planned: tuple[EnvironmentPlan, ...]) -> Iterator[Action]:
    for wanted in planned:
        present = facts.environments.present.get(wanted.name)
        found = _difference(present, wanted)
        if found:
            yield Action(
                role=ROLE,
                subject=wanted.name,
                present=found[0],
                wanted=f"{', '.join(wanted.pins)} on Python {wanted.python} ({wanted.maker})",
                reason=found[1],
            )


def _difference(present: Environment | None, wanted: EnvironmentPlan) -> tuple[str, str] | None:
    """(what is there, why it is not what is wanted); None where it is."""
    if present is None:
        return "missing", "it is not there"
    record = present.record
    if record is None:
        return "unfinished", "an earlier run was cut before it was complete"
    drift = present.drift
    more = f" and {len(drift) - _SHOWN} more" if len(drift) > _SHOWN else ""
    differences = (
        (not present.runs, "broken", "its Python does not start"),
        (record.maker != wanted.maker, f"made by {record.maker}", f"{wanted.maker} was chosen"),
        (
            not f"{record.python}.".startswith(f"{wanted.python}."),
            f"Python {record.python}",
            f"Python {wanted.python} was chosen",
        ),
        (
            set(record.requirements) != set(wanted.pins),
            ", ".join(record.requirements),
            "other requirements were chosen",
        ),
        (bool(drift), "drifted", "; ".join(drift[:_SHOWN]) + more),
    )
    return next(((what, why) for differs, what, why in differences if differs), None)


def variables(
    wishes: Wishes,
    catalogue: Catalogue,
    maker: ChosenMaker,
    planned: tuple[EnvironmentPlan, ...],
    needed: tuple[Action, ...],
) -> dict[str, Any]:
    """The role's variables: only the environments that have something to do."""
    subjects = {action.subject for action in needed}
    conda = maker.maker is Maker.CONDA
    chosen: dict[str, Any] = {
        "environments_maker": maker.maker.value,
        "environments_wanted": [
            {
                "name": environment.name,
                "python": environment.python if conda else "",
                "requirements": list(environment.pins),
            }
            for environment in planned
            if environment.name in subjects
        ],
    }
    if conda:
        chosen["environments_conda_channels"] = [wishes.conda_channel or catalogue.conda.channel]
    optional = {
        "environments_miniforge_url": wishes.miniforge_url,
        "environments_miniforge_checksum": wishes.miniforge_checksum,
        "environments_index_url": wishes.index_url,
    }
    return chosen | {name: value for name, value in optional.items() if value}
