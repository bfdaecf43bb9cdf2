"""Walking a project folder: the files, folders and links that `.dockerignore` leaves.

Nothing is followed: a link is a link, and one that leads out of the project is refused.
"""

from __future__ import annotations

import os
import posixpath
import stat
from pathlib import Path
from typing import Literal, NamedTuple

from lambdaimg.container.ignore import IgnoreRules, Matched
from lambdaimg.errors import ProjectError

IGNORE_FILE = ".dockerignore"


class Entry(NamedTuple):
    """A file, folder or link of the context.

    Attributes:
        path: relative, with slashes.
        kind: what it is.
        mode: permission bits as sent.
        source: absolute path of a file on disk; contents of a virtual one; target of a link.
        stat: of a file on disk.
    """

    path: str
    kind: Literal["file", "dir", "link"]
    mode: int
    source: str | bytes
    stat: os.stat_result | None = None

    @property
    def size(self) -> int:
        """Bytes of a file, 0 for all else."""
        if self.kind != "file":
            return 0
        return self.stat.st_size if self.stat else len(self.source)


class Walk:
    """Collects the entries of a project, folders before what they hold, sorted by name.

    Args:
        root: absolute path of the project.
        rules: of its ignore file.
        always: paths that are kept whatever the rules say.
        never: paths that are left out whatever the rules say.
    """

    def __init__(
        self, root: str, rules: IgnoreRules, always: frozenset[str], never: frozenset[str]
    ) -> None:
        self.root = root
        self.rules = rules
        self.always = always
        self.always_below = {
            "/".join(p.split("/")[:n]) for p in always for n in range(p.count("/") + 1)
        }
        self.never = never
        self.entries: list[Entry] = []

    def folder(self, path: str, matched: Matched, venv: bool) -> None:
        """Append what a folder holds; `venv` says that it is part of a virtual environment."""
        prefix = f"{path}/" if path else ""
        try:
            with os.scandir(f"{self.root}/{path}") as found:
                children = sorted(found, key=lambda child: child.name)
        except OSError as exc:
            raise unreadable(path or ".", exc) from exc
        venv = venv or any(child.name == "pyvenv.cfg" for child in children)
        for child in children:
            name = prefix + child.name
            if name in self.never:
                continue
            excluded, below = self.rules.step(name, matched)
            if child.is_dir(follow_symlinks=False):
                self._subfolder(name, below, excluded, venv)
            elif not excluded or name in self.always:
                entry = self._leaf(name, child, venv)
                if entry:
                    self.entries.append(entry)

    def _subfolder(self, name: str, matched: Matched, excluded: bool, venv: bool) -> None:
        wanted = name in self.always_below or self.rules.may_take_back(name)
        if excluded and not wanted:
            return
        self.entries.append(Entry(name, "dir", 0o755, ""))
        before = len(self.entries)
        self.folder(name, matched, venv)
        if excluded and len(self.entries) == before:
            self.entries.pop()

    def _leaf(self, name: str, child: os.DirEntry[str], venv: bool) -> Entry | None:
        try:
            status = child.stat(follow_symlinks=False)
            if stat.S_ISREG(status.st_mode):
                mode = 0o755 if status.st_mode & stat.S_IXUSR else 0o644
                return Entry(name, "file", mode, child.path, status)
            if stat.S_ISLNK(status.st_mode):
                target = str(Path(child.path).readlink())
                if not venv:
                    self._check_link(name, child.path, target)
                return Entry(name, "link", 0o777, target)
        except OSError as exc:
            raise unreadable(name, exc) from exc
        if stat.S_ISSOCK(status.st_mode):
            return None  # as Docker: a socket has no contents, and no tar can hold one
        raise ProjectError(
            f"{name} is a device or a pipe and cannot be sent to the build.",
            hint=f"Remove it, or list it in {IGNORE_FILE}.",
            file=name,
        )

    def _check_link(self, name: str, path: str, target: str) -> None:
        """Links of virtual environments are exempt: they name the machine's own interpreter."""
        lexical = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
        real = os.path.realpath(path)
        if (
            target.startswith("/")
            or lexical == ".."
            or lexical.startswith("../")
            or (real != self.root and not real.startswith(self.root.rstrip("/") + "/"))
        ):
            raise ProjectError(
                f"{name} is a link that leads out of the project: {target}",
                hint=f"Replace it by the file itself, or list it in {IGNORE_FILE}.",
                file=name,
                target=target,
            )


def unreadable(path: str, exc: OSError) -> ProjectError:
    """The error for a file of the project that cannot be read."""
    return ProjectError(
        f"{path} cannot be read: {exc.strerror or exc}.",
        hint=f"Change its permissions, or list it in {IGNORE_FILE} if the image does not need it.",
        file=path,
    )
