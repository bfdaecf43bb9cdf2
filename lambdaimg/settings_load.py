"""Settings from flags, the environment and the project's file, each parsed and checked.

A value comes from a flag, else from the environment, else from the project's file
(`lambdaimg.toml`, or `[tool.lambdaimg]` in pyproject.toml, with `[env.NAME]` laid over it), else
it is the default. `Settings.source` says which it was. `settings_functions` does the same for the
functions of a project that has several.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
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
FUNCTIONS = "functions"


@dataclass(frozen=True)
class Table:
    """Settings as a file states them.

    `origin` tells, by name, which file and table a value came from; `functions` are the tables
    `[functions.NAME]`, which hold what is said of that function alone.
    """

    file: str
    values: Mapping[str, Any]
    origin: Mapping[str, str]
    functions: Mapping[str, Table] = field(default_factory=dict)


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


def resolve(table: Table, flags: Mapping[str, Any], environ: Mapping[str, str]) -> Settings:
    """The settings that flags, the environment and the file give, each by itself checked.

    Raises:
        SettingsError: a value is malformed or out of range.
    """
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for name in FIELDS:
        if flags.get(name) is not None:
            raw, source = flags[name], f"--{name.replace('_', '-')}"
        elif (variable := _first_set(environ, name)) is not None:
            raw, source = environ[variable], variable
        elif name in table.values:
            raw, source = table.values[name], table.origin.get(name, FILE_NAME)
        else:
            continue
        values[name] = _parse(name, raw, source)
        if FIELDS[name].metadata["file"] and source.startswith("--"):
            values[name] = _from_here(name, values[name], source)
        sources[name] = source
    return Settings(**values, sources=MappingProxyType(sources))


def _from_here(name: str, value: str, source: str) -> str:
    """A file that a flag names, seen from the current folder."""
    if not value:
        raise SettingsError(f"{name} must name a file (from {source}).", hint=_meaning(name))
    return value if value == "-" else str(current_folder() / Path(value).expanduser())


def current_folder() -> Path:
    """The folder that the command was started in. Raises: UsageError, where it is gone."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise UsageError(
            "The folder that you are in is gone.", hint="Go to another one, or into it anew."
        ) from None


def _first_set(environ: Mapping[str, str], name: str) -> str | None:
    return next((v for v in variables_of(name) if environ.get(v)), None)


def read_file(project: Path, env_name: str = "") -> Table:
    """The file's settings, with the environment's laid over them.

    Raises:
        SettingsError: the file cannot be read or parsed, has an unknown name, or lacks the
            environment asked for.
    """
    path, table = _load_table(project)
    environments = table.pop("env", {})
    if not isinstance(environments, dict):
        raise SettingsError(
            f"{path.name}: env must be a table of tables, as in [env.prod].",
            hint="Write [env.NAME] above the settings of that environment.",
        )
    parts = {path.name: (table, _functions(table, path.name))}
    if env_name:
        if not isinstance(environments.get(env_name), dict):
            tables = (name for name, table in environments.items() if isinstance(table, dict))
            there = ", ".join(sorted(tables)) or "none"
            raise UsageError(
                f"There is no environment {env_name} in {path.name}.", hint=f"There are: {there}."
            )
        where = f"{path.name} [env.{env_name}]"
        parts[where] = (environments[env_name], _functions(environments[env_name], where))
    known = parts[path.name][1]
    for where, (_, functions) in parts.items():
        for name in functions:
            if name not in known:
                raise SettingsError(
                    f"{where} speaks of a function {name}, which has no table of its own.",
                    hint=nearest(name, known, "Write [functions.NAME] for it."),
                )
    own = {
        name: _laid_over(
            path.name, {_of(where, name): each[1].get(name, {}) for where, each in parts.items()}
        )
        for name in known
    }
    top = _laid_over(path.name, {where: values for where, (values, _) in parts.items()})
    return Table(top.file, top.values, top.origin, own)


def _of(where: str, name: str) -> str:
    """The table of a function, where `where` is the file, or a table in it."""
    file, _, table = where.partition(" [")
    return f"{file} [{table.rstrip(']')}{'.' if table else ''}{FUNCTIONS}.{name}]"


def _functions(table: dict[str, Any], where: str) -> dict[str, dict[str, Any]]:
    """Takes the functions' tables out of a table."""
    found = table.pop(FUNCTIONS, {})
    if not isinstance(found, dict) or not all(isinstance(each, dict) for each in found.values()):
        raise SettingsError(
            f"{where}: functions must be a table of tables, as in [functions.resize].",
            hint="Write [functions.NAME] above the settings of that function.",
        )
    for name in found:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
            raise SettingsError(
                f"{where}: {name!r} cannot name a function.",
                hint="A name is 1 to 64 letters, digits, - and _, with no - or _ at its start.",
            )
    return found


def _laid_over(file: str, tables: Mapping[str, Mapping[str, Any]]) -> Table:
    """Tables laid over one another, the first at the bottom; by where each stands."""
    values: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for where, table in tables.items():
        for name, value in table.items():
            if name not in FIELDS:
                raise SettingsError(
                    f"{where}: there is no setting {name}.",
                    hint=nearest(name.replace("-", "_"), FIELDS, "The README lists all settings."),
                )
            values[name] = over(values.get(name), value)
            origin[name] = where
    return Table(file, values, origin)


def over(below: Any, value: Any) -> Any:
    """A value laid over another one: of two tables, both."""
    if isinstance(value, dict) and isinstance(below, dict):
        return {**below, **value}
    return value


def _load_table(project: Path) -> tuple[Path, dict[str, Any]]:
    own = project / FILE_NAME
    if own.is_file():
        return own, _toml(own)
    pyproject = project / "pyproject.toml"
    if _has_table(pyproject):
        table = _toml(pyproject).get("tool", {}).get("lambdaimg", {})
        if not isinstance(table, dict):
            raise SettingsError(
                "pyproject.toml: tool.lambdaimg must be a table.",
                hint="Write [tool.lambdaimg] above the settings.",
            )
        return pyproject, dict(table)
    return own, {}


def _toml(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsError(
            f"{path.name} is not valid TOML: {error}.",
            hint='Mend that place; text stands in quotes, as in region = "eu-west-1".',
        ) from error
    except FileNotFoundError:
        return {}  # somebody took it away a moment ago
    except OSError as error:
        raise SettingsError(
            f"Cannot read {path}: {error.strerror}.", hint="Look at its owner and permissions."
        ) from error


def nearest(name: str, known: Iterable[str], otherwise: str) -> str:
    """A hint that names what was probably meant; `otherwise` where nothing is like it."""
    import difflib

    close = difflib.get_close_matches(name, list(known), n=1)
    return f"Did you mean {close[0]}?" if close else otherwise


# --- parsing one value ----------------------------------------------------------------------


def _parse(name: str, raw: Any, source: str) -> Any:
    kind = FIELDS[name].type
    parse = _PARSERS[str(kind)]
    try:
        value = parse(raw)
    except (TypeError, ValueError) as error:
        reason = str(error) or "has the wrong type"
        raise SettingsError(f"{name} {reason} (from {source}).", hint=_meaning(name)) from None
    check: Callable[[Any], str] | None = FIELDS[name].metadata["check"]
    problem = check(value) if check else ""
    if problem:
        secret = FIELDS[name].metadata["secret"] or not isinstance(value, (str, int))
        shown = "" if secret else f", not {value!r}"
        raise SettingsError(f"{name} {problem}{shown} (from {source}).", hint=_meaning(name))
    return value


def _meaning(name: str) -> str:
    """What a setting is, and its default. Pure."""
    default = getattr(Settings(), name)
    given = isinstance(default, (int, str)) and default != ""
    shown = f"; the default is {_scalar(default)}" if given else ""
    return f"{FIELDS[name].metadata['help']}{shown}."


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
    for number, item in enumerate(items, 1):
        name, equals, value = str(item).partition("=")
        if not equals or not name.strip():
            # It may be the rest of a secret that has a comma in it, so it is not repeated.
            raise ValueError(f"must be NAME=VALUE pairs; number {number} is none")
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


def check_together(settings: Settings) -> None:
    """The limits that two settings have with one another."""
    size, window = settings.batch_size, settings.batching_window
    where = f"(from {settings.source('batch_size')})"
    if settings.fifo and size > FIFO_MAX_BATCH:
        raise SettingsError(
            f"batch_size must be from 1 to {FIFO_MAX_BATCH} for a FIFO queue, not {size} {where}.",
            hint="Set a smaller batch_size, or a queue_name that does not end in .fifo.",
        )
    if settings.fifo and window:
        raise SettingsError(
            "batching_window must be 0 for a FIFO queue.",
            hint="Take it away, or set a queue_name that does not end in .fifo.",
        )
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
        raise SettingsError(
            "dead_letter_queue and queue_name must both be FIFO, or neither.",
            hint="A FIFO queue is one whose name ends in .fifo: rename one of them.",
        )
