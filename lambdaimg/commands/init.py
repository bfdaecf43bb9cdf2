"""`init`: set up a project in a folder, overwriting nothing.

A folder that has a Dockerfile of its own keeps it, and gets only what the kit itself needs: the
settings file, the policies file and a payload.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lambdaimg import scaffolds
from lambdaimg.errors import ProjectError, UsageError
from lambdaimg.scaffolds import DEFAULT_NAME, Names, Scaffold
from lambdaimg.session import Session
from lambdaimg.settings_load import current_folder

SETTINGS = """\
# Settings of lambdaimg; `lambdaimg settings` shows all of them and where each came from.
function_name = "{name}"
image_name = "{image}"
lambda_module = "{module}"
role_name = "{name}-role"
queue_name = "{name}-queue"

memory = 256        # MB
timeout = 10        # seconds

# Environment variables of the function:
# [environment]
# LOG_LEVEL = "info"

# Laid over the above by --env prod:
# [env.prod]
# memory = 1024
"""


def run(
    session: Session,
    folder: Annotated[
        Path | None, typer.Argument(help="Folder of the project; made if it does not exist")
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            "--name", help=f"Name of the function and the image (default: {DEFAULT_NAME})"
        ),
    ] = None,
    lang: Annotated[
        str, typer.Option("--lang", help=f"Language: {', '.join(scaffolds.SCAFFOLDS)}")
    ] = "python",
) -> None:
    """Installs the scaffold.

    Raises:
        UsageError: the name or the language does not fit.
        ProjectError: a file cannot be written.
    """
    target = (folder or session.folder or current_folder()).resolve()
    scaffold, names = scaffold_of(lang), names_of(name or DEFAULT_NAME)
    try:
        target.mkdir(parents=True, exist_ok=True)
        made, kept = install(target, scaffold, names)
    except OSError as error:
        raise ProjectError(f"Cannot write {error.filename or target}: {error.strerror}.") from error
    lines = [f"  made  {file}" for file in made] + [f"  kept  {file}" for file in kept]
    if name and {"lambdaimg.toml", "pyproject.toml"} & set(kept):
        lines.append(f"  The settings are kept as they are: --name {name} was not used for them.")
    lines.append("Next: lambdaimg --local lambda-function, then lambdaimg --local invoke")
    result = {"folder": str(target), "made": made, "kept": kept}
    session.report.result("init", result, "\n".join(lines))


def names_of(name: str) -> Names:
    """The names for a project's name. Raises: UsageError."""
    try:
        return scaffolds.names_of(name)
    except ValueError as error:
        raise UsageError(f"{name!r} cannot be a function's name.", hint=str(error)) from None


def scaffold_of(language: str) -> Scaffold:
    """The scaffold of a language. Raises: UsageError."""
    found = scaffolds.SCAFFOLDS.get(language.lower())
    if found is None:
        raise UsageError(
            f"There is no scaffold for {language!r}.",
            hint=f"Choose one of {', '.join(scaffolds.SCAFFOLDS)}; "
            "an image in any other language is used as it is, with a Dockerfile of your own.",
        )
    return found


def install(target: Path, scaffold: Scaffold, names: Names) -> tuple[list[str], list[str]]:
    """Writes the files that are missing; returns the names of those made and those kept."""
    own_image = (target / "Dockerfile").exists()
    made: list[str] = []
    kept: list[str] = ["Dockerfile"] if own_image else []
    for name, text in scaffolds.files(scaffold, names, own_image):
        write_new(target, name, text, made, kept)
    settings = settings_file(target)
    if not settings:
        module = scaffold.module.format(module=names.module, type=names.type)
        text = SETTINGS.format(name=names.name, image=names.image, module=module)
        if own_image:
            text = "".join(
                line for line in text.splitlines(True) if not line.startswith("lambda_module")
            )
        write_new(target, "lambdaimg.toml", text, made, kept)
    else:
        kept.append(settings)
    return made, kept


def settings_file(target: Path) -> str:
    """The file of the folder that holds settings of lambdaimg; '' where none does."""
    if (target / "lambdaimg.toml").exists():
        return "lambdaimg.toml"
    pyproject = target / "pyproject.toml"
    if pyproject.is_file() and "[tool.lambdaimg" in pyproject.read_text(encoding="utf-8"):
        return pyproject.name
    return ""


def write_new(target: Path, name: str, text: str, made: list[str], kept: list[str]) -> None:
    """Writes a file unless there is one; never over anything, also not in a race."""
    path = target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        kept.append(name)
        return
    if scaffolds.is_program(text):
        path.chmod(path.stat().st_mode | 0o111)
    made.append(name)
