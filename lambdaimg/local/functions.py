"""Image functions of the embedded AWS, run by the kit's own emulator.

MiniStack calls one function for every invocation and two where environments are to go; these
are the seam, and `install` puts `ImageFunctions` in their place. What MiniStack knows of a
function becomes a `FunctionSpec`, and the emulator's outcome the dictionary that MiniStack
turns into the answer of Invoke, into what a queue's poller looks at, and into log events.

Zip functions whose runtime is `provided` are run the same way (`zips`); all others stay with
MiniStack.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lambdaimg.emulator.function_pool import FunctionPool
from lambdaimg.emulator.protocol import FunctionSpec, Outcome
from lambdaimg.local.registry import local_repository_uri
from lambdaimg.local.zips import Place, ZipFunctions

if TYPE_CHECKING:
    from lambdaimg.emulator.sandbox import Executor

log = logging.getLogger(__name__)

Key = tuple[str, str, str, str]
Function = dict[str, Any]
Result = dict[str, Any]

_SEAM = {
    "_execute_function_docker": ("func", "event", "request_id"),
    "_pool_kill_function": ("account", "func_name"),
    "_pool_clear_all": (),
}
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_IDLE_S = 600.0


@dataclass(frozen=True)
class Surroundings:
    """What functions are told of the embedded AWS.

    Attributes:
        endpoint: as this machine's programs call it.
        container_endpoint: as containers call it.
        secret_key: the secret of the credentials that functions get.
    """

    endpoint: str
    container_endpoint: str
    secret_key: str = "local"  # noqa: S105


def image_place(config: Mapping[str, Any], around: Surroundings) -> Place:
    """What the containers of an image function are made of."""
    image = (config.get("ImageConfigResponse") or {}).get("ImageConfig") or {}
    return Place(
        local_repository_uri(config["ImageUri"], around.endpoint),
        entrypoint=tuple(image.get("EntryPoint") or ()),
        command=tuple(image.get("Command") or ()),
        workdir=image.get("WorkingDirectory") or "",
    )


def function_spec(
    config: Mapping[str, Any], around: Surroundings, place: Place | None = None
) -> FunctionSpec:
    """The emulator's view of a function.

    Args:
        config: the function's configuration as MiniStack keeps it: that of AWS's
            GetFunctionConfiguration, and `ImageUri`.
        around: what functions are told of the embedded AWS.
        place: what its containers are made of; None for the image of an image function.
    """
    _, _, _, region, account, *_ = str(config["FunctionArn"]).split(":")
    place = place or image_place(config, around)
    return FunctionSpec(
        config["FunctionName"],
        image=place.image,
        command=place.command,
        entrypoint=place.entrypoint,
        workdir=place.workdir,
        mounts=place.mounts,
        environment={**place.variables, **_variables(config, account, around)},
        timeout=int(config.get("Timeout") or 3),
        memory=int(config.get("MemorySize") or 128),
        version=config.get("Version") or "$LATEST",
        region=region,
        account=account,
        idle_seconds=_IDLE_S,
    )


def _variables(config: Mapping[str, Any], account: str, around: Surroundings) -> dict[str, str]:
    """Variables of the role's credentials, of logging, and the function's own, which win."""
    own = dict((config.get("Environment") or {}).get("Variables") or {})
    if urlsplit(own.get("AWS_ENDPOINT_URL", "")).hostname in _LOOPBACK:
        del own["AWS_ENDPOINT_URL"]  # the caller's loopback is not the container's
    logging_config = config.get("LoggingConfig") or {}
    given = {
        "AWS_ACCESS_KEY_ID": account,
        "AWS_SECRET_ACCESS_KEY": around.secret_key,
        "AWS_ENDPOINT_URL": around.container_endpoint,
    }
    if logging_config.get("LogFormat") == "JSON":
        given["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
        given["AWS_LAMBDA_LOG_LEVEL"] = logging_config.get("ApplicationLogLevel") or "INFO"
    return given | own


def result_of(outcome: Outcome, written: bytes) -> Result:
    """What MiniStack's executor returns, from the emulator's outcome and the whole log."""
    result: Result = {"log": written.decode("utf-8", "replace"), "log_source": "rie"}
    try:
        text = outcome.payload.decode("utf-8")
    except UnicodeDecodeError:
        return result | {"body": outcome.payload}
    if not outcome.function_error:
        # Text that is marked raw goes out as it stands; pollers parse it themselves.
        return result | {"body": text, "raw_payload": True}
    body: Any = text
    with contextlib.suppress(ValueError):
        body = json.loads(text)
    return result | {"body": body, "error": True, "function_error": outcome.function_error}


class _Log:
    """What environments write, by the invocation it belongs to."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: dict[str, bytearray] = {}

    def sink(self, request_id: str, _source: str, data: bytes) -> None:
        """Keep a piece. What is written before the first event goes to the next event's log."""
        with self._lock:
            if request_id and request_id not in self._of:
                self._of[request_id] = self._of.pop("", bytearray())
            self._of.setdefault(request_id, bytearray()).extend(data)

    def taken(self, request_id: str) -> bytes:
        """The whole log of an invocation that is over."""
        with self._lock:
            return bytes(self._of.pop(request_id, b""))


class _Environments:
    """The pool of one version of one function, and who still needs it."""

    def __init__(self, spec: FunctionSpec, executor: Executor) -> None:
        self.spec = spec
        self.log = _Log()
        self.pool = FunctionPool(spec, executor, log=self.log.sink)
        self.invocations = 0
        self.retired = False


class ImageFunctions:
    """Runs functions in warm containers.

    Args:
        executor: what starts containers.
        around: what functions are told of the embedded AWS.
        prepare: called with an image's name before its first container is started; makes sure
            that the engine has it, and raises `LookupError` where it cannot.
        zips: what zip functions are made of; None leaves them to MiniStack.
    """

    def __init__(
        self,
        executor: Executor,
        around: Surroundings,
        prepare: Callable[[str], None],
        zips: ZipFunctions | None = None,
    ) -> None:
        self._zips = zips
        self._executor = executor
        self._around = around
        self._prepare = prepare
        self._lock = threading.Lock()
        self._of: dict[Key, _Environments] = {}
        self._closing: set[threading.Thread] = set()
        self._closed = False

    def takes(self, config: Mapping[str, Any]) -> bool:
        """Whether it is a function that is run here."""
        zipped = self._zips is not None and self._zips.takes(config)
        return zipped or config.get("PackageType") == "Image"

    def _spec(self, func: Function) -> FunctionSpec:
        config = func.get("config") or func
        if self._zips is not None and self._zips.takes(config):
            return function_spec(config, self._around, self._zips.place(func))
        return function_spec(config, self._around)

    def execute(self, func: Function, event: Any, request_id: str) -> Result:
        """Invoke a function and wait; what MiniStack's own executor of this name returns."""
        try:
            environments = self._taken(self._spec(func))
        except LookupError as error:
            body = {"errorType": "Sandbox.ImageNotFound", "errorMessage": str(error)}
            return {"body": body, "error": True, "function_error": "Unhandled", "log": ""}
        try:
            outcome = environments.pool.invoke(
                json.dumps(event).encode(), request_id=request_id, want_log=True
            )
            return result_of(outcome, environments.log.taken(request_id))
        finally:
            self._given_back(environments)

    def retire(self, account: str, name: str) -> None:
        """End a function's environments as they become free: it was changed or deleted."""
        with self._lock:
            keys = [key for key in self._of if (key[0], key[2]) == (account, name)]
            for key in keys:
                self._retire(self._of.pop(key))

    def close(self) -> None:
        """End all environments, wait until their containers are gone, and take no more events."""
        with self._lock:
            self._closed = True
        self.clear()

    def clear(self) -> None:
        """End all environments and wait until their containers are gone."""
        with self._lock:
            for key in list(self._of):
                environments = self._of.pop(key)
                environments.retired = True
                self._close(environments)
            closing = list(self._closing)
        for thread in closing:
            thread.join()

    def _taken(self, spec: FunctionSpec) -> _Environments:
        """The environments of a function as it is configured now, counted as in use."""
        key = (spec.account, spec.region, spec.name, spec.version)
        with self._lock:
            found = self._of.get(key)
            if found is not None and vars(found.spec) == vars(spec):
                found.invocations += 1
                return found
        self._prepare(spec.image)
        with self._lock:
            if self._closed:
                raise LookupError("The embedded AWS is being stopped.")
            found = self._of.get(key)
            if found is None or vars(found.spec) != vars(spec):
                if found is not None:
                    self._retire(found)
                found = self._of[key] = _Environments(spec, self._executor)
            found.invocations += 1
            return found

    def _given_back(self, environments: _Environments) -> None:
        with self._lock:
            environments.invocations -= 1
            if environments.retired and not environments.invocations:
                self._close(environments)

    def _retire(self, environments: _Environments) -> None:
        environments.retired = True
        if not environments.invocations:
            self._close(environments)

    def _close(self, environments: _Environments) -> None:
        """Close in a thread of its own: it takes as long as the engine takes."""

        def close() -> None:
            environments.pool.close()
            with self._lock:
                self._closing.discard(thread)

        thread = threading.Thread(target=close, name=f"close-{environments.spec.name}")
        self._closing.add(thread)
        thread.start()


def check_seam(module: Any) -> None:
    """Refuse a MiniStack whose functions are not those that `install` replaces.

    Raises:
        RuntimeError: one is missing or has other parameters.
    """
    for name, parameters in _SEAM.items():
        function = getattr(module, name, None)
        found = tuple(inspect.signature(function).parameters) if function else None
        if found != parameters:
            raise RuntimeError(
                f"This version of MiniStack has no {name}({', '.join(parameters)}); "
                'install the one that fits with: pip install "lambdaimg[local]"'
            )


def install(module: Any, functions: ImageFunctions) -> None:
    """Let MiniStack's Lambda run those functions by `functions` that it takes.

    Args:
        module: `ministack.services.lambda_svc`.
        functions: what runs them from now on.

    Raises:
        RuntimeError: see `check_seam`.
    """
    check_seam(module)
    execute, retire, clear = (getattr(module, name) for name in _SEAM)

    def execute_function(func: Function, event: Any, request_id: str) -> Result:
        if not functions.takes(func.get("config") or func):
            return dict(execute(func, event, request_id))
        return functions.execute(func, event, request_id)

    def retire_function(account: str, func_name: str) -> None:
        functions.retire(account, func_name)
        retire(account, func_name)

    def clear_all() -> None:
        functions.clear()
        clear()

    for name, replacement in zip(
        _SEAM, (execute_function, retire_function, clear_all), strict=True
    ):
        setattr(module, name, replacement)
