"""Runs the command in forked children, so that hundreds of runs cost no imports.

A process of its own, spoken to in lines of JSON: `start` forks a child that runs `lambdaimg` with
arguments, environment and folder of its own, and tells its process id; `wait` tells how it ended.
The child does nothing differently from `python -m lambdaimg`, but for what is asked for: it notes
the sentinels that it writes, may be killed just before or after one of them, and may live in a
time that goes faster.

The files are seen by an audit hook of the interpreter, so nothing of the kit is replaced.
"""

from __future__ import annotations

import errno
import gc
import importlib
import json
import os
import pkgutil
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

# What the children import: packages with all their modules, and single ones.
PACKAGES = ("aws", "commands", "container", "make", "preflight", "targets")
MODULES = (
    "lambdaimg.cli",
    "lambdaimg.plain",
    "lambdaimg.app",
    "lambdaimg.dispatch",
    "lambdaimg.report",
    "lambdaimg.session",
    "lambdaimg.context",
    "lambdaimg.settings_load",
    "lambdaimg.local.registry",
    "boto3",
    "docker",
    "netrc",
    "rich.console",
    "rich.live",
    "tomllib",
)


class Watch:
    """Notes the sentinels that are written and voided, and kills at one of them.

    Args:
        trace: file to which each is noted as a line, such as `write deploy`.
        kill: `{"event": "write deploy", "nth": 1, "side": "before" or "after"}`, or None.
        full: how many files of the kit's own can be written until the disk is full; None for no
            limit.
    """

    def __init__(self, trace: Path, kill: dict[str, Any] | None, full: int | None) -> None:
        self.trace = os.open(trace, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.kill = kill
        self.room = full
        self.seen = 0
        self.doomed: int | None = None
        self.lock = threading.Lock()

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.doomed == threading.get_ident():
            os.kill(os.getpid(), signal.SIGKILL)
        if event == "open" and self.room is not None:
            self.filled(arguments[0], arguments[2])
        elif event == "os.rename":
            self.noted("write", os.fspath(arguments[1]))
        elif event == "os.remove" and Path(os.fsdecode(arguments[0])).exists():
            self.noted("void", os.fspath(arguments[0]))

    def filled(self, path: object, flags: int) -> None:
        """Takes room for a file that is opened to be written; there may be none left."""
        ours = isinstance(path, str | bytes | os.PathLike) and b".lambdaimg/" in os.fsencode(path)
        if not ours or not flags & (os.O_WRONLY | os.O_RDWR):
            return
        with self.lock:
            assert self.room is not None
            self.room -= 1
            if self.room < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fsdecode(path))

    def noted(self, verb: str, path: str | bytes) -> None:
        """What is done to a file, before it is done."""
        name = Path(os.fsdecode(path))
        if name.suffix != ".json" or name.parent.parent.name != ".lambdaimg":
            return
        with self.lock:
            text = f"{verb} {name.stem}"
            os.write(self.trace, f"{text}\n".encode())
            if self.kill is None or self.kill["event"] != text:
                return
            self.seen += 1
            if self.seen == self.kill["nth"]:
                if self.kill["side"] == "before":
                    os.kill(os.getpid(), signal.SIGKILL)
                # The next thing that this thread does comes after it.
                self.doomed = threading.get_ident()


def quicken(speed: float) -> None:
    """Lets the pauses between attempts and looks pass faster."""
    import lambdaimg.context
    from lambdaimg.aws.retry import Waiter

    sleep, now = time.sleep, time.monotonic
    time.sleep = lambda seconds: sleep(seconds / speed)

    class QuickWaiter(Waiter):
        def __init__(self) -> None:
            super().__init__(now=lambda: now() * speed)
            wait = self._cancelled.wait
            self._sleep = lambda seconds: wait(seconds / speed)

    lambdaimg.context.Waiter = QuickWaiter  # type: ignore[misc]


def child(request: dict[str, Any], go: int) -> int:
    """Becomes the command; its exit status."""
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    time.tzset()
    for number, path in ((1, request["out"]), (2, request["err"])):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.read(go, 1)
    os.close(go)
    if request.get("speed"):
        quicken(request["speed"])
    sys.addaudithook(Watch(Path(request["trace"]), request.get("kill"), request.get("full")))
    from lambdaimg.cli import main

    sys.argv = ["lambdaimg", *request["argv"]]
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 99
    return 0


def start(request: dict[str, Any]) -> tuple[int, int]:
    """Forks a child; its process id, and the pipe on which it waits to begin."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(write_end)
        status = 98
        try:
            status = child(request, read_end)
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(status)
    os.close(read_end)
    return pid, write_end


def serve() -> None:
    """Answers requests until stdin ends."""
    import botocore.loaders
    import botocore.session

    for name in MODULES:
        importlib.import_module(name)
    for package in PACKAGES:
        folder = importlib.import_module(f"lambdaimg.{package}").__path__
        for module in pkgutil.iter_modules(folder):
            importlib.import_module(f"lambdaimg.{package}.{module.name}")
    # Every child would read the same descriptions of services anew.
    loader = botocore.loaders.create_loader()
    botocore.loaders.create_loader = lambda *_args, **_more: loader
    session = botocore.session.get_session()
    session.set_credentials("x", "y")
    for service in ("iam", "sts", "ecr", "lambda", "sqs", "logs"):
        session.create_client(service, region_name="us-east-1")
    assert session.get_available_partitions()
    # A collection in a child would touch, and so copy, all that it shares with this process.
    gc.collect()
    gc.freeze()
    waiting: dict[int, int] = {}
    for line in sys.stdin:
        request = json.loads(line)
        if request["op"] == "start":
            pid, pipe = start(request)
            waiting[pid] = pipe
            answer: dict[str, Any] = {"pid": pid}
        elif request["op"] == "go":
            pipe = waiting.pop(request["pid"])
            os.write(pipe, b"g")
            os.close(pipe)
            answer = {}
        else:
            _, status = os.waitpid(request["pid"], 0)
            answer = {"status": os.waitstatus_to_exitcode(status)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
