"""The files that are installed into users' projects: where they are in a wheel and in a clone."""

from __future__ import annotations

from pathlib import Path

PACKAGED = Path(__file__).parent / "_share"
CLONE = Path(__file__).parent.parent


def path(name: str) -> Path:
    """The shipped file or folder `name`, such as `policies` or `events/sqs.json`.

    In a wheel all of them are below `lambdaimg/_share`; in a clone the Python scaffold's own are
    at the top and the rest is below `share`.
    """
    for candidate in (PACKAGED / name, CLONE / name, CLONE / "share" / name):
        if candidate.exists():
            return candidate
    raise FileNotFoundError(f"lambdaimg was installed without its file {name}")
