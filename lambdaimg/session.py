"""One run of the command: its flags, and what is made from them when it is needed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lambdaimg.calls import CallLog
from lambdaimg.errors import ProjectError
from lambdaimg.report import Report
from lambdaimg.secrets import hider, secret_values
from lambdaimg.settings import Settings
from lambdaimg.settings_load import find_project, load

if TYPE_CHECKING:
    from lambdaimg.context import Context
    from lambdaimg.local.server import LocalAws


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
    """

    command: str
    flags: Mapping[str, Any] = field(default_factory=dict)
    local: bool = False
    env_name: str = ""
    folder: Path | None = None
    as_json: bool = False
    debug: bool = False
    verbose: bool = False

    def __post_init__(self) -> None:
        self.report = Report(as_json=self.as_json, verbose=self.verbose)
        self.calls = CallLog() if self.debug else None
        self._settings: Settings | None = None
        self._local: LocalAws | None = None

    @property
    def project(self) -> Path:
        """The project's folder.

        Raises:
            ProjectError: the folder named does not exist.
        """
        if self.folder is None:
            return find_project(Path.cwd())
        if not self.folder.is_dir():
            raise ProjectError(f"There is no folder {self.folder}.")
        return self.folder.resolve()

    @property
    def settings(self) -> Settings:
        """The resolved settings."""
        if self._settings is None:
            self._settings = load(self.project, self.flags, os.environ, self.env_name)
            self.report.hide = hider(secret_values(self._settings, os.environ))
        return self._settings

    def local_aws(self) -> LocalAws | None:
        """The embedded AWS, started on first use; None where AWS itself is meant."""
        if not self.local:
            return None
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
        from lambdaimg.context import Context

        settings = self.settings
        local = self.local_aws()
        return Context(
            self.project, settings, os.environ, local, listener=self.report, calls=self.calls
        )
