"""From pytest's reports to results, verdicts, the results file and the exit code."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from checks import collect, terminal
from checks.question import Concern, CouldNotMeasure, Measure, Question, question_of
from checks.waiving import WAIVERS
from provision import decode
from provision.errors import DlrigError
from provision.results import Result, RigReport, Status, Verdict, judge

if TYPE_CHECKING:
    from collections.abc import Iterable

    from checks.rigs import Rig

MEASURE = pytest.StashKey[Measure]()
_FAILED = pytest.ExitCode.TESTS_FAILED
_NARROWING = ("keyword", "markexpr", "deselect", "ignore", "ignore_glob", "lf", "stepwise")
"""Options of pytest's that leave checks out."""

_DONE = {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}


def clean(text: str) -> str:
    """Text without control characters: what a rig prints must not drive a reader's terminal."""
    return "".join(c if c.isprintable() or c in "\n\t" else "�" for c in text)


def conclude(item: pytest.Item, asked: Question, call: pytest.CallInfo[None]) -> Result:
    """What one check found."""
    measure = item.stash.get(MEASURE, Measure())
    status, message = _ending(call.excinfo and call.excinfo.value, asked.severity, measure.message)
    return Result(
        check=collect.name(item),
        rig=collect.rig_of(item),
        status=status,
        question=asked.text,
        message=clean(message),
        expected=asked.expected,
        source=asked.source,
        remedy="" if status in {Status.PASS, Status.SKIP} else measure.remedy or asked.remedy,
        seconds=round(call.duration, 3),
        figures=tuple(measure.figures),
        log=tuple(clean(line) for line in measure.lines),
    )


def _ending(raised: BaseException | None, severity: Status, found: str) -> tuple[Status, str]:
    match raised:
        case None:
            ending = Status.PASS, found or "as expected"
        case pytest.skip.Exception() as skipped:
            ending = Status.SKIP, str(skipped.msg)
        case Concern() as concern:
            ending = Status.WARN, str(concern)
        case CouldNotMeasure() as reason:
            ending = Status.ERROR, str(reason)
        case AssertionError() as failure:
            # pytest puts the operands below the message that a check gave.
            message = str(failure).partition("\nassert ")[0]
            ending = severity, message or "the criterion is not met"
        case DlrigError() as error:
            ending = Status.ERROR, f"{error.what}\n{error.hint}".strip()
        case BaseException() as error:
            ending = Status.ERROR, f"the check itself failed: {type(error).__name__}: {error}"
    return ending


class Recorder:
    """A pytest plugin; its results are complete in the process that the user started."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.results: dict[str, Result] = {}
        self.start = time.monotonic()
        self.cut = False
        self.narrowed = False

    @property
    def worker(self) -> bool:
        """This is one of xdist's workers."""
        return hasattr(self.config, "workerinput")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Any:  # noqa: ANN401 - a generator of hooks
        """Attach the result to the report: attributes of a report travel from xdist's workers."""
        report = yield
        asked = question_of(item)
        decides = report.when == "call" or not report.passed
        if asked is None or not decides:
            return report
        result = self.config.stash[WAIVERS].on(conclude(item, asked, call))
        report.dlrig_result = msgspec.json.encode(result).decode()
        if result.waived:
            report.outcome, report.longrepr = "passed", None
            told = f"{result.status.value}, {result.waived}: {result.message}"
            item.user_properties.append(("waived", told))
        elif result.status is Status.WARN:
            report.outcome, report.longrepr = "passed", None
            item.user_properties.append(("warning", result.message))
        elif result.status in {Status.FAIL, Status.ERROR}:
            report.dlrig_trace = report.longreprtext
            report.outcome = "failed"
            prefix = "could not measure: " if result.status is Status.ERROR else ""
            report.longrepr = f"{result.check}: {prefix}{result.message}"
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: Any) -> tuple[str, str, str] | None:  # noqa: ANN401 - two kinds of report
        """Count by status, in words of our own, so that pytest prints no second account of the same."""
        result = result_of(report)
        return (terminal.counted(result), "", "") if result else None

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep a result and show its line."""
        result = result_of(report) or self._crashed(report)
        if result is None:
            return
        before = self.results.get(report.nodeid)
        if before is not None and before.status is Status.FAIL:
            return  # a finding stands, whatever happened on the way out
        self.results[report.nodeid] = result
        verbose = self.config.getoption("verbose") > 0
        self._show(result, getattr(report, "dlrig_trace", "") if verbose else "")

    def _show(self, result: Result, trace: str = "") -> None:
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        # Half of the questions do not apply to a plain rig: their reasons are told together, at the end.
        shown = result.status is not Status.SKIP or self.config.getoption("verbose") > 0
        if shown and reporter is not None and not self.worker:
            many = len(self.config.stash[collect.RIGS]) > 1
            terminal.show(reporter, result, many=many, trace=trace)

    def _crashed(self, report: pytest.TestReport) -> Result | None:
        """A check that one of xdist's workers died of: it comes without a result."""
        rigs = self.config.stash[collect.RIGS]
        names = [name for name in rigs if f"[{name}" in report.nodeid]
        if not (report.failed and names) or report.nodeid in self.results:
            return None
        return Result(
            check=report.nodeid,
            rig=max(names, key=len),
            status=Status.ERROR,
            question="Did the check end?",
            message=clean(report.longreprtext.strip() or "the process that ran it died"),
        )

    def pytest_keyboard_interrupt(self) -> None:
        """The run was cut: what is missing was not measured."""
        self.cut = True

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Hang up; write the results; an incomplete acceptance is not a success."""
        rigs = self.config.stash.get(collect.RIGS, {})
        for rig in rigs.values():
            rig.close()
        if self.worker or self.config.getoption("collectonly"):
            return
        self._judge_waivers(session)
        if exitstatus in _DONE and not all(
            verdict.accepted for verdict in self.verdicts().values()
        ):
            session.exitstatus = _FAILED
        if self.config.getoption("--results") and rigs:
            self._write(rigs.values())

    def _judge_waivers(self, session: pytest.Session) -> None:
        """Keep a result for each waiver that is over or that nothing needs."""
        found = self.config.stash[WAIVERS].stale(
            list(self.results.values()), whole=self._ran_everything(session)
        )
        for number, result in enumerate(found):
            self.results[f"waivers/{number}"] = result
            self._show(result)

    def _ran_everything(self, session: pytest.Session) -> bool:
        """Nothing was left out. Under xdist the workers collect, and what was left out is in the options alone."""
        folder = Path(__file__).parent
        everything = {Path(argument).absolute() for argument in self.config.args} == {folder}
        narrowed = any(self.config.getoption(option, None) for option in _NARROWING)
        stopped = self.cut or session.shouldstop or session.shouldfail
        return everything and not (narrowed or self.narrowed or stopped)

    def pytest_deselected(self) -> None:
        """Not every check is run."""
        self.narrowed = True

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The verdict of every rig."""
        if not self.config.getoption("collectonly"):
            for rig, verdict in self.verdicts().items():
                terminal.conclude(terminalreporter, rig, verdict, self.of(rig))

    def of(self, rig: str) -> list[Result]:
        """The results of one rig."""
        return [result for result in self.results.values() if result.rig == rig]

    def verdicts(self) -> dict[str, Verdict]:
        """The verdict of every rig of which a check ran."""
        named = dict.fromkeys(result.rig for result in self.results.values())
        return {rig: self.verdict(rig) for rig in named}

    def verdict(self, rig: str) -> Verdict:
        """What the results of a rig conclude; those of a run that was cut accept nothing."""
        verdict = judge(self.of(rig))
        return Verdict.INCOMPLETE if self.cut and verdict.accepted else verdict

    def _write(self, rigs: Iterable[Rig]) -> None:
        seconds = round(time.monotonic() - self.start, 3)
        plain = msgspec.to_builtins
        found = {
            rig.name: RigReport(
                results=tuple(self.of(rig.name)),
                verdict=self.verdict(rig.name),
                started=rig.known.started,
                seconds=seconds,
                facts=plain(rig.facts) if rig.known.transcript else None,
                plan=plain(rig.known.plan),
                transcript=plain(rig.known.transcript),
            )
            for rig in rigs
        }
        path = self.config.invocation_params.dir / Path(self.config.getoption("--results"))
        path.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1))


def result_of(report: Any) -> Result | None:  # noqa: ANN401 - reports of collection have none
    """The result that travels with a report."""
    text = getattr(report, "dlrig_result", None)
    return decode.json(text, Result) if text else None
