"""The one loop that acts.

A run orders the closure of what was asked for, skips what its sentinel vouches for, looks at the
rest (`observe`), adopts what is already so and brings about what is not (`act`). A sentinel is
replaced before any target after it starts. Targets with no path between them run at the same
time. Where AWS says 'not found' of something that a sentinel vouched for, the sentinels from
there on are voided and the run starts over, once. Before a resource that is not there is made,
the sentinels of all that stands on it are voided: they speak of the one that is gone.

Runs of several functions go on at the same time (`Member`): what they share, one of them does.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lambdaimg.errors import AwsError, InterruptedRunError, LambdaimgError, ResourceGoneError
from lambdaimg.make.decide import Decision, Verdict, fingerprint
from lambdaimg.make.graph import Table, dependents, order, ready
from lambdaimg.make.plan import Options, Reporter, RunContext, inputs_of, judge
from lambdaimg.make.preview import preview
from lambdaimg.make.store import Sentinel, Store
from lambdaimg.make.target import Action, Done, Observed, Outcome, Target
from lambdaimg.make.together import Member

INTERRUPT_GRACE_S = 10.0


@dataclass
class Run:
    """The state of one pass over the closure."""

    named: frozenset[str]
    names: list[str]
    values: dict[str, str] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    vouched: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Brought:
    """What one of the runs that share a target found, and did where something was to be done."""

    observed: Observed | None
    done: Done | None


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
    begun = Pass(table, names, context, store, reporter, options, Member())
    return begun.skipped() or begun.whole()


class Pass:
    """A run of a closure: `skipped`, and where there is something to do, `whole`.

    Raises:
        LambdaimgError: a file of the project is missing or malformed.
    """

    def __init__(
        self,
        table: Table,
        names: Iterable[str],
        context: RunContext,
        store: Store,
        reporter: Reporter,
        options: Options,
        member: Member,
    ) -> None:
        self.table = table
        asked = tuple(names)
        self.asked = frozenset(asked)
        self.closure = order(table, asked)
        self.context = context
        self.store = store
        self.reporter = reporter
        self.options = options
        self.member = member
        for name in self.closure:
            check = table[name].check
            if check is not None:
                check(context.for_target(name))
        reporter.planned(self.closure)

    def begin(self) -> Run:
        """The state of a pass that has done nothing yet."""
        return Run(self.asked, self.closure)

    def whole(self) -> list[Outcome]:
        """Does what is to be done; for what it returns and raises, see `run`."""
        self.make_ready(self.begin())
        if self.options.dry_run:
            return preview(
                self.table,
                self.closure,
                self.asked,
                self.context,
                self.store,
                self.reporter,
                self.options,
                self.member,
            )

        def on_wait(holder: str) -> None:
            self.reporter.note(f"Waiting for {holder}.")
            self.context.renew()

        with self.store.locked(self.options.lock_wait, on_wait, self.context.sleep):
            try:
                return self.go(self.begin())
            except ResourceGoneError as error:
                # Whoever removed one thing may have removed more: nothing is taken on trust now.
                gone = str(error.details.get("target"))
                lost = dependents(self.table, gone) if gone in self.table else set(self.table)
                for name in lost | set(self.closure):
                    self.store.void(name)
                self.member.together.forget(lost | set(self.closure))
                self.reporter.restarted(f"{error.message} Looking at everything again.")
                return self.go(self.begin(), second=True)

    # --- skipping ---------------------------------------------------------------------------

    def skipped(self) -> list[Outcome] | None:
        """The outcomes of a run in which nothing needs a look; None where something does.

        This is the path of a run in which nothing is to be done: no thread, no lock, and no
        import beyond the standard library.
        """
        state = self.begin()
        for name in state.names:
            target = self.table[name]
            inputs = inputs_of(target, self.context, state.values)
            verdict, sentinel = self.judged(target, state, inputs)
            if verdict.verdict is not Verdict.SKIP or sentinel is None:
                return None
            self.settle(
                state, Outcome(name, Action.UP_TO_DATE, sentinel.value, verdict.reason), sentinel
            )
        outcomes = [state.outcomes[name] for name in state.names]
        for outcome in outcomes:
            self.reporter.finished(outcome)
        return outcomes

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
        brought, who = self.member.once(
            target.name,
            fingerprint(inputs),
            lambda: self.bring(target, state, sentinel, inputs, verdict.reason),
        )
        observed = brought.observed
        if who and observed is None and target.observe:
            self.missing(target, state, sentinel, inputs)
        if brought.done is not None:
            done = brought.done
        else:
            value = observed.value if observed else ""
            same = sentinel is not None and sentinel.value == value
            action = Action.UP_TO_DATE if same else Action.ADOPTED
            kept = sentinel.extra if same and sentinel else {}
            more = observed.extra if observed else {}
            done = Done(value, action, observed.detail if observed else "", {**kept, **more})
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
            who,
        )
        self.settle(state, outcome, record)
        return outcome

    def bring(
        self,
        target: Target[Any],
        state: Run,
        sentinel: Sentinel | None,
        inputs: Mapping[str, str],
        reason: str,
    ) -> Brought:
        """Looks at a target, and brings it about where it is not as it should be."""
        self.reporter.started(target.name, reason)
        context = self.context.for_target(target.name)
        observed = target.observe(context) if target.observe else None
        if observed is None and target.observe:
            self.missing(target, state, sentinel, inputs)
        again = target.again and self.options.force and target.name in state.named
        if observed is not None and not observed.differences and not again:
            return Brought(observed, None)
        return Brought(observed, target.act(context, observed))

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
        if (
            sentinel is not None
            and target.name in state.named
            and state.vouched
            # What is made of something new was never there.
            and all(
                sentinel.inputs.get(f"target:{n}") == inputs[f"target:{n}"] for n in target.needs
            )
        ):
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
