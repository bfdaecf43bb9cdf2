"""What `init` installs, for each language: the files, and the names in them.

The shipped files are projects of the name `hello-lambda`; the names in them become those of the
user's project.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lambdaimg import share

DEFAULT_NAME = "hello-lambda"
IMAGE_OWN, ALWAYS = "image", "always"


@dataclass(frozen=True)
class Names:
    """The names that a project's name gives.

    Attributes:
        name: of the function.
        image: of the image.
        module: of the handler, where languages write small letters and underscores.
    """

    name: str
    image: str
    module: str

    @property
    def type(self) -> str:
        """Of the handler, where languages write capitals."""
        return "".join(word.capitalize() for word in self.module.split("_"))


def names_of(name: str) -> Names:
    """The names for a project's name. Pure.

    Raises:
        ValueError: it cannot be a function's name; the text says what can.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,58}", name):
        raise ValueError("Begin with a letter; then letters, digits, - and _, 59 at most.")
    image = re.sub(r"[-_]+", "-", name.lower()).strip("-")
    module = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    return Names(name, image, module)


@dataclass(frozen=True)
class File:
    """A file or folder of a scaffold.

    Args:
        source: the shipped file or folder.
        target: its name in the project; `{module}` and `{type}` stand for the handler's.
        when: `image` for files that only make sense with the scaffold's own Dockerfile.
    """

    source: str
    target: str
    when: str = ALWAYS


@dataclass(frozen=True)
class Scaffold:
    """The project of one language.

    Args:
        module: the setting `lambda_module`; `{module}` and `{type}` as in `File`.
        files: what is installed.
    """

    module: str
    files: tuple[File, ...]


SHARED = (File("policies", "policies"), File("payload.json", "payload.json"))


def _with_runtime(language: str, module: str, *handler: File) -> Scaffold:
    own = (
        File(f"{language}/Dockerfile", "Dockerfile", IMAGE_OWN),
        *handler,
        File(f"{language}/runtime", "runtime", IMAGE_OWN),
        File(f"{language}/README.md", "runtime/README.md", IMAGE_OWN),
        File(f"{language}/dockerignore", ".dockerignore", IMAGE_OWN),
    )
    return Scaffold(module, (*own, *SHARED))


SCAFFOLDS: Mapping[str, Scaffold] = {
    "python": Scaffold(
        "{module}.py",
        (
            File("Dockerfile.template", "Dockerfile", IMAGE_OWN),
            File("python/hello_lambda.py", "{module}.py", IMAGE_OWN),
            File("python/dockerignore", ".dockerignore", IMAGE_OWN),
            *SHARED,
        ),
    ),
    "bash": _with_runtime(
        "bash", "{module}.sh", File("bash/hello_lambda.sh", "{module}.sh", IMAGE_OWN)
    ),
    "perl": _with_runtime("perl", "{type}.pm", File("perl/HelloLambda.pm", "{type}.pm", IMAGE_OWN)),
    "php": _with_runtime(
        "php", "{module}.php", File("php/hello_lambda.php", "{module}.php", IMAGE_OWN)
    ),
    "cpp": _with_runtime(
        "cpp",
        "src",
        File("cpp/src/hello_lambda.cpp", "src/{module}.cpp", IMAGE_OWN),
        File("cpp/src/pi.hpp", "src/pi.hpp", IMAGE_OWN),
    ),
}


def files(scaffold: Scaffold, names: Names, own_image: bool) -> Iterator[tuple[str, str]]:
    """The files that a project gets: path in the project and text.

    Args:
        own_image: whether the project has a Dockerfile of its own.
    """
    default = names_of(DEFAULT_NAME)
    for file in scaffold.files:
        if own_image and file.when == IMAGE_OWN:
            continue
        source = share.path(file.source)
        target = file.target.format(module=names.module, type=names.type)
        for path in sorted(source.rglob("*")) if source.is_dir() else [source]:
            if path.is_dir():
                continue
            inner = path.relative_to(source).as_posix() if source.is_dir() else ""
            text = path.read_text(encoding="utf-8")
            if file.when == IMAGE_OWN and not inner:
                text = text.replace(default.module, names.module)
                text = text.replace(default.type, names.type)
            yield str(Path(target, inner)) if inner else target, text


def is_program(text: str) -> bool:
    """Whether a file is to be executable: a wheel need not keep the modes of its files."""
    return text.startswith("#!")
