"""`layers`: the layers of a zip function, in the order of the setting.

An entry is the ARN of a layer version, or a language, whose runtime is then published as a layer
unless one with the same content is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from lambdaimg import share
from lambdaimg.context import Context
from lambdaimg.layers.catalog import COLLECT, LAYERS
from lambdaimg.make.decide import canonical, digest
from lambdaimg.make.plan import inputs_of
from lambdaimg.make.target import LATER, Action, Difference, Done, Observed, Target


def languages(ctx: Context) -> list[str]:
    """The entries that are languages."""
    return [entry for entry in ctx.settings.layers if entry in LAYERS]


def inputs(ctx: Context) -> Mapping[str, str]:
    """The shipped sources of each language's layer, as a hash; Debian's packages do not count."""
    return {language: _sources(language) for language in languages(ctx)}


def _sources(language: str) -> str:
    layer = LAYERS[language]
    named = [layer.bootstrap, *(source for source, _ in layer.folders)]
    if layer.interpreter:
        named += [f"{language}/layer/Dockerfile", COLLECT]
    return digest(canonical([_content(share.path(name)) for name in named]))


def _content(path: Path) -> str:
    from lambdaimg.layers import archive

    return archive.archive(archive.files(path), "the layer").content_hash


def find_layers(ctx: Context) -> Observed | None:
    """The layers that the record tells, if they are there still.

    Without a record only packing a language's layer would tell which version is the one; then it
    is not said to differ, since the same content is not published twice.
    """
    entries, record = ctx.settings.layers, ctx.records().read("layers")
    if not languages(ctx):
        return Observed(" ".join(entries))
    if record is None or record.inputs != inputs_of(PUBLISH_LAYERS, ctx, {}):
        differs = Difference("content", "", "packed and published", here=record is None)
        return Observed(LATER, (differs,))
    from lambdaimg.layers.publishing import default_name, versions

    for entry, arn in zip(entries, record.value.split(), strict=True):
        if entry in LAYERS:
            there = versions(ctx.aws("lambda"), default_name(entry))
            if arn not in (version["LayerVersionArn"] for version in there):
                return None
    return Observed(record.value)


def publish_layers(ctx: Context, _observed: Observed | None) -> Done:
    """Publishes what is not published yet; the value is the ARNs, parted by blanks."""
    from lambdaimg.layers.packing import pack
    from lambdaimg.layers.publishing import default_name, publish

    created: list[str] = []

    def arns() -> Iterator[str]:
        for entry in ctx.settings.layers:
            if entry not in LAYERS:
                yield entry
                continue
            ctx.say(f"packing the layer for {entry}")
            published = publish(ctx, default_name(entry), pack(ctx, entry))
            if published.created:
                created.append(entry)
            yield published.arn

    value = " ".join(arns())
    action = Action.CREATED if created else Action.ADOPTED
    return Done(value, action, f"published {', '.join(created)}" if created else "")


PUBLISH_LAYERS: Target[Context] = Target(
    name="layers",
    help="Publish the layers that a zip function uses",
    uses=("layers", "architecture", "build_args"),
    inputs=inputs,
    observe=find_layers,
    act=publish_layers,
    permissions=(
        "lambda:ListLayerVersions",
        "lambda:PublishLayerVersion",
        "lambda:GetLayerVersion",
    ),
)
