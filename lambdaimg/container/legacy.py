"""The engine's legacy builder: one POST of the context, one stream of JSON messages back.

Docker Engine API, `POST /build`: `stream` is text, `status` with an `id` is a pull, `aux.ID`
the image, `error` the end.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

from lambdaimg.container.dockerfile import Instruction
from lambdaimg.container.errors import explanation, translated
from lambdaimg.container.events import BuildEvent, OnBuildEvent
from lambdaimg.container.job import Job, Tail, step_failed
from lambdaimg.container.stream import auth_header, post_stream, proxy_arguments, pull_credentials
from lambdaimg.errors import BuildError

if TYPE_CHECKING:
    from docker import DockerClient

_STEP = re.compile(r"Step (\d+)/(\d+) : ")
_GONE = re.compile(
    r"(?:legacy|classic) builder|builder version.*(?:not supported|unsupported)", re.I
)
_COLOUR = re.compile(r"\x1b\[[\d;]*m")
_BUILT = re.compile(r"Successfully built ([0-9a-f]{12,})")

AUTOMATIC_ARGS = tuple(
    f"{side}{part}"
    for side in ("BUILD", "TARGET")
    for part in ("PLATFORM", "OS", "ARCH", "VARIANT")
)


class NoLegacyBuilderError(Exception):
    """The engine says that it has no legacy builder."""


class Log:
    """Decodes the builder's messages.

    Attributes:
        image_id: set when the builder has told it.
        failure: the builder's words when it has failed.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._step: int | None = None
        self._steps: int | None = None
        self._fresh = False
        self.tail = Tail()
        self.image_id: str | None = None
        self.failure: str | None = None

    @property
    def step(self) -> int | None:
        """Number of the step that the builder is at."""
        return self._step

    @property
    def instruction(self) -> Instruction | None:
        """The instruction that the builder is at."""
        return self._job.dockerfile.of_step(self._step) if self._step else None

    def feed(self, message: dict[str, Any]) -> Iterator[BuildEvent]:
        """The events of one message."""
        if "error" in message:
            detail = message.get("errorDetail") or {}
            self.failure = str(detail.get("message") or message["error"])
        elif isinstance(message.get("aux"), dict) and message["aux"].get("ID"):
            self.image_id = message["aux"]["ID"]
        elif "stream" in message:
            yield from self._text(message["stream"])
        elif "status" in message:
            detail = message.get("progressDetail") or {}
            yield self._event(
                "pull",
                message["status"],
                id=str(message.get("id") or ""),
                current=detail.get("current"),
                total=detail.get("total"),
            )

    def _text(self, text: str) -> Iterator[BuildEvent]:
        if match := _STEP.match(text):
            self._step, self._steps = int(match.group(1)), int(match.group(2))
            self.tail.clear()
            self._fresh = True
            yield self._event("step", text[match.end() :].strip())
        elif text.startswith(" ---> "):
            if "Using cache" in text:
                yield self._event("cached")
        elif match := _BUILT.match(text):
            self.image_id = self.image_id or match.group(1)
        elif self._fresh and text == "\n":
            self._fresh = False  # the builder ends its own line
        elif not text.startswith(("Removing intermediate container", "Successfully tagged")):
            kind: Any = "warning" if text.lstrip().startswith("[Warning]") else "output"
            text = _COLOUR.sub("", text)
            if kind == "output":
                self.tail.add(text)
            yield self._event(kind, text)

    def _event(self, kind: Any, text: str = "", **more: Any) -> BuildEvent:
        instruction = self.instruction
        return BuildEvent(
            kind,
            text,
            step=self._step,
            steps=self._steps,
            line=instruction.line if instruction else None,
            **more,
        )


def run(client: DockerClient, job: Job, on_event: OnBuildEvent) -> str:
    """Build with the legacy builder.

    Returns:
        the image's ID.

    Raises:
        NoLegacyBuilderError: the engine has none.
        BuildError, ProjectError, NoEngineError, DockerError: as `builder.build`.
    """
    from docker.errors import APIError

    log = Log(job)
    with translated("building the image"):
        try:
            # An exception within, an interruption too, ends the build at the engine.
            with contextlib.closing(_messages(client, job, on_event)) as messages:
                for message in messages:
                    for event in log.feed(message):
                        on_event(event)
        except APIError as exc:
            why = explanation(exc)
            if _GONE.search(why):
                raise NoLegacyBuilderError(why) from exc
            if exc.response is not None and exc.response.status_code == 400:
                raise step_failed(job, None, why, "") from exc
            raise
    if log.failure is not None:
        if _GONE.search(log.failure):
            raise NoLegacyBuilderError(log.failure)
        raise step_failed(job, log.instruction, log.failure, log.tail.text(), log.step)
    if log.image_id is None:
        raise BuildError("The engine broke off the build without saying why.", "Build again.")
    return log.image_id


def _messages(
    client: DockerClient, job: Job, on_event: OnBuildEvent
) -> Generator[dict[str, Any], None, None]:
    api: Any = client.api
    credentials, missing = pull_credentials()
    if missing:
        on_event(BuildEvent("warning", f"Building without Docker's stored logins: {missing}.\n"))
    arguments = {**proxy_arguments(api.base_url), **_automatic_args(client, job), **job.args}
    params = {
        "t": job.tag,
        "dockerfile": job.context.dockerfile,
        "platform": job.platform,
        "target": job.target or "",
        "buildargs": json.dumps(arguments),
        "labels": json.dumps(job.labels),
        "nocache": str(job.no_cache).lower(),
        "rm": "true",
        "forcerm": "true",
    }
    headers = {"Content-Type": "application/x-tar", "X-Registry-Config": auth_header(credentials)}
    return post_stream(api, "/build", params, headers, job.context.stream(), job.cancel)


def _automatic_args(client: DockerClient, job: Job) -> dict[str, str]:
    """Values for the platform args that BuildKit sets by itself, where they are declared."""
    declared = job.dockerfile.declared_args.intersection(AUTOMATIC_ARGS)
    if not declared:
        return {}
    api: Any = client.api
    engine = api.version()
    sides = {"BUILD": f"{engine['Os']}/{engine['Arch']}", "TARGET": job.platform}
    values: dict[str, str] = {}
    for side, platform in sides.items():
        system, architecture, variant = [*platform.split("/"), "", ""][:3]
        values |= {
            f"{side}PLATFORM": platform,
            f"{side}OS": system,
            f"{side}ARCH": architecture,
            f"{side}VARIANT": variant,
        }
    return {name: values[name] for name in sorted(declared)}
