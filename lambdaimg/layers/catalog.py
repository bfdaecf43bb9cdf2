"""What the layer of each language is made of. Data.

A layer is unpacked into /opt. Lambda's base `provided.al2023` has bash and the C library, and
neither Perl nor PHP nor jq: these come with the layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

BASE = "provided.al2023"
COLLECT = "layers/collect"


@dataclass(frozen=True)
class Layer:
    """A layer.

    Attributes:
        bootstrap: the shipped file that becomes `bootstrap` at the root.
        folders: (shipped file or folder, its place in the layer).
        interpreter: the program that handlers need and the base lacks; empty where there is none.
        handlers: what a zip function brings, for the user.
    """

    bootstrap: str
    folders: tuple[tuple[str, str], ...] = ()
    interpreter: str = ""
    handlers: str = ""


LAYERS: Mapping[str, Layer] = {
    "bash": Layer(
        "bash/runtime/bootstrap",
        interpreter="jq",
        handlers="hello.sh, for the handler hello.handler",
    ),
    "perl": Layer(
        "perl/layer/bootstrap",
        (("perl/runtime", "runtime/"),),
        interpreter="perl",
        handlers="Hello.pm, for the handler Hello.handler",
    ),
    "php": Layer(
        "php/layer/bootstrap",
        (("php/runtime", "runtime/"),),
        interpreter="php",
        handlers="hello.php, for the handler hello.handler",
    ),
    "cpp": Layer(
        "cpp/layer/bootstrap",
        (("cpp/runtime", "include/"),),
        handlers="hello, a static program, for the handler hello.handler",
    ),
}


def notes(language: str, with_interpreter: bool) -> list[str]:
    """What the user of a layer has to know. Pure."""
    layer = LAYERS[language]
    found = [f"A function brings {layer.handlers}."]
    if not layer.interpreter:
        return found
    if with_interpreter:
        found.append(
            f"{BASE} has no {layer.interpreter}: the layer brings Debian's, with its libraries."
        )
    else:
        found.append(
            f"{BASE} has no {layer.interpreter}, and neither has this layer: another layer must "
            f"bring it, as /opt/bin/{layer.interpreter}."
        )
    return found
