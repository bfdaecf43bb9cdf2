"""One execution environment in the world: its Runtime API listener, process, timer and log."""

from __future__ import annotations

from lambdaimg.emulator import protocol, texts
from lambdaimg.emulator.environment import ANSWERED, DEAD, STARTING, Environment
from lambdaimg.emulator.loop import Loop, Timer, report_defect
from lambdaimg.emulator.message import Request
from lambdaimg.emulator.protocol import MAX_TAIL, Exit, FunctionSpec, Invocation, Outcome
from lambdaimg.emulator.response import JSON, ResponseStream
from lambdaimg.emulator.wire import Connection, Listener

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from typing import Protocol

    class Watcher(Protocol):
        """What an instance tells about itself, in the loop's thread."""

        def started(self) -> None:
            """The runtime process runs; its init phase begins."""

        def output(self, stream: str, data: bytes) -> None:
            """The function wrote to `stdout` or `stderr`."""

        def exiting(self) -> None:
            """The process is gone; `exited` will follow once it is known how."""

        def exited(self, end: Exit) -> None:
            """The process is gone, or could not be started. All its output came before this."""

    class Instance(Protocol):
        """One runtime process or container."""

        def release(self) -> None:
            """Let an instance that was started `held` run its command."""

        def seen(self) -> None:
            """Its runtime has made its first call, so that it certainly runs."""

        def kill(self, gone: Callable[[], None]) -> None:
            """End it now; only output is told from here on, and `gone` is called at last."""

        def settle(self, then: Callable[[], None], patient: bool) -> None:
            """Report what it has written so far, then call.

            Where output takes a way of its own, what is under way is waited for: a little, or,
            if patient, until no more comes. Calls are made in the order of the `settle`s.
            """

        def memory_mb(self) -> int:
            """The most memory that it has used, in MB; 0 if that cannot be told."""

    class Executor(Protocol):
        """What starts instances."""

        def listen_host(self) -> str:
            """The address on which its instances can reach a listener."""

        def api_name(self, port: int) -> str:
            """The value of `AWS_LAMBDA_RUNTIME_API` for a listener on that port."""

        @property
        def holds(self) -> bool:
            """Whether instances can be held back when all else is done for their start."""

        def start(
            self, loop: Loop, spec: FunctionSpec, api: str, watcher: Watcher, held: bool = False
        ) -> Instance:
            """Start an instance; failures are told through `watcher.exited`."""

    class Keeper(Protocol):
        """What keeps sandboxes: the pool."""

        def sandbox_idle(self, sandbox: Sandbox) -> None:
            """It can take an event."""

        def sandbox_dead(self, sandbox: Sandbox) -> None:
            """It takes no more events, and has answered those it had."""

        def sandbox_gone(self, sandbox: Sandbox) -> None:
            """Nothing of it is left."""

        def log(self, request_id: str, stream: str, data: bytes) -> None:
            """Output of the function, or (`platform`) a line of the service."""


PREFIX = "/2018-06-01/runtime/"
NEXT = PREFIX + "invocation/next"
INVOCATION = PREFIX + "invocation/"


class Sandbox:
    """Owns an `Environment` and everything it needs. All calls are in the loop's thread."""

    max_body = protocol.MAX_RESPONSE

    def __init__(
        self,
        loop: Loop,
        spec: FunctionSpec,
        executor: Executor,
        keeper: Keeper,
        held: bool = False,
    ) -> None:
        self.environment = Environment(spec, self)
        self.spec = spec
        self.idle_since = 0.0
        self.retired = False
        self._loop = loop
        self._executor = executor
        self._keeper = keeper
        self._timer: Timer | None = None
        self._instance: Instance | None = None
        self._connections: set[Connection] = set()
        self._request_id = ""
        self._tail = bytearray()
        self.settling = False
        self._closings = 0
        self._delayed: list[tuple[str, str]] = []
        self._over = False
        self._dying = 0
        self._seen = False
        self._memory_mb = 0
        self._at_last: Callable[[], None] = _nothing
        self._freed = False
        self._listener = Listener(loop, executor.listen_host(), 0, self._accept)
        self._held = self._held_back = held
        try:
            self._start(held)
        except BaseException:
            self._listener.close()
            raise

    def release(self) -> None:
        """Begin the init phase of an environment that was held."""
        self._held_back = False
        if self._instance is not None:
            self._instance.release()

    @property
    def about_to_idle(self) -> bool:
        """Whether it has answered its event and is likely to take the next one soon."""
        return self.settling or self.environment.state == ANSWERED

    def assign(self, invocation: Invocation) -> None:
        """Give it an event; only while `environment.takes_event`."""
        self.environment.assign(invocation, self._loop.now())

    def stop(self) -> None:
        """End it, whatever it does."""
        self.environment.stop(self._loop.now())

    def _start(self, held: bool = False) -> None:
        self._seen = False
        api = self._executor.api_name(self._listener.port)
        self._instance = self._executor.start(self._loop, self.spec, api, self, held)

    # --- from the executor ------------------------------------------------------------------

    def started(self) -> None:
        """The runtime process runs."""
        self.environment.started(self._loop.now())

    def output(self, stream: str, data: bytes) -> None:
        """The function wrote something."""
        self._tail += data
        if len(self._tail) > 4 * MAX_TAIL:
            del self._tail[:-MAX_TAIL]
        self._keeper.log(self._request_id, stream, data)

    def exiting(self) -> None:
        """The runtime process is gone; what it sent before counts."""
        if self._held_back:
            self.stop()
        self._pump()
        if not self._over:
            self.environment.exiting(self._loop.now())

    def exited(self, end: Exit) -> None:
        """It is known how the runtime process ended."""
        if self._held_back:
            self.stop()
        elif self._held and end.failure:
            self._held = False
            self.restart()  # there is no shell in the image that could hold it
            return
        self._pump()
        self.environment.exited(end, self._loop.now())

    def _pump(self) -> None:
        if not self._over:
            self._listener.pump()
        for conn in list(self._connections):
            conn.pump()

    # --- from the runtime: an app of `wire` ---------------------------------------------------

    def _accept(self, sock: socket.socket) -> None:
        self._connections.add(Connection(self._loop, sock, self))

    def begin(self, conn: Connection, request: Request) -> ResponseStream | None:
        """A chunked request: a streamed response, or a body to be collected."""
        mode = request.headers.get("lambda-runtime-function-response-mode", "")
        if mode.lower() != "streaming" or not request.target.endswith("/response"):
            return None
        request_id = request.target[len(INVOCATION) : -len("/response")]
        content_type = request.headers.get("content-type", "application/octet-stream")
        refusal = self.environment.stream_begin(request_id, content_type)
        return ResponseStream(self.environment, conn, refusal)

    def handle(self, conn: Connection, request: Request) -> None:
        """A call of the Runtime API. One that comes after the end is never answered."""
        if self._over:
            return
        if not self._seen and self._instance is not None:
            self._seen = True
            self._instance.seen()
        target = request.target
        if target == NEXT and request.method == "GET":
            refusal = self.environment.next(conn, self._loop.now())
            if refusal is not None:
                conn.reply(refusal[0], JSON, refusal[1])
        elif target.startswith(INVOCATION) and request.method == "POST":
            request_id, _, verb = target[len(INVOCATION) :].partition("/")
            self._post(conn, request, request_id, verb)
        elif target == PREFIX + "init/error" and request.method == "POST":
            fault = request.headers.get("lambda-runtime-function-error-type", "")
            reply = self.environment.init_error(fault, request.body, self._loop.now())
            conn.reply(reply[0], JSON, reply[1])
        elif target == "/2018-06-01/ping":
            conn.reply(200, "Content-Type: text/plain\r\n", b"pong")
        else:
            conn.reply(404, "Content-Type: text/plain\r\n", b"404 page not found\n")

    def _post(self, conn: Connection, request: Request, request_id: str, verb: str) -> None:
        now = self._loop.now()
        headers = request.headers
        if verb == "response":
            content_type = headers.get("content-type", "application/json")
            reply = self.environment.response(request_id, request.body, content_type, now)
        elif verb == "error":
            fault = headers.get("lambda-runtime-function-error-type", "")
            reply = self.environment.error(request_id, fault, request.body, now)
        else:
            reply = (404, b"404 page not found\n")
        conn.reply(reply[0], JSON, reply[1])

    def lost(self, conn: Connection) -> None:
        """A connection is closed."""
        self._connections.discard(conn)
        self.environment.poller_gone(conn)

    # --- what the environment asks for ----------------------------------------------------------

    def hand_over(self, poller: Connection, invocation: Invocation, deadline_ms: int) -> None:
        """Answer the parked `next`."""
        poller.reply_raw(texts.next_head(invocation, self.spec, deadline_ms), invocation.payload)

    def arm(self, at: float | None) -> None:
        """Set or clear the one timer."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if at is None else self._loop.call_at(at, self._due)

    def _due(self) -> None:
        self._timer = None
        if self.environment.state == STARTING and not self._seen:
            api = self._executor.api_name(self._listener.port)
            self.platform_line(texts.silence_line(api))
        self.environment.deadline(self._loop.now())

    def restart(self) -> None:
        """Start another process behind the same listener."""
        for conn in list(self._connections):
            conn.close()
        self._drop_instance()
        try:
            self._start()
        except Exception as error:
            # Nobody else would tell the event that waits for it.
            reason = f"No process can be started: {error}"
            end = Exit(-1, failure=reason, failure_type="Sandbox.Failure")
            self._loop.call_at(self._loop.now(), lambda: self.exited(end))

    def deliver(self, invocation: Invocation, outcome: Outcome) -> None:
        """See `tell`."""
        tell(invocation, outcome)

    def platform_line(self, line: str) -> None:
        """Write a line of the service into the log, after the function's lines before it."""
        invocation = self.environment.invocation
        entry = (invocation.request_id if invocation is not None else self._request_id, line)
        if self._closings:
            self._delayed.append(entry)
        else:
            self._write(*entry)

    def _write(self, request_id: str, line: str) -> None:
        if request_id != self._request_id:
            self._request_id = request_id
            self._tail.clear()
        data = line.encode() + b"\n"
        self._tail += data
        self._keeper.log(request_id, "platform", data)

    def log_closed(self, invocation: Invocation, outcome: Outcome, timed_out: bool) -> None:
        """Write END and REPORT once the function's own output is in.

        Where the environment has come to its end, that is when its process is gone.
        """
        self.settling = invocation.want_log
        self.idle_since = 0.0

        def close() -> None:
            self._close_log(invocation, outcome, timed_out)

        def settled() -> None:
            self._closings -= 1
            close()
            self._free()

        if self._instance is None:
            close()
        elif self.environment.state == DEAD:
            self._at_last = close
        else:
            self._closings += 1
            self._instance.settle(settled, invocation.want_log)

    def _close_log(self, invocation: Invocation, outcome: Outcome, timed_out: bool) -> None:
        if self._instance is not None:
            self._memory_mb = self._instance.memory_mb()
        outcome.memory_mb = self._memory_mb
        request_id = invocation.request_id
        self._write(request_id, texts.end_line(request_id))
        memory = self.spec.memory
        self._write(request_id, texts.report_line(request_id, outcome, memory, timed_out))
        tail = bytes(self._tail[-MAX_TAIL:])
        self._request_id = ""
        delayed, self._delayed = self._delayed, []
        for entry in delayed:
            self._write(*entry)
        if invocation.want_log:
            outcome.log = tail
            # Still settling: what the caller sends at once is not for this one before it is idle.
            self.deliver(invocation, outcome)
            self.settling = False
            if self.idle_since and not self._over:
                self._keeper.sandbox_idle(self)

    def idle(self) -> None:
        """Tell the pool, once the log of the last event is closed."""
        self.idle_since = self._loop.now()
        if not self.settling:
            self._keeper.sandbox_idle(self)

    def dead(self) -> None:
        """End the process, and free everything."""
        self._over = True
        if self._instance is not None:
            self._memory_mb = self._instance.memory_mb()
        self._drop_instance()
        self._keeper.sandbox_dead(self)
        self._free()

    def _drop_instance(self) -> None:
        instance, self._instance = self._instance, None
        if instance is not None:
            self._dying += 1
            instance.kill(self._instance_gone)

    def _instance_gone(self) -> None:
        self._dying -= 1
        self._free()

    def _free(self) -> None:
        """Let go of everything once no process is left, and no caller waits for its log."""
        if not self._over or self._dying or self._closings or self._freed:
            return
        self._freed = True
        # Not before: a runtime that is cut off while it still runs complains into the log.
        self._listener.close()
        for conn in list(self._connections):
            conn.close()
        self._at_last()
        self._keeper.sandbox_gone(self)


def tell(invocation: Invocation, outcome: Outcome) -> None:
    """Give the caller the outcome; a defect of the caller's must not hold up anybody else."""
    try:
        invocation.on_outcome(outcome)
    except Exception:
        report_defect()


def _nothing() -> None:
    """What is left to do at the end of an environment that had no event open."""
