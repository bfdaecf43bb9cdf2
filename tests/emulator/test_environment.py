"""The state machine of an execution environment, driven by hand and by chance."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lambdaimg.emulator.environment import DEAD, IDLE, INVALID_ID, OK, STREAMING, Environment
from lambdaimg.emulator.protocol import Exit, FunctionSpec, Invocation, Outcome

SPEC = FunctionSpec(timeout=3.0)


class Recorder:
    """An owner that writes down what it is asked for."""

    def __init__(self) -> None:
        self.given: list[str] = []
        self.outcomes: list[tuple[str, Outcome]] = []
        self.closed: list[str] = []
        self.lines: list[str] = []
        self.armed: float | None = None
        self.restarts = 0
        self.ends = 0
        self.idles = 0

    def hand_over(self, poller: Any, invocation: Invocation, deadline_ms: int) -> None:
        self.given.append(invocation.request_id)

    def arm(self, at: float | None) -> None:
        self.armed = at

    def restart(self) -> None:
        self.restarts += 1

    def deliver(self, invocation: Invocation, outcome: Outcome) -> None:
        self.outcomes.append((invocation.request_id, outcome))

    def platform_line(self, line: str) -> None:
        self.lines.append(line)

    def log_closed(self, invocation: Invocation, outcome: Outcome, timed_out: bool) -> None:
        self.closed.append(invocation.request_id)
        if invocation.want_log:
            self.deliver(invocation, outcome)

    def idle(self) -> None:
        self.idles += 1

    def dead(self) -> None:
        self.ends += 1


class Poller:
    """Stands for a connection with a parked `next`."""


def event(request_id: str, **more: Any) -> Invocation:
    return Invocation(b"{}", request_id=request_id, **more)


def busy(request_id: str = "r", **more: Any) -> tuple[Environment, Recorder]:
    """An environment whose runtime has just been given an event at 10 s."""
    owner = Recorder()
    environment = Environment(SPEC, owner)
    environment.started(0.0)
    assert environment.next(Poller(), 1.0) is None  # type: ignore[arg-type]
    environment.assign(event(request_id, **more), 10.0)
    assert owner.given == [request_id]
    return environment, owner


def test_init_has_ten_seconds_and_an_event_the_function_s_timeout() -> None:
    owner = Recorder()
    environment = Environment(SPEC, owner)
    environment.started(5.0)
    assert owner.armed == 15.0
    environment.next(Poller(), 6.0)  # type: ignore[arg-type]
    assert owner.armed is None
    environment.assign(event("r"), 7.0)
    assert owner.armed == 10.0


def test_the_first_call_may_come_before_the_start_is_known() -> None:
    owner = Recorder()
    environment = Environment(SPEC, owner)
    environment.next(Poller(), 1.0)  # type: ignore[arg-type]
    environment.started(2.0)
    assert environment.state == IDLE
    assert owner.armed is None


def test_an_event_that_waits_for_init_is_given_when_it_is_done() -> None:
    owner = Recorder()
    environment = Environment(SPEC, owner)
    environment.assign(event("r"), 0.0)
    environment.started(0.0)
    assert not environment.takes_event
    environment.next(Poller(), 2.0)  # type: ignore[arg-type]
    assert owner.given == ["r"]
    environment.response("r", b"1", "text/plain", 2.5)
    [(_, outcome)] = owner.outcomes
    assert (outcome.duration_ms, outcome.init_ms) == (500.0, 2000.0)


def test_times_do_not_count_the_wait_for_an_event() -> None:
    environment, owner = busy()
    environment.response("r", b"1", "text/plain", 10.25)
    assert owner.outcomes[0][1].duration_ms == 250.0


@pytest.mark.parametrize("verb", ["response", "error"])
def test_only_the_open_event_can_be_answered_and_only_once(verb: str) -> None:
    environment, owner = busy()

    def post(request_id: str) -> tuple[int, bytes]:
        if verb == "response":
            return environment.response(request_id, b"1", "", 11.0)
        return environment.error(request_id, "Runtime.X", b"{}", 11.0)

    assert post("other") == INVALID_ID
    assert post("r") == OK
    status, body = post("r")
    assert (status, b"InvalidStateTransition" in body) == (403, True)
    assert len(owner.outcomes) == 1


def test_asking_again_while_an_event_is_open_gives_it_again() -> None:
    environment, owner = busy()
    environment.next(Poller(), 11.0)  # type: ignore[arg-type]
    assert owner.given == ["r", "r"]


def test_an_init_error_is_refused_once_the_runtime_has_asked_for_an_event() -> None:
    environment, _ = busy()
    status, _ = environment.init_error("Runtime.X", b"{}", 11.0)
    assert status == 403


def test_a_poller_that_is_gone_leaves_the_event_to_the_next_one() -> None:
    owner = Recorder()
    environment = Environment(SPEC, owner)
    environment.started(0.0)
    poller = Poller()
    environment.next(poller, 1.0)  # type: ignore[arg-type]
    environment.poller_gone(poller)  # type: ignore[arg-type]
    environment.assign(event("r"), 2.0)
    assert owner.given == []
    environment.next(Poller(), 3.0)  # type: ignore[arg-type]
    assert owner.given == ["r"]


def test_an_event_for_a_runtime_that_never_asks_again_times_out() -> None:
    owner = Recorder()
    environment = Environment(SPEC, owner)
    environment.started(0.0)
    poller = Poller()
    environment.next(poller, 1.0)  # type: ignore[arg-type]
    environment.poller_gone(poller)  # type: ignore[arg-type]
    environment.assign(event("r"), 2.0)
    environment.deadline(5.0)
    assert owner.outcomes[0][1].error_type == "Sandbox.Timedout"
    assert environment.state == DEAD


def test_a_process_known_to_be_gone_does_not_time_out() -> None:
    environment, owner = busy()
    environment.exiting(11.0)
    assert owner.armed is None
    environment.exited(Exit(1), 99.0)
    outcome = owner.outcomes[0][1]
    assert (outcome.error_type, outcome.duration_ms) == ("Runtime.ExitError", 1000.0)


def test_an_idle_environment_whose_process_is_gone_is_over() -> None:
    owner = Recorder()
    environment = Environment(SPEC, owner)
    environment.started(0.0)
    environment.next(Poller(), 1.0)  # type: ignore[arg-type]
    environment.exiting(2.0)
    assert (environment.state, owner.ends) == (DEAD, 1)
    environment.exited(Exit(1), 2.1)
    assert owner.ends == 1


def test_failed_init_without_an_event_waits_for_one() -> None:
    owner = Recorder()
    environment = Environment(SPEC, owner)
    environment.started(0.0)
    environment.exited(Exit(1), 1.0)
    assert (owner.ends, owner.restarts, environment.takes_event) == (0, 0, True)
    environment.assign(event("r"), 2.0)
    assert owner.restarts == 1
    environment.started(2.0)
    assert owner.armed == 2.0 + SPEC.timeout
    environment.exited(Exit(1), 3.0)
    assert [request_id for request_id, _ in owner.outcomes] == ["r"]
    assert (environment.state, owner.restarts) == (DEAD, 1)


def test_a_streamed_response_is_collected_or_passed_on() -> None:
    pieces: list[tuple[bytes, str]] = []
    for chunk in (None, lambda data, kind: pieces.append((data, kind))):
        environment, owner = busy(on_chunk=chunk)
        assert environment.stream_begin("r", "text/plain") is None
        environment.stream_data(b"ab", 11.0)
        environment.stream_data(b"cd", 11.0)
        assert environment.stream_end("", b"", 11.0) == OK
        outcome = owner.outcomes[0][1]
        assert outcome.streamed == (chunk is not None)
        assert outcome.payload == (b"" if chunk else b"abcd")
    assert pieces == [(b"ab", "text/plain"), (b"cd", "text/plain")]


def test_a_stream_s_failure_is_in_its_trailers() -> None:
    environment, owner = busy(on_chunk=lambda *_: None)
    environment.stream_begin("r", "text/plain")
    environment.stream_data(b"ab", 11.0)
    environment.stream_end("Function.Late", b'{"errorMessage":"late"}', 11.0)
    outcome = owner.outcomes[0][1]
    assert (outcome.function_error, outcome.error_type) == ("Unhandled", "Function.Late")
    assert outcome.payload == b'{"errorMessage":"late"}'


def test_a_broken_stream_is_an_error() -> None:
    environment, owner = busy(on_chunk=lambda *_: None)
    environment.stream_begin("r", "text/plain")
    environment.stream_broken(11.0)
    assert owner.outcomes[0][1].error_type == "Runtime.TruncatedResponse"


class Life(RuleBasedStateMachine):
    """Whatever runtime, engine, clock and caller do: each event is answered once, and closed."""

    def __init__(self) -> None:
        super().__init__()
        self.owner = Recorder()
        self.environment = Environment(SPEC, self.owner)
        self.pollers: list[Poller] = []
        self.assigned: list[str] = []
        self.now = 0.0
        self.running = True

    def tick(self) -> float:
        self.now += 0.5
        return self.now

    def current(self) -> str:
        return self.assigned[-1] if self.assigned else "none"

    @precondition(lambda self: self.running)
    @rule()
    def start(self) -> None:
        self.environment.started(self.tick())

    @precondition(lambda self: self.environment.takes_event)
    @rule(want_log=st.booleans(), streams=st.booleans())
    def assign(self, want_log: bool, streams: bool) -> None:
        self.assigned.append(f"r{len(self.assigned)}")
        chunk = (lambda *_: None) if streams else None
        more = {"want_log": want_log, "on_chunk": chunk}
        restarts = self.owner.restarts
        self.environment.assign(event(self.current(), **more), self.tick())
        self.running = self.running or self.owner.restarts > restarts

    @precondition(lambda self: self.running)
    @rule()
    def next(self) -> None:
        self.pollers.append(Poller())
        self.environment.next(self.pollers[-1], self.tick())  # type: ignore[arg-type]

    @precondition(lambda self: bool(self.pollers))
    @rule()
    def lose_poller(self) -> None:
        self.environment.poller_gone(self.pollers.pop())  # type: ignore[arg-type]

    @precondition(lambda self: self.running)
    @rule(known=st.booleans(), size=st.sampled_from([0, 10, 7_000_000]))
    def respond(self, known: bool, size: int) -> None:
        request_id = self.current() if known else "other"
        self.environment.response(request_id, b"x" * size, "text/plain", self.tick())

    @precondition(lambda self: self.running)
    @rule(kind=st.sampled_from(["", "Runtime.X", "y"]))
    def fail(self, kind: str) -> None:
        self.environment.error(self.current(), kind, b"{}", self.tick())

    @precondition(lambda self: self.running)
    @rule()
    def fail_init(self) -> None:
        self.environment.init_error("Runtime.X", b"{}", self.tick())

    @precondition(lambda self: self.running)
    @rule()
    def begin_stream(self) -> None:
        self.environment.stream_begin(self.current(), "text/plain")

    @precondition(lambda self: self.environment.state == STREAMING)
    @rule(end=st.sampled_from(["more", "end", "trailers", "broken"]))
    def stream(self, end: str) -> None:
        if end == "more":
            self.environment.stream_data(b"x" * 100, self.tick())
        elif end == "broken":
            self.environment.stream_broken(self.tick())
        else:
            self.environment.stream_end("Function.X" if end != "end" else "", b"", self.tick())

    @precondition(lambda self: self.owner.armed is not None)
    @rule()
    def let_time_run_out(self) -> None:
        self.now = max(self.now, self.owner.armed or 0.0)
        self.owner.armed = None
        self.environment.deadline(self.now)

    @precondition(lambda self: self.running)
    @rule(code=st.sampled_from([0, 1, -9]), noticed=st.booleans(), unfit=st.booleans())
    def exit(self, code: int, noticed: bool, unfit: bool) -> None:
        restarts = self.owner.restarts
        if noticed:
            self.environment.exiting(self.tick())
        end = Exit(code, failure="no such file" if unfit else "")
        self.environment.exited(end, self.tick())
        self.pollers.clear()
        self.running = self.owner.restarts > restarts

    @rule()
    def stop(self) -> None:
        self.environment.stop(self.tick())
        self.running = False

    @invariant()
    def no_event_is_answered_twice(self) -> None:
        answered = [request_id for request_id, _ in self.owner.outcomes]
        assert len(answered) == len(set(answered))
        assert set(answered) <= set(self.assigned)

    @invariant()
    def every_event_but_the_open_one_is_answered_and_closed(self) -> None:
        open_event = self.environment.invocation
        over = [name for name in self.assigned if not open_event or name != open_event.request_id]
        assert {name for name, _ in self.owner.outcomes} >= set(over)
        assert self.owner.closed == over

    @invariant()
    def the_end_comes_once_and_leaves_nothing(self) -> None:
        assert self.owner.ends == (self.environment.state == DEAD)
        if self.environment.state == DEAD:
            assert self.environment.invocation is None
            assert self.owner.armed is None

    @invariant()
    def an_event_that_was_given_has_a_deadline(self) -> None:
        if self.owner.given and self.environment.state in (STREAMING, "busy") and self.running:
            assert self.owner.armed is not None

    def teardown(self) -> None:
        self.environment.stop(self.tick())
        self.every_event_but_the_open_one_is_answered_and_closed()
        assert self.environment.invocation is None


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)
