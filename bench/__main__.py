"""`python -m bench [NAME...]`: run the benches named, or all, and join their results."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench.report import join

# Modules that help the benches and measure nothing.
HELPERS = frozenset({"report"})


def names(folder: Path = Path(__file__).parent) -> list[str]:
    """The benches, by name: every module or package that is no helper and no private one."""
    found = {path.stem for path in folder.glob("*.py")}
    found |= {path.parent.name for path in folder.glob("*/__main__.py")}
    return sorted(name for name in found - HELPERS if not name.startswith("_"))


def main(arguments: list[str]) -> int:
    """Run each in a process of its own, one after another, so that none disturbs the next."""
    known = names()
    unknown = sorted(set(arguments) - set(known))
    if unknown:
        print(f"No such bench: {', '.join(unknown)}. There are: {', '.join(known)}.")
        return 2
    failed = []
    for name in arguments or known:
        print(f"bench: {name}", file=sys.stderr, flush=True)
        if subprocess.run([sys.executable, "-m", f"bench.{name}"], check=False).returncode:
            failed.append(name)
    print(join())
    if failed:
        print(f"Failed: {', '.join(failed)}.", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
