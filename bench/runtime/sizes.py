"""What the image holds beyond its base: the interpreter and the runtime, apart."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.report import table
from bench.runtime.package import ROOT

INTERPRETERS = ("python3", "python3-minimal")
MB = 1e6


def measure() -> dict[str, dict[str, int]]:
    """Bytes of each layer that matters, by the interpreter's package. Needs a Docker engine."""
    import docker

    client = docker.from_env()
    try:
        return {package: layers_of(client, package) for package in INTERPRETERS}
    finally:
        client.close()


def layers_of(client: object, package: str) -> dict[str, int]:
    """Build the scaffold's image and weigh its layers."""
    from lambdaimg.container.builder import BuildSpec, build

    with TemporaryDirectory(prefix="lambdaimg-bench-") as name:
        folder = Path(name)
        shutil.copy(ROOT / "Dockerfile.template", folder / "Dockerfile")
        shutil.copy(ROOT / "share" / "python" / "hello_lambda.py", folder)
        tag = f"lambdaimg-bench-{time.time_ns()}:1"
        spec = BuildSpec(folder, tag, build_args={"PYTHON_PACKAGE": package})
        build(client, spec, lambda event: None)  # type: ignore[arg-type]
        try:
            history = client.images.get(tag).history()  # type: ignore[attr-defined]
        finally:
            client.images.remove(tag, force=True)  # type: ignore[attr-defined]
    return {
        "base": history[-1]["Size"],
        "interpreter": sum_of(history, "PYTHON_PACKAGE}"),
        "runtime": sum_of(history, "COPY dir") + sum_of(history, "compileall"),
        "handler": history[0]["Size"],
    }


def sum_of(history: list[dict[str, object]], mark: str) -> int:
    """Bytes of the layers whose instruction has `mark` in it."""
    return sum(int(str(one["Size"])) for one in history if mark in str(one["CreatedBy"]))


def tables(measured: dict[str, dict[str, int]]) -> str:
    """One table."""
    rows = [
        [package, *(f"{size / MB:,.2f}" for size in layers.values())]
        for package, layers in measured.items()
    ]
    head = ["interpreter", "base image", "interpreter", "runtime, compiled", "handler"]
    return f"The scaffold's image, unpacked MB:\n\n{table(head, rows)}"
