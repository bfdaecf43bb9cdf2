"""`publish-layer`: a language's runtime as a layer version, once per content."""

from __future__ import annotations

from typing import Annotated

import typer

from lambdaimg.commands.layer import Interpreter, Lang
from lambdaimg.layers import catalog
from lambdaimg.session import Session


def run(
    session: Session,
    lang: Lang,
    name: Annotated[
        str, typer.Option("--name", help="Name of the layer (default: lambdaimg-LANGUAGE)")
    ] = "",
    interpreter: Interpreter = True,
) -> None:
    """Packs the layer, and publishes it unless a version with the same content is there.

    Raises:
        UsageError: there is no layer for the language.
        ProjectError: the zip is too large.
    """
    from lambdaimg.layers.packing import layer_of, pack
    from lambdaimg.layers.publishing import default_name, publish

    language = lang.lower()
    layer_of(language)
    context = session.context().for_target("publish-layer")
    made = pack(context, language, interpreter)
    published = publish(context, name or default_name(language), made)
    notes = catalog.notes(language, interpreter)
    result = {
        "language": language,
        "value": published.arn,
        "created": published.created,
        "content": made.content_hash,
        "notes": notes,
    }
    done = "published" if published.created else "up to date: this content is published already"
    lines = [published.arn, done, *notes]
    session.report.result("publish-layer", result, "\n".join(lines))
