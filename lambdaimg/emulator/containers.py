"""The executor that runs a function's image in containers; `isolation` says what they get.

No port is published: a container calls out to the emulator, on an address that only containers
and this machine reach (`bridge`).
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time

from lambdaimg.emulator import bridge, cgroup
from lambdaimg.emulator.engine import Engine, EngineError
from lambdaimg.emulator.isolation import create_body, exit_code, start_failure
from lambdaimg.emulator.loop import READ, Loop, report_defect
from lambdaimg.emulator.owner import is_abandoned, owner_mark
from lambdaimg.emulator.protocol import Exit, FunctionSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from lambdaimg.emulator.engine import Dial
    from lambdaimg.emulator.sandbox import Watcher

LABEL = "lambdaimg.emulator"
"""Label of every container; its value names the process that has it, see `owner_mark`."""
STARTS = 8
"""Containers being started at once; an engine gains nothing from more."""
LAG = 0.002
"""Seconds that the engine usually takes to hand on what a container wrote."""
QUIET = 0.008
"""Where a log is to be complete: seconds without output until it counts as such."""
UNHEARD = 0.06
"""The same where nothing was heard in an event though something is to be expected: in a
container's first event, and if the one before it wrote something."""
PATIENCE = 0.25
"""Seconds until a log counts as complete in any case."""
KILLED = 9
SECOND_LOOK = 0.1
"""Seconds until the engine is asked again whether it was the memory."""
LAST_WORDS = 5.0
"""Seconds after a container's process is gone until its output is no longer waited for."""


class DockerExecutor:
    """Starts containers.

    Args:
        dial: opens connections to the engine (`lambdaimg.emulator.engine.dial_unix`).
        variables: for every container, before the function's own: credentials, for example.
        network: the network that containers join.
        labels: further labels of every container.
        publish: container ports that are published on this machine's loopback, same number.
    """

    def __init__(
        self,
        dial: Dial,
        *,
        variables: Mapping[str, str] | None = None,
        network: str = "bridge",
        labels: Mapping[str, str] | None = None,
        publish: Sequence[int] = (),
    ) -> None:
        self.engine = Engine(dial)
        self._variables = dict(variables or {})
        self._network = network
        self._labels = {**(labels or {}), LABEL: owner_mark()}
        self._publish = tuple(publish)
        self._meeting: bridge.Meeting | None = None
        self.starts = threading.Semaphore(STARTS)

    def meeting(self) -> bridge.Meeting:
        """Where containers reach this machine. Raises: EngineError."""
        if self._meeting is None:
            self._meeting = bridge.meeting(self.engine, self._network)
        return self._meeting

    def listen_host(self) -> str:
        """The address on which containers reach a listener."""
        return self.meeting().listen

    def api_name(self, port: int) -> str:
        """The value of `AWS_LAMBDA_RUNTIME_API`."""
        return f"{self.meeting().name}:{port}"

    @property
    def holds(self) -> bool:
        """Whether a container can be held: not where two of them would want the same port."""
        return not self._publish

    def start(
        self, loop: Loop, spec: FunctionSpec, api: str, watcher: Watcher, held: bool = False
    ) -> Container:
        """Start a container, in a thread; failures are told through the watcher."""
        container = Container(self, loop, watcher, held)
        threading.Thread(
            target=container.run, args=(spec, api), name=f"start-{spec.name}", daemon=True
        ).start()
        return container

    def create_body(
        self, spec: FunctionSpec, api: str, image: Mapping[str, Any], held: bool
    ) -> dict[str, Any]:
        """The body of the engine's create call, for an image as the engine describes it."""
        return create_body(
            spec,
            api,
            image,
            variables=self._variables,
            network=self._network,
            labels=self._labels,
            publish=self._publish,
            held=held,
        )

    def sweep(self) -> int:
        """Remove containers of emulators on this machine that were killed; how many there were.

        Raises:
            EngineError: the engine cannot be reached.
        """
        left = [
            found["Id"]
            for found in self.engine.containers(LABEL)
            if is_abandoned(str(found["Labels"][LABEL]))
        ]
        for container in left:
            self.engine.remove(container)
        return len(left)


class Container:
    """One container: an instance for a sandbox.

    `run` works in a thread of its own; everything else in the loop's. The container's output
    is read in the loop.
    """

    def __init__(self, executor: DockerExecutor, loop: Loop, watcher: Watcher, held: bool) -> None:
        self._executor = executor
        self._engine = executor.engine
        self._loop = loop
        self._watcher = watcher
        self._held = held
        self._released = not held
        self._runs = False
        self._lock = threading.Lock()
        self._id = ""
        self._starting = True
        self._ended = False
        self._gone: Callable[[], None] | None = None
        self._sock: socket.socket | None = None
        self._buffer = bytearray()
        self._output_at = 0.0
        self._heard = False
        self._talkative = True
        self._pidfd = -1
        self._group: cgroup.ControlGroup | None = None

    # --- starting: in a thread --------------------------------------------------------------------

    def run(self, spec: FunctionSpec, api: str) -> None:
        """Create and start the container; to be called in a thread."""
        end: Exit | None = None
        try:
            with self._executor.starts:
                if self._gone is None:
                    self._create(spec, api)
        except EngineError as error:
            end = start_failure(error, spec.image)
        except Exception as error:  # whatever it is, the event must not wait for ever
            end = _unexpected(error)
        with self._lock:
            self._starting = False
            ended, doomed = self._ended, self._gone is not None
        if doomed:
            self._remove()
        elif end is not None:
            self._post_end(end)
        elif ended:
            self._collect_end()

    def _create(self, spec: FunctionSpec, api: str) -> None:
        image = self._engine.image(spec.image)
        body = self._executor.create_body(spec, api, image, self._held)
        self._id = str(self._engine.post("/containers/create", body)["Id"])
        sock, rest = self._engine.attach(self._id, self._held)
        sock.setblocking(False)
        self._loop.post(lambda: self._listen(sock, rest))
        self._engine.post(f"/containers/{self._id}/start")
        self._loop.post(self._started)
        self._loop.post(self._follow)

    def release(self) -> None:
        """Let a held container run its command, now or as soon as it is started."""
        self._released = True
        if self._runs:
            self._started()

    def _started(self) -> None:
        self._runs = True
        if self._gone is None and self._released:
            if self._held and self._sock is not None:
                self._sock.send(b"\n")
            self._watcher.started()

    # --- output and end: in the loop ------------------------------------------------------------

    def _listen(self, sock: socket.socket, rest: bytes) -> None:
        self._sock = sock
        self._buffer += rest
        self._loop.watch(sock.fileno(), READ, lambda _events: self._read())

    def _read(self) -> None:
        """Take in the output that is there; its end is that of the container."""
        while self._sock is not None:
            try:
                data = self._sock.recv(262144)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if data:
                self._buffer += data
                self._frames()
            else:
                self._close_socket()
                self._output_ended()

    def _output_ended(self) -> None:
        # Where the process can be seen its own end counts: a function may close its output.
        if self._pidfd < 0:
            self._exiting()
            self._end()

    def _process_ended(self) -> None:
        self._forget_process()
        self._exiting()
        if self._sock is None:
            self._end()
        else:
            self._loop.call_at(self._loop.now() + LAST_WORDS, self._last_words_over)

    def _last_words_over(self) -> None:
        """Take an output for ended that the engine does not end."""
        if self._sock is not None and self._gone is None:
            self._close_socket()
            self._end()

    def _exiting(self) -> None:
        self.memory_mb()
        if self._gone is None:
            self._watcher.exiting()

    def _end(self) -> None:
        with self._lock:
            self._ended = True
            doing = self._starting or self._gone is not None
        if not doing:
            threading.Thread(target=self._collect_end, name="collect-end", daemon=True).start()

    def seen(self) -> None:
        """Follow it from here: the engine may take long to say that it has started it."""
        self._follow()

    def _follow(self) -> None:
        """Where the container's process is one of this machine, see for ourselves.

        The engine tells of an exit only when it has cleaned up, up to a second later.
        """
        if self._group is not None or self._ended:
            return
        self._group = cgroup.find(self._id)
        if self._group is None or not self._group.pid or not hasattr(os, "pidfd_open"):
            return
        with contextlib.suppress(OSError):
            self._pidfd = os.pidfd_open(self._group.pid)
            self._loop.watch(self._pidfd, READ, lambda _events: self._process_ended())

    def _forget_process(self) -> None:
        if self._pidfd >= 0:
            self._loop.forget(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1

    def _frames(self) -> None:
        buffer = self._buffer
        while len(buffer) >= 8:
            length = int.from_bytes(buffer[4:8], "big")
            if len(buffer) < 8 + length:
                return
            stream = "stderr" if buffer[0] == 2 else "stdout"
            data = bytes(buffer[8 : 8 + length])
            del buffer[: 8 + length]
            self._output_at = self._loop.now()
            self._heard = True
            self._watcher.output(stream, data)

    def _collect_end(self) -> None:
        try:
            self._engine.post(f"/containers/{self._id}/wait")
            state = self._engine.get(f"/containers/{self._id}/json")["State"]
            code = exit_code(int(state["ExitCode"]))
            end = Exit(code, code == -KILLED and self._starved(state))
        except EngineError as error:
            end = Exit(-KILLED, failure=error.message, failure_type="Sandbox.Failure")
        except Exception as error:
            end = _unexpected(error)
        self._post_end(end)

    def _starved(self, state: Mapping[str, Any]) -> bool:
        """Whether it was killed for its memory; the engine may learn that after the exit."""
        if self._group is not None and self._group.out_of_memory:
            return True
        if self._group is None and not state.get("OOMKilled"):
            time.sleep(SECOND_LOOK)
            state = self._engine.get(f"/containers/{self._id}/json")["State"]
        return bool(state.get("OOMKilled"))

    def _post_end(self, end: Exit) -> None:
        self._loop.post(lambda: self._tell(end))

    def _tell(self, end: Exit) -> None:
        if self._gone is None:
            self._watcher.exited(end)

    def settle(self, then: Callable[[], None], patient: bool) -> None:
        """Take in the output that is there and under way."""
        self._read()
        if self._sock is None:
            then()
            return
        now = self._loop.now()
        if not patient:
            self._loop.call_at(now + LAG, then)
            return
        limit = now + PATIENCE
        self._output_at = max(self._output_at, now)

        def look() -> None:
            quiet = UNHEARD if self._talkative and not self._heard else QUIET
            until = min(self._output_at + quiet, limit)
            if self._sock is None or self._loop.now() >= until:
                self._talkative, self._heard = self._heard, False
                then()
            else:
                self._loop.call_at(until, look)

        look()

    def memory_mb(self) -> int:
        """The peak of the container's memory in MB; 0 where the engine is not on this machine."""
        if self._group is None:
            return 0
        self._group.read()
        return self._group.peak_mb

    def kill(self, gone: Callable[[], None]) -> None:
        """Kill and remove the container."""
        with self._lock:
            self._gone = gone
            starting = self._starting
        if not starting:
            threading.Thread(target=self._remove, name="remove-container", daemon=True).start()

    def _remove(self) -> None:
        try:
            if self._id:
                # An engine that is gone has taken its containers with it, or keeps them.
                with contextlib.suppress(EngineError):
                    self._engine.remove(self._id)
        finally:
            self._loop.post(self._removed)

    def _removed(self) -> None:
        self._read()
        self._close_socket()
        self._forget_process()
        if self._group is not None:
            self._group.close()
        if self._gone is not None:
            self._gone()

    def _close_socket(self) -> None:
        sock, self._sock = self._sock, None
        if sock is not None:
            self._loop.forget(sock.fileno())
            sock.close()


def _unexpected(error: Exception) -> Exit:
    """How an environment ended at an answer of the engine's that makes no sense."""
    report_defect()
    text = f"The Docker engine gave an answer that is not understood: {error!r}"
    return Exit(-KILLED, failure=text, failure_type="Sandbox.Failure")
