"""The kit's own files in the build context: the runtime package and the CA bundle."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from pathlib import Path

import lambdaimg
from lambdaimg.errors import ProjectError

KIT_FOLDER = ".lambdaimg"
IMAGE_TREE = f"{KIT_FOLDER}/image"
BUILD_FOLDER = f"{KIT_FOLDER}/build"
CA_BUNDLE = f"{BUILD_FOLDER}/ca-bundle.pem"
PACKAGE_IN_IMAGE = "usr/local/lib/lambdaimg/lambdaimg"
BOOTSTRAP_IN_IMAGE = "usr/local/bin/bootstrap"

_BOOTSTRAP = "runtime/bootstrap"


def virtual_files(ca_bundle: Path | None, build: bool) -> dict[str, tuple[int, bytes]]:
    """Path in the context -> mode and contents, of every file that the kit adds.

    Args:
        ca_bundle: PEM file, or None.
        build: whether `.lambdaimg/build/` is wanted.

    Raises:
        ProjectError: the CA bundle cannot be read or is none.
    """
    package = Path(lambdaimg.__file__).parent
    files: dict[str, tuple[int, bytes]] = {}
    if build:
        files[CA_BUNDLE] = (0o644, _read_ca_bundle(ca_bundle))
    for name in sorted(_package_files(package)):
        path = f"{IMAGE_TREE}/{PACKAGE_IN_IMAGE}/{name}"
        files[path] = (0o644, (package / name).read_bytes())
    bootstrap = package / _BOOTSTRAP
    if bootstrap.is_file():
        files[f"{IMAGE_TREE}/{BOOTSTRAP_IN_IMAGE}"] = (0o755, bootstrap.read_bytes())
    return files


def _package_files(package: Path) -> Iterable[str]:
    """Files of the package that the image needs, relative to it."""
    yield from ("__init__.py", "py.typed")
    for path in (package / "runtime").rglob("*"):
        name = path.relative_to(package).as_posix()
        if path.is_file() and "__pycache__" not in path.parts and name != _BOOTSTRAP:
            yield name
    if (package / "emulator" / "__init__.py").is_file():
        emulator = importlib.import_module("lambdaimg.emulator")
        names: Iterable[str] | None = getattr(emulator, "IMAGE_FILES", None)
        if names is None:
            names = (p.name for p in (package / "emulator").glob("*.py"))
        yield from (f"emulator/{name}" for name in names)


def _read_ca_bundle(path: Path | None) -> bytes:
    if path is None:
        return b""
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise ProjectError(
            f"The CA bundle {path} cannot be read: {exc.strerror or exc}.",
            hint="Check the setting build_ca_bundle.",
            file=str(path),
        ) from exc
    if b"-----BEGIN CERTIFICATE-----" not in content:
        raise ProjectError(
            f"The CA bundle {path} holds no certificate in PEM form.",
            hint="Check the setting build_ca_bundle.",
            file=str(path),
        )
    return content
