"""The embedded database under the history: opening, migrations, transactions, and errors in plain words."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from typing import TYPE_CHECKING, Any

import msgspec

from provision.errors import DlrigError
from provision.state import unwritable, writing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_OURS = 0x646C7267
"""``PRAGMA application_id``: 'dlrg'. A database with another one was not made by dlrig."""

_WAIT = 10.0
"""Seconds to wait for another dlrig that is writing."""

_UNWRITABLE = {
    *(sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR),
    *(sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY),
}


class Database:
    """SQLite's file at ``path``, which is made where it is missing.

    Args:
        path: its folder exists.
        migrations: statements that bring it from version N to N + 1; ``PRAGMA user_version`` is its N.

    Raises:
        DlrigError: it cannot be opened, is broken, or has a newer version. It is left as it is.
    """

    def __init__(self, path: Path, migrations: tuple[tuple[str, ...], ...]) -> None:
        self.path = path
        with writing(path.parent), contextlib.suppress(FileExistsError):
            # SQLite gives its side files the same permissions.
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with self.said_plainly():
            # No implicit transactions: each one is begun by name.
            self._connection = sqlite3.connect(path, timeout=_WAIT, isolation_level=None)
            try:
                self._prepare(migrations)
            except BaseException:
                self._connection.close()
                raise

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def execute(self, statement: str, *values: str | float | bytes | None) -> sqlite3.Cursor:
        """Run one statement."""
        return self._connection.execute(statement, values)

    def one(self, statement: str, *values: str | int | None) -> Any:  # noqa: ANN401 - SQLite's columns
        """The first row; None where there is none."""
        return self.execute(statement, *values).fetchone()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All of what is done inside, or nothing of it."""
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # a full disk has rolled it back already
                self.execute("ROLLBACK")
            raise

    @contextlib.contextmanager
    def said_plainly(self) -> Iterator[None]:
        """Turn what SQLite refuses inside, and columns that cannot be read, into a sentence.

        Raises:
            DlrigError: with the reference ``history-busy``, ``state-unwritable`` or ``history-damaged``.
        """
        try:
            yield
        except sqlite3.Error as error:
            primary = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
            if primary in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
                raise DlrigError(
                    f"another dlrig has been writing to the history for over {_WAIT:g} seconds",
                    where=str(self.path),
                    hint="Wait until it has ended, then run this again.",
                    reference="history-busy",
                ) from error
            if primary in _UNWRITABLE:
                raise unwritable(self.path.parent, str(error)) from error
            raise self._damaged(f"the history is damaged ({error})") from error
        except msgspec.MsgspecError as error:
            raise self._damaged(f"the history is damaged ({error})") from error

    def _prepare(self, migrations: tuple[tuple[str, ...], ...]) -> None:
        if self._version(len(migrations)) < len(migrations):
            with self.transaction():
                for statements in migrations[self._version(len(migrations)) :]:
                    for statement in statements:
                        self.execute(statement)
                self.execute(f"PRAGMA application_id = {_OURS}")
                self.execute(f"PRAGMA user_version = {len(migrations)}")
        # Not waited for: whoever else is opening the file sets it too. Without a write-ahead log (some network
        # file systems refuse it) readers wait for writers, and that is all.
        with contextlib.suppress(sqlite3.OperationalError):
            self.execute("PRAGMA journal_mode = WAL").fetchall()
        self.execute("PRAGMA synchronous = FULL")
        self.execute("PRAGMA foreign_keys = ON")

    def _version(self, newest: int) -> int:
        # One statement, so that another process's first opening is seen as a whole or not at all.
        version, owner, tables = self.one(
            "SELECT user_version, application_id, (SELECT count(*) FROM sqlite_master)"
            " FROM pragma_user_version, pragma_application_id"
        )
        if owner != _OURS and (owner or version or tables):
            raise self._damaged("this database was not made by dlrig")
        if version > newest:
            raise DlrigError(
                "this history was written by a newer dlrig",
                where=str(self.path),
                hint="Use that dlrig (pip install --upgrade dlrig); this one leaves the history as it is.",
                reference="history-newer",
            )
        return int(version)

    def _damaged(self, what: str) -> DlrigError:
        aside = f"{self.path}.damaged"
        return DlrigError(
            what,
            where=str(self.path),
            hint="It is left as it is. Put it aside, and a new one is begun:\n"
            f"  mv {self.path} {aside}\n"
            f"What can be saved from it: sqlite3 {aside} .recover",
            reference="history-damaged",
        )
