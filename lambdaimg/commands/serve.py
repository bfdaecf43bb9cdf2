"""`serve`: an image behind Lambda's invoke API on this machine, its environments kept warm."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lambdaimg.commands import emulation
from lambdaimg.emulator.protocol import FunctionSpec
from lambdaimg.errors import AwsError, UsageError
from lambdaimg.session import Session

if TYPE_CHECKING:
    from lambdaimg.emulator.function_pool import FunctionPool
    from lambdaimg.emulator.queue import QueueFeeder

HOST = "127.0.0.1"

Port = Annotated[
    int, typer.Option("--port", min=0, max=65535, help="Port of the invoke API; 0: a free one")
]
Concurrency = Annotated[
    int,
    typer.Option("--concurrency", min=1, max=1000, help="Environments at most; more events wait"),
]
Reserved = Annotated[
    int | None,
    typer.Option("--reserved", min=0, help="Events at once; more are refused with 429"),
]
Idle = Annotated[
    float, typer.Option("--idle", min=0.1, help="Seconds until an idle environment is ended")
]
Url = Annotated[bool, typer.Option("--url", help="Serve a function URL too")]
UrlPort = Annotated[
    int, typer.Option("--url-port", min=0, max=65535, help="Port of the function URL; 0: free")
]
Queue = Annotated[
    str, typer.Option("--queue", help="Feed the function from this SQS queue, by name or URL")
]


@dataclass(frozen=True)
class Doors:
    """What is served, and how wide it is open; see the options of the same names."""

    port: int
    concurrency: int
    reserved: int | None
    idle: float
    url: bool
    url_port: int
    queue: str

    @property
    def limits(self) -> dict[str, Any]:
        """The limits of the function's pool."""
        return {
            "max_environments": self.concurrency,
            "reserved": self.reserved,
            "idle_seconds": self.idle,
        }


def run(
    session: Session,
    image: emulation.Image = "",
    port: Port = 9000,
    concurrency: Concurrency = 10,
    reserved: Reserved = None,
    idle: Idle = 600.0,
    url: Url = False,
    url_port: UrlPort = 9001,
    queue: Queue = "",
    no_docker: emulation.NoDocker = False,
    with_credentials: emulation.WithCredentials = False,
    network: emulation.Network = "bridge",
    debug_port: emulation.DebugPort = None,
) -> None:
    """Serves the project's image, built first if need be, or `--image`, until Ctrl-C.

    Raises:
        UsageError: a port is taken.
    """
    wishes = emulation.Wishes(image, no_docker, with_credentials, network, debug_port)
    doors = Doors(port, concurrency, reserved, idle, url, url_port, queue)
    serve(session, wishes, doors, wait_for_the_end)


def wait_for_the_end(_pool: FunctionPool, _spec: FunctionSpec) -> None:
    """Wait until a signal comes. Raises: KeyboardInterrupt."""
    while True:
        time.sleep(3600)


def serve(
    session: Session,
    wishes: emulation.Wishes,
    doors: Doors,
    meanwhile: Callable[[FunctionPool, FunctionSpec], None],
) -> None:
    """Open the doors, do something meanwhile, and leave nothing behind when Ctrl-C ends it.

    Raises:
        UsageError: a port is taken.
        AwsError: there is no such queue.
    """
    from lambdaimg.emulator.function_pool import FunctionPool

    wishes.check()
    if wishes.debug_port:
        doors = Doors(**{**vars(doors), "concurrency": 1})
    with emulation.ends_in_order():
        try:
            executor = emulation.executor_of(session, wishes)
            spec = emulation.function_spec(session, wishes, executor, **doors.limits)
            log = emulation.Log(name_requests=True)
            with FunctionPool(spec, executor, log=log, prestart=True) as pool:
                feeder = open_doors(session, doors, pool)
                try:
                    meanwhile(pool, spec)
                finally:
                    if feeder is not None:
                        feeder.close()
        except KeyboardInterrupt:
            session.report.note("stopped")


def open_doors(session: Session, doors: Doors, pool: FunctionPool) -> QueueFeeder | None:
    """Listen, and say where."""
    from lambdaimg.emulator.function_url import FunctionUrl
    from lambdaimg.emulator.invoke_api import InvokeApi

    api = f"http://{HOST}:{listening(pool, doors.port, InvokeApi)}"
    name = pool.spec.name
    result = {"function": name, "endpoint": api}
    lines = [
        f"{name} at {api}",
        f"  aws lambda invoke --endpoint-url {api} --function-name {name} /dev/stdout",
    ]
    if doors.url:
        result["url"] = f"http://{HOST}:{listening(pool, doors.url_port, FunctionUrl)}/"
        lines.append(f"function URL {result['url']}")
    feeder = None
    if doors.queue:
        feeder = feed(session, doors.queue, pool)
        result["queue"] = doors.queue
        lines.append(f"fed from the queue {doors.queue}")
    session.report.result(session.command, result, "\n".join(lines))
    sys.stdout.flush()  # whoever reads the addresses from a pipe is to have them now
    return feeder


def listening(pool: FunctionPool, port: int, app: Any) -> int:
    """The port that an app is served on. Raises: UsageError."""
    try:
        return pool.listen(HOST, port, app)
    except OSError as error:
        raise UsageError(
            f"Cannot listen on {HOST}:{port}: {error.strerror}.",
            hint="Choose another --port or --url-port; 0 takes a free one.",
        ) from error


def feed(session: Session, queue: str, pool: FunctionPool) -> QueueFeeder:
    """Start feeding from a queue. Raises: AwsError."""
    from lambdaimg.aws.errors import is_code
    from lambdaimg.emulator.queue import QueueFeeder

    client = session.context().aws("sqs")
    try:
        if "://" not in queue:
            queue = client.get_queue_url(QueueName=queue)["QueueUrl"]
        return QueueFeeder(
            client,
            queue,
            pool.invoke,
            batch_size=session.settings.batch_size,
            tell=session.report.note,
        )
    except Exception as error:
        if is_code(error, "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"):
            raise AwsError(
                f"There is no queue {queue}.",
                hint="Run `lambdaimg queue`, or give another name or a URL.",
            ) from error
        raise
