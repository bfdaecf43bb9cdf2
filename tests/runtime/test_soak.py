"""200,000 events in one process: memory stays flat and no descriptor is left open."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from bench.runtime.server import Server
from tests.runtime.api import HANDLERS, NO_ORJSON, ROOT, ours

EVENTS = 200_000
TENTH = EVENTS // 10
BODY = b'{"order": 1001, "items": [{"name": "lamp", "price": 12.5}], "note": "as it comes"}'
PAGE = os.sysconf("SC_PAGE_SIZE")
SPREAD = 256 * 1024


def resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE


def descriptors(pid: int) -> int:
    return len([*Path(f"/proc/{pid}/fd").iterdir()])


def test_memory_and_descriptors_stay_as_they_were() -> None:
    env = {"PYTHONPATH": os.pathsep.join(map(str, (NO_ORJSON, ROOT, HANDLERS)))}
    sizes, counts = [], []
    core = max(os.sched_getaffinity(0))  # one for both: they take turns, which is quicker so
    with Server([sys.executable, *ours("soak.handler")], env, core) as server:
        for _ in range(EVENTS // TENTH):
            assert server.serve(BODY, TENTH).events == TENTH
            sizes.append(resident(server.pid))
            counts.append(descriptors(server.pid))
    assert sizes[-1] - sizes[0] <= SPREAD, sizes
    assert counts[-1] == counts[0], counts
