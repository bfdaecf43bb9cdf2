"""An image per contender: the scaffold of its language, with the handlers to be measured."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PREFIX = "lambdaimg-bench"


@dataclass(frozen=True)
class Contender:
    """A runtime.

    Attributes:
        title: as the table has it.
        language: of the scaffold and of the handlers.
        names: handlers of hello, echo and pi.
        requirements: Python packages that the image has besides.
        entrypoint: in place of the image's own.
        variables: environment variables.
    """

    title: str
    language: str
    names: tuple[str, str, str]
    requirements: str = ""
    entrypoint: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()

    @property
    def image(self) -> str:
        """The image's name."""
        return f"{PREFIX}-{self.language}{'-theirs' if self.entrypoint else ''}"


def _names(file: str, *functions: str) -> tuple[str, str, str]:
    hello, echo, pi = (f"{file}.{function}" for function in functions)
    return hello, echo, pi


CONTENDERS = (
    Contender("C++", "cpp", _names("bench_handlers", "hello", "echo", "pi")),
    Contender("PHP", "php", _names("bench_handlers", "hello", "echoed", "pi_digits")),
    Contender("Perl", "perl", _names("BenchHandlers", "hello", "echo", "pi")),
    Contender("Python", "python", _names("bench_handlers", "hello", "echo", "pi")),
    Contender("bash", "bash", _names("bench_handlers", "hello", "echoed", "pi")),
    Contender(
        "Python, AWS's client",
        "python",
        _names("bench_handlers", "hello", "echo", "pi"),
        requirements="awslambdaric\n",
        entrypoint=("python3", "-m", "awslambdaric"),
        variables=(("PYTHONPATH", "/opt/python"),),
    ),
)


def build(contender: Contender, folder: Path, engine: Any) -> int:
    """Build a contender's image; returns its size in bytes."""
    project = folder / contender.image
    run("init", project, "--lang", contender.language, "--name", contender.image)
    handlers = HERE / "handlers" / contender.language
    if contender.requirements:
        (project / "requirements.txt").write_text(contender.requirements)
    if contender.language == "cpp":
        shutil.rmtree(project / "src")
        shutil.copytree(handlers, project / "src")
        module = "src"
    else:
        (module,) = (path.name for path in handlers.iterdir() if path.is_file())
        shutil.copy(handlers / module, project)
    words = ("image", "--lambda-module", module, "--image-name", contender.image)
    run("--local", "-C", project, *words)
    return int(engine.images.get(contender.image).attrs["Size"])


def run(*words: str | Path) -> None:
    """Run the kit's command. Raises: CalledProcessError."""
    command = [sys.executable, "-m", "lambdaimg", *map(str, words)]
    subprocess.run(command, check=True, stdout=sys.stderr, env=os.environ)
