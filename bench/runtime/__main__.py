"""`python -m bench.runtime`: measure the runtime, print the tables, keep them in results/."""

from __future__ import annotations

import os
import statistics
from importlib.metadata import version

from bench import report
from bench.runtime import coldstart, events, sizes
from bench.runtime.package import ROOT, installed

PAGE = ROOT / "docs" / "runtime.md"
HOW = """\

Client and server are bound to one core; every figure is the median of {runs} fresh processes with
the lowest and highest behind it, the clients taking turns; {events} events each after a tenth as
many to warm up. CPU is user and system time of the client process. Starts: {starts} of each.
Compared with awslambdaric {aws} (simplejson {simplejson}); orjson {orjson}. All clients run on the
Python that is named below; bytecode is compiled beforehand for all of them."""

NOTES = """\
The bare loop is `bench/runtime/clients/bare.py`: a socket, `json.loads`, `json.dumps`, nothing
else. It does not check what it reads, has no context, no environment variable for the trace, no
errors and no log.

With one write for response and next `next` (pipelining), the bare loop needs
{gain:.1f} µs less CPU for 64 bytes. The emulator binary takes it. It was left out nevertheless:
RFC 9112, 9.3.2 advises against sending anything behind a request that is not idempotent before
its answer is known, and asking for `next` tells Lambda that the environment may be frozen, so that
a refusal of the response (413, 403; 500 means that the runtime is to exit) could only be logged
after the next event had thawed it, if at all.

At 1 MB nearly all of the time is the scanner and the encoder of the standard library (a third and
a half), which AWS's client has its like of; orjson is the way out. A named tuple must become an
object, as it does with AWS's client. In a process that has a class of that kind (most that import
`logging` do) a large result is looked through for one by way of `marshal`: some 6 % more. What is
left with orjson is orjson itself (half), that same look at the types and one for numbers that
orjson would change (a quarter), and the kernel.

`python3-minimal` suffices for handlers that import little; the tests run the scaffold on it. It
lacks, among others, `http`, `urllib.request`, `decimal`, `asyncio`, `uuid` and `tempfile`, which
boto3 needs. `python3` is the default.
"""


def main() -> None:
    """Measure all, print it and keep it."""
    core = max(os.sched_getaffinity(0))
    with installed() as package:
        starts = coldstart.measure(package, core)
        measured = events.measure(package, core)
    image = sizes.measure()
    rows = [*events.targets(measured), *coldstart.targets(starts)]
    saved = statistics.median(measured[events.BARE, "64 bytes"].cpu) - statistics.median(
        measured[events.PIPELINED, "64 bytes"].cpu
    )
    body = "\n".join(
        [
            report.table(["target", "at most", "reached", "met"], rows),
            events.tables(measured),
            coldstart.tables(starts),
            sizes.tables(image),
            NOTES.format(gain=saved),
        ]
    )
    how = HOW.format(
        runs=events.RUNS,
        events=", ".join(f"{count:,} ({size})" for size, count in events.EVENTS.items()),
        starts=coldstart.RUNS,
        aws=version("awslambdaric"),
        simplejson=version("simplejson"),
        orjson=version("orjson"),
    )
    path = report.write("runtime", "Runtime", body, how=how)
    print(path.read_text())
    measured_on = path.read_text().splitlines()[-1]
    keep_in_docs(f"{report.table(['target', 'at most', 'reached', 'met'], rows)}\n{measured_on}")


def keep_in_docs(text: str) -> None:
    """Put the table of targets, and what it was measured on, into docs/runtime.md."""
    start, end = "<!-- made: speed -->\n", "<!-- end: speed -->"
    page = PAGE.read_text()
    before, _, rest = page.partition(start)
    PAGE.write_text(f"{before}{start}{text}\n{end}{rest.partition(end)[2]}")


if __name__ == "__main__":
    main()
