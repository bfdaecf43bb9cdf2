"""Settings from flags, the environment and the project's file, each parsed and checked.

A value comes from a flag, else from the environment, else from the project's file
(`lambdaimg.toml`, or `[tool.lambdaimg]` in pyproject.toml, with `[env.NAME]` laid over it), else
it is the default. `Settings.source` says which it was.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from lambdaimg.errors import SettingsError, UsageError
from lambdaimg.settings import (
    FIELDS,
    FIFO_MAX_BATCH,
    UNWINDOWED_MAX_BATCH,
    Settings,
    variables_of,
)

FILE_NAME = "lambdaimg.toml"


def find_project(start: Path) -> Path:
    """The project's folder: the nearest one upwards that has a settings file, else `start`."""
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / FILE_NAME).is_file() or _has_table(folder / "pyproject.toml"):
            return folder
    return start


def _has_table(path: Path) -> bool:
    try:
        return b"[tool.lambdaimg" in path.read_bytes()
    except OSError:
        return False


def load(
    project: Path,
    flags: Mapping[str, Any],
    environ: Mapping[str, str] | None = None,
    env_name: str = "",
    file: Path | None = None,
) -> Settings:
    """Resolves every setting.

    Args:
        project: the project's folder.
        flags: values given on the command line, by setting; None is 'not given'.
        environ: the environment, by default the process's.
        env_name: the `[env.NAME]` table to lay over the file.
        file: a settings file to use instead of the project's.

    Raises:
        SettingsError: a value is malformed or out of range, or a name is unknown; says where
            the value came from.
    """
    environ = os.environ if environ is None else environ
    table, origin = read_file(project, env_name, file)
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for name in FIELDS:
        if flags.get(name) is not None:
            raw, source = flags[name], f"--{name.replace('_', '-')}"
        elif (variable := _first_set(environ, name)) is not None:
            raw, source = environ[variable], variable
        elif name in table:
            raw, source = table[name], origin.get(name, FILE_NAME)
        else:
            continue
        values[name] = _parse(name, raw, source)
        if FIELDS[name].metadata["file"] and source.startswith("--"):
            values[name] = _from_here(name, values[name], source)
        sources[name] = source
    settings = Settings(**values, sources=MappingProxyType(sources))
    _check_together(settings)
    return settings


def _from_here(name: str, value: str, source: str) -> str:
    """A file that a flag names, seen from the current folder."""
    if not value:
        raise SettingsError(f"{name} must name a file (from {source}).")
    return value if value == "-" else str(Path.cwd() / Path(value).expanduser())


def _first_set(environ: Mapping[str, str], name: str) -> str | None:
    return next((v for v in variables_of(name) if environ.get(v)), None)


def read_file(
    project: Path, env_name: str = "", file: Path | None = None
) -> tuple[dict[str, Any], dict[str, str]]:
    """The file's settings and, by name, which file and table each came from.

    Raises:
        SettingsError: the file cannot be read or parsed, has an unknown name, or lacks the
            environment asked for.
    """
    path, table = _load_table(project, file)
    environments = table.pop("env", {})
    if not isinstance(environments, dict):
        raise SettingsError(f"{path.name}: env must be a table of tables, as in [env.prod].")
    origin = dict.fromkeys(table, path.name)
    if env_name:
        if not isinstance(environments.get(env_name), dict):
            known = ", ".join(sorted(environments)) or "none"
            raise UsageError(
                f"There is no environment {env_name} in {path.name}.", hint=f"There are: {known}."
            )
        for name, value in environments[env_name].items():
            if isinstance(value, dict) and isinstance(table.get(name), dict):
                value = {**table[name], **value}
            table[name] = value
            origin[name] = f"{path.name} [env.{env_name}]"
    for name in table:
        if name not in FIELDS:
            raise SettingsError(
                f"{path.name}: there is no setting {name}.", hint=_did_you_mean(name)
            )
    return table, origin


def _load_table(project: Path, file: Path | None) -> tuple[Path, dict[str, Any]]:
    if file is not None:
        return file, _toml(file, required=True)
    own = project / FILE_NAME
    if own.is_file():
        return own, _toml(own)
    pyproject = project / "pyproject.toml"
    if _has_table(pyproject):
        table = _toml(pyproject).get("tool", {}).get("lambdaimg", {})
        if not isinstance(table, dict):
            raise SettingsError("pyproject.toml: tool.lambdaimg must be a table.")
        return pyproject, dict(table)
    return own, {}


def _toml(path: Path, required: bool = False) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(path.read_bytes().decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsError(f"{path.name} is not valid TOML: {error}.") from error
    except OSError as error:
        if not required and isinstance(error, FileNotFoundError):
            return {}
        raise SettingsError(f"Cannot read {path}: {error.strerror}.") from error


def _did_you_mean(name: str) -> str:
    import difflib

    close = difflib.get_close_matches(name.replace("-", "_"), FIELDS, n=1)
    return f"Did you mean {close[0]}?" if close else "The README lists all settings."


# --- parsing one value ----------------------------------------------------------------------


def _parse(name: str, raw: Any, source: str) -> Any:
    kind = FIELDS[name].type
    parse = _PARSERS[str(kind)]
    try:
        value = parse(raw)
    except (TypeError, ValueError) as error:
        reason = str(error) or "has the wrong type"
        raise SettingsError(f"{name} {reason} (from {source}).") from None
    check: Callable[[Any], str] | None = FIELDS[name].metadata["check"]
    problem = check(value) if check else ""
    if problem:
        shown = "" if FIELDS[name].metadata["secret"] else f", not {value!r}"
        raise SettingsError(f"{name} {problem}{shown} (from {source}).")
    return value


def _text(raw: Any) -> str:
    if isinstance(raw, str):
        if any(ord(c) < 32 and c not in "\t\n" for c in raw):
            raise ValueError("holds control characters")
        return raw
    raise TypeError("must be text")


def _number(raw: Any) -> int:
    if isinstance(raw, bool):
        raise TypeError("must be a whole number")
    if isinstance(raw, int):
        return raw
    if isinstance(raw, str) and re.fullmatch(r"\s*[+-]?[0-9]{1,18}\s*", raw):
        return int(raw)
    raise TypeError("must be a whole number")


def _flag(raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    known = {"1": True, "true": True, "yes": True, "on": True}
    known |= {"0": False, "false": False, "no": False, "off": False}
    if isinstance(raw, str) and raw.strip().lower() in known:
        return known[raw.strip().lower()]
    raise TypeError("must be true or false")


def _words(raw: Any) -> tuple[str, ...]:
    if isinstance(raw, str):
        import shlex

        return tuple(shlex.split(raw))
    if isinstance(raw, (list, tuple)) and all(isinstance(word, str) for word in raw):
        return tuple(raw)
    raise TypeError("must be a list of words")


def _pairs(raw: Any) -> Mapping[str, str]:
    """A table of text, or NAME=VALUE pairs: a list of them, or one text with commas between."""
    if isinstance(raw, Mapping):
        if not all(isinstance(v, (str, int, float, bool)) for v in raw.values()):
            raise TypeError("must be a table of text")
        return MappingProxyType({str(k): _scalar(v) for k, v in raw.items()})
    items = raw.split(",") if isinstance(raw, str) else raw
    if not isinstance(items, (list, tuple)):
        raise TypeError("must be NAME=VALUE pairs")
    pairs = {}
    for item in items:
        name, equals, value = str(item).partition("=")
        if not equals or not name.strip():
            raise ValueError(f"must be NAME=VALUE pairs; {name.strip()!r} has no value")
        pairs[name.strip()] = value
    return MappingProxyType(pairs)


def _scalar(value: str | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


_PARSERS: Mapping[str, Callable[[Any], Any]] = {
    "str": _text,
    "int": _number,
    "bool": _flag,
    "tuple[str, ...]": _words,
    "Mapping[str, str]": _pairs,
}


def _check_together(settings: Settings) -> None:
    """The limits that two settings have with one another."""
    size, window = settings.batch_size, settings.batching_window
    where = f"(from {settings.source('batch_size')})"
    if settings.fifo and size > FIFO_MAX_BATCH:
        raise SettingsError(
            f"batch_size must be from 1 to {FIFO_MAX_BATCH} for a FIFO queue, not {size} {where}."
        )
    if settings.fifo and window:
        raise SettingsError("batching_window must be 0 for a FIFO queue.")
    if size > UNWINDOWED_MAX_BATCH and window < 1:
        raise SettingsError(
            f"batch_size {size} needs a batching_window of at least 1 second {where}.",
            hint="Set batching_window, or a batch_size of 10 or less.",
        )
    if settings.visibility_timeout and settings.visibility_timeout < settings.timeout:
        raise SettingsError(
            f"visibility_timeout {settings.visibility_timeout} is below the function's timeout "
            f"{settings.timeout}.",
            hint=f"AWS advises six times the timeout: {6 * settings.timeout}.",
        )
    if settings.dead_letter_queue and settings.dead_letter_queue.endswith(".fifo") != settings.fifo:
        raise SettingsError("dead_letter_queue and queue_name must both be FIFO, or neither.")
