"""The code that `run`, `serve` and `watch` run: the project's image, another's, or a command.

The project's image is built first where its sources have changed; an image that `--image` names
is taken as it is, whatever language it is of.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

from lambdaimg.errors import DockerError, ProjectError
from lambdaimg.session import Session

if TYPE_CHECKING:
    from lambdaimg.context import Context
    from lambdaimg.emulator.engine import Engine

ENGINE_STATE = "`docker info` tells the engine's own state."


def image_facts(engine: Engine, image: str) -> dict[str, Any]:
    """An image as the engine describes it.

    Raises:
        ProjectError: the engine has none of that name.
        DockerError: the engine failed.
    """
    from lambdaimg.emulator.engine import EngineError

    try:
        return engine.image(image)
    except EngineError as error:
        if error.status == 404:
            raise ProjectError(
                f"The Docker engine has no image {image}.", hint=f"Try `docker pull {image}`."
            ) from error
        raise DockerError(f"The Docker engine failed: {error.message}", ENGINE_STATE) from error


def image_config(image: str) -> dict[str, Any]:
    """The configuration of an image that the engine has: its variables, working folder, command."""
    from lambdaimg.container.dial import dialer
    from lambdaimg.container.engine import endpoint
    from lambdaimg.emulator.engine import Engine

    return dict(image_facts(Engine(dialer(endpoint())), image).get("Config") or {})


def ensure_image(session: Session, engine: Engine) -> str:
    """The ID of the project's image, built now if its sources are not those of the last one."""
    from lambdaimg import made_of
    from lambdaimg.emulator.engine import EngineError
    from lambdaimg.targets import image as target

    context = session.context().for_target("image")
    target.check_project(context)
    try:
        found = engine.image(context.settings.image_name)
    except EngineError:
        found = {}
    labels = (found.get("Config") or {}).get("Labels") or {}
    if found and labels.get(made_of.SOURCE_LABEL) == made_of.source(context):
        return str(found["Id"])
    return build_image(session, context)


def build_image(session: Session, context: Context | None = None) -> str:
    """Build the project's image, and report it. Raises: BuildError and others of a build.

    Args:
        context: what is known of the project's files already; they may not have changed since.
    """
    from lambdaimg.make.target import Outcome
    from lambdaimg.targets import image as target

    context = context or session.context().for_target("image")
    begun = time.monotonic()
    session.report.started("image", "")
    try:
        done = target.build_image(context, None)
    finally:
        session.report.close()
    seconds = time.monotonic() - begun
    # The result of these commands is the function's, so that the build's line goes to stderr.
    outcome = Outcome("image", done.action, done.value, detail=done.detail, seconds=seconds)
    session.report.note(f"image {outcome.action}: {outcome.detail}, {seconds:.1f} s")
    return done.value


def process_command(session: Session) -> tuple[str, ...]:
    """The command that the image would run, as this machine can run it.

    Raises:
        ProjectError: the Dockerfile names none.
    """
    from lambdaimg.container import dockerfile

    settings = session.settings
    path = session.project / settings.dockerfile
    try:
        parsed = dockerfile.parse(path.read_text("utf-8", "replace"))
    except OSError as error:
        raise ProjectError(
            f"Cannot read {path}: {error.strerror}.",
            hint="Run `lambdaimg init`, or name yours with dockerfile.",
        ) from error
    entrypoint = tuple(settings.entrypoint) or last_words(parsed, "ENTRYPOINT")
    command = tuple(settings.command) or last_words(parsed, "CMD")
    if entrypoint == ("/usr/local/bin/bootstrap",):
        entrypoint = (sys.executable, "-m", "lambdaimg.runtime")
    if not entrypoint + command:
        raise ProjectError(
            f"{settings.dockerfile} has neither ENTRYPOINT nor CMD.",
            hint="Write one of them, or set command.",
        )
    return entrypoint + command


def last_words(parsed: Any, keyword: str) -> tuple[str, ...]:
    """The words of the last instruction of that name; a shell form is given to the shell."""
    found = [i.args for i in parsed.instructions if i.keyword == keyword]
    if not found:
        return ()
    try:
        words = json.loads(found[-1])
    except ValueError:
        return ("/bin/sh", "-c", found[-1])
    return tuple(map(str, words))
