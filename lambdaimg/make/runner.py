"""The one loop that acts.

A run orders the closure of what was asked for, skips what its sentinel vouches for, looks at the
rest (`observe`), adopts what is already so and brings about what is not (`act`). A sentinel is
replaced before any target after it starts. Targets with no path between them run at the same
time. Where AWS says 'not found' of something that a sentinel vouched for, the sentinels from
there on are voided and the run starts over, once. Before a resource that is not there is made,
the sentinels of all that stands on it are voided: they speak of the one that is gone.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lambdaimg.errors import AwsError, InterruptedRunError, LambdaimgError, ResourceGoneError
from lambdaimg.make.decide import Decision, Verdict
from lambdaimg.make.graph import Table, dependents, order, ready
from lambdaimg.make.plan import Options, Reporter, RunContext, inputs_of, judge
from lambdaimg.make.preview import preview
from lambdaimg.make.store import Sentinel, Store
from lambdaimg.make.target import Action, Done, Outcome, Target

INTERRUPT_GRACE_S = 10.0


@dataclass
class Run:
    """The state of one pass over the closure."""

    named: frozenset[str]
    names: list[str]
    values: dict[str, str] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    vouched: set[str] = field(default_factory=set)


def run(
    table: Table,
    names: Iterable[str],
    context: RunContext,
    store: Store,
    reporter: Reporter,
    options: Options,
) -> list[Outcome]:
    """Brings about `names` and all that they need.

    Returns:
        An outcome per target of the closure, in order.

    Raises:
        LambdaimgError: the first failure; whatever was done before it is recorded.
        InterruptedRunError: the user interrupted; a second run continues from here.
    """
    asked = frozenset(names)
    closure = order(table, names)
    pass_ = _Pass(table, context, store, reporter, options)
    for name in closure:
        check = table[name].check
        if check is not None:
            check(context.for_target(name))
    reporter.planned(closure)
    state = Run(asked, closure)
    if pass_.all_skipped(state):
        return [state.outcomes[name] for name in closure]
    pass_.make_ready(Run(asked, closure))
    if options.dry_run:
        return preview(table, closure, asked, context, store, reporter, options)

    def on_wait(holder: str) -> None:
        reporter.note(f"Waiting for {holder}.")
        context.renew()

    with store.locked(options.lock_wait, on_wait):
        try:
            return pass_.go(Run(asked, closure))
        except ResourceGoneError as error:
            # Whoever removed one thing may have removed more: nothing is taken on trust now.
            gone = str(error.details.get("target"))
            lost = dependents(table, gone) if gone in table else set(table)
            for name in lost | set(closure):
                store.void(name)
            reporter.restarted(f"{error.message} Looking at everything again.")
            return pass_.go(Run(asked, closure), second=True)


class _Pass:
    """One pass over a closure; `go` may be called twice."""

    def __init__(
        self,
        table: Table,
        context: RunContext,
        store: Store,
        reporter: Reporter,
        options: Options,
    ) -> None:
        self.table = table
        self.context = context
        self.store = store
        self.reporter = reporter
        self.options = options

    # --- skipping ---------------------------------------------------------------------------

    def all_skipped(self, state: Run) -> bool:
        """Whether nothing in the closure needs a look; fills in the outcomes if so.

        This is the path of a run in which nothing is to be done: no thread, no lock, and no
        import beyond the standard library.
        """
        for name in state.names:
            target = self.table[name]
            inputs = inputs_of(target, self.context, state.values)
            verdict, sentinel = self.judged(target, state, inputs)
            if verdict.verdict is not Verdict.SKIP or sentinel is None:
                return False
            self.settle(
                state, Outcome(name, Action.UP_TO_DATE, sentinel.value, verdict.reason), sentinel
            )
        for name in state.names:
            self.reporter.finished(state.outcomes[name])
        return True

    def make_ready(self, state: Run) -> None:
        """Asks for what the targets work with, before any of them makes something."""
        for name in state.names:
            target = self.table[name]
            if target.ready is None:
                continue
            # What a target with prerequisites will be made of is not known yet.
            if not target.needs:
                inputs = inputs_of(target, self.context, {})
                if self.judged(target, state, inputs)[0].verdict is Verdict.SKIP:
                    continue
            target.ready(self.context.for_target(name))

    def judged(
        self, target: Target[Any], state: Run, inputs: Mapping[str, str]
    ) -> tuple[Decision, Sentinel | None]:
        """Skip or look, and the sentinel that is believed."""
        named = target.name in state.named
        return judge(target, self.context, self.store, inputs, named, self.options)

    def settle(self, state: Run, outcome: Outcome, sentinel: Sentinel | None = None) -> None:
        """Makes a target's value known to the targets after it."""
        state.values[outcome.target] = outcome.value
        state.outcomes[outcome.target] = outcome
        extra = sentinel.extra if sentinel else {}
        self.context.remember(outcome.target, outcome.value, extra)

    # --- acting -----------------------------------------------------------------------------

    def go(self, state: Run, second: bool = False) -> list[Outcome]:
        """Runs the closure, independent targets at the same time."""
        waiting, done = list(state.names), set[str]()
        results: queue.Queue[tuple[str, Outcome | BaseException]] = queue.Queue()
        running = 0
        failure: BaseException | None = None
        try:
            while waiting or running:
                if failure is None:
                    for name in ready(self.table, waiting, done):
                        waiting.remove(name)
                        running += 1
                        self.start(name, state, results)
                elif not running:
                    break
                name, result = results.get()
                running -= 1
                if isinstance(result, BaseException):
                    failure = failure or self.explained(result, name, state, second)
                    continue
                done.add(name)
                self.reporter.finished(result)
        except KeyboardInterrupt:
            self.context.cancel()
            self.drain(results, running)
            raise InterruptedRunError(
                "Interrupted.", hint="Run the same command again: it goes on from here."
            ) from None
        if failure is not None:
            raise failure
        return [state.outcomes[name] for name in state.names]

    def start(
        self,
        name: str,
        state: Run,
        results: queue.Queue[tuple[str, Outcome | BaseException]],
    ) -> None:
        """Does a target in a thread of its own; what comes of it goes into `results`."""

        def work() -> None:
            try:
                results.put((name, self.do(self.table[name], state)))
            except BaseException as error:  # handed to the loop, which raises it
                results.put((name, error))

        threading.Thread(target=work, name=name, daemon=True).start()

    def drain(
        self, results: queue.Queue[tuple[str, Outcome | BaseException]], running: int
    ) -> None:
        """Gives running targets a moment to end, so that their sentinels are written."""
        deadline = time.monotonic() + INTERRUPT_GRACE_S
        while running and (left := deadline - time.monotonic()) > 0:
            try:
                results.get(timeout=left)
            except queue.Empty:
                return
            running -= 1

    def do(self, target: Target[Any], state: Run) -> Outcome:
        """Brings about one target whose prerequisites are done, and records it."""
        began = time.monotonic()
        inputs = inputs_of(target, self.context, state.values)
        verdict, sentinel = self.judged(target, state, inputs)
        if verdict.verdict is Verdict.SKIP and sentinel is not None:
            state.vouched.add(target.name)
            outcome = Outcome(target.name, Action.UP_TO_DATE, sentinel.value, verdict.reason)
            self.settle(state, outcome, sentinel)
            return outcome
        self.reporter.started(target.name, verdict.reason)
        context = self.context.for_target(target.name)
        observed = target.observe(context) if target.observe else None
        if observed is None and target.observe:
            self.missing(target, state, sentinel, inputs)
        again = target.again and self.options.force and target.name in state.named
        if observed is not None and not observed.differences and not again:
            same = sentinel is not None and sentinel.value == observed.value
            action = Action.UP_TO_DATE if same else Action.ADOPTED
            kept = sentinel.extra if same and sentinel else {}
            done = Done(observed.value, action, observed.detail, {**kept, **observed.extra})
        else:
            done = target.act(context, observed)
        record = Sentinel(
            target.name, done.value, inputs, action=str(done.action), extra=done.extra
        )
        self.store.write(record)
        outcome = Outcome(
            target.name,
            done.action,
            done.value,
            verdict.reason,
            done.detail,
            time.monotonic() - began,
            observed.differences if observed else (),
        )
        self.settle(state, outcome, record)
        return outcome

    def missing(
        self,
        target: Target[Any],
        state: Run,
        sentinel: Sentinel | None,
        inputs: Mapping[str, str],
    ) -> None:
        """Forgets what stood on a resource that is not there.

        Whoever removed the named target may have removed more: with everything before it
        skipped, the run would build on things that nobody has looked at, so it starts over.

        Raises:
            ResourceGoneError: the run starts over.
        """
        if sentinel is not None and target.name in state.named and state.vouched:
            self.store.void(target.name)
            raise ResourceGoneError(
                f"{target.name} is gone, though a record vouched for it.", target=target.name
            )
        # With other inputs it has another value, which tells the targets after it by itself.
        if sentinel is None or sentinel.inputs == inputs:
            for name in dependents(self.table, target.name) - {target.name}:
                self.store.void(name)

    def explained(self, error: BaseException, name: str, state: Run, second: bool) -> BaseException:
        """A failure as one of our errors; 'not found' starts over only once.

        It does where a record vouched for what is gone, or where an earlier target of this run
        made or saw it: somebody has taken it away since.
        """
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            return error
        if not isinstance(error, Exception):
            return error
        told = error if isinstance(error, LambdaimgError) else self.context.translate(error, name)
        told.details.setdefault("target", name)
        if isinstance(told, ResourceGoneError):
            if not second and (state.vouched or told.details["target"] != name):
                return told
            # Starting over would not help: 'not found' is a failure like any other.
            told = AwsError(told.message, told.hint, **told.details)
            told.__cause__ = error
        self.reporter.finished(Outcome(name, Action.FAILED, reason=told.message))
        return told
