"""What benches compare with, installed into virtual environments of their own under .cache."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

CACHE = Path(__file__).resolve().parent.parent / ".cache" / "bench"


def installed(name: str, requirement: str, command: str) -> Path:
    """The path of a command, its package installed where it is not there yet.

    Args:
        name: the virtual environment's name.
        requirement: what pip is asked for.
        command: the command that the package brings.
    """
    folder = CACHE / name
    path = folder / "bin" / command
    if not path.exists():
        venv.create(folder, with_pip=True, clear=True)
        words = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", requirement]
        subprocess.run(list(map(str, words)), check=True, stdout=sys.stderr)
    return path


def beside_python(command: str) -> Path:
    """A command of the environment that runs this bench."""
    return Path(sys.executable).with_name(command)


def version_of(command: Path) -> str:
    """The first line of what `--version` says."""
    done = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    return (done.stdout or done.stderr).strip().splitlines()[0]
