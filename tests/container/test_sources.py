"""Which files of a project count for its image: those that the Dockerfile can copy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdaimg.container.context import ContextSpec
from lambdaimg.container.dockerfile import parse
from lambdaimg.container.sources import made_of, needed, sources
from tests.container.conftest import Tree

FILES = {
    "app/main.py": "",
    "app/data/x.json": "",
    "lib/a.py": "",
    "b.py": "",
    "c.txt": "",
    "NOTES.md": "",
}
EVERYTHING = {*FILES, "Dockerfile"}


def counted(tree: Tree, dockerfile: str, target: str | None = None, **arguments: str) -> set[str]:
    folder = tree({**FILES, "Dockerfile": dockerfile})
    found = made_of(ContextSpec(folder), target, arguments)
    return {entry.path for entry in found.entries if entry.kind == "file"}


@pytest.mark.parametrize(
    ("copies", "files"),
    [
        ("COPY b.py /x/", {"b.py"}),
        ("COPY ./app /x/", {"app/main.py", "app/data/x.json"}),
        ("COPY /app/data/ b.py /x/", {"app/data/x.json", "b.py"}),
        ("COPY *.py missing.tx[t] /x/", {"b.py"}),
        ("COPY */*.py /x/", {"app/main.py", "lib/a.py"}),
        ('COPY ["b.py", "c.txt", "/x y/"]', {"b.py", "c.txt"}),
        ("COPY --chown=1:1 b.py /x/", {"b.py"}),
        ("ADD b.py https://example.com/y /x/", {"b.py"}),
        ("COPY b.py /x/\nCOPY --from=docker.io/library/z / /z/", {"b.py"}),
        ("ARG F=b.py\nCOPY $F /x/", {"b.py"}),
        ("ARG F=b.py G=${F}\nCOPY ${G} /x/", {"b.py"}),
        ("ENV F=c\nARG F=b.py\nCOPY ${F}.txt /x/", {"c.txt"}),
        ('ENV D="app" E=data\nCOPY $D/$E /x/', {"app/data/x.json"}),
        ("ENV D app\nCOPY $D/main.py /x/", {"app/main.py"}),
        ("COPY ${F:-b.py} /x/", {"b.py"}),
        ("COPY b.py <<EOF /x/\ntext\nEOF", {"b.py"}),
        ("COPY b.py /x/\nRUN --mount=type=cache,target=/c true", {"b.py"}),
    ],
)
def test_what_is_copied_counts(tree: Tree, copies: str, files: set[str]) -> None:
    assert counted(tree, f"FROM debian\n{copies}\n") == {*files, "Dockerfile"}


@pytest.mark.parametrize(
    "steps",
    [
        "COPY . /x/",
        "COPY * /x/",
        "COPY b.py ./ /x/",
        "COPY ${PYTHON_FILE} /x/",
        "COPY ${F%.py} /x/",
        'COPY "b.py" /x/',
        "COPY b.py /x/\nRUN --mount=type=bind,target=/src true",
        "COPY b.py /x/\nRUN --mount=target=/src true",
        "COPY b.py /x/\nONBUILD COPY c.txt /x/",
        "RUN true",
    ],
)
def test_where_it_cannot_be_told_everything_counts(tree: Tree, steps: str) -> None:
    assert counted(tree, f"FROM debian\n{steps}\n") == EVERYTHING


@pytest.mark.parametrize("directive", ["# syntax=example.com/front:1\n", "# escape=`\n"])
def test_foreign_syntax_is_not_guessed_at(tree: Tree, directive: str) -> None:
    assert counted(tree, f"{directive}FROM debian\nCOPY b.py /x/\n") == EVERYTHING
    usual = "# syntax=docker/dockerfile:1\nFROM debian\nCOPY b.py /x/\n"
    assert counted(tree, usual) == {"b.py", "Dockerfile"}


def test_build_arguments_name_files(tree: Tree) -> None:
    text = "ARG G=c.txt\nFROM debian\nARG F=c.txt\nARG G\nCOPY $F $G /x/\n"
    assert counted(tree, text, F="b.py") == {"b.py", "c.txt", "Dockerfile"}
    assert counted(tree, text, G="app/*") == {
        "c.txt",
        *counted(tree, text.replace("$F ", ""), G="app"),
    }


def test_a_source_that_may_be_a_link_counts_with_all_it_may_lead_to(tree: Tree) -> None:
    folder = tree({**FILES, "Dockerfile": "FROM debian\nCOPY src/x /x/\n", "real/x": ""})
    (folder / "src").symlink_to("real")
    paths = {entry.path for entry in made_of(ContextSpec(folder), None, {}).entries}
    assert paths > EVERYTHING
    (folder / "Dockerfile").write_text("FROM debian\nCOPY app /x/\n")
    (folder / "app/link").symlink_to("main.py")
    paths = {entry.path for entry in made_of(ContextSpec(folder), None, {}).entries}
    assert paths == {"Dockerfile", "app", "app/data", "app/data/x.json", "app/link", "app/main.py"}


STAGES = """\
ARG BASE=base
FROM debian AS base
COPY lib/ /x/
FROM debian AS tests
COPY c.txt /x/
FROM debian AS tools
COPY NOTES.md /x/
FROM ${BASE} AS final
COPY --from=tools /x /x
COPY b.py /x/
"""


def test_stages_that_the_image_does_not_need_do_not_count(tree: Tree) -> None:
    assert counted(tree, STAGES) == {"lib/a.py", "NOTES.md", "b.py", "Dockerfile"}
    assert counted(tree, STAGES, "tests") == {"c.txt", "Dockerfile"}
    assert counted(tree, STAGES, BASE="debian") == {"NOTES.md", "b.py", "Dockerfile"}
    mount = (
        "FROM debian AS a\nCOPY c.txt /\nFROM debian\nRUN --mount=type=cache,from={},target=/c x\n"
    )
    assert counted(tree, mount.format("a") + "COPY b.py /\n") == {"c.txt", "b.py", "Dockerfile"}
    assert counted(tree, mount.format("other") + "COPY b.py /\n") == {"b.py", "Dockerfile"}


def test_comments_of_the_dockerfile_do_not_count_and_steps_do(tree: Tree) -> None:
    def made(text: str) -> str:
        return made_of(ContextSpec(tree({"Dockerfile": text, "b": ""})), None, {}).fingerprint()

    plain = made("FROM debian\nCOPY b /\nRUN echo 'a \\\n    b'\n")
    assert made("# new\nFROM debian\n\n  # more\nCOPY b /\nRUN echo 'a \\\n# x\n    b'\n") == plain
    assert made("FROM debian\nCOPY b /\nRUN echo 'a \\\n  b'\n") != plain
    inside = "FROM debian\nCOPY b /\nRUN <<EOF\n{}\nEOF\n"
    assert made(inside.format("# one")) != made(inside.format("# two"))
    copied = "{}FROM debian\nCOPY . /\n"
    assert made(copied.format("# one\n")) != made(copied.format("# two\n"))


LINES = st.sampled_from(
    (
        *("FROM a AS b", "FROM b", "FROM $V", "FROM", "ARG V=b.py", "ARG V", "ARG", "ENV V=$V"),
        *("ENV", "COPY $V /", "COPY", "COPY --from=b / /", 'COPY ["a', "ADD ../c /"),
        "RUN --mount=from=$V x",
    )
)


@given(st.lists(LINES, max_size=12))
def test_any_dockerfile_is_read(lines: list[str]) -> None:
    dockerfile = parse("\n".join(lines))
    stages = needed(dockerfile, None, {"V": "b"})
    assert stages <= set(range(len(dockerfile.stages)))
    found = sources(dockerfile, stages, {})
    assert found is None or all(name and not name.startswith(("../", "/")) for name in found)
