"""Reports of the parts of a run for several functions, told through the one report of the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from lambdaimg.make.target import Action, Outcome
from lambdaimg.report import NAME_WIDTH, Report, in_lines, last_state


class FunctionReport:
    """Shows one function's run of a target among those of others.

    A line is shown for what this run did, and for the target that the user named; what another
    function's run did, or what is as it was, is no news.

    Args:
        report: of the whole run.
        function: the function's name.
        named: the target that the user named.
        width: the columns for the functions' names.
    """

    def __init__(self, report: Report, function: str, named: str, width: int) -> None:
        self.outcomes: list[Outcome] = []
        self._report = report
        self._function = function
        self._named = named
        self._head = f"{function:<{width}}"

    def _label(self, target: str) -> str:
        return f"{self._head} {target:<{NAME_WIDTH}}"

    def planned(self, names: Sequence[str]) -> None:
        """Not shown."""

    def started(self, target: str, reason: str) -> None:
        """A target is looked at."""
        self._report.started(self._label(target).strip(), reason)

    def progress(self, target: str, text: str) -> None:
        """What a target does right now."""
        self._report.progress(self._label(target).strip(), text)

    def output(self, target: str, text: str) -> None:
        """A build's output, with the function's name before each line."""
        lines = text.rstrip("\n").split("\n")
        told = "\n".join(f"{self._function}: {last_state(line)}" for line in lines)
        self._report.output(self._label(target).strip(), told)

    def finished(self, outcome: Outcome) -> None:
        """A target is done."""
        outcome = self._report.hidden(outcome)
        self.outcomes.append(outcome)
        news = outcome.action is not Action.UP_TO_DATE and not outcome.who
        shown = news or self._report.verbose or outcome.target == self._named
        if outcome.who:
            outcome = replace(outcome, detail=f"with {outcome.who}", seconds=0.0)
        self._report.ended(outcome, self._label(outcome.target), shown)

    def restarted(self, why: str) -> None:
        """The function's run starts over."""
        self.outcomes.clear()
        self.note(why)

    def note(self, text: str) -> None:
        """A remark about the function's run."""
        self._report.note(f"{self._function}: {text}")


class Kept(Report):
    """Keeps the result of one function's command for the whole run to show.

    Args:
        whole: the report of the whole run, which shows remarks and progress at once.
        function: the function's name.
    """

    def __init__(self, whole: Report, function: str) -> None:
        super().__init__(as_json=True, verbose=whole.verbose)
        self.function = function
        self.hide = whole.hide
        self.kept: Any = None
        self.text: str | None = None
        self._whole = whole

    def started(self, target: str, reason: str) -> None:
        """Not shown: what several functions look at is over soon."""

    def progress(self, target: str, text: str) -> None:
        """Not shown."""

    def output(self, target: str, text: str) -> None:
        """Output that is to stay."""
        self._whole.output(target, text)

    def note(self, text: str) -> None:
        """A remark about the function's run."""
        self._whole.note(f"{self.function}: {text}")

    def log(self, text: str) -> bool:
        """The function's log, its name before each line. Whether shown."""
        lines = in_lines(text).rstrip("\n").split("\n")
        return self._whole.log("\n".join(f"{self.function}: {line}" for line in lines))

    def result(self, command: str, result: Any = None, text: str | None = None) -> None:
        """The end of the command for this function."""
        self.kept, self.text = result, text
