"""The state machine of one execution environment: what the service does when.

    STARTING --next--> IDLE --event--> BUSY --response--> ANSWERED --next--> IDLE
        |                                \\--first chunk--> STREAMING --last--/
        \\--init/error--> FAULTED --exit--> (init again, within the first event) or FAILED

Rules, all AWS's: the init phase has ten seconds; if it fails it is tried once more within the
first event, on that event's time. An event's time runs from when it is given to the runtime (or
from that second try) until the runtime asks for the next event. Whatever ends the process or
the time while an event is open ends the event with an error and ends the environment.

The machine is driven by calls and acts through its `Owner`; it knows no socket and no process.
Times are seconds of a monotonic clock.
"""

from __future__ import annotations

import time

from lambdaimg.emulator import protocol, texts
from lambdaimg.emulator.protocol import Exit, FunctionSpec, Invocation, Outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from lambdaimg.emulator.wire import Connection

    class Owner(Protocol):
        """What an environment can ask for."""

        def hand_over(self, poller: Connection, invocation: Invocation, deadline_ms: int) -> None:
            """Answer the parked `next` with the event."""

        def arm(self, at: float | None) -> None:
            """Call `deadline` at that time, and forget any earlier wish."""

        def restart(self) -> None:
            """End the process, if there is one, start another, and call `started`."""

        def deliver(self, invocation: Invocation, outcome: Outcome) -> None:
            """Give the caller the outcome."""

        def platform_line(self, line: str) -> None:
            """Write a line of the service into the log."""

        def log_closed(self, invocation: Invocation, outcome: Outcome, timed_out: bool) -> None:
            """Close the invocation's log, then `deliver` if the outcome waits for it."""

        def idle(self) -> None:
            """The environment can take an event."""

        def dead(self) -> None:
            """The environment is over: end the process and free everything."""


STARTING = "starting"
FAULTED = "faulted"  # the runtime has posted init/error and is about to exit
FAILED = "failed"  # init has failed with no event to report it to; its process is given up
IDLE = "idle"
BUSY = "busy"
STREAMING = "streaming"
ANSWERED = "answered"
DEAD = "dead"

FAULT_GRACE = 1.0
"""Seconds that a runtime has to exit after it has posted an init error."""

Reply = tuple[int, bytes]

OK: Reply = (202, b'{"status":"OK"}\n')
INVALID_ID: Reply = (
    400,
    b'{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}\n',
)
TOO_LARGE: Reply = (
    413,
    b'{"errorMessage":"Exceeded maximum allowed payload size (%d bytes).",'
    b'"errorType":"RequestEntityTooLarge"}\n' % protocol.MAX_RESPONSE,
)


def _refused(state: str, wanted: str) -> Reply:
    text = (
        f"State transition from {state} to {wanted} failed for runtime. "
        "Error: State transition is not allowed"
    )
    body = f'{{"errorMessage":"{text}","errorType":"InvalidStateTransition"}}\n'
    return 403, body.encode()


class Environment:
    """One execution environment; see the module's text for its rules."""

    def __init__(self, spec: FunctionSpec, owner: Owner) -> None:
        self.spec = spec
        self.state = STARTING
        self.invocation: Invocation | None = None
        self._owner = owner
        self._poller: Connection | None = None
        self._phase = "init"
        self._init_at: float | None = None  # None until the process is known to run
        self._init_ms = 0.0
        self._exit_at: float | None = None
        self._invoke_at = 0.0
        self._deadline_ms = 0
        self._fault: Outcome | None = None
        self._outcome: Outcome | None = None
        self._chunks: list[bytes] = []
        self._streamed = 0
        self._content_type = ""
        self._begun = False

    @property
    def takes_event(self) -> bool:
        """Whether `assign` may be called."""
        return self.invocation is None and self.state in (STARTING, FAULTED, FAILED, IDLE)

    # --- from the pool and the executor ---------------------------------------------------

    def started(self, now: float) -> None:
        """The process has been started: its init phase begins.

        With a container this may be told after the runtime's first call, and then counts no more.
        """
        if self.state != STARTING or self._init_at is not None:
            return
        self._init_at = now
        if self._phase == "init" or self.invocation is None:
            self._owner.arm(now + self.spec.init_limit)
        else:
            self._begin(self.invocation, now)

    def assign(self, invocation: Invocation, now: float) -> None:
        """Give the environment an event. Only while `takes_event`."""
        self.invocation = invocation
        if self.state == IDLE:
            self._begin(invocation, now)
            if self._poller is not None:
                self._hand_over(invocation)
        elif self.state == FAILED:
            self._retry_init()

    def exiting(self, now: float) -> None:
        """The process is known to be gone, though not yet how: no deadline comes after this."""
        self._exit_at = now
        self._owner.arm(None)
        if self.invocation is None and self.state == IDLE:
            self._end()

    def exited(self, end: Exit, now: float) -> None:
        """The process is gone."""
        if self.state == DEAD:
            return
        if self._exit_at is not None:
            now, self._exit_at = self._exit_at, None
        if self.state in (STARTING, FAULTED):
            self._init_failed(end, now)
            return
        invocation = self.invocation
        if invocation is not None and self.state in (IDLE, BUSY, STREAMING):
            self._owner.platform_line(f"RequestId: {invocation.request_id} Error: {end.reason}")
            self._owner.platform_line(end.error_type)
            self._answer(texts.exit_outcome(invocation.request_id, end), now)
        self._end()

    def deadline(self, now: float) -> None:
        """The time that `arm` asked for has come."""
        if self.state in (STARTING, FAULTED):
            self._init_failed(None, now)
        elif self.invocation is not None and self.state in (IDLE, BUSY, STREAMING, ANSWERED):
            self._time_out(self.invocation, now)

    def stop(self, now: float) -> None:
        """End the environment whatever it does; an open event is told so."""
        if self.state == DEAD:
            return
        if self.invocation is not None and self._outcome is None:
            if not self._begun:
                self._invoke_at = now
            text = f"RequestId: {self.invocation.request_id} Error: The environment was stopped"
            self._answer(texts.failed("Sandbox.Stopped", text), now)
        self._end()

    # --- from the runtime -----------------------------------------------------------------

    def next(self, poller: Connection, now: float) -> Reply | None:
        """GET next: None parks the call (or it was answered through `hand_over`)."""
        if self.state in (STREAMING, FAULTED, FAILED, DEAD):
            return _refused(_NAMES[self.state], "Ready")
        self._poller = poller
        invocation = self.invocation
        if self.state == ANSWERED:
            self._close_event()
            self._rest()
        elif self.state != STARTING:
            if invocation is not None:
                self._hand_over(invocation)
        else:
            self.started(now)
            self._init_ms = self._init_time(now)
            if invocation is None:
                self._rest()
                return None
            if not self._begun:
                self._begin(invocation, now)
            self._hand_over(invocation)
        return None

    def poller_gone(self, poller: Connection) -> None:
        """The connection with the parked `next` is closed; the runtime may well ask again."""
        if self._poller is poller:
            self._poller = None

    def check(self, request_id: str, wanted: str) -> Reply | None:
        """Why a response or an error may not be posted now; None if it may."""
        if self.invocation is None or self.invocation.request_id != request_id:
            return INVALID_ID
        if self.state != BUSY:
            return _refused(_NAMES[self.state], wanted)
        return None

    def response(self, request_id: str, body: bytes, content_type: str, now: float) -> Reply:
        """POST response, buffered."""
        refusal = self.check(request_id, "InvocationResponse")
        if refusal is not None:
            return refusal
        self.state = ANSWERED
        if len(body) > protocol.MAX_RESPONSE:
            self._answer(texts.too_large_outcome(), now)
            return TOO_LARGE
        self._answer(Outcome(body, content_type=content_type), now)
        return OK

    def error(self, request_id: str, error_type: str, body: bytes, now: float) -> Reply:
        """POST error; `error_type` is the header as the runtime sent it."""
        refusal = self.check(request_id, "InvocationErrorResponse")
        if refusal is not None:
            return refusal
        self.state = ANSWERED
        self._answer(_fault_outcome(error_type, body), now)
        return OK

    def init_error(self, error_type: str, body: bytes, now: float) -> Reply:
        """POST init/error."""
        if self.state != STARTING:
            return _refused(_NAMES[self.state], "InitError")
        self.started(now)
        self.state = FAULTED
        self._fault = _fault_outcome(error_type, body)
        self._owner.arm(now + FAULT_GRACE)
        return OK

    def stream_begin(self, request_id: str, content_type: str) -> Reply | None:
        """POST response, streamed: its head is there. None lets the body come."""
        refusal = self.check(request_id, "InvocationResponse")
        if refusal is None:
            self.state = STREAMING
            self._chunks = []
            self._streamed = 0
            self._content_type = content_type
        return refusal

    def stream_data(self, data: bytes, now: float) -> None:
        """A piece of the streamed body."""
        invocation = self.invocation
        if self.state != STREAMING or invocation is None or self._outcome is not None:
            return
        self._streamed += len(data)
        streams = invocation.on_chunk is not None
        if self._streamed > (protocol.MAX_STREAM if streams else protocol.MAX_RESPONSE):
            self._answer(texts.too_large_outcome(), now)
        elif invocation.on_chunk is not None:
            invocation.on_chunk(data, self._content_type)
        else:
            self._chunks.append(data)

    def stream_end(self, error_type: str, error_body: bytes, now: float) -> Reply:
        """The streamed body is complete; the trailers may tell of a failure."""
        if self.state != STREAMING:
            return INVALID_ID
        self.state = ANSWERED
        if self._outcome is not None:
            return TOO_LARGE
        if error_type:
            self._answer(_fault_outcome(error_type, error_body), now)
        else:
            self._answer(Outcome(b"".join(self._chunks), content_type=self._content_type), now)
        return OK

    def stream_broken(self, now: float) -> None:
        """The connection was lost in the middle of a streamed body."""
        if self.state == STREAMING:
            self.state = ANSWERED
            text = "The response stream was broken off"
            self._answer(texts.failed("Runtime.TruncatedResponse", text), now)

    # --- what follows from it ---------------------------------------------------------------

    def _rest(self) -> None:
        self.state = IDLE
        self._owner.arm(None)
        self._owner.idle()

    def _begin(self, invocation: Invocation, now: float) -> None:
        self._outcome = None
        self._begun = True
        self._invoke_at = now
        self._deadline_ms = int((time.time() + self.spec.timeout) * 1000)
        self._owner.arm(now + self.spec.timeout)
        self._owner.platform_line(texts.start_line(invocation.request_id, self.spec.version))

    def _hand_over(self, invocation: Invocation) -> None:
        self.state = BUSY
        poller, self._poller = self._poller, None
        if poller is not None:
            self._owner.hand_over(poller, invocation, self._deadline_ms)

    def _retry_init(self) -> None:
        self._phase = "invoke"
        self.state = STARTING
        self._fault = None
        self._poller = None
        self._init_at = None
        self._owner.arm(None)
        self._owner.restart()

    def _init_time(self, now: float) -> float:
        """Milliseconds of the init phase; a hundredth where the process's start is not known."""
        return 0.01 if self._init_at is None else max((now - self._init_at) * 1000, 0.01)

    def _init_failed(self, end: Exit | None, now: float) -> None:
        """`end` is None where time ran out (or a faulted runtime did not exit)."""
        timed_out = end is None and self._fault is None
        error_type = ""
        if self._fault is not None:
            error_type = self._fault.error_type
        elif end is not None:
            error_type = end.error_type
        self._owner.platform_line(
            texts.init_report_line(
                self._init_time(now),
                self._phase,
                "timeout" if timed_out else "error",
                error_type,
            )
        )
        hopeless = end is not None and bool(end.failure)
        if self._phase == "init" and not hopeless:
            if self.invocation is None:
                self.state = FAILED
                self._owner.arm(None)
            else:
                self._retry_init()
            return
        invocation = self.invocation
        if invocation is None:
            self._end()
            return
        if not self._begun:
            self._begin(invocation, now)
        if self._fault is not None:
            self._answer(self._fault, now)
        elif end is not None:
            self._answer(texts.exit_outcome(invocation.request_id, end), now)
        else:
            self._time_out(invocation, now)
            return
        self._end()

    def _time_out(self, invocation: Invocation, now: float) -> None:
        text = texts.timeout_text(self.spec.timeout)
        self._owner.platform_line(f"{texts.utc_stamp()} {invocation.request_id} {text}")
        outcome = texts.timeout_outcome(invocation.request_id, self.spec.timeout)
        self._answer(outcome, now)
        self._end(timed_out=True)

    def _answer(self, outcome: Outcome, now: float) -> None:
        """Settle the event's outcome; the first one counts."""
        invocation = self.invocation
        if invocation is None or self._outcome is not None:
            return
        outcome.duration_ms = max((now - self._invoke_at) * 1000, 0.0)
        outcome.init_ms, self._init_ms = self._init_ms, 0.0
        outcome.streamed = invocation.on_chunk is not None and self._streamed > 0
        self._outcome = outcome
        self._streamed = 0
        if not invocation.want_log:
            self._owner.deliver(invocation, outcome)

    def _close_event(self, timed_out: bool = False) -> None:
        invocation, outcome = self.invocation, self._outcome
        self.invocation = None
        self._outcome = None
        self._begun = False
        self._chunks = []
        if invocation is not None and outcome is not None:
            self._owner.log_closed(invocation, outcome, timed_out)

    def _end(self, timed_out: bool = False) -> None:
        self.state = DEAD
        self._owner.arm(None)
        self._close_event(timed_out)
        self._owner.dead()


_NAMES = {
    STARTING: "Started",
    FAULTED: "InitError",
    FAILED: "InitError",
    IDLE: "Ready",
    BUSY: "Running",
    STREAMING: "InvocationResponse",
    ANSWERED: "RuntimeResponseSentState",
    DEAD: "Terminated",
}


def _fault_outcome(error_type: str, body: bytes) -> Outcome:
    """The outcome for an error that the runtime has posted: its body, as it stands."""
    return Outcome(
        body,
        function_error="Unhandled",
        error_type=texts.fault_type(error_type) if error_type else "Runtime.Unknown",
    )
