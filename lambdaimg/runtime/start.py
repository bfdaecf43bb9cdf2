"""Starts the runtime: what `/usr/local/bin/bootstrap` and `python -m lambdaimg.runtime` do.

1. Without a Runtime API the process becomes an emulator with itself as the function behind it.
2. The handler's folders are put on the module path, the log is set up, the handler loaded.
3. The loop serves events until the environment ends.
"""

import os
import sys

from .client import RuntimeClient
from .codec import Codec
from .context import Function
from .current import current
from .loader import find_handler, import_module, split_name
from .loghook import is_json, prepare_logging
from .loop import Loop
from .signals import shutdown
from .sink import open_sink, unbuffer
from .transport import Connection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping, Sequence
    from typing import Any

    from .context import Context

PACKAGES = "/opt/python"
"""Where the image and layers keep what the handler imports."""
USER_AGENT = f"lambdaimg Python/{sys.version.partition(' ')[0]}"

_LIBRARY = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))  # noqa: PTH120
_UTF8_RESPONSES = frozenset(f"AWS_Lambda_python3.{minor}" for minor in (12, 13, 14, 15))


def main(argv: "Sequence[str]", command: "Sequence[str]", foreign: int = 0) -> None:
    """Run until the environment ends.

    Args:
        argv: the arguments behind the program's name; the first is the handler.
        command: what starts this program again, for the emulator.
        foreign: how many entries at the front of `sys.path` the handler is not to see.

    Raises:
        SystemExit: with 0 after SIGTERM, 1 after a failed initialisation, 130 after SIGINT.
    """
    environ = os.environ
    if not environ.get("AWS_LAMBDA_RUNTIME_API"):
        _become_emulator([*command, *argv])
    set_path(environ, foreign)
    unbuffer()
    try:
        run(argv[0] if argv else environ.get("_HANDLER", ""), environ)
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def run(handler: str, environ: "MutableMapping[str, str]") -> None:
    """Load a handler and serve events with it. Raises: SystemExit."""
    count = environ.get("AWS_LAMBDA_MAX_CONCURRENCY", "")
    if count.isdigit():
        from .workers import run_workers

        run_workers(int(count), lambda: serve(handler, environ), environ)
    serve(handler, environ)


def serve(handler: str, environ: "MutableMapping[str, str]") -> None:
    """What one process does: load the handler, then the loop. Raises: SystemExit."""
    shutdown.listen()
    loop = current.loop = build_loop(environ)
    try:
        function = load(handler, loop)
    except Exception as error:
        from .errors import Failure

        loop.init_failed(Failure.of(error))
        raise SystemExit(1) from None
    if environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
        from .snapstart import take_snapshot

        take_snapshot(loop)
    loop.run(function)


def build_loop(environ: "MutableMapping[str, str]", raw_text: bool = False) -> Loop:
    """The loop with all its parts, set up from the environment. Raises: KeyError."""
    sink = open_sink(environ)
    prepare_logging(sink, environ)
    client = RuntimeClient(Connection(environ["AWS_LAMBDA_RUNTIME_API"]), USER_AGENT)
    codec = Codec(environ.get("AWS_EXECUTION_ENV") not in _UTF8_RESPONSES)
    return Loop(client, codec, Function(environ), sink, raw_text, is_json(environ))


def load(handler: str, loop: Loop) -> "Callable[[Any, Context], Any]":
    """What is to be called with event and context: a function, or a method of an instance.

    Raises:
        Fault: there is no such handler.
        BaseException: what the module or the class's constructor raises.
    """
    module_name, name = split_name(handler)
    found, method = find_handler(import_module(module_name), name)
    if method:
        loop.raw_text = True
        instance = found()
        shutdown.add(instance.on_shutdown)
        found = getattr(instance, method)
    function: Callable[[Any, Context], Any] = found
    return function


def set_path(environ: "MutableMapping[str, str]", foreign: int) -> None:
    """Order the module path: the task root, `PACKAGES`, then the interpreter's own."""
    root = environ.get("LAMBDA_TASK_ROOT") or os.getcwd()  # noqa: PTH109
    sys.path[:foreign] = [root, PACKAGES]
    if _LIBRARY not in sys.path:
        sys.path.append(_LIBRARY)
    path = environ.get("PYTHONPATH", "").split(os.pathsep)
    if _LIBRARY in path:  # put there by _become_emulator
        path.remove(_LIBRARY)
        if path:
            environ["PYTHONPATH"] = os.pathsep.join(path)
        else:
            del environ["PYTHONPATH"]


def _become_emulator(command: "Sequence[str]") -> None:
    path = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = f"{_LIBRARY}{os.pathsep}{path}" if path else _LIBRARY
    python = sys.executable
    listen = ("--host", "0.0.0.0", "--port", "8080")  # noqa: S104 - a container's own network
    os.execv(python, [python, "-m", "lambdaimg.emulator", *listen, "--", *command])  # noqa: S606
