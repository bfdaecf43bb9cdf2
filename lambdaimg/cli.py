"""The command line: every command and option as data, and the way from the words to a run.

Typer takes longer to import than most runs take. A command line that holds nothing unusual is
read by `plain`; help, completion, mistakes and all else are Typer's, in `app`. Both ways end in
`dispatch`.
"""

from __future__ import annotations

import gc
import io
import os
import sys
from dataclasses import dataclass
from enum import Enum

from lambdaimg.session import Takes
from lambdaimg.settings import FIELDS

PROJECT, OPERATE, LOCAL = "Project", "Operate", "Local"
# Settings that tell where a run takes place; every command has them as options.
WHERE = ("profile", "region", "account", "function_name")
# Properties of the settings that targets use, and the settings that they are made from.
DERIVED = {
    "repository": ("repo_name", "image_name"),
    "queue_visibility": ("visibility_timeout", "timeout"),
}
# Settings that come along with another one.
COMPANIONS = {
    "dockerfile": ("build_ca_bundle", "fast"),
    "role_name": ("role_wait",),
    "memory": ("function_wait", "image_wait"),
    "queue_name": ("queue_wait",),
    "batch_size": ("trigger_wait",),
}


# Settings of a function that runs on this machine without AWS.
EMULATED = (
    *WHERE,
    "image_name",
    "dockerfile",
    "build_args",
    "build_target",
    "build_ca_bundle",
    "architecture",
    "lambda_module",
    "memory",
    "timeout",
    "environment",
    "payload",
)


@dataclass(frozen=True)
class Command:
    """A command that is no target: `run(session, ...)` in a module of its own.

    `bare` tells that it takes the session alone, so that it has no options of its own; `takes`,
    which of a project's functions it works on.
    """

    module: str
    group: str
    help: str
    settings: tuple[str, ...] = WHERE
    bare: bool = False
    takes: Takes = Takes.ALL


COMMANDS: dict[str, Command] = {
    "init": Command(
        "init", PROJECT, "Set up a project in this folder; overwrites nothing", (), takes=Takes.NONE
    ),
    "settings": Command(
        "show_settings",
        PROJECT,
        "Show every setting and where it came from",
        bare=True,
        takes=Takes.TOP,
    ),
    "layer": Command(
        "layer",
        PROJECT,
        "Pack a language's runtime as a Lambda layer",
        ("architecture", "build_args"),
        takes=Takes.NONE,
    ),
    "publish-layer": Command(
        "publish_layer",
        OPERATE,
        "Publish a language's runtime as a layer, once per content",
        (*WHERE, "architecture", "build_args"),
        takes=Takes.NONE,
    ),
    "invoke": Command(
        "invoke",
        OPERATE,
        "Send an event to the function and print its answer",
        (*WHERE, "payload"),
        takes=Takes.ASKED,
    ),
    "logs": Command("logs", OPERATE, "Show the function's log"),
    "status": Command("status", OPERATE, "Show every target: its value, fresh or stale, and why"),
    "check": Command(
        "check", OPERATE, "Check that all is there which a deployment needs", bare=True
    ),
    "diff": Command("diff", OPERATE, "Show what a run would change; exit 4 where it would"),
    "show": Command("show", OPERATE, "Print the value of a target", takes=Takes.ONE),
    "prune": Command(
        "prune",
        OPERATE,
        "Remove old images from the repository, none that a function runs",
        (*WHERE, "repo_name", "image_name", "keep_images"),
        takes=Takes.ASKED,
    ),
    "teardown": Command(
        "teardown", OPERATE, "Remove what lambdaimg made, after asking", takes=Takes.ASKED
    ),
    "clean": Command(
        "clean",
        OPERATE,
        "Forget what was done; AWS is not touched",
        (),
        bare=True,
        takes=Takes.TOP,
    ),
    "run": Command(
        "run", LOCAL, "Run the image for one event on this machine", EMULATED, takes=Takes.ONE
    ),
    "serve": Command(
        "serve",
        LOCAL,
        "Serve the image on this machine, warm, until Ctrl-C",
        (*EMULATED, "batch_size"),
        takes=Takes.ONE,
    ),
    "watch": Command(
        "watch",
        LOCAL,
        "Serve the image, and replace it as its sources change",
        (*EMULATED, "batch_size"),
        takes=Takes.ONE,
    ),
    "local": Command(
        "local",
        LOCAL,
        "Start, stop and show the AWS on this machine",
        ("region",),
        takes=Takes.NONE,
    ),
}


class Kind(Enum):
    """What stands behind an option: nothing, or one word; `TEXTS` may be given several times."""

    FLAG = "flag"
    TEXT = "text"
    TEXTS = "texts"
    PATH = "path"


@dataclass(frozen=True)
class Option:
    """An option that is no setting.

    Args:
        name: the parameter that it becomes.
        help: one line.
        flags: `--long`, and perhaps `-s`.
        off: the flag that says the opposite; empty where there is none.
        kind: what stands behind it.
    """

    name: str
    help: str
    flags: tuple[str, ...]
    off: str = ""
    kind: Kind = Kind.FLAG


EVERYWHERE = (
    Option("local_", "Use the AWS on this machine", ("--local",), off="--aws"),
    Option("env_", "Lay the table env.NAME over the settings", ("--env",), kind=Kind.TEXT),
    Option(
        "functions_",
        "Of several functions, this one; may be repeated",
        ("--function",),
        kind=Kind.TEXTS,
    ),
    Option("all_", "All functions of the project", ("--all",)),
    Option("project_", "Folder of the project", ("--project", "-C"), kind=Kind.PATH),
    Option("json_", "Print one JSON document on stdout", ("--json",)),
    Option("verbose_", "Show all output", ("--verbose", "-v")),
    Option("debug_", "Show tracebacks, and every call of AWS and Docker", ("--debug",)),
)
OF_TARGETS = (
    Option("dry_run", "Say what would be done and why; do nothing", ("--dry-run",)),
    Option("trust", "Believe the records, as make does; no look", ("--trust",)),
    Option("force", "Do it again, also where nothing changed", ("--force",)),
    Option("verify", "Look at everything before it too, and mend what differs", ("--verify",)),
)


@dataclass(frozen=True)
class SettingOption:
    """A setting as an option: `--name VALUE`, `--name/--no-name`, or `--name A=B` repeated."""

    name: str
    flag: str
    off: str = ""
    many: bool = False


def setting_option(name: str) -> SettingOption:
    """The option of a setting."""
    kind, flag = str(FIELDS[name].type), f"--{name.replace('_', '-')}"
    if kind == "bool":
        return SettingOption(name, flag, off=f"--no-{flag.removeprefix('--')}")
    if kind.startswith("Mapping"):
        return SettingOption(name, flag.removesuffix("s"), many=True)
    return SettingOption(name, flag)


def target_settings(name: str) -> list[str]:
    """The settings that a target's closure uses, whichever package the function is."""
    from lambdaimg.make.graph import order
    from lambdaimg.targets import TABLES

    used: dict[str, None] = dict.fromkeys(WHERE)
    for table in TABLES.values():
        for target in (table[each] for each in order(table, [name] if name in table else [])):
            for setting in (*target.uses, *target.files):
                used |= dict.fromkeys(DERIVED.get(setting, (setting,)))
    for setting, more in COMPANIONS.items():
        used |= dict.fromkeys(more if setting in used else ())
    return [setting for setting in FIELDS if setting in used]


def command_names() -> dict[str, tuple[str, str]]:
    """Every command's group and help, in the order of `--help`."""
    from lambdaimg.targets import TARGETS

    def of(group: str) -> dict[str, tuple[str, str]]:
        return {name: (c.group, c.help) for name, c in COMMANDS.items() if c.group == group}

    targets = {target.name: (target.group, target.help) for target in TARGETS}
    return of(PROJECT) | targets | of(OPERATE) | of(LOCAL)


def main() -> None:
    """The `lambdaimg` command."""
    from lambdaimg import plain

    # What a terminal cannot show, or no encoding can hold, is shown as an escape.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    # A run of targets is over before collecting garbage would pay for itself.
    gc.disable()
    completing = any(name.endswith("_COMPLETE") for name in os.environ)
    line = None if completing else plain.read(sys.argv[1:])
    if line is not None:
        plain.run(line)
        return
    gc.enable()
    from lambdaimg.app import run

    run(sys.argv[1:])
