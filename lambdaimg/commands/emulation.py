"""What `run`, `serve` and `watch` share: the function's settings, the executor, the log."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from lambdaimg.commands.emulated_code import (
    ENGINE_STATE,
    ensure_image,
    image_facts,
    process_command,
)
from lambdaimg.emulator.protocol import MAX_TAIL, FunctionSpec
from lambdaimg.errors import NoEngineError, UsageError
from lambdaimg.report import clean, in_lines, is_terminal
from lambdaimg.session import Session

if TYPE_CHECKING:
    from lambdaimg.emulator.containers import DockerExecutor
    from lambdaimg.emulator.sandbox import Executor

LOOPBACK = ("localhost", "127.0.0.1", "::1")
DEFAULT_REGION = "us-east-1"
DEFAULT_ACCOUNT = "123456789012"
NO_LIMIT_S = 7 * 86_400.0
"""For the init phase and the timeout while a debugger is attached."""

Image = Annotated[str, typer.Option("--image", help="An image of the engine, not the project's")]
NoDocker = Annotated[
    bool, typer.Option("--no-docker", help="Run the command as a plain process, no container")
]
WithCredentials = Annotated[
    bool, typer.Option("--with-credentials", help="Give the function your AWS credentials")
]
Network = Annotated[
    str, typer.Option("--network", help="Docker network for the function's containers")
]
DebugPort = Annotated[
    int | None,
    typer.Option(
        "--debug-port",
        min=1,
        max=65535,
        help="Run a Python handler under debugpy, and wait for a debugger on this port",
    ),
]


@dataclass(frozen=True)
class Wishes:
    """How the function is to be run; see the options of the same names."""

    image: str = ""
    no_docker: bool = False
    with_credentials: bool = False
    network: str = "bridge"
    debug_port: int | None = None

    def check(self) -> None:
        """Refuse what does not go together. Raises: UsageError."""
        if self.no_docker and (self.image or self.debug_port or self.network != "bridge"):
            raise UsageError(
                "--no-docker goes with none of --image, --network and --debug-port.",
                hint="A plain process can be started under debugpy by the `command` setting.",
            )
        if self.no_docker and os.name == "nt":
            raise UsageError("--no-docker needs a POSIX system.", hint="Leave it out.")


# --- the executor -----------------------------------------------------------------------------


def docker_executor(session: Session, wishes: Wishes) -> DockerExecutor:
    """The executor for containers, once it is known that an engine answers.

    Raises:
        NoEngineError: none does, or it is on another machine.
        UsageError: there is no such network.
    """
    from lambdaimg.container.dial import dialer
    from lambdaimg.container.engine import endpoint, ping
    from lambdaimg.emulator.containers import DockerExecutor
    from lambdaimg.emulator.engine import EngineError

    where = endpoint()
    executor = DockerExecutor(
        dialer(where),
        variables=container_variables(session, wishes),
        network=wishes.network,
        publish=[wishes.debug_port] if wishes.debug_port else [],
    )
    try:
        executor.meeting()
        executor.sweep()
    except EngineError as error:
        ping(where)
        if error.status == 404:
            raise UsageError(
                f"There is no Docker network {wishes.network}.",
                hint="`docker network ls` lists them.",
            ) from error
        raise NoEngineError(f"The Docker engine failed: {error.message}", ENGINE_STATE) from error
    return executor


def container_variables(session: Session, wishes: Wishes) -> dict[str, str]:
    """Variables of a container: credentials where asked for, and where AWS is to be found."""
    if not session.local and not wishes.with_credentials:
        return {}
    session.local_aws()
    found = credentials(session, os.environ)
    for name, value in os.environ.items():
        if name.startswith("AWS_ENDPOINT_URL"):
            found[name] = seen_from_container(value)
    return found


def seen_from_container(url: str) -> str:
    """A URL of this machine's loopback, as containers call it; any other as it is."""
    parts = urlsplit(url)
    if parts.hostname not in LOOPBACK:
        return url
    port = f":{parts.port}" if parts.port else ""
    return parts._replace(netloc=f"host.docker.internal{port}").geturl()


def credentials(session: Session, environ: Mapping[str, str]) -> dict[str, str]:
    """The caller's AWS credentials as variables, from the environment, else as boto3 finds them."""
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    if not session.settings.profile and environ.get(names[0]):
        return {name: environ[name] for name in names if environ.get(name)}
    import boto3

    profile = session.settings.profile or None
    found = boto3.Session(profile_name=profile).get_credentials()
    if found is None:
        raise UsageError(
            "There are no AWS credentials to give to the function.",
            hint="Run `aws configure` or `aws sso login`, set AWS_PROFILE, or use --local.",
        )
    frozen = found.get_frozen_credentials()
    values = (frozen.access_key, frozen.secret_key, frozen.token)
    return {name: value for name, value in zip(names, values, strict=True) if value}


def process_variables(session: Session, wishes: Wishes) -> dict[str, str]:
    """The variables of a plain process: this one's, its AWS credentials only where asked for."""
    if session.local or wishes.with_credentials:
        session.local_aws()
        return {**os.environ, **credentials(session, os.environ)}
    hidden = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE")
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    kept["AWS_SHARED_CREDENTIALS_FILE"] = kept["AWS_CONFIG_FILE"] = os.devnull
    kept["AWS_EC2_METADATA_DISABLED"] = "true"
    return kept


def executor_of(session: Session, wishes: Wishes) -> Executor:
    """The executor that is wished for. Raises: as `docker_executor`."""
    if not wishes.no_docker:
        return docker_executor(session, wishes)
    from lambdaimg.emulator.process import ProcessExecutor

    variables = process_variables(session, wishes)
    variables["LAMBDA_TASK_ROOT"] = str(session.project)
    os.chdir(session.project)
    return ProcessExecutor(variables)


# --- the function -----------------------------------------------------------------------------


def function_spec(
    session: Session, wishes: Wishes, executor: Executor, **limits: Any
) -> FunctionSpec:
    """The function as the settings have it, with the image that it runs.

    Args:
        session: the run.
        wishes: how to run it.
        executor: what will run it.
        limits: `max_environments`, `reserved` and `idle_seconds` of `FunctionSpec`.
    """
    settings = session.settings
    command, entrypoint = tuple(settings.command), tuple(settings.entrypoint)
    environment = dict(settings.environment)
    image = ""
    if wishes.no_docker:
        command, entrypoint = process_command(session), ()
    else:
        engine = executor.engine  # type: ignore[attr-defined]
        image = wishes.image or ensure_image(session, engine)
        facts = image_facts(engine, image)
        image = facts["Id"]
        if wishes.debug_port:
            own = (facts.get("Config") or {}).get("Entrypoint") or ()
            entrypoint = under_debugger(entrypoint or tuple(own), wishes.debug_port)
            environment["PYTHONPATH"] = with_packages(environment.get("PYTHONPATH", ""))
    debugged = wishes.debug_port is not None
    return FunctionSpec(
        settings.function_name,
        command=command,
        image=image,
        entrypoint=entrypoint,
        workdir=settings.working_directory,
        environment=environment,
        timeout=NO_LIMIT_S if debugged else settings.timeout,
        init_limit=NO_LIMIT_S if debugged else None,
        memory=settings.memory,
        region=settings.region or DEFAULT_REGION,
        account=settings.account or DEFAULT_ACCOUNT,
        **limits,
    )


def under_debugger(entrypoint: tuple[str, ...], port: int) -> tuple[str, ...]:
    """An entrypoint of Python's, run by debugpy, which waits for a debugger on the port.

    `python3 -m module` and a script are understood; debugpy must be in the image.
    """
    # Breakpoints in frozen modules would not be hit.
    options = ("-X", "frozen_modules=off", "-m", "debugpy", "--listen", f"0.0.0.0:{port}")
    listen = (*options, "--wait-for-client")
    if not entrypoint:
        raise UsageError(
            "--debug-port needs an image with an ENTRYPOINT that is Python's.",
            hint="Set entrypoint to one, or leave out --debug-port.",
        )
    program = entrypoint[0].rpartition("/")[2]
    if program.startswith("python"):
        return (entrypoint[0], *listen, *entrypoint[1:])
    return ("python3", *listen, *entrypoint)


def with_packages(python_path: str) -> str:
    """A PYTHONPATH by which debugpy is found where the kit's images keep what is required."""
    return f"{python_path}:/opt/python" if python_path else "/opt/python"


# --- the log ----------------------------------------------------------------------------------


class Log:
    """Writes the function's log to stderr, whole lines at a time.

    Args:
        name_requests: put the beginning of the request id before each line of the function's.
    """

    def __init__(self, name_requests: bool) -> None:
        self._name_requests = name_requests
        self._clean = is_terminal(sys.stderr)
        self._partial: dict[tuple[str, str], bytes] = {}
        self._lock = threading.Lock()
        self._tail = bytearray()

    @property
    def tail(self) -> str:
        """The last 4 KB."""
        return self._tail[-MAX_TAIL:].decode("utf-8", "replace")

    def __call__(self, request_id: str, source: str, data: bytes) -> None:
        """A piece of the log; see `Pool`."""
        with self._lock:
            self._tail += data
            if len(self._tail) > 16 * MAX_TAIL:
                del self._tail[:-MAX_TAIL]
            if source == "platform":
                for stream in ("stdout", "stderr"):
                    rest = self._partial.pop((request_id, stream), b"")
                    if rest:
                        self._write(request_id, stream, rest + b"\n")
                self._write(request_id, source, data)
                return
            data = self._partial.pop((request_id, source), b"") + data
            lines, newline, rest = data.rpartition(b"\n")
            if rest:
                self._partial[request_id, source] = rest
            if newline:
                self._write(request_id, source, lines + newline)

    def _write(self, request_id: str, source: str, data: bytes) -> None:
        text = in_lines(data.decode("utf-8", "replace"))
        if self._clean:
            text = clean(text)
        if self._name_requests and source != "platform":
            mark = request_id[:8] or "init"
            text = "".join(f"{mark:8}  {line}" for line in text.splitlines(keepends=True))
        sys.stderr.write(text)
        sys.stderr.flush()


# --- the end ----------------------------------------------------------------------------------


@contextmanager
def ends_in_order() -> Iterator[None]:
    """Let SIGINT, SIGTERM and SIGHUP end the command, so that nothing is left running.

    SIGINT too: a script's background command ignores it, and would outlive the script's Ctrl-C.
    """

    def interrupt(number: int, _frame: object) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {name: signal.signal(getattr(signal, name), interrupt) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)
