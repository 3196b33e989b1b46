"""What a rig that watches itself is told after an acceptance, and what it has to say.

``/var/lib/dlrig/accepted.json`` is the last acceptance that accepted it: at boot its unit compares kernel and driver
with it. ``verdict.json`` beside it is the last one of any verdict, for the login message and for monitoring.
"""

from __future__ import annotations

import datetime as dt
import shlex
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec

from provision import __version__, decode
from provision.become import as_root
from provision.connection import connect
from provision.errors import DlrigError
from provision.facts.reading import as_text
from provision.facts.watch import READING, Note, Now, Watch, read
from provision.layout import STATE
from provision.report import nagios
from provision.report.text import line
from provision.report.words import WORDS
from provision.results import Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.connection import Connection
    from provision.pipeline import RigRun, Run
    from provision.results import Acceptance

BOOT = "boot"
CHECK = "check"
_AT_ONCE = 16
_LIMIT = 30.0
"""Seconds for writing two small files."""

_NAMED = 3
"""Checks that a line names; the count says how many there are."""

_REPORT = "sudo /opt/dlrig/tool/bin/dlrig report"


def ask(connection: Connection) -> Watch:
    """What the rig has noted; needs no root, as the notes are open to all who log in."""
    done = connection.run(["sh", "-c", READING.command], limit=READING.limit)
    return read(as_text(done.stdout))


def changes(was: Now, is_now: Now) -> str:
    """``kernel 6.1.0-40 became 6.1.0-41``; empty where nothing did."""
    said = []
    if was.kernel != is_now.kernel:
        said.append(f"kernel {was.kernel} became {is_now.kernel}")
    if was.loaded != is_now.loaded:
        said.append(f"driver {was.loaded or 'none'} became {is_now.loaded or 'none'}")
    # Installed is news only where it is not what was loaded.
    if is_now.installed not in {was.installed, is_now.loaded}:
        said.append(
            f"installed driver {was.installed or 'none'} became {is_now.installed or 'none'}"
        )
    return ", ".join(said)


def since(watch: Watch, is_now: Now) -> str:
    """What changed since the rig was last accepted, with when that was; empty where nothing did."""
    known = watch.accepted or watch.verdict
    said = changes(known.now, is_now) if known else ""
    if not known or not said:
        return ""
    verb = "acceptance" if known is watch.accepted else "check"
    return f"{said} since the {verb} of {known.started[:10]}"


def note_of(acceptance: Acceptance, watch: Watch, how: str) -> Note:
    """What is noted of an acceptance.

    Args:
        acceptance: the new one.
        watch: the rig as it was when it ran, with the notes of before.
        how: ``boot`` or ``check``.
    """
    shown = nagios.render(acceptance)
    summary = _plain(f"{acceptance.verdict.value}{_counts(acceptance)}")
    login = ""
    if not acceptance.verdict.accepted:
        by = "checked at boot" if how == BOOT else f"checked on {acceptance.started[:10]}"
        report = _REPORT if how == BOOT else f"the report of {acceptance.id}, where it was run"
        news = since(watch, watch.now)
        login = f"dlrig: {f'{news}; ' if news else ''}{by}: {summary}; see: {report}"
    return Note(
        **msgspec.structs.asdict(watch.now),
        verdict=acceptance.verdict.value,
        acceptance=acceptance.id,
        state=acceptance.state,
        started=acceptance.started,
        how=how,
        scope=acceptance.scope,
        tool=__version__,
        summary=summary,
        login=_plain(login),
        line=shown.text,
        exit_code=shown.exit_code,
    )


def note_of_trouble(error: DlrigError, watch: Watch) -> Note:
    """What is noted where the rig could not check itself at boot."""
    news = since(watch, watch.now)
    summary = _plain(f"could not be checked: {error.what}")
    return Note(
        **msgspec.structs.asdict(watch.now),
        verdict=Verdict.INCOMPLETE.value,
        started=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        how=BOOT,
        tool=__version__,
        summary=summary,
        login=_plain(
            f"dlrig: {f'{news}; ' if news else ''}{summary}; see: journalctl -u dlrig-watch"
        ),
        line=f"DLRIG UNKNOWN - {summary.replace('|', '/')}",
        exit_code=3,
    )


def leave(connection: Connection, rig: str, note: Note, watch: Watch, password: str | None) -> None:
    """Write the notes on the rig, each whole or not at all.

    Raises:
        DlrigError: it cannot be reached or written to.
    """
    steps = ["set -e", f"install -d -m 755 {STATE}", _write("verdict", note)]
    if Verdict(note.verdict).accepted:
        steps.append(_write("accepted", note))
    elif watch.accepted and watch.accepted.now == note.now:
        # What was accepted no longer is, with the same kernel and driver: the next boot looks again.
        steps.append(f"rm -f {STATE}/accepted.json")
    done = as_root(connection, rig, "\n".join(steps) + "\n", password=password, limit=_LIMIT)
    if done.exit_code:
        said = as_text(done.stderr).strip().splitlines()
        raise DlrigError(
            f"the verdict could not be noted on the rig: {said[-1] if said else 'no reason given'}",
            where=rig,
            hint=f"Is there room in {STATE}? The acceptance itself is kept.",
            reference="note-unwritable",
        )


def keep(run: Run, accepted: Sequence[tuple[RigRun, Acceptance]]) -> None:
    """Note new acceptances on the rigs that watch themselves. A failure is a warning."""
    # From elsewhere a part of the checks accepts nothing; the rig's own part was chosen for it.
    keeping = [each for each in accepted if run.at_boot or each[1].scope == "all"]
    if keeping:
        with ThreadPoolExecutor(max_workers=min(_AT_ONCE, len(keeping))) as pool:
            for warning in pool.map(lambda each: _keep(run, *each), keeping):
                _say(run, warning)


def tell(run: Run, rigs: Sequence[RigRun]) -> None:
    """Say what rigs found by themselves since they were last checked from here."""
    from provision.history import History  # noqa: PLC0415 - only where a rig has something to say
    from provision.state import history_path  # noqa: PLC0415

    with History(history_path()) as history:
        for rig in rigs:
            last = history.latest(rig.known_facts.system.machine)
            _say(run, news_of(rig.target.name, rig.known_facts.watch, last.started if last else ""))


def news_of(name: str, watch: Watch, known: str) -> str:
    """What a rig has to say that is newer than ``known`` (UTC, ISO 8601); empty for nothing."""
    verdict = watch.verdict
    news = since(watch, watch.now) if watch.unchanged is None else ""
    if news:
        return f"{name}: {news}; it was not checked since."
    if verdict is None or verdict.how != BOOT or verdict.started <= known:
        return ""
    when = verdict.started[:16].replace("T", " ")
    return f"{name}: the rig checked itself at boot, on {when} UTC: {verdict.summary}."


def standing(name: str, watch: Watch) -> nagios.Line:
    """How the rig stands, for monitoring, without running anything."""
    note = watch.unchanged
    if note:
        return nagios.Line(line(note.line, 8000), note.exit_code)
    if not watch.installed:
        what = "the rig does not watch itself (dlrig up --watch)"
        return nagios.Line(f"DLRIG UNKNOWN - {line(name)}: {what}", 3)
    news = since(watch, watch.now)
    if news:
        return nagios.Line(f"DLRIG WARNING - {line(name)}: {line(news)}; not checked since", 1)
    return nagios.Line(f"DLRIG UNKNOWN - {line(name)}: it was never checked", 3)


def _keep(run: Run, rig: RigRun, acceptance: Acceptance) -> str:
    """Returns what went wrong."""
    watch = _as_checked(acceptance, rig.known_facts.watch)
    note = note_of(acceptance, watch, BOOT if run.at_boot else CHECK)
    try:
        with connect(rig.target, run.settings) as connection:
            leave(connection, rig.target.name, note, watch, rig.password)
    except DlrigError as error:
        return f"Warning: {rig.target.name}: {error.what}. The rig's login message does not know of it."
    return ""


def _as_checked(acceptance: Acceptance, before: Watch) -> Watch:
    """The rig as the checks themselves found it; ``before`` where they did not look."""
    try:
        found = decode.plain(acceptance.facts.get("watch", {}), Watch)
    except msgspec.ValidationError:
        return before
    return found if found.installed else before


def _write(name: str, note: Note) -> str:
    text = msgspec.json.format(msgspec.json.encode(note), indent=1).decode()
    draft = f"{STATE}/.{name}.$$"
    return (
        f"umask 022; printf '%s\\n' {shlex.quote(text)} >{draft}\n"
        f"sync {draft}; mv -f {draft} {STATE}/{name}.json"
    )


def _counts(acceptance: Acceptance) -> str:
    """``, 2 of 22 failed (driver/driver_loaded, …)``."""
    for status in (Status.FAIL, Status.ERROR, Status.WARN):
        found = [result.check for result in acceptance.results if result.standing is status]
        if found:
            names = ", ".join(found[:_NAMED]) + (", …" if len(found) > _NAMED else "")
            return f", {len(found)} of {len(acceptance.results)} {_word(status)} ({names})"
    return f", {len(acceptance.results)} checks"


def _word(status: Status) -> str:
    return "with a warning" if status is Status.WARN else WORDS[status]


def _plain(text: str) -> str:
    """One line without what JSON would escape: a shell reads it."""
    return line(text, 500).replace("\\", "/").replace('"', "'")


def _say(run: Run, text: str) -> None:
    if text:
        from provision.terminal.console import safe  # noqa: PLC0415 - rich takes long to import

        run.console.print(safe(text))
