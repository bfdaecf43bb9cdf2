"""`watch`: as `serve`, and what is changed in the project is served at once.

A changed file that the image holds as it is in the project (see `container.overlay`) is laid
over the image's copy, without a build; any other change builds the image anew. New events go to
the new code, events in hand end on the old.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lambdaimg import os_errors
from lambdaimg.commands import emulated_code, emulation, serve
from lambdaimg.emulator.filewatch import Files
from lambdaimg.emulator.protocol import FunctionSpec
from lambdaimg.errors import LambdaimgError, UsageError
from lambdaimg.session import Session
from lambdaimg.settings_load import FILE_NAME

if TYPE_CHECKING:
    from lambdaimg.container.overlay import Recipe
    from lambdaimg.emulator.function_pool import FunctionPool


def run(
    session: Session,
    image: emulation.Image = "",
    port: serve.Port = 9000,
    concurrency: serve.Concurrency = 10,
    reserved: serve.Reserved = None,
    idle: serve.Idle = 600.0,
    url: serve.Url = False,
    url_port: serve.UrlPort = 9001,
    queue: serve.Queue = "",
    no_docker: emulation.NoDocker = False,
    with_credentials: emulation.WithCredentials = False,
    network: emulation.Network = "bridge",
    debug_port: emulation.DebugPort = None,
) -> None:
    """Serves the project's image until Ctrl-C, and replaces it as its sources change.

    Raises:
        UsageError: a port is taken, or `--image` names an image that has no sources here.
    """
    if image:
        raise UsageError("watch builds the project's image.", hint="Use `serve --image`.")
    wishes = emulation.Wishes("", no_docker, with_credentials, network, debug_port)
    doors = serve.Doors(port, concurrency, reserved, idle, url, url_port, queue)
    # As they are before the first environment reads them: what is saved from here on is noticed.
    files = Files(lambda: paths(session))
    serve.serve(session, wishes, doors, lambda pool, spec: Watch(session, pool, spec).run(files))


def paths(session: Session) -> Iterable[str]:
    """The files and folders of the build context, and those that say what it is."""
    from lambdaimg.container.context import ContextSpec, scan

    root = session.project.resolve()
    yield str(root)
    for name in (".dockerignore", session.settings.dockerfile, settings_file(root)):
        yield str(root / name)
    try:
        context = scan(ContextSpec(root, session.settings.dockerfile))
    except LambdaimgError:
        return  # the build will say what is wrong
    for entry in context.entries:
        if isinstance(entry.source, str) and entry.kind == "file":
            yield entry.source
        elif entry.kind == "dir":
            yield str(root / entry.path)


def settings_file(root: Path) -> str:
    """The name of the file that has the project's settings."""
    return FILE_NAME if (root / FILE_NAME).is_file() else "pyproject.toml"


MAX_MOUNTS = 32
"""Files that are kept replaceable in an environment that is held ready; with more, none is."""


class Watch:
    """Follows a project's files, and gives a pool the spec that goes with them.

    Args:
        session: the run.
        pool: what serves the function.
        spec: the function as it was started; without an image it is a plain process.
    """

    def __init__(self, session: Session, pool: FunctionPool, spec: FunctionSpec) -> None:
        self._session = session
        self._pool = pool
        self._spec = spec
        self._root = session.project.resolve()
        self._copies = self._root / ".lambdaimg" / f"watch-{os.getpid()}"
        self._generation = 0
        self._standby: FunctionSpec | None = None
        self._places: dict[str, str] = {}
        self._recipe = self._read_recipe()

    def run(self, files: Files) -> None:
        """Follow the files until an exception, such as KeyboardInterrupt, ends it."""
        try:
            self._prepare()
            while True:
                changed = {self._relative(path) for path in files.wait(self._matters)}
                try:
                    if changed := self._without_settings(changed):
                        self._apply(changed)
                except LambdaimgError as error:
                    self._tell(error)
                except OSError as error:  # such as a file that was there a moment ago
                    self._tell(os_errors.translate(error))
        finally:
            shutil.rmtree(self._copies, ignore_errors=True)

    def _tell(self, error: LambdaimgError) -> None:
        """Say what went wrong; what is held ready may not be whole, and is not taken."""
        self._standby, self._places = None, {}
        self._session.report.note(f"{error.message} {error.hint}".strip())

    def _relative(self, path: str) -> str:
        return os.path.relpath(path, self._root).replace(os.sep, "/")

    def _matters(self, path: str) -> bool:
        relative = self._relative(path)
        return (
            relative in self._defining
            or relative == settings_file(self._root)
            or self._recipe.concerns(relative)
        )

    def _without_settings(self, changed: set[str]) -> set[str]:
        """The changed files that are part of the image; of the settings' it is told what holds."""
        name = settings_file(self._root)
        if name in changed:
            note = f"{name} changed: start watch again, and its settings hold"
            self._session.report.note(note)
        return {path for path in changed if path != name or self._recipe.concerns(path)}

    @property
    def _defining(self) -> set[str]:
        """The files that say what the image is made of."""
        return {".dockerignore", self._session.settings.dockerfile}

    def _apply(self, changed: set[str]) -> None:
        """Serve what the changed files, paths of the project, make of the function."""
        if not self._spec.image:
            self._update(self._spec)
            self._session.report.note(f"{listed(changed)}: started anew")
            return
        places = {path: self._recipe.replaceable(path) for path in changed}
        if None in places.values() or changed & self._defining or not self._all_there(changed):
            self._rebuild(listed(changed))
        else:
            self._replace({path: place for path, place in places.items() if place is not None})
            self._session.report.note(f"{listed(changed)}: replaced")
        self._prepare()

    def _all_there(self, paths: set[str]) -> bool:
        return all((self._root / path).is_file() for path in paths)

    def _replace(self, places: dict[str, str]) -> None:
        """Lay copies of files over the image's; copies, so that old environments keep theirs."""
        spec = self._standby
        mounts = {there: here for here, there in (spec.mounts if spec else self._spec.mounts)}
        if spec is not None and places.keys() <= self._places.keys():
            # What is held has copies of its own, and has not read them yet.
            for path, there in places.items():
                shutil.copyfile(self._root / path, mounts[there])
        else:
            mounts |= self._copied(places)
            spec = self._spec.but(mounts=[(here, there) for there, here in mounts.items()])
        self._update(spec)

    def _prepare(self) -> None:
        """Have an environment made that only waits for the next change."""
        self._standby = None
        self._places = {}
        if not self._spec.image:
            return
        for path in map(self._relative, paths(self._session)):
            place = self._recipe.replaceable(path)
            if place is not None and (self._root / path).is_file():
                self._places[path] = place
        if 0 < len(self._places) <= MAX_MOUNTS:
            mounts = self._copied(self._places)
            pairs = [(here, there) for there, here in mounts.items()]
            self._standby = self._spec.but(mounts=pairs)
            self._pool.hold(self._standby)

    def _copied(self, places: dict[str, str]) -> dict[str, str]:
        """Copies of files in a new folder: where each goes in the image, and the copy."""
        self._generation += 1
        mounts = {}
        for path, there in places.items():
            copy = self._copies / str(self._generation) / path
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self._root / path, copy)
            # As in a build: readable by all, whatever the developer's umask.
            executable = (self._root / path).stat().st_mode & 0o100
            copy.chmod(0o755 if executable else 0o644)
            mounts[there] = str(copy)
        return mounts

    def _rebuild(self, names: str) -> None:
        self._session.report.note(f"{names}: building")
        image = emulated_code.build_image(self._session)
        self._update(self._spec.but(image=image, mounts=()))
        self._recipe = self._read_recipe()

    def _update(self, spec: FunctionSpec) -> None:
        self._spec = spec
        self._pool.update(spec, prestart=True)

    def _read_recipe(self) -> Recipe:
        from lambdaimg.container import dockerfile, overlay
        from lambdaimg.made_of import build_arguments

        settings = self._session.settings
        text = Path(self._root / settings.dockerfile).read_text("utf-8", "replace")
        image = self._spec.image
        config: dict[str, Any] = emulated_code.image_config(image) if image else {}
        arguments = build_arguments(self._session.context())
        target = settings.build_target or None
        return overlay.recipe(dockerfile.parse(text), target, arguments, config)


def listed(paths: set[str]) -> str:
    """Some files for the eye."""
    return ", ".join(sorted(paths)[:3]) + (" ..." if len(paths) > 3 else "")
