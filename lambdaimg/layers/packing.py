"""The layer of a language as an archive."""

from __future__ import annotations

from collections.abc import Iterator

from lambdaimg import share
from lambdaimg.context import Context
from lambdaimg.errors import UsageError
from lambdaimg.layers import archive
from lambdaimg.layers.archive import Archive, Entry
from lambdaimg.layers.catalog import LAYERS, Layer


def layer_of(language: str) -> Layer:
    """The layer of a language. Raises: UsageError."""
    found = LAYERS.get(language.lower())
    if found is None:
        raise UsageError(
            f"There is no layer for {language!r}.", hint=f"Choose one of {', '.join(LAYERS)}."
        )
    return found


def pack(ctx: Context, language: str, with_interpreter: bool = True) -> Archive:
    """Packs the layer of a language.

    Args:
        with_interpreter: bring the interpreter that the base lacks; needs a Docker engine.

    Raises:
        UsageError: there is no such layer.
        ProjectError: it is larger than Lambda takes.
        NoEngineError, BuildError, DockerError: the interpreter cannot be had.
    """
    layer = layer_of(language)

    def entries() -> Iterator[Entry]:
        yield Entry("bootstrap", share.path(layer.bootstrap).read_bytes(), program=True)
        for source, place in layer.folders:
            yield from archive.files(share.path(source), place)
        if layer.interpreter and with_interpreter:
            from lambdaimg.layers import interpreter

            yield from interpreter.entries(ctx, language)

    return archive.archive(entries(), f"the layer for {language}")
