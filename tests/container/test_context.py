"""The build context: what is in it, that it is reproducible, and what is refused."""

from __future__ import annotations

import io
import os
import random
import shutil
import socket
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdaimg.container.context import BuildContext, ContextSpec, scan
from lambdaimg.container.tarstream import CHUNK, MTIME
from lambdaimg.container.virtual import CA_BUNDLE
from lambdaimg.errors import BuildError, ProjectError
from tests.container.conftest import Tree, as_nobody

PLAIN = "FROM scratch\nCOPY . /\n"
WITH_KIT = "FROM scratch AS b\nCOPY .lambdaimg/build/ /b/\nFROM scratch\nCOPY .lambdaimg/image/ /\n"
PEM = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"


def fingerprint(spec: ContextSpec, cache: Path | None = None) -> str:
    return scan(spec).fingerprint(cache)


def names(context: BuildContext) -> list[str]:
    return [entry.path for entry in context.entries]


def read_back(context: BuildContext) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(b"".join(context.stream()))) as tar:
        return {member.name: member for member in tar}


# --- what is in it ------------------------------------------------------------------------------


def test_folders_come_before_their_files_sorted_by_name(tree: Tree) -> None:
    folder = tree({"b/y": "", "b/x": "", "a.txt": "", "Dockerfile": PLAIN, "b.txt": ""})
    (folder / "empty").mkdir()
    assert names(scan(ContextSpec(folder))) == [
        "Dockerfile",
        "a.txt",
        "b",
        "b/x",
        "b/y",
        "b.txt",
        "empty",
    ]


def test_the_kits_state_and_git_are_not_sent(tree: Tree) -> None:
    files = {".git/HEAD": "x", ".lambdaimg/default/image": "x", ".gitignore": "x"}
    folder = tree({**files, "Dockerfile": PLAIN})
    assert names(scan(ContextSpec(folder))) == [".gitignore", "Dockerfile"]


def test_git_is_sent_where_the_dockerfile_names_it(tree: Tree) -> None:
    folder = tree({".git/HEAD": "x", "Dockerfile": "FROM scratch\nCOPY .git /src/.git\n"})
    assert ".git/HEAD" in names(scan(ContextSpec(folder)))


def test_dockerfile_and_ignore_file_are_sent_even_if_excluded(tree: Tree) -> None:
    folder = tree({".dockerignore": "*\n", "deploy/Dockerfile": PLAIN, "deploy/x": "", "y": ""})
    assert names(scan(ContextSpec(folder, "deploy/Dockerfile"))) == [
        ".dockerignore",
        "deploy",
        "deploy/Dockerfile",
    ]


def test_a_dockerfile_may_have_an_ignore_file_of_its_own(tree: Tree) -> None:
    folder = tree(
        {
            ".dockerignore": "a\n",
            "web.Dockerfile": PLAIN,
            "web.Dockerfile.dockerignore": "b\n",
            "a": "",
            "b": "",
        }
    )
    sent = names(scan(ContextSpec(folder, "web.Dockerfile")))
    assert "a" in sent
    assert "b" not in sent


def test_modes_owner_and_times_are_fixed(tree: Tree) -> None:
    folder = tree({"run.sh": "#!/bin/sh\n", "data": "x", "Dockerfile": PLAIN})
    (folder / "run.sh").chmod(0o4700)
    (folder / "data").chmod(0o600)
    (folder / "folder").mkdir(mode=0o700)
    (folder / "link").symlink_to("data")
    found = read_back(scan(ContextSpec(folder)))
    assert {name: member.mode for name, member in found.items()} == {
        "run.sh": 0o755,
        "data": 0o644,
        "Dockerfile": 0o644,
        "folder": 0o755,
        "link": 0o777,
    }
    assert {(m.uid, m.gid, m.uname, m.mtime) for m in found.values()} == {(0, 0, "", MTIME)}
    assert found["link"].linkname == "data"


def test_large_files_are_streamed_in_pieces(tree: Tree) -> None:
    content = random.Random(1).randbytes(3 * CHUNK + 17)
    folder = tree({"big": content, "Dockerfile": PLAIN})
    pieces = list(scan(ContextSpec(folder)).stream())
    assert max(map(len, pieces)) < 2 * CHUNK + 4096
    with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as tar:
        member = tar.extractfile("big")
        assert member is not None
        assert member.read() == content


segment = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="/"),
    min_size=1,
    max_size=12,
).filter(lambda name: name not in (".", "..", ".git", ".lambdaimg", "pyvenv.cfg"))
some_files = st.dictionaries(
    st.lists(segment, min_size=1, max_size=3).map("/".join),
    st.tuples(st.binary(max_size=1500), st.booleans()),
    max_size=6,
)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(files=some_files)
def test_the_same_sources_are_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, tuple[bytes, bool]]
) -> None:
    here, there = (tmp_path_factory.mktemp("same") for _ in range(2))
    written = {}
    for folder, umask in ((here, 0o022), (there, 0o077)):
        before = os.umask(umask)
        try:
            (folder / "Dockerfile").write_text(PLAIN)
            for name, (content, executable) in files.items():
                path = folder / name
                try:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content)
                except OSError:
                    continue  # one name is the other's folder, or too long for the file system
                path.chmod(path.stat().st_mode | 0o100 * executable)
                os.utime(path, ns=(umask, umask))
                written[name] = content
        finally:
            os.umask(before)
    ours, theirs = scan(ContextSpec(here)), scan(ContextSpec(there))
    assert b"".join(ours.stream()) == b"".join(theirs.stream())
    assert ours.fingerprint() == theirs.fingerprint()
    with tarfile.open(fileobj=io.BytesIO(b"".join(ours.stream()))) as tar:
        got = {m.name: tar.extractfile(m).read() for m in tar if m.isfile()}  # type: ignore[union-attr]
    assert got == {**written, "Dockerfile": PLAIN.encode()}


# --- the kit's own files ------------------------------------------------------------------------


def test_the_runtime_is_there_where_the_dockerfile_asks(tree: Tree) -> None:
    folder = tree({"Dockerfile": WITH_KIT, ".lambdaimg/image/stale": "x"})
    found = read_back(scan(ContextSpec(folder)))
    package = ".lambdaimg/image/usr/local/lib/lambdaimg/lambdaimg"
    assert {f"{package}/__init__.py", f"{package}/py.typed"} <= set(found)
    assert any(name.startswith(f"{package}/runtime/") for name in found)
    bootstrap = found[".lambdaimg/image/usr/local/bin/bootstrap"]
    assert (bootstrap.mode, bootstrap.isfile()) == (0o755, True)
    assert ".lambdaimg/image/stale" not in found
    assert not [name for name in found if "__pycache__" in name or name.endswith(".pyc")]
    assert list(found) == sorted(found, key=lambda name: name.split("/"))


def test_without_a_mention_nothing_is_added(tree: Tree) -> None:
    folder = tree({"Dockerfile": PLAIN})
    assert names(scan(ContextSpec(folder))) == ["Dockerfile"]


def test_the_ca_bundle_is_there_or_empty(tree: Tree, tmp_path: Path) -> None:
    folder = tree({"Dockerfile": WITH_KIT})
    bundle = tmp_path / "ca.pem"
    bundle.write_text(PEM)

    def content(spec: ContextSpec) -> str | bytes:
        return next(entry.source for entry in scan(spec).entries if entry.path == CA_BUNDLE)

    assert content(ContextSpec(folder)) == b""
    assert content(ContextSpec(folder, ca_bundle=bundle)) == PEM.encode()


def test_the_ca_bundle_is_not_there_for_a_dockerfile_that_does_not_name_it(
    tree: Tree, tmp_path: Path
) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text(PEM)
    text = "# .lambdaimg/build/ is for the CA bundle\nFROM scratch\nCOPY . /\n"
    assert names(scan(ContextSpec(tree({"Dockerfile": text}), ca_bundle=bundle))) == ["Dockerfile"]
    text += "COPY .lambdaimg/image/ /\n"
    sent = names(scan(ContextSpec(tree({"Dockerfile": text}), ca_bundle=bundle)))
    assert ".lambdaimg/image" in sent
    assert CA_BUNDLE not in sent


@pytest.mark.parametrize("text", [None, "no certificate"])
def test_a_bad_ca_bundle_is_refused(tree: Tree, tmp_path: Path, text: str | None) -> None:
    bundle = tmp_path / "ca.pem"
    if text is not None:
        bundle.write_text(text)
    with pytest.raises(ProjectError, match="CA bundle"):
        scan(ContextSpec(tree({"Dockerfile": WITH_KIT}), ca_bundle=bundle))


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target", ["../outside", "/etc/passwd", "sub/../../outside", "hop/outside"]
)
def test_links_out_of_the_project_are_refused(tree: Tree, target: str) -> None:
    folder = tree({"Dockerfile": PLAIN, ".dockerignore": "hop\n", "sub/x": ""})
    (folder / "hop").symlink_to(folder.parent)
    (folder / "link").symlink_to(target)
    with pytest.raises(ProjectError, match=r"^link is a link that leads out of the project") as no:
        scan(ContextSpec(folder))
    assert no.value.details["target"] == target


def test_an_excluded_link_is_not_looked_at(tree: Tree) -> None:
    folder = tree({"Dockerfile": PLAIN, ".dockerignore": "link\n"})
    (folder / "link").symlink_to("/etc/passwd")
    assert names(scan(ContextSpec(folder))) == [".dockerignore", "Dockerfile"]


def test_links_within_the_project_are_sent_as_links(tree: Tree) -> None:
    folder = tree({"Dockerfile": PLAIN, "sub/x": "x"})
    for name, target in {"sub/up": "../Dockerfile", "dir": "sub", "broken": "nothing"}.items():
        (folder / name).symlink_to(target)
    found = read_back(scan(ContextSpec(folder)))
    links = {name: member.linkname for name, member in found.items() if member.issym()}
    assert links == {"sub/up": "../Dockerfile", "dir": "sub", "broken": "nothing"}
    assert "dir/x" not in found


def test_a_virtual_environments_interpreter_may_be_the_machines_own(tree: Tree) -> None:
    folder = tree({"Dockerfile": PLAIN, ".venv/pyvenv.cfg": "", ".venv/bin/activate": ""})
    (folder / ".venv/bin/python").symlink_to("/usr/bin/python3")
    assert read_back(scan(ContextSpec(folder)))[".venv/bin/python"].linkname == "/usr/bin/python3"


def test_sockets_are_left_out_and_pipes_refused(tree: Tree) -> None:
    folder = tree({"Dockerfile": PLAIN})
    with socket.socket(socket.AF_UNIX) as server:
        before = Path.cwd()
        os.chdir(folder)  # the path of a socket may have a hundred characters
        try:
            server.bind("socket")
        finally:
            os.chdir(before)
        assert names(scan(ContextSpec(folder))) == ["Dockerfile"]
    os.mkfifo(folder / "pipe")
    with pytest.raises(ProjectError, match="pipe is a device or a pipe"):
        scan(ContextSpec(folder))


@pytest.mark.parametrize("secret", ["secret/key", "secret"])
def test_what_cannot_be_read_is_named(tree: Tree, secret: str) -> None:
    folder = tree({"Dockerfile": PLAIN, "secret/key": "x"})
    temporary = Path(tempfile.gettempdir())
    for parent in (folder, *folder.parents):
        if parent.is_relative_to(temporary) and parent != temporary:
            parent.chmod(0o755)

    def attempt() -> str:
        try:
            return scan(ContextSpec(folder)).fingerprint()
        except ProjectError as exc:
            return f"{exc.message} {exc.hint}"

    attempt()  # what is imported on the way may be out of nobody's reach
    (folder / secret).chmod(0)
    said = as_nobody(attempt)
    (folder / secret).chmod(0o755)
    assert said.startswith(f"{secret} cannot be read: Permission denied.")
    assert ".dockerignore" in said


def test_a_file_that_grows_while_it_is_sent_is_refused(tree: Tree) -> None:
    folder = tree({"Dockerfile": PLAIN, "log": "one\n"})
    context = scan(ContextSpec(folder))
    (folder / "log").write_text("one\ntwo\n")
    with pytest.raises(BuildError, match="log changed while it was being sent"):
        list(context.stream())


@pytest.mark.parametrize("name", ["Dockerfile", "sub/Dockerfile"])
def test_a_missing_dockerfile_is_named(tree: Tree, name: str) -> None:
    with pytest.raises(ProjectError, match=f"^There is no {name} in "):
        scan(ContextSpec(tree({"x": ""}), name))


def test_a_folder_is_no_dockerfile(tree: Tree) -> None:
    with pytest.raises(ProjectError, match=r"^docker is a folder") as caught:
        scan(ContextSpec(tree({"docker/Dockerfile": PLAIN}), "docker"))
    assert "docker/Dockerfile" in caught.value.hint


def test_a_dockerfile_outside_is_refused(tree: Tree) -> None:
    folder = tree({"Dockerfile": PLAIN, "sub/x": ""})
    with pytest.raises(ProjectError, match="not inside the project"):
        scan(ContextSpec(folder / "sub", "../Dockerfile"))


def test_a_missing_project_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="There is no project folder"):
        scan(ContextSpec(tmp_path / "nowhere"))


# --- fingerprint --------------------------------------------------------------------------------


def test_the_fingerprint_follows_what_is_sent_and_nothing_else(tree: Tree, tmp_path: Path) -> None:
    folder = tree({"Dockerfile": PLAIN, ".dockerignore": "log\n", "a": "1", "log": "1"})
    cache = tmp_path / "cache"
    spec = ContextSpec(folder)
    seen = [fingerprint(spec, cache)]

    def changed() -> bool:
        seen.append(fingerprint(spec, cache))
        assert seen[-1] == fingerprint(spec)
        return seen[-1] != seen[-2]

    (folder / "log").write_text("2")
    assert not changed()
    os.utime(folder / "a", (1, 1))
    assert not changed()
    (folder / "a").write_text("2")
    assert changed()
    (folder / "a").chmod(0o755)
    assert changed()
    (folder / "b").mkdir()
    assert changed()
    (folder / "b").rmdir()
    (folder / "b").symlink_to("a")
    assert changed()
    (folder / "b").unlink()
    (folder / "b").symlink_to("Dockerfile")
    assert changed()
    (folder / ".dockerignore").write_text("log\n\n")
    assert changed()
    shutil.copytree(folder, tmp_path / "copy", symlinks=True)
    assert fingerprint(ContextSpec(tmp_path / "copy")) == seen[-1]


def test_the_ca_bundle_and_the_runtime_are_part_of_it(tree: Tree, tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text(PEM)
    folder = tree({"Dockerfile": WITH_KIT})
    assert fingerprint(ContextSpec(folder)) != fingerprint(ContextSpec(folder, ca_bundle=bundle))
