"""A single-threaded event loop: sockets, timers, and calls from other threads.

asyncio would cost an image 50 ms at start and each event several times the work.
"""

from __future__ import annotations

import _thread
import heapq
import select
import socket
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

READ = 1
WRITE = 4
"""Interest in a descriptor; the values are those of epoll and poll."""


class Timer:
    """A call at a time of the monotonic clock; see `Loop.call_at`."""

    __slots__ = ("at", "call")

    def __init__(self, at: float, call: Callable[[], None]) -> None:
        self.at = at
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        """Forget the call."""
        self.call = None

    def __lt__(self, other: Timer) -> bool:
        return self.at < other.at


class Loop:
    """Runs callbacks in the one thread that calls `run`; only `post` may come from others."""

    def __init__(self) -> None:
        self._poller = _EpollPoller() if hasattr(select, "epoll") else _SelectPoller()
        self._calls: dict[int, Callable[[int], None]] = {}
        self._timers: list[Timer] = []
        self._posted: list[Callable[[], None]] = []
        self._lock = _thread.allocate_lock()
        self._woken = False
        self._running = False
        self._wake_read, self._wake_write = socket.socketpair()
        self.watch(self._wake_read.fileno(), READ, self._drain_wake)

    now = staticmethod(time.monotonic)
    """Seconds of the monotonic clock, the time base of every timer."""

    def watch(self, fd: int, interest: int, call: Callable[[int], None]) -> None:
        """Call `call(events)` whenever the descriptor is ready; a hang-up counts as readable."""
        self._calls[fd] = call
        self._poller.register(fd, interest)

    def change(self, fd: int, interest: int) -> None:
        """Change what a watched descriptor is watched for."""
        self._poller.modify(fd, interest)

    def forget(self, fd: int) -> None:
        """Stop watching; to be called before the descriptor is closed."""
        if self._calls.pop(fd, None) is not None:
            self._poller.unregister(fd)

    def call_at(self, at: float, call: Callable[[], None]) -> Timer:
        """Call once, at that time or up to a millisecond later."""
        timer = Timer(at, call)
        heapq.heappush(self._timers, timer)
        return timer

    def post(self, call: Callable[[], None]) -> None:
        """Call soon, in the loop's thread. Any thread may post; to a closed loop in vain."""
        with self._lock:
            self._posted.append(call)
            if not self._woken:
                self._woken = True
                self._wake_write.send(b"x")

    def stop(self) -> None:
        """Let `run` return after the present round. In the loop's thread; else post it."""
        self._running = False

    def run(self) -> None:
        """Run until `stop`."""
        self._running = True
        while self._running:
            self.turn()

    def turn(self) -> None:
        """Wait for something to happen, and handle it."""
        ready = self._poller.poll(self._patience())
        calls = self._calls
        # A call may close a descriptor whose number another one gets before its own turn comes.
        for fd, events, call in [(fd, events, calls.get(fd)) for fd, events in ready]:
            if call is not None and calls.get(fd) is call:
                try:
                    call(events)
                except Exception:
                    report_defect()
        timers = self._timers
        while timers and timers[0].at <= time.monotonic():
            due = heapq.heappop(timers).call
            if due is not None:
                try:
                    due()
                except Exception:
                    report_defect()

    def close(self) -> None:
        """Free the loop's own descriptors. After `run` has returned."""
        with self._lock:
            self._woken = True  # so that nobody writes to a descriptor that is closed
        self._poller.close()
        self._wake_read.close()
        self._wake_write.close()

    def _patience(self) -> float | None:
        timers = self._timers
        while timers and timers[0].call is None:
            heapq.heappop(timers)
        if not timers:
            return None
        return max(timers[0].at - time.monotonic(), 0.0)

    def _drain_wake(self, _events: int) -> None:
        self._wake_read.recv(64)
        with self._lock:
            self._woken = False
            posted, self._posted = self._posted, []
        for call in posted:
            try:
                call()
            except Exception:
                report_defect()


def report_defect() -> None:
    """Show a defect of a callback; one bad connection must not take the others with it."""
    sys.excepthook(*sys.exc_info())


class _EpollPoller:
    def __init__(self) -> None:
        self._epoll = select.epoll()
        self.register = self._epoll.register
        self.modify = self._epoll.modify
        self.unregister = self._epoll.unregister
        self.close = self._epoll.close

    def poll(self, timeout: float | None) -> list[tuple[int, int]]:
        return self._epoll.poll(timeout)


class _SelectPoller:
    """For systems without epoll, on which only the host side runs."""

    def __init__(self) -> None:
        import selectors

        self._selector = selectors.DefaultSelector()

    def register(self, fd: int, interest: int) -> None:
        self._selector.register(fd, self._mask(interest))

    def modify(self, fd: int, interest: int) -> None:
        self._selector.modify(fd, self._mask(interest))

    def unregister(self, fd: int) -> None:
        self._selector.unregister(fd)

    def poll(self, timeout: float | None) -> list[tuple[int, int]]:
        return [
            (key.fd, (READ if events & 1 else 0) | (WRITE if events & 2 else 0))
            for key, events in self._selector.select(timeout)
        ]

    def close(self) -> None:
        self._selector.close()

    @staticmethod
    def _mask(interest: int) -> int:
        return (1 if interest & READ else 0) | (2 if interest & WRITE else 0)
