"""The environments of one function: who gets which event."""

from __future__ import annotations

from lambdaimg.emulator import texts
from lambdaimg.emulator.loop import Loop, Timer
from lambdaimg.emulator.protocol import FunctionSpec, Invocation, Outcome
from lambdaimg.emulator.sandbox import Sandbox, tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdaimg.emulator.sandbox import Executor

    LogSink = Callable[[str, str, bytes], None]
    """(request id, `platform` | `stdout` | `stderr`, bytes): see `Pool`."""


SOON = 0.05
"""Seconds that an event waits for an environment which has answered, but has not yet asked for
the next event, before a new one is started for it."""


RETIRE = 1.0
"""Seconds after an update until idle environments of the old function are ended."""


class Pool:
    """The environments of one function.

    An event goes to the environment that became idle last, so that the others can be reaped;
    else to one that is about to become idle; else to a new one, up to
    `FunctionSpec.max_environments`; else it waits, first come first served. Where
    `FunctionSpec.reserved` is set, events beyond it are refused with 429.

    Args:
        loop: all calls are made in its thread.
        spec: the function.
        executor: what starts its environments.
        log: gets every piece of output with the request id that it belongs to (empty in the
            init phase) and its source.
    """

    def __init__(self, loop: Loop, spec: FunctionSpec, executor: Executor, log: LogSink) -> None:
        self.spec = spec
        self.log = log
        self._loop = loop
        self._executor = executor
        self._sandboxes: set[Sandbox] = set()
        self._present: set[Sandbox] = set()  # and those of which something is left
        self._problem = ""
        self._held: Sandbox | None = None
        self._hold_timer: Timer | None = None
        self._idle: list[Sandbox] = []
        self._waiting: list[Invocation] = []
        self._open = 0
        self._reaper: Timer | None = None
        self._patience: Timer | None = None
        self._closed = False
        self._on_closed: Callable[[], None] = _nothing

    @property
    def size(self) -> int:
        """How many environments are alive."""
        return len(self._sandboxes)

    @property
    def open_events(self) -> int:
        """How many events have been taken in and not been answered."""
        return self._open

    def submit(self, invocation: Invocation) -> None:
        """Take an event. Its `on_outcome` is called exactly once, possibly before this returns."""
        if self._closed:
            invocation.on_outcome(stopped())
            return
        reserved = self.spec.reserved
        if reserved is not None and self._open >= reserved:
            invocation.on_outcome(_throttled())
            return
        self._open += 1
        answer = invocation.on_outcome

        def settle(outcome: Outcome) -> None:
            self._open -= 1
            answer(outcome)

        invocation.on_outcome = settle
        self._waiting.append(invocation)
        self._dispatch()

    def prestart(self) -> None:
        """Start one environment before there is an event for it."""
        if not self._closed and all(sandbox.retired for sandbox in self._sandboxes):
            self._add()

    def hold(self, spec: FunctionSpec) -> None:
        """Make an environment for a later `update` with this very spec, all but its init phase.

        It is made after a pause, for what else is being started and ended; what the spec's
        mounts hold can be changed until the update. Where the executor (or the image) cannot
        hold one, the update starts one as ever.
        """
        held = self._let_go()
        if held is not None:
            held.stop()
        if self._executor.holds and not self._closed:
            self._hold_timer = self._loop.call_at(
                self._loop.now() + RETIRE, lambda: self._hold(spec)
            )

    def _hold(self, spec: FunctionSpec) -> None:
        self._held = self._made(spec, held=True)

    def _let_go(self) -> Sandbox | None:
        """No longer hold an environment: the one that was held until now."""
        if self._hold_timer is not None:
            self._hold_timer.cancel()
        held, self._held, self._hold_timer = self._held, None, None
        return held

    def update(self, spec: FunctionSpec, prestart: bool = False) -> None:
        """Take another spec: events in hand end in the environments that they are in."""
        self.spec = spec
        retired = list(self._sandboxes)
        for sandbox in retired:
            sandbox.retired = True
        self._idle.clear()
        held = self._let_go()
        if held is not None and held.spec is spec:
            self._sandboxes.add(held)
            held.release()
        elif held is not None:
            held.stop()
        self._dispatch()
        if prestart:
            self.prestart()
        # Later, for ending one takes the engine's time from starting the other.
        self._loop.call_at(self._loop.now() + RETIRE, lambda: self._end_idle(retired))

    def close(self, then: Callable[[], None]) -> None:
        """Answer every open event, end all environments, and call `then` when all is gone."""
        self._closed = True
        self._on_closed = then
        for timer in (self._reaper, self._patience, self._hold_timer):
            if timer is not None:
                timer.cancel()
        waiting, self._waiting = self._waiting, []
        for invocation in waiting:
            tell(invocation, stopped())
        for sandbox in list(self._present):
            sandbox.stop()
        self._check_closed()

    # --- from the sandboxes -----------------------------------------------------------------

    def sandbox_idle(self, sandbox: Sandbox) -> None:
        """It can take an event."""
        if sandbox.retired:
            sandbox.stop()
            return
        if not self._waiting:
            self._idle.append(sandbox)
            self._plan_reaping()
            return
        sandbox.assign(self._waiting.pop(0))

    def sandbox_dead(self, sandbox: Sandbox) -> None:
        """It is over."""
        self._sandboxes.discard(sandbox)
        if sandbox is self._held:
            self._held = None
        if sandbox in self._idle:
            self._idle.remove(sandbox)
        if self._waiting:
            self._dispatch()

    def sandbox_gone(self, sandbox: Sandbox) -> None:
        """Nothing of it is left."""
        self._present.discard(sandbox)
        self._check_closed()

    # --- deciding -----------------------------------------------------------------------------

    def _check_closed(self) -> None:
        if self._closed and not self._present:
            then, self._on_closed = self._on_closed, _nothing
            then()

    def _dispatch(self, soon: bool = True) -> None:
        while self._waiting and not self._closed:
            sandbox = self._find()
            if sandbox is None:
                current = [s for s in self._sandboxes if not s.retired]
                if len(current) >= self.spec.max_environments:
                    return
                if soon and len(self._waiting) <= sum(1 for s in current if s.about_to_idle):
                    self._wait_a_little()
                    return
                sandbox = self._add()
            invocation = self._waiting.pop(0)
            if sandbox is None:
                tell(invocation, texts.failed("Sandbox.Failure", self._problem))
            else:
                sandbox.assign(invocation)

    def _wait_a_little(self) -> None:
        if self._patience is None:
            self._patience = self._loop.call_at(self._loop.now() + SOON, self._wait_no_more)

    def _wait_no_more(self) -> None:
        self._patience = None
        self._dispatch(soon=False)

    def _find(self) -> Sandbox | None:
        """An environment that takes an event: an idle one, else one that is being started."""
        if self._idle:
            return self._idle.pop()
        for sandbox in self._sandboxes:
            if sandbox.environment.takes_event and not sandbox.retired and not sandbox.settling:
                return sandbox
        return None

    def _add(self) -> Sandbox | None:
        sandbox = self._made(self.spec)
        if sandbox is not None:
            self._sandboxes.add(sandbox)
        return sandbox

    def _made(self, spec: FunctionSpec, held: bool = False) -> Sandbox | None:
        """A new environment; None, and `_problem` set, where there cannot be one."""
        try:
            sandbox = Sandbox(self._loop, spec, self._executor, self, held)
        except Exception as error:
            self._problem = f"No environment can be started: {error}"
            self.log("", "platform", f"{self._problem}\n".encode())
            return None
        self._present.add(sandbox)
        return sandbox

    def _end_idle(self, retired: list[Sandbox]) -> None:
        for sandbox in retired:
            if sandbox.environment.invocation is None and not sandbox.settling:
                sandbox.stop()

    def _plan_reaping(self) -> None:
        seconds = self.spec.idle_seconds
        if seconds is not None and self._idle and self._reaper is None:
            self._reaper = self._loop.call_at(self._idle[0].idle_since + seconds, self._reap)

    def _reap(self) -> None:
        self._reaper = None
        seconds = self.spec.idle_seconds
        if seconds is None:
            return
        limit = self._loop.now() - seconds
        for sandbox in [s for s in self._idle if s.idle_since <= limit]:
            sandbox.stop()
        self._plan_reaping()


def stopped() -> Outcome:
    """The outcome of an event for which there is no environment any more."""
    return texts.failed("Sandbox.Stopped", "The function's environments are being stopped")


def _throttled() -> Outcome:
    return Outcome(
        b'{"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded","Type":"User",'
        b'"message":"Rate Exceeded."}',
        error_type="TooManyRequestsException",
        status=429,
    )


def _nothing() -> None:
    """For `Pool.close`'s callback while there is none."""
