"""One run of the command: its flags, and what is made from them when it is needed.

A project may have several functions. `choose` settles which of them the run is about; for a run
about several, `each` gives a session per function, which share all that is not the function's own.
"""

from __future__ import annotations

import copy
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lambdaimg.calls import CallLog
from lambdaimg.errors import LambdaimgError, ProjectError, UsageError
from lambdaimg.report import Report
from lambdaimg.secrets import hider, secret_values
from lambdaimg.settings import Settings
from lambdaimg.settings_functions import load_all
from lambdaimg.settings_load import current_folder, find_project, nearest

if TYPE_CHECKING:
    from lambdaimg.context import Context
    from lambdaimg.local.server import LocalAws


class Takes(Enum):
    """Which of a project's functions a command works on.

    `NONE`: it has nothing to do with them. `ONE`: the one that is named. `ASKED`: all of them,
    where `--all` says so. `ALL`: all of them, where none is named. `TOP`: the project as a whole,
    where none is named.
    """

    NONE = "none"
    ONE = "one"
    ASKED = "asked"
    ALL = "all"
    TOP = "top"


@dataclass
class Session:
    """The global flags, and the settings, report and context of this run.

    Args:
        command: the command's name.
        flags: settings given on the command line, by name.
        local: run against the embedded AWS.
        env_name: the `[env.NAME]` table of the settings file.
        folder: the project's folder; None for the nearest one upwards.
        as_json: print one JSON document.
        debug: show tracebacks.
        verbose: show all output.
        functions: the functions named, of a project that has several.
        every: all of them.
    """

    command: str
    flags: Mapping[str, Any] = field(default_factory=dict)
    local: bool = False
    env_name: str = ""
    folder: Path | None = None
    as_json: bool = False
    debug: bool = False
    verbose: bool = False
    functions: tuple[str, ...] = ()
    every: bool = False

    def __post_init__(self) -> None:
        self.report = Report(as_json=self.as_json, verbose=self.verbose)
        self.calls = CallLog() if self.debug else None
        self.function = ""
        self.several: tuple[str, ...] = ()
        self._loaded: tuple[Settings, dict[str, Settings]] | None = None
        self._local: LocalAws | None = None
        self._whole: Session | None = None
        self._context: Context | None = None
        self._lock = threading.RLock()

    @property
    def project(self) -> Path:
        """The project's folder.

        Raises:
            ProjectError: the folder named does not exist.
            UsageError: the current folder is gone.
        """
        if self.folder is None:
            return find_project(current_folder())
        if not self.folder.is_dir():
            raise ProjectError(
                f"There is no folder {self.folder}.", hint="-C takes the folder of a project."
            )
        return self.folder.resolve()

    @property
    def loaded(self) -> tuple[Settings, dict[str, Settings]]:
        """The settings of the project as a whole, and of each function that has a table."""
        if self._loaded is None:
            top, functions = load_all(self.project, self.flags, os.environ, self.env_name)
            everyones = [top, *functions.values()]
            secrets = [secret_values(settings, os.environ) for settings in everyones]
            self.report.hide = hider(set().union(*secrets))
            self._loaded = top, functions
        return self._loaded

    @property
    def settings(self) -> Settings:
        """The resolved settings, of the function that was chosen."""
        top, functions = self.loaded
        return functions[self.function] if self.function else top

    def choose(self, takes: Takes) -> None:
        """Settles what the run is about: `function`, one of several, or `several` of them.

        Raises:
            UsageError: there is no such function, or the command does not take so many.
        """
        named = dict.fromkeys(self.functions)
        if named and self.every:
            raise UsageError(
                "Give --function or --all, not both.", hint="--all is every function there is."
            )
        if takes is Takes.NONE:
            if named or self.every:
                raise UsageError(
                    f"{self.command} has nothing to do with single functions.",
                    hint="Leave out --function and --all.",
                )
            return
        if takes is Takes.TOP and not (named or self.every):
            return
        try:
            known = list(self.loaded[1])
        except LambdaimgError:
            if named or self.every:
                raise
            # Whoever needs the settings will say what is wrong with them.
            return
        if not known:
            self._refuse_names(list(named))
            return
        for name in named:
            if name not in known:
                raise UsageError(
                    f"There is no function {name} in this project.",
                    hint=nearest(name, known, f"There are: {', '.join(known)}."),
                )
        if takes is Takes.ONE and (self.every or len(named) > 1):
            raise UsageError(
                f"{self.command} takes one function.", hint=f"Name one of {', '.join(known)}."
            )
        everything = self.every or len(known) == 1 or (takes is Takes.ALL and not named)
        chosen = known if everything else list(named)
        if not chosen:
            more = ", or --all" if takes is Takes.ASKED else ""
            raise UsageError(
                f"{self.command} needs to know which function is meant.",
                hint=f"Give --function NAME{more}. There are: {', '.join(known)}.",
            )
        if len(chosen) == 1 and not self.every:
            self.function = self.report.function = chosen[0]
        else:
            self.several = tuple(chosen)

    def _refuse_names(self, named: list[str]) -> None:
        if named:
            raise UsageError(
                "This project has one function, which needs no --function.",
                hint="For several, write a table [functions.NAME] for each in lambdaimg.toml.",
            )

    def each(self) -> list[Session]:
        """A session for each of the functions that the run is about."""
        found = []
        for name in self.several:
            one = copy.copy(self)
            one.function, one.several, one._whole = name, (), self
            found.append(one)
        return found

    def local_aws(self) -> LocalAws | None:
        """The embedded AWS, started on first use; None where AWS itself is meant."""
        if not self.local:
            return None
        if self._whole is not None:
            return self._whole.local_aws()
        if self._local is None:
            from lambdaimg.local.environment import laid_over
            from lambdaimg.local.server import DEFAULT_REGION, ensure_up, environment

            region = self.settings.region or DEFAULT_REGION
            found = ensure_up(
                region=region,
                docker_host=os.environ.get("DOCKER_HOST") or None,
                on_event=self.report.note,
            )
            # From here on AWS's own variables tell everything, to this process and its children.
            variables = {**environment(found), "AWS_REGION": region, "AWS_DEFAULT_REGION": region}
            merged = laid_over(os.environ, variables)
            os.environ.clear()
            os.environ.update(merged)
            self._local = found
        return self._local

    def context(self) -> Context:
        """The context of a run of targets."""
        if self._whole is not None:
            return self._whole.shared_context().for_function(self.settings, self.report)
        from lambdaimg.context import Context

        settings = self.settings
        local = self.local_aws()
        return Context(
            self.project, settings, os.environ, local, listener=self.report, calls=self.calls
        )

    def shared_context(self) -> Context:
        """The context that those of several functions are made from."""
        with self._lock:
            if self._context is None:
                self._context = self.context()
            return self._context

    def others(self) -> list[Settings]:
        """The settings of the project's functions but for the one that was chosen."""
        return [settings for name, settings in self.loaded[1].items() if name != self.function]
