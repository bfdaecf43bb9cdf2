"""`layer`: a language's runtime as the zip of a Lambda layer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lambdaimg import sizes
from lambdaimg.context import STATE_FOLDER
from lambdaimg.errors import ProjectError
from lambdaimg.layers import catalog
from lambdaimg.session import Session

Lang = Annotated[str, typer.Option("--lang", help=f"Language: {', '.join(catalog.LAYERS)}")]
Interpreter = Annotated[
    bool,
    typer.Option(
        "--interpreter/--no-interpreter",
        help="Bring what Lambda's base lacks (perl, php, jq); needs a Docker engine",
    ),
]


def run(
    session: Session,
    lang: Lang,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The zip (default: below .lambdaimg)")
    ] = None,
    interpreter: Interpreter = True,
) -> None:
    """Packs the layer and says what is in it.

    Raises:
        UsageError: there is no layer for the language.
        ProjectError: the zip is too large or cannot be written.
    """
    from lambdaimg.context import Context
    from lambdaimg.layers.packing import layer_of, pack

    language = lang.lower()
    layer_of(language)
    context = Context(session.project, session.settings, listener=session.report)
    made = pack(context.for_target("layer"), language, interpreter)
    path = output or session.project / STATE_FOLDER / "layers" / f"{language}.zip"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(made.zipped)
    except OSError as error:
        raise ProjectError(f"Cannot write {path}: {error.strerror}.") from error
    notes = catalog.notes(language, interpreter)
    size = f"{sizes.text(len(made.zipped))} zipped, {sizes.text(made.unzipped)} unzipped"
    result = {
        "language": language,
        "file": str(path),
        "content": made.content_hash,
        "zipped": len(made.zipped),
        "unzipped": made.unzipped,
        "notes": notes,
    }
    lines = [f"{path}  {size}", *notes, f"Next: lambdaimg publish-layer --lang {language}"]
    session.report.result("layer", result, "\n".join(lines))
