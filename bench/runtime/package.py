"""The runtime as the image has it: apart from the sources, with bytecode that is not checked."""

from __future__ import annotations

import compileall
import py_compile
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[2]
RUNTIME = ROOT / "lambdaimg" / "runtime"
IN_IMAGE = "/usr/local/lib/lambdaimg"


@dataclass(frozen=True)
class Installed:
    """Where it is.

    Attributes:
        folder: the library's folder, the echo handler in it too.
        bootstrap: the program that starts it.
        no_orjson: a folder that hides an installed orjson.
    """

    folder: Path
    bootstrap: Path
    no_orjson: Path


@contextmanager
def installed() -> Iterator[Installed]:
    """Copy and compile the runtime, for this interpreter, into a folder that is removed again."""
    with TemporaryDirectory(prefix="lambdaimg-bench-") as name:
        work = Path(name)
        library = work / "library"
        package = library / "lambdaimg"
        shutil.copytree(RUNTIME, package / "runtime", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(RUNTIME.parent / "__init__.py", package)
        shutil.copy(Path(__file__).parent / "clients" / "echo.py", library)
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        compileall.compile_dir(str(library), quiet=1, invalidation_mode=mode)
        bootstrap = work / "bootstrap"
        bootstrap.write_text((RUNTIME / "bootstrap").read_text().replace(IN_IMAGE, str(library)))
        hidden = work / "no-orjson"
        hidden.mkdir()
        (hidden / "orjson.py").write_text("raise ImportError\n")
        yield Installed(library, bootstrap, hidden)
