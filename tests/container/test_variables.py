from __future__ import annotations

import pytest

from lambdaimg.container.dockerfile import parse
from lambdaimg.container.variables import base_images


@pytest.mark.parametrize(
    ("text", "arguments", "images"),
    [
        ("FROM debian:trixie-slim", {}, ["debian:trixie-slim"]),
        ("ARG BASE=a:1\nFROM ${BASE} AS x\nFROM x\nFROM $BASE", {}, ["a:1"]),
        ("ARG BASE=a:1\nFROM ${BASE}", {"BASE": "b:2"}, ["b:2"]),
        ("FROM ${BASE:-c:3}", {}, ["c:3"]),
        ("ARG BASE\nFROM $BASE", {}, [None]),
        ("FROM --platform=linux/amd64 a AS x\nFROM scratch\nCOPY --from=x / /\nFROM 0", {}, ["a"]),
        ("FROM", {}, []),
    ],
)
def test_the_base_images_of_a_dockerfile(
    text: str, arguments: dict[str, str], images: list[str | None]
) -> None:
    assert base_images(parse(text + "\n"), arguments) == images
