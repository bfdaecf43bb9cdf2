"""The kit's own files in the build context: the runtime package and the CA bundle."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import lambdaimg
from lambdaimg.emulator import IMAGE_FILES
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
    bootstrap = (package / _BOOTSTRAP).read_bytes()
    files[f"{IMAGE_TREE}/{BOOTSTRAP_IN_IMAGE}"] = (0o755, bootstrap)
    return files


def _package_files(package: Path) -> Iterable[str]:
    """Files of the package that the image needs, relative to it."""
    yield from ("__init__.py", "py.typed")
    for path in (package / "runtime").rglob("*"):
        name = path.relative_to(package).as_posix()
        if path.is_file() and "__pycache__" not in path.parts and name != _BOOTSTRAP:
            yield name
    yield from (f"emulator/{name}" for name in IMAGE_FILES)


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
