"""`python3 -m lambdaimg.emulator [--host H] [--port P] -- CMD...`: an image's invoke endpoint.

Runs CMD as the function behind `endpoint`, and runs it again after a crash or a timeout. One
event at a time: others wait. The settings are those of AWS's Runtime Interface Emulator:
`AWS_LAMBDA_FUNCTION_NAME` (test_function), `AWS_LAMBDA_FUNCTION_TIMEOUT` (300 seconds),
`AWS_LAMBDA_FUNCTION_MEMORY_SIZE` (3008 MB), `AWS_LAMBDA_FUNCTION_VERSION`, `AWS_REGION`,
`AWS_ACCOUNT_ID`.
"""

from __future__ import annotations

import os
import signal
import sys

from lambdaimg.emulator.endpoint import Endpoint
from lambdaimg.emulator.loop import READ, Loop
from lambdaimg.emulator.pool import Pool
from lambdaimg.emulator.process import ProcessExecutor
from lambdaimg.emulator.protocol import FunctionSpec
from lambdaimg.emulator.wire import Listener

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

USAGE = "usage: python3 -m lambdaimg.emulator [--host HOST] [--port PORT] -- COMMAND [ARGUMENT ...]"


def main(argv: list[str]) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit status."""
    try:
        host, port, command = parse(argv)
        spec = spec_of(os.environ, command)
    except ValueError as error:
        print(f"{error}\n{USAGE}", file=sys.stderr)
        return 2
    return serve(host, port, spec)


def parse(argv: list[str]) -> tuple[str, int, list[str]]:
    """Host, port and command of a command line.

    Raises:
        ValueError: it is malformed; the text says how.
    """
    host, port = "0.0.0.0", 8080  # noqa: S104 - a published port of a container needs it
    rest = list(argv)
    while rest and rest[0] != "--":
        name, equals, value = rest.pop(0).partition("=")
        if name not in ("--host", "--port"):
            raise ValueError(f"unknown argument {name}")
        if not equals:
            if not rest:
                raise ValueError(f"{name} needs a value")
            value = rest.pop(0)
        if name == "--host":
            host = value
        elif value.isdigit() and int(value) < 65536:
            port = int(value)
        else:
            raise ValueError(f"{value} is not a port")
    if len(rest) < 2:
        raise ValueError("there is no command to run")
    return host, port, rest[1:]


def spec_of(environ: Mapping[str, str], command: list[str]) -> FunctionSpec:
    """The function that the environment describes.

    Raises:
        ValueError: a figure is malformed.
    """
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    return FunctionSpec(
        environ.get("AWS_LAMBDA_FUNCTION_NAME") or "test_function",
        command=command,
        timeout=_figure(environ, "AWS_LAMBDA_FUNCTION_TIMEOUT", 300),
        memory=_figure(environ, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", 3008),
        version=environ.get("AWS_LAMBDA_FUNCTION_VERSION") or "$LATEST",
        region=region,
        account=environ.get("AWS_ACCOUNT_ID") or "012345678912",
        max_environments=1,
    )


def _figure(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name) or str(default)
    if not text.isdigit() or int(text) < 1:
        raise ValueError(f"{name} is {text}, not a whole number above 0")
    return int(text)


def serve(host: str, port: int, spec: FunctionSpec) -> int:
    """Serve the endpoint until a signal ends it; returns the exit status."""
    loop = Loop()
    pool = Pool(loop, spec, ProcessExecutor(os.environ, capture=False), _log)
    try:
        listener = Listener(loop, host, port, Endpoint(loop, pool).accept)
    except OSError as error:
        print(f"cannot listen on {host}:{port}: {error.strerror}", file=sys.stderr)
        return 1
    received: list[int] = []

    def end(number: int, _frame: object) -> None:
        received.append(number)

    def close(_events: int) -> None:
        os.read(read, 512)
        listener.close()
        pool.close(loop.stop)

    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    loop.watch(read, READ, close)
    if port == 0:
        _log("", "platform", f"listening on http://{host}:{listener.port}\n".encode())
    pool.prestart()
    loop.run()
    return 130 if signal.SIGINT in received else 0


def _log(_request_id: str, _source: str, data: bytes) -> None:
    os.write(1, data)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
