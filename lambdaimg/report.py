"""Outcomes to the terminal or to JSON; the only importer of rich.

Three ways to show the same facts: on a terminal a line per target, live while it works; in a pipe
plain lines; with `--json` one document on stdout and everything else on stderr.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import sys
import threading
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TextIO

from lambdaimg.errors import LambdaimgError
from lambdaimg.make.target import Action, Outcome
from lambdaimg.secrets import Hide, hidden_in

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live

NAME_WIDTH = 18
ACTION_WIDTH = 12
OUTPUT_LINES = 8
SHOWN_SECONDS = 0.05
# Control sequences in a build's output or a function's log must not drive the terminal.
CONTROL = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b[@-_]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# What JSON leaves as it is in a text.
UNESCAPED = re.compile(r"[\x7f-\x9f]")
COLORS = {"bold red": "1;31", "dim": "2", "cyan": "36", "yellow": "33", "green": "32"}
PREVIEWS = (Action.WOULD_CREATE, Action.WOULD_UPDATE)
STYLES = {
    Action.FAILED: "bold red",
    Action.UP_TO_DATE: "dim",
    Action.ADOPTED: "cyan",
    Action.WOULD_CREATE: "yellow",
    Action.WOULD_UPDATE: "yellow",
}


def clean(text: str) -> str:
    """Text without control characters, tabs and line ends kept."""
    return CONTROL.sub("", text)


def in_lines(text: str) -> str:
    """A function's log with every line on a line of its own.

    Runtimes put carriage returns between the lines of a trace, so that it is one event of the log.
    """
    return text.replace("\r\n", "\n").replace("\r", "\n")


def last_state(line: str) -> str:
    """A line as a terminal shows it in the end: what a carriage return wrote over is left out."""
    return clean(line.rstrip("\r").rpartition("\r")[2])


def short(value: str) -> str:
    """A value for the eye: digests cut, several lines or a document left out."""
    if "\n" in value or value.startswith("{"):
        return ""
    return re.sub(r"sha256:([0-9a-f]{12})[0-9a-f]+", r"sha256:\1", value)


def line_of(outcome: Outcome) -> tuple[str, str]:
    """What an outcome is about, and how long it took."""
    parts = [short(outcome.value), clean(outcome.detail)]
    if outcome.action in PREVIEWS or not any(parts):
        parts.append(f"({clean(outcome.reason)})" if outcome.reason else "")
    seconds = f"{outcome.seconds:.1f} s" if outcome.seconds >= SHOWN_SECONDS else ""
    return "  ".join(part for part in parts if part), seconds


def fitted(about: str, seconds: str, width: int) -> str:
    """The two last columns in `width` characters, cut where they do not fit; 0 is any width."""
    if not width:
        return f"{about}  {seconds}".rstrip()
    room = width - len(seconds) - 2 if seconds else width
    if len(about) > room:
        about = about[: max(0, room - 1)] + "…"
    return f"{about:<{room}}  {seconds}" if seconds else about


class Report:
    """Shows a run and its result.

    Args:
        as_json: one JSON document on stdout, all else on stderr.
        verbose: show every line of a build's output on a terminal too.
    """

    def __init__(self, as_json: bool = False, verbose: bool = False) -> None:
        self.as_json = as_json
        self.verbose = verbose
        self.function = ""
        self.outcomes: list[Outcome] = []
        self._lines: TextIO = sys.stderr if as_json else sys.stdout
        self._terminal = is_terminal(self._lines)
        self._lock = threading.RLock()
        self._running: dict[str, str] = {}
        self._output: deque[str] = deque(maxlen=OUTPUT_LINES)
        self._live: Live | None = None
        self._console: Console | None = None
        self.hide: Hide = str

    # --- what the runner tells ------------------------------------------------------------------

    def planned(self, names: Sequence[str]) -> None:
        """The closure, in order; shown as it is done, not before."""

    def started(self, target: str, reason: str) -> None:
        """A target is looked at."""
        with self._lock:
            self._running[target] = reason
            self._refresh()

    def progress(self, target: str, text: str) -> None:
        """What a target does right now."""
        with self._lock:
            self._running[target] = clean(self.hide(text))
            self._refresh()

    def output(self, target: str, text: str) -> None:
        """A build's output: the last lines while it runs on a terminal, else all of it."""
        with self._lock:
            lines = [last_state(line) for line in self.hide(text).rstrip("\n").split("\n")]
            if self._terminal and not self.verbose:
                self._output.extend(line.rstrip() for line in lines if line.strip())
                self._refresh()
            else:
                for line in lines:
                    self._print(f"    {line.rstrip()}", "dim", file=sys.stderr)

    def finished(self, outcome: Outcome) -> None:
        """A target is done."""
        with self._lock:
            outcome = self.hidden(outcome)
            self.outcomes.append(outcome)
            self.ended(outcome, f"{outcome.target:<{NAME_WIDTH}}")

    def hidden(self, outcome: Outcome) -> Outcome:
        """An outcome that tells nothing secret."""
        if outcome.action is not Action.FAILED:
            return outcome
        return dataclasses.replace(outcome, reason=self.hide(outcome.reason))

    def ended(self, outcome: Outcome, label: str, shown: bool = True) -> None:
        """What goes by a label is done: its line, unless the line says nothing new."""
        with self._lock:
            self._running.pop(label.strip(), None)
            self._output.clear()
            if shown and outcome.action is not Action.FAILED:
                head = f"  {label} {outcome.action:<{ACTION_WIDTH}} "
                room = max(20, width_of(self._lines) - len(head)) if self._terminal else 0
                text = head + fitted(*line_of(outcome), room)
                self._print(text.rstrip(), STYLES.get(outcome.action, "green"))
            if not self._running:
                self.close()
            else:
                self._refresh()

    def restarted(self, why: str) -> None:
        """The run starts over; what was told before is no part of the result."""
        with self._lock:
            self.outcomes.clear()
            self._running.clear()
            self._output.clear()
            self.close()
        self.note(why)

    def note(self, text: str) -> None:
        """A remark about the run as a whole."""
        with self._lock:
            self._print(f"  {clean(self.hide(text))}", "yellow", file=sys.stderr)

    # --- results --------------------------------------------------------------------------------

    def result(self, command: str, result: Any = None, text: str | None = None) -> None:
        """The end of a command that succeeded.

        Args:
            command: the command's name.
            result: what `--json` prints as `result`.
            text: what is printed otherwise; None for nothing beyond the lines already shown.
        """
        self.close()
        if self.as_json:
            self._document({"ok": True, "command": command, "result": result})
        elif text is not None:
            print(text)

    def line(self, text: str) -> None:
        """A line of its own, where the targets' lines are."""
        self.close()
        with self._lock:
            self._print(text, "")

    def problem(self, error: LambdaimgError, about: str = "") -> dict[str, Any]:
        """One sentence and a hint, on stderr; returns the error as `--json` prints it."""
        self.close()
        told: Any = hidden_in(error.as_dict(), self.hide)
        with self._lock:
            said = f"error: {about}{clean(told['message'])}"
            self._print(said, "bold red", file=sys.stderr)
            if output := told.get("details", {}).get("output"):
                for line in clean(str(output)).rstrip().split("\n"):
                    self._print(f"    {line}", "dim", file=sys.stderr)
            if error.hint:
                self._print(f"  {clean(told['hint'])}", "", file=sys.stderr)
        found: dict[str, Any] = told
        return found

    def failure(self, command: str, error: LambdaimgError, result: Any = None) -> None:
        """The end of a command that failed: one sentence and a hint, on stderr."""
        told = self.problem(error)
        if self.as_json:
            document = {"ok": False, "command": command, "error": told}
            if result is not None:
                document["result"] = result
            self._document(document)

    def _document(self, document: dict[str, Any]) -> None:
        if self.function:
            document["function"] = self.function
        if self.outcomes:
            document["targets"] = [outcome.as_dict() for outcome in self.outcomes]
        print(json.dumps(document, indent=2, default=str))

    def lines(self, lines: Sequence[str]) -> None:
        """Text for whoever looks for a fault, on stderr."""
        self.close()
        with self._lock:
            for line in lines:
                self._print(clean(self.hide(line)), "dim", file=sys.stderr)

    def log(self, text: str) -> bool:
        """A function's log, on stderr; with `--json` it is part of the document. Whether shown."""
        if self.as_json:
            return False
        self.close()
        with self._lock:
            self._print(clean(in_lines(text)).rstrip("\n"), "", file=sys.stderr)
        return True

    def close(self) -> None:
        """Ends the live display; nothing where there is none."""
        with self._lock:
            if self._live is not None:
                live, self._live = self._live, None
                live.update("")
                live.stop()

    # --- the terminal ---------------------------------------------------------------------------

    def _refresh(self) -> None:
        if not self._terminal or not self._running:
            return
        from rich.console import Group
        from rich.live import Live
        from rich.spinner import Spinner
        from rich.text import Text

        rows: list[Any] = [
            Text("    " + line, style="dim", no_wrap=True, overflow="ellipsis")
            for line in self._output
        ]
        for name, doing in self._running.items():
            label = Text(f"{name:<{NAME_WIDTH}} {doing}", no_wrap=True, overflow="ellipsis")
            rows.append(Spinner("dots", text=label))
        if self._live is None:
            self._live = Live(
                Group(*rows), console=self._rich(), transient=True, refresh_per_second=10
            )
            self._live.start()
        else:
            self._live.update(Group(*rows))

    def _rich(self) -> Console:
        if self._console is None:
            from rich.console import Console

            self._console = Console(file=self._lines, highlight=False, soft_wrap=True)
        return self._console

    def _print(self, text: str, style: str, file: TextIO | None = None) -> None:
        stream = file or self._lines
        try:
            if self._live is not None:
                self._rich().print(text, style=style or None, markup=False)
            elif is_terminal(stream) and style and not os.environ.get("NO_COLOR"):
                print(f"\x1b[{COLORS[style]}m{text}\x1b[0m", file=stream, flush=True)
            else:
                print(text, file=stream, flush=True)
        except BrokenPipeError:
            # Whoever read along has enough; the work goes on.
            silence(stream)


class Quiet:
    """A reporter for looks whose result alone is shown."""

    def planned(self, names: Sequence[str]) -> None:
        """Not shown."""

    def started(self, target: str, reason: str) -> None:
        """Not shown."""

    def finished(self, outcome: Outcome) -> None:
        """Not shown."""

    def restarted(self, why: str) -> None:
        """Not shown."""

    def note(self, text: str) -> None:
        """Not shown."""


def silence(stream: TextIO) -> None:
    """Sends all further output of a stream nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def width_of(stream: TextIO) -> int:
    """The columns of a terminal."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def is_terminal(stream: TextIO) -> bool:
    """Whether a stream is a terminal that can be drawn on."""
    try:
        return stream.isatty() and os.environ.get("TERM", "") != "dumb"
    except ValueError:
        return False


def table(rows: Sequence[Sequence[str]], head: Sequence[str]) -> str:
    """Rows as plain text in columns, each as wide as its widest cell."""
    cells = [list(head), *[[clean(cell) for cell in row] for row in rows]]
    widths = [max(len(row[n]) for row in cells) for n in range(len(head))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in cells]
    return "\n".join(line.rstrip() for line in lines)


def pretty_json(document: Any) -> str:
    """A document as a person reads it."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    return UNESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
