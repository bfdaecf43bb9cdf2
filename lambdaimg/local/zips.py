"""Zip functions of the embedded AWS whose runtime is `provided`: what their containers are made of.

As on Lambda, the function's zip is at /var/task, its layers are at /opt, one over the other, and
`bootstrap` is started, from the function if it has one, else from the layers. The base is AWS's
own image where the engine has it or can have it, else debian-slim.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import stat
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TASK, OPT = "/var/task", "/opt"
BASES = ("public.ecr.aws/lambda/provided:al2023", "debian:trixie-slim")
"""Images to run in, the truest first."""

VARIABLES = {
    "LAMBDA_TASK_ROOT": TASK,
    "LAMBDA_RUNTIME_DIR": "/var/runtime",
    "PATH": "/usr/local/bin:/usr/bin:/bin:/opt/bin",
    "LD_LIBRARY_PATH": "/lib64:/usr/lib64:/var/runtime:/var/task:/var/task/lib:/opt/lib",
    "LANG": "en_US.UTF-8",
}


@dataclass(frozen=True)
class Place:
    """What a function's containers are made of; see `FunctionSpec`."""

    image: str
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    workdir: str = ""
    mounts: tuple[tuple[str, str], ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


class ZipFunctions:
    """Unpacks functions and layers, each content once.

    Args:
        folder: where they are unpacked; emptied first.
        base: the image to run in; raises `LookupError` where there is none.
        layer_zip: the zip of a layer that a function's configuration names.
    """

    def __init__(
        self, folder: Path, base: Callable[[], str], layer_zip: Callable[[Any], bytes | None]
    ) -> None:
        self._folder = folder
        self._base = base
        self._layer_zip = layer_zip
        self._lock = threading.Lock()
        shutil.rmtree(folder, ignore_errors=True)

    @staticmethod
    def takes(config: Mapping[str, Any]) -> bool:
        """Whether it is a function for these means."""
        zipped = config.get("PackageType") != "Image"
        return zipped and str(config.get("Runtime") or "").startswith("provided")

    def place(self, func: Mapping[str, Any]) -> Place:
        """What a function's containers are made of.

        Args:
            func: the function as MiniStack keeps it: `config`, and `code_zip`.

        Raises:
            LookupError: there is no code, no base image, or no bootstrap.
        """
        config = func.get("config") or func
        code = func.get("code_zip")
        if not code:
            raise LookupError("The function has no code.")
        layers = [self._layer_zip(layer) for layer in config.get("Layers") or ()]
        task = self._unpacked([code])
        opt = self._unpacked([layer for layer in layers if layer])
        for folder, there in ((task, TASK), (opt, OPT)):
            if (folder / "bootstrap").is_file():
                return Place(
                    self._base(),
                    (f"{there}/bootstrap",),
                    (str(config.get("Handler") or ""),),
                    TASK,
                    ((str(task), TASK), (str(opt), OPT)),
                    VARIABLES,
                )
        raise LookupError("There is no bootstrap: neither in the function nor in its layers.")

    def _unpacked(self, zips: Iterable[bytes]) -> Path:
        """The folder with the contents of zips, a later one over an earlier one."""
        zips = list(zips)
        name = hashlib.sha256(b"".join(hashlib.sha256(data).digest() for data in zips)).hexdigest()
        folder = self._folder / name[:32]
        with self._lock:
            if not folder.exists():
                self._folder.mkdir(parents=True, exist_ok=True)
                made = Path(tempfile.mkdtemp(dir=self._folder))
                for data in zips:
                    unpack(data, made)
                made.chmod(0o755)
                made.rename(folder)
        return folder


def unpack(data: bytes, folder: Path) -> None:
    """Unpacks a zip with its modes and links, and nothing outside the folder.

    Raises:
        LookupError: an entry leads out of it.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as source:
        for info in source.infolist():
            path = folder / info.filename
            if not path.parent.resolve().is_relative_to(folder.resolve()) or ".." in path.parts:
                raise LookupError(f"The zip has {info.filename}, which leads out of it.")
            if info.is_dir():
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            mode = info.external_attr >> 16
            if stat.S_ISLNK(mode):
                path.symlink_to(source.read(info).decode())
            else:
                path.write_bytes(source.read(info))
                path.chmod(stat.S_IMODE(mode) | 0o444 if mode else 0o755)
