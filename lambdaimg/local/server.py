"""Find, start and stop the embedded AWS. Standard library only until a process is started.

`ensure_up` takes the running one where its lock, its record and its health check agree;
otherwise it starts one, under a lock, on the port of the last run, and waits for its word.
"""

from __future__ import annotations

import dataclasses
import os
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lambdaimg import __version__
from lambdaimg.errors import LocalAwsError
from lambdaimg.local import environment as environments
from lambdaimg.local.state import (
    StateFiles,
    default_home,
    exclusive,
    lock_holder,
    read_record,
    remembered_port,
)

DEFAULT_PORT = 14566
DEFAULT_ACCOUNT = "000000000000"
DEFAULT_REGION = "us-east-1"

_HEALTH_PATH = "/_ministack/health"
_HEALTH_TIMEOUT_S = 5.0
_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 20.0
_KILL_TIMEOUT_S = 5.0
_POLL_S = 0.05
_PROGRESS_EVERY_S = 5.0

OnEvent = Callable[[str], None]


@dataclass(frozen=True)
class LocalAws:
    """A running embedded AWS.

    Attributes:
        endpoint: `http://127.0.0.1:PORT`, for AWS_ENDPOINT_URL.
        port: the port, which its registry shares (`localhost:PORT/...`).
        pid: its process.
        account: twelve digits.
        region: the region that it was started for; others work too.
        docker_host: the engine that runs functions; None for the default one.
        version: of the package that started it.
        log: its log file.
        started: whether this call started it.
    """

    endpoint: str
    port: int
    pid: int
    account: str
    region: str
    docker_host: str | None
    version: str
    log: Path
    started: bool


def ensure_up(
    state: Path | None = None,
    *,
    port: int | None = None,
    account: str = DEFAULT_ACCOUNT,
    region: str = DEFAULT_REGION,
    docker_host: str | None = None,
    on_event: OnEvent | None = None,
    timeout_s: float = _START_TIMEOUT_S,
) -> LocalAws:
    """The running embedded AWS, started if there is none.

    Args:
        state: folder of its files; the user's own (`default_home`) by default.
        port: the port asked for; None takes the last run's, else `DEFAULT_PORT`, else a free one.
        account: the account, for a start.
        region: the region of unsigned requests, for a start.
        docker_host: the engine that runs functions, for a start, such as `unix:///run/x.sock`;
            None takes DOCKER_HOST, else the default one.
        on_event: told of progress, one phrase without a full stop each.
        timeout_s: seconds to wait for a start.

    Returns:
        Where it is. Its account and region are those with which it was started.

    Raises:
        LocalAwsError: MiniStack is not installed; the port asked for is taken; it runs on
            another port or for another account than asked for; it does not start in time.
    """
    files = StateFiles(state or default_home())
    tell = on_event or (lambda _: None)
    found = _running(files)
    if found is None:
        with exclusive(files, patience_s=timeout_s + 10):
            found = _running(files) or _awaited(files, timeout_s) or None
            if found is None:
                engine = docker_host or os.environ.get("DOCKER_HOST")
                found = _start(files, port, account, region, engine, tell, timeout_s)
    if port is not None and found.port != port:
        raise LocalAwsError(
            f"The embedded AWS already runs on port {found.port}, not {port}.",
            "Stop it with: lambdaimg local down",
        )
    if found.account != account:
        raise LocalAwsError(
            f"The embedded AWS runs for account {found.account}, not {account}.",
            "Stop it with: lambdaimg local down",
        )
    if found.version != __version__:
        tell(
            f"the embedded AWS was started by lambdaimg {found.version}; "
            "lambdaimg local down ends it, and the next command starts this version's"
        )
    return found


def status(state: Path | None = None) -> LocalAws | None:
    """The running embedded AWS, or None."""
    return _running(StateFiles(state or default_home()))


def down(
    state: Path | None = None,
    *,
    on_event: OnEvent | None = None,
    timeout_s: float = _STOP_TIMEOUT_S,
) -> int | None:
    """Stop the embedded AWS and remove the containers that it started.

    SIGTERM, and after `timeout_s` seconds SIGKILL. What it stored is gone with it.

    Returns:
        The process id of the server that was stopped, or None where none ran.

    Raises:
        LocalAwsError: it is still there.
    """
    import signal

    files = StateFiles(state or default_home())
    tell = on_event or (lambda _: None)
    if not files.home.is_dir():
        return None
    with exclusive(files, patience_s=_START_TIMEOUT_S + 10):
        pid = lock_holder(files)
        record = read_record(files) or {}
        if pid is None:
            _remove_containers(record)
            files.record.unlink(missing_ok=True)
            return None
        if pid == 0 or not _signal(pid, signal.SIGTERM) or not _gone(files, timeout_s):
            tell("the embedded AWS does not stop by itself, ending it")
            if pid:
                _signal(pid, signal.SIGKILL)
            if not _gone(files, _KILL_TIMEOUT_S):
                raise LocalAwsError(
                    f"The embedded AWS (process {pid}) does not end.",
                    f"See {files.log}, and end the process by hand.",
                )
            _remove_containers(record)
        files.record.unlink(missing_ok=True)
        return pid


def environment(local: LocalAws) -> dict[str, str]:
    """AWS's own variables for a client of this embedded AWS; see `environment.laid_over`."""
    return environments.client_environment(local.endpoint, local.account, local.region)


# --- finding ------------------------------------------------------------------------------------


def _running(files: StateFiles) -> LocalAws | None:
    """The server that holds the lock, has a record with that process id, and answers."""
    record = read_record(files)
    if record is None or lock_holder(files) != record["pid"]:
        return None
    if not _healthy(record["port"]):
        return None
    return LocalAws(
        endpoint=f"http://127.0.0.1:{record['port']}",
        port=record["port"],
        pid=record["pid"],
        account=record["account"],
        region=record["region"],
        docker_host=record["docker_host"],
        version=record["version"],
        log=files.log,
        started=False,
    )


def _healthy(port: int) -> bool:
    """Whether the health path answers 200; a bare socket, as http.client costs 20 ms to import."""
    request = f"GET {_HEALTH_PATH} HTTP/1.0\r\nHost: localhost:{port}\r\n\r\n".encode()
    try:
        with socket.socket() as connection:
            connection.settimeout(_HEALTH_TIMEOUT_S)
            connection.connect(("127.0.0.1", port))
            connection.sendall(request)
            return b" 200" in connection.recv(64)
    except OSError:
        return False


def _awaited(files: StateFiles, timeout_s: float) -> LocalAws | None:
    """A server whose starter went away while it was starting; None where none lives."""
    deadline = time.monotonic() + timeout_s
    while (pid := lock_holder(files)) is not None:
        if (found := _running(files)) is not None:
            return found
        if time.monotonic() > deadline:
            raise LocalAwsError(
                f"The embedded AWS (process {pid}) does not answer.",
                "Stop it with: lambdaimg local down",
                log=str(files.log),
            )
        time.sleep(_POLL_S)
    return None


# --- starting -----------------------------------------------------------------------------------


def _start(
    files: StateFiles,
    asked_port: int | None,
    account: str,
    region: str,
    docker_host: str | None,
    tell: OnEvent,
    timeout_s: float,
) -> LocalAws:
    import importlib.util
    import signal

    if importlib.util.find_spec("ministack") is None:
        raise LocalAwsError(
            "The embedded AWS is not installed.",
            'Install it with: pip install "lambdaimg[local]"',
        )
    if files.log.exists():
        files.log.replace(files.log.with_suffix(".log.1"))
    remembered = remembered_port(files)
    deadline = time.monotonic() + timeout_s
    for port in _candidates(asked_port, remembered):
        word = "port taken"
        if _bindable(port):
            tell(f"starting the embedded AWS on port {port}")
            word = _launch(files, port, account, region, docker_host, tell, deadline)
        if word == "port taken":
            continue
        found = _running(files) if word == "ready" else None
        if found is None:
            break
        if asked_port is None and remembered not in (None, port):
            tell(f"port {remembered} of the last run is taken, repository URIs now have {port}")
        return dataclasses.replace(found, started=True)
    else:
        raise LocalAwsError(
            f"Port {asked_port} is taken by another program."
            if asked_port
            else "No port is free for the embedded AWS.",
            "Choose another port, or none at all." if asked_port else "",
        )
    if pid := lock_holder(files):
        _signal(pid, signal.SIGKILL)
    raise LocalAwsError(
        f"The embedded AWS did not start: {_last_words(files.log)}",
        f"Its log is {files.log}",
        log=str(files.log),
    )


def _candidates(asked: int | None, remembered: int | None) -> list[int]:
    """Ports to try in order."""
    if asked is not None:
        return [asked]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free: int = probe.getsockname()[1]
    near = range(DEFAULT_PORT, DEFAULT_PORT + 10)
    return [*dict.fromkeys([remembered or DEFAULT_PORT, *near, free])]


def _bindable(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _launch(
    files: StateFiles,
    port: int,
    account: str,
    region: str,
    docker_host: str | None,
    tell: OnEvent,
    deadline: float,
) -> str:
    """Start a server and wait for its word.

    Returns:
        `ready`, `port taken`, `already running`, or nothing where it died or is too slow.
    """
    import subprocess

    read_end, write_end = os.pipe()
    command = [sys.executable, "-P", str(Path(__file__).with_name("__main__.py"))]
    command += ["--home", str(files.home), "--port", str(port), "--ready-fd", str(write_end)]
    command += ["--account", account, "--region", region]
    if docker_host:
        command += ["--docker-host", docker_host]
    env = environments.server_environment(
        os.environ, port=port, account=account, region=region, docker_host=docker_host
    )
    try:
        with files.log.open("ab") as log:
            subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=env,
                cwd=files.home,
                pass_fds=[write_end],
                check=False,
            )
        os.close(write_end)
        write_end = -1
        return _word(read_end, tell, deadline)
    finally:
        os.close(read_end)
        if write_end >= 0:
            os.close(write_end)


def _word(read_end: int, tell: OnEvent, deadline: float) -> str:
    import selectors

    started = time.monotonic()
    with selectors.DefaultSelector() as selector:
        selector.register(read_end, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0:
            if selector.select(min(left, _PROGRESS_EVERY_S)):
                return os.read(read_end, 64).decode("ascii", "replace").strip()
            tell(f"the embedded AWS is starting, {time.monotonic() - started:.0f} s so far")
    return ""


def _last_words(log: Path) -> str:
    """The last line of the log, in short."""
    try:
        lines = [line.strip() for line in log.read_text("utf-8", "replace").splitlines()]
    except OSError:
        lines = []
    last = next((line for line in reversed(lines) if line), "it said nothing")
    return last if len(last) <= 300 else last[:297] + "..."


# --- stopping -----------------------------------------------------------------------------------


def _signal(pid: int, number: int) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return True


def _gone(files: StateFiles, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while lock_holder(files) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True


def _remove_containers(record: dict[str, Any]) -> None:
    """Remove what a killed server could not; without its record there is nothing to go by."""
    if record:
        from lambdaimg.local.containers import remove_all

        remove_all(record["port"], record["docker_host"])
