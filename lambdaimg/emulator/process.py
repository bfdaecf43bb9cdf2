"""The executor that runs a function as a plain process: an image's own endpoint, `--no-docker`.

Neither memory nor file access is limited here, and the user is the emulator's own. Where the
process runs inside a container whose memory limit kills it, that is told from a crash.
"""

from __future__ import annotations

import os
import signal

from lambdaimg.emulator.loop import READ, Loop
from lambdaimg.emulator.protocol import Exit, FunctionSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lambdaimg.emulator.sandbox import Watcher


SETTLE_READS = 256
"""Reads of 64 KB until a pipe counts as empty; a process that never stops writing has more."""


class ProcessExecutor:
    """Starts `FunctionSpec.command`, each instance in a process group of its own.

    Args:
        inherited: variables that every process gets, before the function's own.
        capture: read the processes' output through pipes. If not, it goes where the emulator's
            own goes, at no cost, and invocations have no log tail.
    """

    def __init__(self, inherited: Mapping[str, str], capture: bool = True) -> None:
        self._inherited = dict(inherited)
        self._capture = capture

    def listen_host(self) -> str:
        """Processes reach the emulator on loopback."""
        return "127.0.0.1"

    def api_name(self, port: int) -> str:
        """The value of `AWS_LAMBDA_RUNTIME_API`."""
        return f"127.0.0.1:{port}"

    holds = False
    """A process is started so fast that nothing is gained by holding one."""

    def start(
        self, loop: Loop, spec: FunctionSpec, api: str, watcher: Watcher, held: bool = False
    ) -> ProcessInstance:
        """Start the command. A command that cannot be run is told through the watcher."""
        variables = spec.variables()
        if len(spec.command) > 1:
            variables["_HANDLER"] = spec.command[-1]
        variables.update(self._inherited)
        variables.update(spec.environment)
        variables["AWS_LAMBDA_RUNTIME_API"] = api
        return ProcessInstance(loop, list(spec.command), variables, watcher, self._capture)


class ProcessInstance:
    """One runtime process."""

    def __init__(
        self,
        loop: Loop,
        command: list[str],
        variables: dict[str, str],
        watcher: Watcher,
        capture: bool,
    ) -> None:
        self._loop = loop
        self._watcher = watcher
        self._gone: Callable[[], None] | None = None
        self._pipes: dict[int, str] = {}
        self._pid = 0
        self._pidfd = -1
        self._oom_kills = _oom_kills()
        self._status_fd = -1
        try:
            self._spawn(command, variables, capture)
        except (OSError, ValueError) as error:  # ValueError: a variable holds a zero byte
            self._close_pipes()
            why = getattr(error, "strerror", None) or error
            reason = f"fork/exec {command[0] if command else '(no command)'}: {why}"
            end = Exit(-1, failure=reason.lower())
            loop.call_at(0.0, lambda: self._tell(end))
            return
        self._watch_exit()
        watcher.started()

    def _spawn(self, command: list[str], variables: dict[str, str], capture: bool) -> None:
        if not command:
            raise FileNotFoundError(2, "no such file or directory")
        actions: list[tuple[int, int, int]] = []
        write_ends: list[int] = []
        if capture:
            for fd, stream in ((1, "stdout"), (2, "stderr")):
                read, write = os.pipe()
                os.set_blocking(read, False)
                self._pipes[read] = stream
                write_ends.append(write)
                actions.append((os.POSIX_SPAWN_DUP2, write, fd))
        try:
            self._pid = os.posix_spawnp(
                command[0],
                command,
                variables,
                file_actions=actions,
                setpgroup=0,
                setsigdef=(signal.SIGPIPE, signal.SIGINT, signal.SIGTERM),
                setsigmask=(),
            )
        finally:
            for fd in write_ends:
                os.close(fd)
        for fd in self._pipes:
            self._loop.watch(fd, READ, lambda _events, fd=fd: self._read(fd))  # type: ignore[misc]
        try:
            self._status_fd = os.open(f"/proc/{self._pid}/status", os.O_RDONLY)
        except OSError:
            self._status_fd = -1

    def _watch_exit(self) -> None:
        try:
            self._pidfd = os.pidfd_open(self._pid)
        except (AttributeError, OSError):  # not Linux, or an old engine's sandbox forbids it
            import _thread

            _thread.start_new_thread(self._wait, ())
        else:
            self._loop.watch(self._pidfd, READ, lambda _events: self._reap(None))

    def _wait(self) -> None:
        """Where there are no pidfds, wait in a thread; the status stays, where that can be."""
        status = None
        if hasattr(os, "waitid"):
            os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOWAIT)
        else:
            _, status = os.waitpid(self._pid, 0)
        self._loop.post(lambda: self._reap(status))

    def release(self) -> None:
        """Nothing is to be done: a process is never held."""

    def seen(self) -> None:
        """Nothing is to be done: a process is followed from its start."""

    def kill(self, gone: Callable[[], None]) -> None:
        """Kill the process group."""
        if not self._pid:
            gone()
            return
        self._gone = gone
        self._kill_group()

    def _kill_group(self) -> None:
        try:
            os.killpg(self._pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return

    def settle(self, then: Callable[[], None], patient: bool) -> None:
        """A pipe holds all that was written before the runtime's last call: no need to wait."""
        for fd in list(self._pipes):
            self._read(fd, SETTLE_READS)
        then()

    def memory_mb(self) -> int:
        """The peak of the resident set of the process itself, in MB, rounded up."""
        if self._status_fd < 0:
            return 0
        try:
            text = os.pread(self._status_fd, 4096, 0)
        except OSError:
            return 0
        at = text.find(b"VmHWM:")
        if at < 0:
            return 0
        return -(-int(text[at + 6 : text.index(b"kB", at)]) // 1024)

    def _reap(self, status: int | None) -> None:
        """The process has exited; its status is collected here unless a thread has done so."""
        # What the process left behind in its group goes with it, as a real sandbox would; and
        # before the status is collected, while the group's number cannot be given to another.
        self._kill_group()
        if status is None:
            _, status = os.waitpid(self._pid, 0)
        code = os.waitstatus_to_exitcode(status)
        self._pid = 0
        if self._pidfd >= 0:
            self._loop.forget(self._pidfd)
            os.close(self._pidfd)
        for fd in list(self._pipes):
            self._read(fd, SETTLE_READS)
        self._close_pipes()
        if self._status_fd >= 0:
            os.close(self._status_fd)
            self._status_fd = -1
        out_of_memory = code == -signal.SIGKILL and _oom_kills() > self._oom_kills
        self._tell(Exit(code, out_of_memory))

    def _tell(self, end: Exit) -> None:
        if self._gone is None:
            self._watcher.exited(end)
        else:
            self._gone()

    def _read(self, fd: int, most: int = 1) -> None:
        for _ in range(most):
            try:
                data = os.read(fd, 65536)
            except BlockingIOError:
                return
            if not data:
                self._loop.forget(fd)
                os.close(fd)
                del self._pipes[fd]
                return
            self._watcher.output(self._pipes[fd], data)

    def _close_pipes(self) -> None:
        for fd in self._pipes:
            self._loop.forget(fd)
            os.close(fd)
        self._pipes.clear()


def _oom_kills() -> int:
    """How often the kernel has killed in the control group that this process sees as its own."""
    for path in ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"):
        try:
            fd = os.open(path, os.O_RDONLY)
        except OSError:
            continue
        try:
            text = os.read(fd, 4096)
        finally:
            os.close(fd)
        for line in text.splitlines():
            if line.startswith(b"oom_kill "):
                return int(line.split()[1])
    return 0
