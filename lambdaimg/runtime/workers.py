"""Managed Instances: several worker processes, each with a loop of its own.

`AWS_LAMBDA_MAX_CONCURRENCY` says how many. The handler is imported by each worker, since what a
module opens when it is imported is not to be shared.
"""

import _signal  # type: ignore[import-not-found]
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping
    from types import FrameType

COUNT = "AWS_LAMBDA_MAX_CONCURRENCY"
OUTPUT_SOCKET = "_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET"


def run_workers(
    count: int, serve: "Callable[[], None]", environ: "MutableMapping[str, str]"
) -> None:
    """Fork workers, pass SIGTERM on to them, and wait until all have ended.

    Args:
        count: how many.
        serve: what each of them runs.
        environ: names the socket for their output.

    Raises:
        SystemExit: with 1 where a worker failed, else 0; in a worker what `serve` raises.
    """
    children: set[int] = set()

    def pass_on(number: int, frame: "FrameType | None") -> None:
        for one in children:
            try:
                os.kill(one, number)
            except ProcessLookupError:
                continue

    _signal.signal(_signal.SIGTERM, pass_on)
    for _ in range(count):
        child = os.fork()
        if child == 0:
            _signal.signal(_signal.SIGTERM, _signal.SIG_DFL)
            _redirect_output(environ.get(OUTPUT_SOCKET, ""))
            serve()
            raise SystemExit(0)
        children.add(child)
    failed = False
    while children:
        child, status = os.wait()
        children.discard(child)
        failed = failed or status != 0
    raise SystemExit(1 if failed else 0)


def _redirect_output(path: str) -> None:
    """Send standard output and error each over a connection of its own to a Unix socket."""
    if not path:
        return
    import _socket

    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
            sock.connect(path)
            os.dup2(sock.fileno(), stream.fileno())
            sock.close()
