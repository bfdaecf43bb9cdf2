"""Keeps the developer's own machine out of the tests.

The tests run with a home folder of their own and without any variable that AWS tools or the kit
would read, so that neither an AWS profile nor a Docker login nor a setting of the developer's can
make them pass, fail, or reach a real account.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from lambdaimg import settings

# What a run of the tests is told on purpose.
KEPT = frozenset({"LAMBDAIMG_BUILD_CA_BUNDLE", "LAMBDAIMG_TEST_RIE"})
PREFIXES = ("AWS_", "LAMBDAIMG_", "_LAMBDA", "LAMBDA_", "XDG_")
SINGLE = frozenset({"_HANDLER", "_X_AMZN_TRACE_ID", "LOG_LEVEL", "NO_COLOR", "FORCE_COLOR"})


def foreign_names(names: Iterable[str]) -> list[str]:
    """The variables that tests must not see, of those given."""
    own = {variable for name in settings.FIELDS for variable in settings.variables_of(name)}
    return [
        name
        for name in names
        if name not in KEPT and (name.startswith(PREFIXES) or name in SINGLE or name in own)
    ]


def isolated(home: Path, outer: Mapping[str, str]) -> dict[str, str]:
    """The tests' environment: the outer one, cleaned, with a home folder of its own."""
    dropped = frozenset(foreign_names(outer))
    env = {name: value for name, value in outer.items() if name not in dropped}
    env["HOME"] = str(home)
    env["DOCKER_CONFIG"] = str(home / ".docker")
    env["LAMBDAIMG_LOCAL_HOME"] = str(home / "local-aws")
    env["AWS_CONFIG_FILE"] = os.devnull
    env["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    env["AWS_EC2_METADATA_DISABLED"] = "true"
    return env
