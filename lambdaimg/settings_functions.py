"""The settings of each function, for a project that has several.

A table `[functions.NAME]` says what is the function's own; the top level, with `[env.NAME]` laid
over it, holds for all the rest. A flag or an environment variable wins over both, for every
function alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lambdaimg.errors import SettingsError
from lambdaimg.settings import FIELDS, Settings
from lambdaimg.settings_load import Table, check_together, over, read_file, resolve

# A function that says one of these otherwise than the rest has an image of its own.
MAKES_IMAGE = ("dockerfile", "build_args", "build_target", "architecture", "lambda_module")
# What functions may share, by the setting that names it, and what they must then agree on.
SHARED: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "image_name": ("image", MAKES_IMAGE),
    "repository": ("repository", ("scan_on_push", "immutable_tags", "tags")),
    "role_name": ("role", ("policies_file", "source_account", "tags")),
    "queue_name": (
        "queue",
        (
            "queue_visibility",
            "message_retention",
            "dead_letter_queue",
            "max_receive_count",
            "tags",
        ),
    ),
}
OF_IMAGES = ("image_name", "repository")


def load_all(
    project: Path, flags: Mapping[str, Any], environ: Mapping[str, str], env_name: str = ""
) -> tuple[Settings, dict[str, Settings]]:
    """The settings of the project as a whole, and those of each function by its name.

    A project without tables of functions has none: its settings are those of its one function.

    Raises:
        SettingsError: a value is malformed, out of range, unknown or none of a function's, or two
            functions do not go together.
    """
    table, variables = read_file(project, env_name), dict(environ)
    top = resolve(table, flags, variables)
    if not table.functions:
        check_together(top)
        return top, {}
    found = {
        name: resolve(whole(name, table, own, top), flags, variables)
        for name, own in table.functions.items()
    }
    for name, settings in found.items():
        try:
            check_together(settings)
        except SettingsError as error:
            raise SettingsError(f"{name}: {error.message}", error.hint) from None
    check_each_other(found)
    return top, found


def whole(name: str, table: Table, own: Table, top: Settings) -> Table:
    """The whole table of a function. Pure.

    The function and its queue are its own, so their names end in the function's, and so does the
    image's where the function is built in another way than the rest; what it names holds.

    Raises:
        SettingsError: it holds a setting of the project as a whole.
    """
    for setting in own.values:
        if FIELDS[setting].metadata["project"]:
            raise SettingsError(
                f"{own.origin[setting]}: {setting} holds for all functions of a project.",
                hint=f"Move {setting} to the top of the file, or under [env.NAME].",
            )
    given = {
        setting: over(table.values.get(setting), own.values[setting]) for setting in own.values
    }
    values = {**table.values, **given}
    made = {"queue_name": suffixed(top.queue_name, name)}
    stated = top.source("function_name") != "default"
    made["function_name"] = f"{top.function_name}-{name}" if stated else name
    if any(
        given.get(setting) != table.values.get(setting)
        for setting in MAKES_IMAGE
        if setting in given
    ):
        made["image_name"] = f"{top.image_name}-{image_part(name)}"
    where = {**table.origin, **own.origin}
    for setting, value in made.items():
        if setting not in own.values:
            values[setting], where[setting] = value, f"{table.file} [functions.{name}]"
    return Table(table.file, values, where)


def suffixed(queue: str, name: str) -> str:
    """The name of a function's own queue, FIFO where the project's is."""
    stem, dot, fifo = queue.partition(".fifo")
    return f"{stem}-{name}{dot}{fifo}"


def image_part(name: str) -> str:
    """A function's name as a part of an image's, which is lower-case."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def check_each_other(functions: Mapping[str, Settings]) -> None:
    """What two functions must not say of the same thing.

    Raises:
        SettingsError: two have the same name at AWS, or disagree on what they share.
    """
    owners: dict[str, str] = {}
    for name, settings in functions.items():
        first = owners.setdefault(settings.function_name, name)
        if first != name:
            raise SettingsError(
                f"{first} and {name} are both called {settings.function_name} at AWS "
                f"(from {settings.source('function_name')}).",
                hint="Give one of them a function_name of its own; a flag or a variable that "
                "names the function fits one function alone.",
            )
    for setting, (what, more) in SHARED.items():
        for first, name in sharing(functions, setting):
            one, other = functions[first], functions[name]
            for each in more:
                if contradict(each, getattr(one, each), getattr(other, each)):
                    stated = "visibility_timeout" if each == "queue_visibility" else each
                    raise SettingsError(
                        f"{first} and {name} share the {what} {getattr(one, setting)}, but not "
                        f"{stated}.",
                        hint=f"Give one of them {own_name(setting)}, or both the same {stated}.",
                    )


def own_name(setting: str) -> str:
    """How to give a function something of its own."""
    return f"a {'repo_name' if setting == 'repository' else setting} of its own"


def sharing(functions: Mapping[str, Settings], setting: str) -> Iterator[tuple[str, str]]:
    """Pairs of functions that share what `setting` names: the first of them, and another."""
    owners: dict[str, str] = {}
    for name, settings in functions.items():
        if setting in OF_IMAGES and settings.package != "image":
            continue
        first = owners.setdefault(getattr(settings, setting), name)
        if first != name:
            yield first, name


def contradict(setting: str, one: Any, other: Any) -> bool:
    """Whether two values of a setting cannot hold for the same thing; tags add to each other."""
    if setting == "tags":
        return any(one[key] != other[key] for key in one.keys() & other.keys())
    return bool(one != other)
