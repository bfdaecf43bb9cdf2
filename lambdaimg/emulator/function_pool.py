"""One function and its warm environments, for callers in any thread: what programs integrate."""

from __future__ import annotations

import errno
import threading

from lambdaimg.emulator.loop import Loop
from lambdaimg.emulator.pool import Pool, stopped
from lambdaimg.emulator.protocol import FunctionSpec, Invocation, Outcome
from lambdaimg.emulator.wire import Connection, Listener

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from typing import TypeVar

    from lambdaimg.emulator.pool import LogSink
    from lambdaimg.emulator.sandbox import Executor
    from lambdaimg.emulator.wire import App

    T = TypeVar("T")


class FunctionPool:
    """One function and its warm environments, for callers in any thread.

    Made for programs that stand in for the Lambda service and need an image (or a command) run
    as Lambda would: each `invoke` blocks its own thread until the function's answer, its error
    or its timeout is there; any number of threads may invoke at the same time, and each gets an
    environment of its own, started on demand and kept for the next event.

        pool = FunctionPool(FunctionSpec("hello", image="hello:1", timeout=3), DockerExecutor())
        outcome = pool.invoke(b'{"name": "x"}', request_id=rid, want_log=True)
        outcome.payload, outcome.function_error, outcome.log
        pool.update(FunctionSpec("hello", image="hello:2", timeout=3))   # new code or settings
        pool.close()                                                     # nothing is left running

    Args:
        spec: the function; see `FunctionSpec`.
        executor: `lambdaimg.emulator.process.ProcessExecutor` or
            `lambdaimg.emulator.containers.DockerExecutor`. It may be shared between pools.
        log: called in the pool's own thread with (request id, source, bytes), source being
            `stdout`, `stderr` or `platform`; must not block. None drops the log (the tail that
            `want_log` asks for is kept all the same).
        prestart: start one environment at once.

    `listen` also serves the function over HTTP, without a thread in between.
    """

    def __init__(
        self,
        spec: FunctionSpec,
        executor: Executor,
        *,
        log: LogSink | None = None,
        prestart: bool = False,
    ) -> None:
        self._loop = Loop()
        self._pool = Pool(self._loop, spec, executor, log or _drop)
        self._closing = threading.Lock()
        self._closed = False
        self._listeners: list[Listener] = []
        self._thread = threading.Thread(
            target=self._loop.run, name=f"emulator-{spec.name}", daemon=True
        )
        self._thread.start()
        if prestart:
            self._loop.post(self._pool.prestart)

    @property
    def spec(self) -> FunctionSpec:
        """The function as it is at present."""
        return self._pool.spec

    @property
    def size(self) -> int:
        """How many environments are alive."""
        return self._pool.size

    @property
    def open_events(self) -> int:
        """How many events have been taken in and not been answered."""
        return self._pool.open_events

    def invoke(
        self,
        payload: bytes,
        *,
        request_id: str = "",
        client_context: str = "",
        cognito_identity: str = "",
        trace_id: str = "",
        tenant_id: str = "",
        content_type: str = "application/json",
        want_log: bool = False,
        on_chunk: Callable[[bytes, str], None] | None = None,
    ) -> Outcome:
        """Run one event and wait for its outcome.

        Args:
            payload: the event, as the caller sent it.
            request_id: the caller's; a fresh one where empty. Unique among open events.
            client_context, cognito_identity: JSON text.
            trace_id, tenant_id, content_type: passed on to the runtime.
            want_log: wait until the invocation's log is complete; its last 4 KB are `outcome.log`.
            on_chunk: called (in the pool's thread; must not block) with each piece of a streamed
                response and its content type; without it, pieces are joined into the payload.

        Returns:
            The outcome. A function's failure is an outcome with `function_error`, not an
            exception; an event refused for `reserved` has `status` 429.
        """
        done = threading.Event()
        box: list[Outcome] = []

        def settle(outcome: Outcome) -> None:
            box.append(outcome)
            done.set()

        invocation = Invocation(
            payload,
            settle,
            on_chunk=on_chunk,
            request_id=request_id,
            client_context=client_context,
            cognito_identity=cognito_identity,
            trace_id=trace_id,
            tenant_id=tenant_id,
            content_type=content_type,
            want_log=want_log,
        )
        self.submit(invocation)
        done.wait()
        return box[0]

    def submit(self, invocation: Invocation) -> None:
        """Run an event without waiting; its `on_outcome` is called once, in the pool's thread.

        Where the pool is closed it is called here.
        """
        with self._closing:
            if not self._closed:
                self._loop.post(lambda: self._pool.submit(invocation))
                return
        invocation.on_outcome(stopped())

    def listen(self, host: str, port: int, app: Callable[[Loop, Pool], App]) -> int:
        """Serve the function on a port until `close`.

        Args:
            host: the address to listen on.
            port: 0 takes a free one.
            app: `InvokeApi`, `FunctionUrl` or another app of `wire`.

        Returns:
            The port.

        Raises:
            OSError: the port is taken, the address is not of this machine, or the pool is closed.
        """
        server = app(self._loop, self._pool)

        def accept(sock: socket.socket) -> None:
            Connection(self._loop, sock, server)

        def start() -> Listener:
            listener = Listener(self._loop, host, port, accept)
            self._listeners.append(listener)
            return listener

        return self._call(start).port

    def update(self, spec: FunctionSpec, prestart: bool = False) -> None:
        """Change image, command, variables or limits; events in hand end as they began.

        Args:
            spec: the function from now on.
            prestart: start an environment of it at once.
        """
        with self._closing:
            if not self._closed:
                self._loop.post(lambda: self._pool.update(spec, prestart))

    def hold(self, spec: FunctionSpec) -> None:
        """Prepare an environment for a later `update` with this very spec; see `Pool.hold`."""
        with self._closing:
            if not self._closed:
                self._loop.post(lambda: self._pool.hold(spec))

    def _call(self, call: Callable[[], T]) -> T:
        """Make a call in the loop's thread, and wait for what it returns or raises."""
        done = threading.Event()
        results: list[T] = []
        errors: list[Exception] = []

        def run() -> None:
            try:
                results.append(call())
            except Exception as error:
                errors.append(error)
            done.set()

        with self._closing:
            if self._closed:
                raise OSError(errno.ESHUTDOWN, "The function's environments are stopped")
            self._loop.post(run)
        done.wait()
        if errors:
            raise errors[0]
        return results[0]

    def close(self) -> None:
        """End every environment, answer what is still open, and wait until all is gone."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            self._loop.post(self._close)
        self._thread.join()
        self._loop.close()

    def _close(self) -> None:
        for listener in self._listeners:
            listener.close()
        self._pool.close(self._loop.stop)

    def __enter__(self) -> FunctionPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _drop(_request_id: str, _source: str, _data: bytes) -> None:
    """Log sink that keeps nothing."""
