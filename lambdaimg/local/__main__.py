"""`python -m lambdaimg.local`: start the embedded AWS's process, detached.

It is started by `lambdaimg.local.server`, which prepares its environment. The process that was
called ends at once; the server goes on as its child in a session of its own, so that neither
Ctrl-C in the caller's terminal nor the caller's end reaches it.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

if not __package__:  # started by its path: the caller's package may not be installed
    sys.path.append(str(Path(__file__).resolve().parents[2]))

from lambdaimg.local.process import Launch, run


def main(arguments: list[str]) -> int:
    """Read the options, detach, serve."""
    parser = argparse.ArgumentParser(prog="lambdaimg.local")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--account", required=True)
    parser.add_argument("--region", required=True)
    parser.add_argument("--docker-host")
    parser.add_argument("--ready-fd", type=int)
    launch = Launch(**vars(parser.parse_args(arguments)))
    if os.fork() > 0:
        return 0
    os.setsid()
    return run(launch)


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    sys.exit(status)
