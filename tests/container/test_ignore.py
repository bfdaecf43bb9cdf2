"""`.dockerignore`: a table of Docker's finer points, and the docker command as the judge."""

from __future__ import annotations

import contextlib
import io
import os
import socketserver
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambdaimg.container.context import ContextSpec, scan
from lambdaimg.container.ignore import IgnoreRules
from lambdaimg.errors import ProjectError
from tests.container.conftest import Tree, write_tree

FILES = (
    "a/b/c.py",
    "a/b/c.txt",
    "a/x.txt",
    "a/c",
    "b/c.py",
    "b/d/e/f.txt",
    "c.py",
    "d.md",
    "README.md",
    "README-secret.md",
    "sub/x.py",
    "sub/deep/x.py",
    "sub/deep/y.txt",
    "foo/bar",
    "foobar",
    ".hid/x",
    "x-y/z",
    "sp ace/f",
)


def kept(*patterns: str) -> set[str]:
    rules = IgnoreRules.parse("\n".join(patterns))
    return {name for name in FILES if not rules.excludes(name)}


def without(*names: str) -> set[str]:
    assert set(names) <= set(FILES)
    return set(FILES) - set(names)


# Each was compared with `docker build` (BuildKit's client, buildx 0.13.1) on the same files.
@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ((), set(FILES)),
        (("a",), without("a/b/c.py", "a/b/c.txt", "a/x.txt", "a/c")),
        (("/a/",), without("a/b/c.py", "a/b/c.txt", "a/x.txt", "a/c")),
        (("./b/../a",), without("a/b/c.py", "a/b/c.txt", "a/x.txt", "a/c")),
        (("../a",), set(FILES)),
        (("a/**",), without("a/b/c.py", "a/b/c.txt", "a/x.txt", "a/c")),
        (("c.py",), without("c.py")),
        (("**/c.py",), without("c.py", "a/b/c.py", "b/c.py")),
        (("*/c.py",), without("b/c.py")),
        (("*.md",), without("d.md", "README.md", "README-secret.md")),
        (("?oo",), without("foo/bar")),
        (("foo*",), without("foo/bar", "foobar")),
        (("[c-d].*",), without("c.py", "d.md")),
        (("[^a-x]*/*",), set(FILES) - {".hid/x"}),
        (("a**c",), without("a/c")),
        (("**/b/**",), set(FILES) - {"a/b/c.py", "a/b/c.txt", "b/c.py", "b/d/e/f.txt"}),
        (("**/d?e",), set(FILES)),
        (("x\\-y",), without("x-y/z")),
        (("sp ace",), without("sp ace/f")),
        (("  d.md  ", "# c.py", "#c.py"), without("d.md")),
        ((".*",), without(".hid/x")),
        (("**",), set()),
        (("*", "!c.py"), {"c.py"}),
        (("!c.py", "*"), set()),
        (("*", "! c.py", "!/d.md"), {"c.py", "d.md"}),
        (("*", "!**/*.py"), {"a/b/c.py", "b/c.py", "c.py", "sub/x.py", "sub/deep/x.py"}),
        (("*", "!a/*/c.py"), {"a/b/c.py"}),
        (("sub", "!sub/deep/x.py"), without("sub/x.py", "sub/deep/y.txt")),
        (("*.md", "!README*.md", "README-secret.md"), without("d.md", "README-secret.md")),
        # A folder taken back in before its files are excluded does not take those back in.
        (("*/c", "!a"), without("a/c")),
        (("**/*.txt", "!a"), without("a/b/c.txt", "a/x.txt", "b/d/e/f.txt", "sub/deep/y.txt")),
    ],
)
def test_what_patterns_leave(patterns: tuple[str, ...], expected: set[str], tree: Tree) -> None:
    assert kept(*patterns) == expected
    folder = tree({name: name for name in FILES} | {"Dockerfile": "FROM scratch\n"})
    (folder / ".dockerignore").write_text("\n".join(patterns))
    found = {e.path for e in scan(ContextSpec(folder)).entries if e.kind == "file"}
    assert found - {"Dockerfile", ".dockerignore"} == expected


def test_a_byte_order_mark_is_no_part_of_the_first_pattern() -> None:
    assert IgnoreRules.parse("\ufeffa\n").excludes("a")


@pytest.mark.parametrize("line", ["!", "! ", "[", "a[", "[]", "a\\", "[b-a]", "x[^]"])
def test_a_malformed_pattern_is_refused_with_its_line(line: str) -> None:
    with pytest.raises(ProjectError, match=r"^\.dockerignore, line 3: ") as caught:
        IgnoreRules.parse(f"# comment\n\n{line}\n")
    assert caught.value.details["line"] == 3


@given(st.text(max_size=40), st.sampled_from(FILES))
def test_any_text_is_rules_or_one_clear_error(text: str, name: str) -> None:
    try:
        rules = IgnoreRules.parse(text)
    except ProjectError as exc:
        assert exc.message.startswith(".dockerignore, line ")
    else:
        assert rules.excludes(name) in (True, False)
        if not text.strip():
            assert not rules.excludes(name)


# --- the docker command as the judge ------------------------------------------------------------


class ContextCatcher:
    """Looks like an engine to the docker command, and keeps the names in the context sent."""

    def __init__(self) -> None:
        self.names: set[str] = set()

        class Handler(BaseHTTPRequestHandler):
            def log_message(handler, format: str, *args: Any) -> None:
                return

            def do_GET(handler) -> None:
                handler.send_response(200)
                handler.send_header("Api-Version", "1.41")
                handler.send_header("OSType", "linux")
                handler.end_headers()

            do_HEAD = do_GET

            def do_POST(handler) -> None:
                body = b""
                while size := int(handler.rfile.readline(), 16):
                    body += handler.rfile.read(size)
                    handler.rfile.readline()
                with tarfile.open(fileobj=io.BytesIO(body)) as tar:
                    self.names = {name.rstrip("/") for name in tar.getnames()}
                handler.do_GET()

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.host = f"tcp://127.0.0.1:{self._server.server_address[1]}"

    @contextlib.contextmanager
    def serving(self) -> Iterator[ContextCatcher]:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()


@pytest.fixture(scope="module")
def judge(docker_command: str) -> Iterator[Any]:
    """`judge(folder)` is the names that the docker command sends of a folder."""
    with ContextCatcher().serving() as catcher:

        def names(folder: Path) -> set[str]:
            env = {**os.environ, "DOCKER_HOST": catcher.host, "DOCKER_BUILDKIT": "0"}
            subprocess.run(
                [docker_command, "build", "-q", folder], env=env, capture_output=True, check=True
            )
            return catcher.names

        yield names


@pytest.fixture(scope="module")
def judged_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("judged")
    return write_tree(folder, {name: name for name in FILES} | {"Dockerfile": "FROM scratch\n"})


parts = st.sampled_from(["a", "b", "c", "sub", "deep", "*", "?", "*.py", "*.txt", "c*", "[a-c]*"])
paths = st.lists(parts, min_size=1, max_size=3).map("/".join)
anywhere = st.one_of(paths, paths.map("**/{}".format), paths.map("{}/**".format), st.just("**"))
# Older docker commands see fewer ways back into an excluded folder than BuildKit does; on
# exceptions with plain folders, below everything excluded, all of them agree.
literal = st.sampled_from(["a", "b", "sub", "a/b", "b/d/e", "sub/deep"])
leaf = st.sampled_from(["c.py", "c", "*.txt", "x.*", "?"])
exceptions = st.one_of(literal, st.tuples(literal, leaf).map("/".join)).map("!{}".format)
taken_back = st.lists(exceptions, min_size=1, max_size=3).map(lambda lines: ["*", *lines])


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(patterns=st.one_of(st.lists(anywhere, max_size=3), taken_back))
def test_the_docker_command_sends_the_same(
    judge: Any, judged_folder: Path, patterns: list[str]
) -> None:
    (judged_folder / ".dockerignore").write_text("\n".join(patterns) + "\n")
    ours = {entry.path for entry in scan(ContextSpec(judged_folder)).entries}
    theirs = judge(judged_folder)
    # A folder that is itself excluded is sent for what is in it by us, and implied by docker.
    implied = {str(parent) for name in theirs for parent in Path(name).parents} - {"."}
    assert ours == theirs | implied
