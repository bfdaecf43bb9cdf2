"""What of a Dockerfile would bring the CA bundle into the image."""

from __future__ import annotations

import pytest

from lambdaimg.container.bundle import leak
from lambdaimg.container.dockerfile import parse

STAGES = """\
FROM debian AS base
RUN true
FROM debian AS builder
COPY .lambdaimg/build/ca-bundle.pem /ca.pem
FROM base AS final
COPY --from=builder /out /out
"""


def leaking_line(text: str, target: str | None = None, **arguments: str) -> int | None:
    found = leak(parse(text), target, arguments)
    return found.line if found else None


@pytest.mark.parametrize(
    ("sources", "copies"),
    [
        (".", True),
        ("./", True),
        ("*", True),
        ("a.py .lambdaimg", True),
        (".lambdaimg/build/", True),
        (".lambdaimg/*/ca-bundle.pem", True),
        ("$ANY", True),
        ("a.py b", False),
        (".lambdaimg/image/", False),
        ("*.py", False),
    ],
)
def test_copies_from_the_context(sources: str, copies: bool) -> None:
    assert leaking_line(f"{STAGES}COPY {sources} /task/\n") == (7 if copies else None)
    assert leaking_line(f"{STAGES}COPY {sources} /task/\n", "base") is None


@pytest.mark.parametrize(
    ("into", "out_of", "copies"),
    [
        ("COPY .lambdaimg/build/ /x/", "/x", True),
        ("COPY .lambdaimg/build/ /x/", "/", True),
        ("COPY .lambdaimg/build/ /x/", "/x/ca*", True),
        ("COPY .lambdaimg/build/ /x/", "/x/other /y", False),
        ("COPY .lambdaimg/ /x/", "/x/build/", True),
        ("COPY .lambdaimg/ /x/", "/x/image/", False),
        ("COPY .lambdaimg/build/ca-bundle.pem /x", "/x", True),
        ("COPY .lambdaimg/build/ca-bundle.pem /x", "/x2", False),
        ("WORKDIR /w\nCOPY .lambdaimg/build/ x/", "/w/x", True),
        ("WORKDIR /w\nCOPY .lambdaimg/build/ x/", "/x", False),
        ("COPY .lambdaimg/build/ x/", "/x", True),
        ("COPY .lambdaimg/build/ ${WHERE}/", "/y", True),
        ('ADD [".lambdaimg/build/", "/x"]', "/x", True),
    ],
)
def test_copies_from_stage_to_stage(into: str, out_of: str, copies: bool) -> None:
    text = f"FROM debian AS b\n{into}\nFROM debian\nCOPY --from=b {out_of} /y\n"
    assert leaking_line(text) == (text.count("\n") if copies else None)
    number = text.replace("--from=b", "--from=0")
    assert leaking_line(number) == leaking_line(text)


def test_it_is_followed_through_stages_and_down_to_what_is_built_on_them() -> None:
    through = (
        "ARG BASE=a\nFROM debian AS a\nCOPY .lambdaimg/build/ /x/\nFROM debian AS b\n"
        "COPY --from=a /x /y\nFROM scratch\nCOPY --from=b /y/ca-bundle.pem /\n"
    )
    assert leaking_line(through) == 7
    assert leaking_line("FROM d AS a\nCOPY .lambdaimg/build/ /x/\nFROM a\nRUN rm -r /x\n") == 2
    assert leaking_line("ARG B=a\nFROM d AS a\nCOPY .lambdaimg/build/ /x/\nFROM ${B}\n") == 3
    assert (
        leaking_line("ARG B=a\nFROM d AS a\nCOPY .lambdaimg/build/ /x/\nFROM $B\n", B="d") is None
    )
