"""A command for several functions of a project: side by side, with one report at the end.

What becomes of one function does not touch the others: they go on, and the summary names those
that failed, each with its sentence. Ctrl-C ends all of them.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from lambdaimg.context import RECORDS, Context
from lambdaimg.errors import DIFFERENT, FunctionsError, InterruptedRunError, LambdaimgError
from lambdaimg.make.plan import Options
from lambdaimg.make.runner import INTERRUPT_GRACE_S, Pass
from lambdaimg.make.target import Outcome
from lambdaimg.make.together import Member, Together
from lambdaimg.report import Report, pretty_json
from lambdaimg.report_parts import FunctionReport, Kept
from lambdaimg.secrets import hidden_in
from lambdaimg.session import Session
from lambdaimg.targets import TABLES

# As many as there are connections to AWS.
AT_ONCE = 16
AGAIN = "Mend the cause, then run the same command again: it does the rest."
ALONE = "Mend the cause; --function NAME does it for that function alone."


@dataclass
class Part:
    """What becomes of one function.

    Args:
        name: the function's table.
        function_name: its name at AWS.
        outcomes: what became of its targets.
        result: what `--json` prints of it, where it did not fail.
        text: what is printed of it otherwise.
        status: the exit status of its own.
        over: whether it came to an end, well or not.
    """

    name: str
    function_name: str
    outcomes: Sequence[Outcome] = ()
    result: Any = None
    text: str | None = None
    error: LambdaimgError | None = None
    status: int = 0
    over: bool = False

    def failed(self, error: LambdaimgError) -> None:
        """The function's run ended with an error."""
        self.error, self.status, self.over = error, error.exit_status, True
        if self.result is None:
            self.result = error.details.pop("result", None)

    def as_dict(self, report: Report) -> dict[str, Any]:
        """The part as `--json` prints it: as the command for this function alone would."""
        found: dict[str, Any] = {
            "function": self.name,
            "function_name": self.function_name,
            "ok": self.error is None,
        }
        if self.error is not None:
            found["error"] = hidden_in(self.error.as_dict(), report.hide)
        if self.error is None or self.result is not None:
            found["result"] = self.result
        if self.outcomes:
            found["targets"] = [outcome.as_dict() for outcome in self.outcomes]
        return found


# --- targets --------------------------------------------------------------------------------------


def run_targets(session: Session, target: str, options: Options) -> None:
    """Brings about a target of several functions, and reports.

    Raises:
        FunctionsError: some of them failed; the others are done.
        InterruptedRunError: the user interrupted.
    """
    whole, together = session.shared_context(), Together()
    whole.forced = frozenset({target} if options.force else ())
    whole.onward = target != "image"
    sessions = [one for one in session.each() if target in TABLES[one.settings.package]]
    width = max((len(one.function) for one in sessions), default=0)
    parts, open_parts = [], []
    for one in sessions:
        part = Part(one.function, one.settings.function_name)
        report = FunctionReport(session.report, one.function, target, width)
        context = whole.for_function(one.settings, report)
        part.outcomes = report.outcomes
        parts.append(part)
        run = begun(part, context, report, target, options, Member(one.function, together))
        if run is not None:
            open_parts.append((part, context, run))

    def finishing(part: Part, context: Context, run: Pass) -> Callable[[], None]:
        def work() -> None:
            try:
                run.whole()
            except BaseException as error:
                part.failed(told(error, context, target))
            else:
                ended(part, context, target)

        return work

    interrupted = side_by_side([finishing(*each) for each in open_parts], whole.cancel)
    session.report.line(summary(parts, target))
    finish(session, parts, interrupted)


def begun(
    part: Part,
    context: Context,
    report: FunctionReport,
    target: str,
    options: Options,
    member: Member,
) -> Pass | None:
    """The run of a function; None where it is over already: nothing is to be done, or it failed."""
    try:
        store = context.store(options.trust)
        context.own[RECORDS] = store
        table = TABLES[context.settings.package]
        run = Pass(table, [target], context, store, report, options, member)
        if run.skipped() is None:
            return run
    except Exception as error:
        part.failed(told(error, context, target))
    else:
        ended(part, context, target)
    return None


def ended(part: Part, context: Context, target: str) -> None:
    """A run that came to its end."""
    part.result, part.over = {"value": context.values.get(target, "")}, True


def summary(parts: Sequence[Part], target: str) -> str:
    """What became of the functions, in one line. Pure."""
    words = Counter(
        "failed" if part.error else "interrupted" if not part.over else action_of(part, target)
        for part in parts
    )
    return f"{functions(len(parts))}: " + ", ".join(f"{n} {word}" for word, n in words.items())


def action_of(part: Part, target: str) -> str:
    """What became of the target that was named."""
    found = [outcome.action for outcome in part.outcomes if outcome.target == target]
    return str(found[-1]) if found else "done"


def functions(count: int) -> str:
    """How many functions, in words."""
    return f"{count} function{'' if count == 1 else 's'}"


def told(error: BaseException, context: Context, command: str) -> LambdaimgError:
    """An error as one of ours."""
    if isinstance(error, LambdaimgError):
        return error
    if isinstance(error, Exception):
        return context.translate(error, command)
    return InterruptedRunError("Interrupted.")


# --- commands that are no targets -----------------------------------------------------------------


def run_command(session: Session, module: ModuleType, options: Mapping[str, Any]) -> None:
    """Runs a command for several functions: its own way, or each by itself."""
    sessions = session.each()
    if hasattr(module, "run_each"):
        module.run_each(session, sessions, **options)
        return
    each_by_itself(session, sessions, lambda one: module.run(one, **options))


def each_by_itself(
    session: Session, sessions: Sequence[Session], run: Callable[[Session], None]
) -> None:
    """Runs a command for each function, several at the same time, and shows all results.

    Raises:
        FunctionsError: some of them failed.
        InterruptedRunError: the user interrupted.
        SystemExit: with the status that they ended with, where that is not 0.
    """
    parts = [Part(one.function, one.settings.function_name) for one in sessions]
    pairs = list(zip(parts, sessions, strict=True))

    def working(part: Part, one: Session) -> Callable[[], None]:
        report = Kept(session.report, part.name)
        one.report, one.as_json = report, True

        def work() -> None:
            try:
                run(one)
            except SystemExit as end:
                part.status = int(end.code or 0)
            except BaseException as error:
                part.failed(told(error, Context(one.project, one.settings), session.command))
            part.text = report.text
            if part.error is None:
                part.result = report.kept
            # Last: the other thread, which may not wait longer, shows what is over.
            part.over = True

        return work

    def cancel() -> None:
        session.shared_context().cancel()

    interrupted = side_by_side([working(*pair) for pair in pairs], cancel)
    texts = [text_of(part) for part in parts if part.over and part.error is None]
    if texts and not session.as_json:
        session.report.line("\n".join(texts))
    finish(session, parts, interrupted, resumes=False)


def text_of(part: Part) -> str:
    """A function's result under its name."""
    return under_name(part, pretty_json(part.result) if part.text is None else part.text)


def under_name(part: Part, text: str) -> str:
    """Text under a function's name. Pure."""
    lines = "\n".join(f"  {line}".rstrip() for line in text.split("\n"))
    return f"{part.name} ({part.function_name})\n{lines}"


# --- what both have -------------------------------------------------------------------------------


def side_by_side(works: Sequence[Callable[[], None]], cancel: Callable[[], None]) -> bool:
    """Does all of them, so many at a time; whether the user interrupted, which ends them.

    Raises:
        BaseException: what the first of them raised that did.
    """
    waiting: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
    for work in works:
        waiting.put(work)
    done: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()

    def worker() -> None:
        while True:
            try:
                work = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                work()
            except BaseException as error:  # a defect: handed to the thread that waits
                done.put(error)
            else:
                done.put(None)

    threads = [
        threading.Thread(target=worker, daemon=True) for _ in range(min(AT_ONCE, len(works)))
    ]
    for thread in threads:
        thread.start()
    try:
        ends = [done.get() for _ in works]
    except KeyboardInterrupt:
        while not waiting.empty():
            waiting.get_nowait()
        cancel()
        deadline = time.monotonic() + INTERRUPT_GRACE_S
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return True
    for error in ends:
        if error is not None:
            raise error
    return False


def finish(
    session: Session, parts: Sequence[Part], interrupted: bool = False, resumes: bool = True
) -> None:
    """Reports what became of all functions.

    Args:
        interrupted: the user interrupted; failures that this led to are told in JSON alone.
        resumes: the same command does only what is left, when it is given again.

    Raises:
        FunctionsError: some of them failed.
        InterruptedRunError: the user interrupted.
        SystemExit: with the status that they ended with, where that is not 0.
    """
    for part in parts:
        if not part.over:
            part.failed(InterruptedRunError("Interrupted."))
    result = {"functions": [part.as_dict(session.report) for part in parts]}
    if interrupted:
        hint = "Run the same command again: it goes on from here." if resumes else ""
        raise InterruptedRunError("Interrupted.", hint, result=result)
    failed = [part for part in parts if part.error]
    for error, those in alike(failed):
        session.report.problem(error, f"{', '.join(those)}: ")
    if failed:
        names = ", ".join(part.name for part in failed)
        message = f"{len(failed)} of {functions(len(parts))} failed: {names}."
        error = FunctionsError(message, AGAIN if resumes else ALONE, result=result)
        error.exit_status = status_of(parts)
        raise error
    session.report.result(session.command, result)
    if status := status_of(parts):
        raise SystemExit(status)


def status_of(parts: Sequence[Part]) -> int:
    """The exit status of the whole: the one that all failures share, 1 where they differ. Pure."""
    found = {part.status for part in parts} - {0}
    if len(found) > 1:
        found.discard(DIFFERENT)
    return found.pop() if len(found) == 1 else min(1, len(found))


def alike(failed: Sequence[Part]) -> list[tuple[LambdaimgError, list[str]]]:
    """The errors, each once, with the functions that met it. Pure."""
    found: dict[tuple[str, str], tuple[LambdaimgError, list[str]]] = {}
    for part in failed:
        if part.error is not None:
            key = (part.error.message, part.error.hint)
            found.setdefault(key, (part.error, []))[1].append(part.name)
    return list(found.values())
