"""The Dockerfile splitter: lines, stages, and what only BuildKit understands."""

from __future__ import annotations

import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdaimg.container.dockerfile import Dockerfile, parse

SAMPLE = r"""
# syntax=docker/dockerfile:1
# escape=\

# a comment
ARG BASE=debian:trixie-slim
FROM ${BASE} AS builder
RUN one && \
    # a comment within
    two && \

    three \
    # and the last
    four
copy --chown=1:1 --chmod=755 a.py \
     b.py   /app/
RUN <<EOF cat > /x && <<-'END' cat
FROM nothing
EOF
	body
	END
ENV A=1 B=two
from scratch
COPY --from=builder ["a b", "/c d/"]
ONBUILD RUN --mount=type=cache,target=/c make
CMD ["x"]
"""


@pytest.fixture(scope="module")
def sample() -> Dockerfile:
    return parse(SAMPLE.removeprefix("\n"))


def test_each_instruction_knows_its_lines(sample: Dockerfile) -> None:
    found = [(i.keyword, i.line, i.last_line, i.stage) for i in sample.instructions]
    assert found == [
        ("ARG", 5, 5, -1),
        ("FROM", 6, 6, 0),
        ("RUN", 7, 13, 0),
        ("COPY", 14, 15, 0),
        ("RUN", 16, 20, 0),
        ("ENV", 21, 21, 0),
        ("FROM", 22, 22, 1),
        ("COPY", 23, 23, 1),
        ("ONBUILD", 24, 24, 1),
        ("CMD", 25, 25, 1),
    ]


def test_continuation_lines_are_joined_and_flags_set_apart(sample: Dockerfile) -> None:
    run, copy = sample.instructions[2:4]
    assert run.args == "one && two && three four"
    assert copy.flags == ("--chown=1:1", "--chmod=755")
    assert copy.args == "a.py b.py   /app/"
    assert copy.flag("chown") == "1:1"
    assert copy.flag("link") is None


def test_steps_are_counted_as_the_legacy_builder_does(sample: Dockerfile) -> None:
    steps = [sample.of_step(n) for n in (1, 2, 10, 11, 0)]
    assert [i.line if i else None for i in steps] == [5, 6, 25, None, None]


def test_a_line_within_an_instruction_finds_it(sample: Dockerfile) -> None:
    within = {line: sample.at_line(line) for line in (1, 9, 17, 25)}
    assert {n: i.line if i else None for n, i in within.items()} == {1: None, 9: 7, 17: 16, 25: 25}


def test_what_needs_buildkit_is_named_with_its_line(sample: Dockerfile) -> None:
    assert [(r.line, r.what, r.required) for r in sample.buildkit_reasons] == [
        (1, "# syntax=", False),
        (14, "COPY --chmod", True),
        (16, "RUN with a here-document", True),
        (24, "RUN --mount", True),
    ]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("RUN --network=none x", "RUN --network"),
        ("COPY --link a b", "COPY --link"),
        ("COPY --parents a b", "COPY --parents"),
        ("ADD --checksum=sha256:00 https://example.org/x /", "ADD --checksum"),
        ("ADD https://example.org/x.git#v1 /src", "ADD of a git repository"),
        ("ADD git@example.org:x/y.git /src", "ADD of a git repository"),
        ("FROM --platform=$BUILDPLATFORM debian", "automatic platform variables in FROM"),
        ("FROM debian:${TARGETARCH}", "automatic platform variables in FROM"),
        ("COPY <<EOF /x\nEOF", "COPY with a here-document"),
    ],
)
def test_every_kind_that_needs_buildkit(line: str, what: str) -> None:
    assert [r.what for r in parse(f"FROM a\n{line}\n").buildkit_reasons] == [what]


@pytest.mark.parametrize(
    "text",
    [
        "FROM a\nRUN echo '--mount=x' --link\n",
        "FROM a\nRUN cat <<< word\n",
        "FROM a\nENV X=<<EOF\n",
        "FROM a\nCOPY --from=b --chown=1 a b\n",
        "FROM a\nARG TARGETARCH\nRUN echo $TARGETARCH\n",
        "FROM a\n# syntax=docker/dockerfile:1\n",
        "FROM --platform=linux/arm64 a\n",
    ],
)
def test_what_the_legacy_builder_can_do(text: str) -> None:
    assert parse(text).buildkit_reasons == ()


def test_the_escape_directive_changes_continuation() -> None:
    found = parse("# escape=`\nFROM a\nRUN dir c:\\\nRUN one `\n two\n").instructions
    assert [(i.keyword, i.args) for i in found] == [
        ("FROM", "a"),
        ("RUN", "dir c:\\"),
        ("RUN", "one two"),
    ]


@pytest.mark.parametrize("before", ["\n", "# note\n", "FROM a\n"])
def test_directives_stand_first(before: str) -> None:
    assert parse(f"# escape=`\n{before}").directives == {"escape": "`"}
    assert parse(f"{before}# escape=`\n").directives == {}


def test_declared_args_are_found() -> None:
    text = 'ARG A\nFROM x\nARG B=1 C="two words" D\nENV E=1\n'
    assert parse(text).declared_args == {"A", "B", "C", "D"}


STAGES = textwrap.dedent(
    """\
    FROM debian AS base
    COPY . /src
    FROM debian AS builder
    COPY .lambdaimg/build/ca-bundle.pem /ca.pem
    FROM base AS final
    COPY --from=builder /out /out
    """
)


def test_stages_are_found_by_name_and_number() -> None:
    found = parse(STAGES)
    numbers = [found.stage_number(name) for name in ("BASE", "final", "1", "3", "x")]
    assert numbers == [0, 2, 1, None, None]
    assert found.ancestry(None) == {0, 2}
    assert found.ancestry("builder") == {1}
    assert not found.from_scratch()
    assert parse("FROM --platform=linux/arm64 scratch AS a\nFROM a\n").from_scratch()


@given(st.text(alphabet="FROM RUN\n\\#<E-'\"=[,]$ \t\ufeffaé", max_size=80))
def test_any_text_is_taken_apart(text: str) -> None:
    found = parse(text)
    lines = text.count("\n") + 1
    assert all(1 <= i.line <= i.last_line <= lines for i in found.instructions)
    assert [i.line for i in found.instructions] == sorted({i.line for i in found.instructions})
    if found.stages:
        assert max(found.ancestry(None)) == len(found.stages) - 1
    assert {r.line for r in found.buildkit_reasons} <= {1} | {i.line for i in found.instructions}
