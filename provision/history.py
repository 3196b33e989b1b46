"""Every acceptance that was ever run from this control machine.

``acceptances`` holds each one whole, as its JSON document, beside the columns that lists need; ``figures`` holds
what was measured, so that any run can be compared with any other. Opening it is cheap: the command that
finds nothing to do asks it first.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Self

import msgspec

from provision import decode
from provision.database import Database
from provision.errors import DlrigError, UsageError
from provision.report.document import from_json, to_json
from provision.report.figures import Measured, measured
from provision.results import Acceptance, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

_MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE acceptances (
            number INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE, rig TEXT NOT NULL, machine TEXT NOT NULL, started TEXT NOT NULL,
            verdict TEXT NOT NULL, state TEXT NOT NULL, seconds REAL NOT NULL, scope TEXT NOT NULL,
            counts TEXT NOT NULL, document BLOB NOT NULL)""",
        "CREATE INDEX acceptances_of_machine ON acceptances (machine, started)",
        "CREATE INDEX acceptances_of_rig ON acceptances (rig, started)",
        """CREATE TABLE figures (
            acceptance INTEGER NOT NULL REFERENCES acceptances (number),
            "check" TEXT NOT NULL, name TEXT NOT NULL, unit TEXT NOT NULL, median REAL NOT NULL,
            spread REAL NOT NULL, note TEXT NOT NULL, samples TEXT NOT NULL)""",
        "CREATE INDEX figures_of_acceptance ON figures (acceptance, name, median)",
    ),
)

_BACK = re.compile(r"-[1-9][0-9]{0,8}")

# In the queries below `coalesce(rig = ?, 1)` admits every rig where None is asked for.
_LATEST_FIRST = "ORDER BY started DESC, number DESC"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the history: an acceptance without its results.

    Attributes:
        counts: status → how many checks ended so.
        headline: the highest throughput that was measured; None where none was.
    """

    id: str
    rig: str
    machine: str
    started: str
    verdict: Verdict
    state: str
    seconds: float
    scope: str
    counts: dict[Status, int]
    headline: Measured | None = None


class History:
    """The history kept in the file ``path``, which is made where it is missing.

    Raises:
        DlrigError: it cannot be opened, is broken, or was written by a newer dlrig. It is left as it is.
    """

    def __init__(self, path: Path) -> None:
        self._database = Database(path, _MIGRATIONS)

    def add(self, acceptance: Acceptance) -> None:
        """Keep an acceptance; once it returns, a power cut does not lose it.

        Raises:
            DlrigError: it could not be written, or another one has the same id.
        """
        document, figures = to_json(acceptance), measured(acceptance)
        counts = {
            status: sum(result.standing is status for result in acceptance.results)
            for status in Status
        }
        row = (
            *(acceptance.id, acceptance.rig, acceptance.machine, acceptance.started),
            *(acceptance.verdict, acceptance.state, acceptance.seconds, acceptance.scope),
            *(msgspec.json.encode(counts).decode(), document),
        )
        with self._database.said_plainly(), self._database.transaction():
            known = self._database.one(
                "SELECT document FROM acceptances WHERE id = ?", acceptance.id
            )
            if known:
                if known[0] == document:
                    return
                raise DlrigError(
                    f"another acceptance has the id {acceptance.id} already",
                    where=str(self._database.path),
                    hint="Run the checks again: each run gets an id of its own.",
                    reference="history-duplicate",
                )
            number = self._database.execute(
                "INSERT INTO acceptances (id, rig, machine, started, verdict, state, seconds, scope, counts,"
                " document) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                *row,
            ).lastrowid
            for each in figures:
                self._database.execute(
                    "INSERT INTO figures VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    *(number or 0, each.check, each.name, each.unit, each.median, each.spread),
                    *(each.note, msgspec.json.encode(each.samples).decode()),
                )

    def latest(self, machine: str, scope: str | None = None) -> Acceptance | None:
        """The last acceptance of a machine, under whatever name it was reached; None before the first.

        Args:
            machine: its hash.
            scope: only runs of this scope, e.g. ``all``.
        """
        return self._acceptance(
            f"WHERE machine = ? AND coalesce(scope = ?, 1) {_LATEST_FIRST} LIMIT 1", machine, scope
        )

    def latest_accepted(self, machine: str) -> Acceptance | None:
        """The last whole acceptance of a machine that accepted it; None where none did."""
        return self._acceptance(
            f"WHERE machine = ? AND machine <> '' AND scope = 'all' AND verdict IN (?, ?) {_LATEST_FIRST} LIMIT 1",
            *(machine, Verdict.ACCEPTED.value, Verdict.WARNINGS.value),
        )

    def latest_of_rig(self, rig: str) -> Acceptance | None:
        """The last acceptance under a target's name; None before the first."""
        return self._acceptance(f"WHERE rig = ? {_LATEST_FIRST} LIMIT 1", rig)

    def get(self, key: str, rig: str | None = None) -> Acceptance:
        """One acceptance.

        Args:
            key: an id or the beginning of one; ``last``; ``-2`` for the one before the last.
            rig: look only at those of this target.

        Raises:
            UsageError: none, or more than one, is meant.
        """
        nth = 1 if key == "last" else int(key[1:]) if _BACK.fullmatch(key) else 0
        ids = self._ids(nth, rig) if nth else self._ids_beginning(key, rig) if key else []
        found = self._acceptance("WHERE id = ?", ids[0]) if len(ids) == 1 else None
        if found is None:
            raise self._unknown(key, ids, rig)
        return found

    def list(self, limit: int = 20, rig: str | None = None) -> tuple[Entry, ...]:
        """The latest acceptances, the last one first.

        Args:
            limit: how many at most.
            rig: only those of this target.
        """
        with self._database.said_plainly():
            rows = self._database.execute(
                "SELECT number, id, rig, machine, started, verdict, state, seconds, scope, counts"  # noqa: S608 - a constant
                f" FROM acceptances WHERE coalesce(rig = ?, 1) {_LATEST_FIRST} LIMIT ?",
                *(rig, limit),
            ).fetchall()
            return tuple(self._entry(*row) for row in rows)

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go of the file."""
        self.close()

    def _ids(self, nth: int, rig: str | None) -> Sequence[str]:
        """The id of the ``nth`` latest acceptance, if there are as many."""
        with self._database.said_plainly():
            row = self._database.one(
                f"SELECT id FROM acceptances WHERE coalesce(rig = ?, 1) {_LATEST_FIRST} LIMIT 1 OFFSET ?",  # noqa: S608 - a constant
                *(rig, nth - 1),
            )
        return row or ()

    def _ids_beginning(self, key: str, rig: str | None) -> Sequence[str]:
        """Up to six ids that begin with ``key``."""
        with self._database.said_plainly():
            rows = self._database.execute(
                "SELECT id FROM acceptances WHERE coalesce(rig = ?, 1) AND lower(substr(id, 1, ?)) = ?"
                " ORDER BY id LIMIT 6",
                *(rig, len(key), key.lower()),
            ).fetchall()
        return [row[0] for row in rows]

    def _acceptance(self, clause: str, *values: str | int | None) -> Acceptance | None:
        with self._database.said_plainly():
            row = self._database.one(f"SELECT id, document FROM acceptances {clause}", *values)  # noqa: S608 - clauses are constants of this class
        return from_json(row[1], where=f"{row[0]} in {self._database.path}") if row else None

    def _entry(self, number: int, *columns: Any) -> Entry:  # noqa: ANN401 - SQLite's columns
        best = self._database.one(
            'SELECT "check", name, unit, median, spread, samples, note FROM figures'
            " WHERE acceptance = ? AND name = 'throughput' ORDER BY median DESC LIMIT 1",
            number,
        )
        fields = dict(zip(Entry.__struct_fields__, columns, strict=False))
        figure = dict(zip(Measured.__struct_fields__, best, strict=True)) if best else None
        if figure:
            figure["samples"] = decode.json(figure["samples"], list[Any])
        counts = decode.json(fields["counts"], dict[str, Any])
        return decode.plain({**fields, "counts": counts, "headline": figure}, Entry)

    def _unknown(self, key: str, candidates: Sequence[str], rig: str | None) -> UsageError:
        known = [entry.id for entry in self.list(5, rig)]
        if len(candidates) > 1:
            what, hint = f"'{key}' begins more than one id", f"Which one? {', '.join(candidates)}"
        else:
            what = f"no acceptance is called '{key}'" + (f" on {rig}" if rig else "")
            hint = (
                f"The latest are: {', '.join(known)}. Also: last, -2 (the one before the last)."
                if known
                else "Nothing has been accepted yet: dlrig check TARGET"
            )
        return UsageError(what, where="history", hint=hint, reference="unknown-acceptance")
