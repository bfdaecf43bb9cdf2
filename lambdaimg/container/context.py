"""The build context: what of the project is sent to the builder, as a reproducible tar stream.

`scan` walks the project by `.dockerignore`'s rules, adds the kit's own files where the Dockerfile
asks for them, and gives a `BuildContext`, whose `stream` is the tar and whose `fingerprint` is a
hash of the same. Owner, times and order are fixed and modes are reduced to the executable bit,
so the same sources give the same layers everywhere. Standard library only.

`.lambdaimg/` (the kit's state) and `.git` are not sent. Where an instruction of the Dockerfile
names these folders, they are there instead:

- `.lambdaimg/image/`: the tree for the root of the image, with the runtime package and bootstrap
  (for whatever begins with `.lambdaimg/`);
- `.lambdaimg/build/`: `ca-bundle.pem`, the CA bundle that the build is to trust, or an empty file.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lambdaimg.container.dockerfile import Dockerfile, parse
from lambdaimg.container.filehash import FileHashes
from lambdaimg.container.ignore import IgnoreRules
from lambdaimg.container.tree import IGNORE_FILE, Entry, Walk, unreadable
from lambdaimg.container.virtual import BUILD_FOLDER, KIT_FOLDER, virtual_files
from lambdaimg.errors import ProjectError

_GIT_NAMED = re.compile(r"(?<![\w.-])\.git(?![\w.-])")


@dataclass(frozen=True, slots=True)
class ContextSpec:
    """What the context is made of.

    Attributes:
        project: the folder.
        dockerfile: relative to it, with slashes.
        ca_bundle: PEM file for the builder stage, or None.
    """

    project: Path
    dockerfile: str = "Dockerfile"
    ca_bundle: Path | None = None


@dataclass(frozen=True, slots=True)
class BuildContext:
    """A context that was looked through: entries in the order of the tar, folders first."""

    dockerfile: str
    dockerfile_text: str
    entries: tuple[Entry, ...]

    def stream(self) -> Iterator[bytes]:
        """The tar, in pieces of some 256 KiB.

        Raises:
            ProjectError: a file cannot be read.
            BuildError: a file changed meanwhile.
        """
        from lambdaimg.container.tarstream import tar_stream

        return tar_stream(self.entries)

    def fingerprint(self, cache: Path | None = None) -> str:
        """SHA-256 (hex) over paths, modes and contents.

        Args:
            cache: file that remembers the hashes of files by their stat; read, and replaced
                where anything changed. A missing or damaged one is as none.

        Raises:
            ProjectError: a file cannot be read.
        """
        return combined(self.hashes(cache))

    def hashes(self, cache: Path | None = None) -> dict[str, str]:
        """Path -> what the fingerprint knows of it; arguments and errors as `fingerprint`."""
        hashes = FileHashes(cache)
        found: dict[str, str] = {}
        for path, kind, mode, source, status in self.entries:
            if isinstance(source, bytes):
                content = hashes.of_bytes(source)
            elif status is not None and kind == "file":
                try:
                    content = hashes.of_file(source, status)
                except OSError as exc:
                    raise unreadable(path, exc) from exc
            else:
                content = source
            found[path] = f"{kind}\0{mode:o}\0{path}\0{content}\n"
        hashes.save()
        return found


def combined(hashes: Mapping[str, str]) -> str:
    """One SHA-256 (hex) over what `BuildContext.hashes` gives."""
    text = "".join(hashes.values())
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def scan(spec: ContextSpec) -> BuildContext:
    """Look through the project.

    Raises:
        ProjectError: no project folder or Dockerfile; a malformed ignore file; a link that leads
            out of the context; a device or pipe; something that cannot be read.
    """
    root = spec.project.resolve()
    dockerfile = _dockerfile_path(root, spec.dockerfile)
    text = _read_text(root / dockerfile, dockerfile)
    own_rules = f"{dockerfile}{IGNORE_FILE}"
    ignore = own_rules if (root / own_rules).is_file() else IGNORE_FILE
    rules = IgnoreRules.parse(
        _read_text(root / ignore, ignore) if (root / ignore).is_file() else "", ignore
    )
    never = {KIT_FOLDER} if _GIT_NAMED.search(text) else {KIT_FOLDER, ".git"}
    walk = Walk(str(root), rules, frozenset({dockerfile, ignore}), frozenset(never))
    walk.folder("", rules.none, venv=False)
    entries = walk.entries
    instructions = parse(text)
    if _names(instructions, f"{KIT_FOLDER}/"):
        build = names_build_folder(instructions)
        entries += _virtual_entries(virtual_files(spec.ca_bundle, build))
        entries.sort(key=lambda entry: entry.path.split("/"))
    return BuildContext(dockerfile, text, tuple(entries))


def _dockerfile_path(root: Path, name: str) -> str:
    if not root.is_dir():
        raise ProjectError(f"There is no project folder {root}.", hint="Check --project.")
    relative = os.path.normpath(os.path.relpath(root / name, root)).replace(os.sep, "/")
    if relative.startswith("../"):
        raise ProjectError(
            f"The Dockerfile {name} is not inside the project folder.",
            hint="Move it there, or choose a project folder that holds it.",
            file=name,
        )
    if (root / relative).is_dir():
        raise ProjectError(
            f"{relative} is a folder, not a Dockerfile.",
            hint=f"Name the file in it, such as {relative}/Dockerfile.",
            file=relative,
        )
    if not (root / relative).is_file():
        raise ProjectError(
            f"There is no {relative} in {root}.",
            hint="`lambdaimg init` makes one, or name yours with the setting dockerfile.",
            file=relative,
        )
    return relative


def _read_text(path: Path, name: str) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as exc:
        raise unreadable(name, exc) from exc
    except UnicodeDecodeError:
        raise ProjectError(f"{name} is not UTF-8 text.", "Save it as UTF-8.", file=name) from None


def names_build_folder(dockerfile: Dockerfile) -> bool:
    """Whether an instruction names the folder of the CA bundle, which then is in the context."""
    return _names(dockerfile, BUILD_FOLDER)


def _names(dockerfile: Dockerfile, path: str) -> bool:
    return any(path in instruction.text for instruction in dockerfile.instructions)


def _virtual_entries(files: Mapping[str, tuple[int, bytes]]) -> list[Entry]:
    folders = {
        "/".join(path.split("/")[:n]) for path in files for n in range(1, path.count("/") + 1)
    }
    return [Entry(folder, "dir", 0o755, "") for folder in folders] + [
        Entry(path, "file", mode, content) for path, (mode, content) in files.items()
    ]
