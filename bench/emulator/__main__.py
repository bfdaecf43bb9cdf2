"""`python -m bench.emulator`: cold and warm events, saving a file, and many environments."""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench import report
from bench._clock import clean_environment
from bench._project import KIT, remove_images, run, say
from bench._tools import installed, version_of
from bench.emulator import contenders
from bench.emulator.contenders import Endpoint, Ground
from bench.emulator.load import Caller, Sample, measure

ROUNDS = 7
WARM_ROUNDS = 5
SAVES = 9
SIZES = (1, 10, 50)
TITLE = "The local loop: run, serve, watch"
HANDLER = "def handler(event, context):\n    return {{'said': {said!r}, 'event': event}}\n"

COLD: dict[str, Callable[[Ground], float]] = {
    "`lambdaimg run`": contenders.cold_run,
    "`lambdaimg run --image`": contenders.cold_run_image,
    "bare RIE: `docker run` until it answers": contenders.cold_rie,
    "`sam local invoke`": contenders.cold_sam,
}
OURS, RIE, SAM = "`lambdaimg serve`", "bare RIE", "`sam local start-lambda`"


def main() -> None:
    """Measures, and writes the result."""
    say("installing what is compared with")
    sam = installed("sam", "aws-sam-cli", "sam")
    rie = rie_binary()
    with tempfile.TemporaryDirectory(prefix="lambdaimg-bench-") as name:
        ground = prepare(Path(name), sam, rie)
        try:
            parts = []
            for part in (cold, warm, watching, growth):
                parts.append(part(ground))
                print(parts[-1], file=sys.stderr)
        finally:
            remove_images([ground.image])
            remove_sam_images(ground)
    how = (
        f"The same image for all: the kit's Python image, 256 MB. Cold: {ROUNDS} rounds in turn. "
        f"Warm: {WARM_ROUNDS} runs of 2,000 events (SAM: 200) over kept connections from one "
        "Python client, which has the same two cores; the median of the runs' medians, 99th "
        f"percentiles and rates. {version_of(sam)}."
    )
    path = report.write("emulator", TITLE, "\n".join(parts), how=how)
    print(path.read_text())


def rie_binary() -> Path:
    """What `scripts/rie` finds, or LAMBDAIMG_TEST_RIE."""
    chosen = os.environ.get("LAMBDAIMG_TEST_RIE")
    if chosen:
        return Path(chosen)
    script = Path(__file__).resolve().parent.parent.parent / "scripts" / "rie"
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())


def prepare(folder: Path, sam: Path, rie: Path) -> Ground:
    """A project, its image built, and everything run once."""
    env = clean_environment() | {"SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "us-east-1"}
    env |= {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}
    name = f"bench-{os.getpid()}"
    run([KIT, "init", "--name", name], folder, env)
    ground = Ground(folder, name, env, sam, rie)
    save(ground, "first")
    ground.write_template()
    say("building the image, and running everything once")
    for contender in COLD.values():
        contender(ground)
    return ground


def handler_of(ground: Ground) -> Path:
    """The handler's file."""
    return ground.folder / f"{ground.image.replace('-', '_')}.py"


def save(ground: Ground, said: str) -> None:
    """Write the handler."""
    handler_of(ground).write_text(HANDLER.format(said=said))


# --- cold -----------------------------------------------------------------------------------------


def cold(ground: Ground) -> str:
    """From the command to the answer, nothing running before."""
    times: dict[str, list[float]] = {name: [] for name in COLD}
    for number in range(ROUNDS):
        say(f"cold, round {number + 1} of {ROUNDS}")
        for name, contender in COLD.items():
            times[name].append(contender(ground))
    ours, _, rie, sam = (statistics.median(times[name]) for name in COLD)
    rows = [[name, report.spread(found, 0)] for name, found in times.items()]
    return (
        "### One event, cold\n\nFrom the command to the first byte of the answer, ms.\n\n"
        + report.table(["", "ms"], rows)
        + f"\n`run` takes {ours / sam:.2f} of `sam local invoke` (target: a third at most) and "
        f"{ours / rie:.2f} times the bare RIE (target: twice at most).\n"
    )


# --- warm -----------------------------------------------------------------------------------------


def warm(ground: Ground) -> str:
    """Events to environments that are there already."""
    found: dict[str, dict[int, list[Sample]]] = {OURS: {1: [], 10: []}, RIE: {1: []}}
    found[SAM] = {1: [], 10: []}
    for number in range(WARM_ROUNDS):
        say(f"warm, run {number + 1} of {WARM_ROUNDS}")
        with contenders.serving(ground, 10) as endpoint:
            found[OURS][1].append(measure(endpoint.port, endpoint.function, 2000, 1))
            found[OURS][10].append(measure(endpoint.port, endpoint.function, 2000, 10))
        with contenders.rie_container(ground) as endpoint:
            contenders.await_answer(endpoint)
            found[RIE][1].append(measure(endpoint.port, endpoint.function, 2000, 1))
        with contenders.sam_serving(ground, free_port()) as endpoint:
            found[SAM][1].append(measure(endpoint.port, endpoint.function, 200, 1))
            found[SAM][10].append(measure(endpoint.port, endpoint.function, 200, 10))
    rows = []
    for name, by_callers in found.items():
        for callers, samples in by_callers.items():
            rows.append(
                [
                    name,
                    str(callers),
                    report.spread([s.median for s in samples], 2),
                    report.spread([s.p99 for s in samples], 2),
                    report.spread([s.rate for s in samples], 0),
                    str(sum(s.failures for s in samples)),
                ]
            )
    ours, rie = (middle([s.median for s in found[name][1]]) for name in (OURS, RIE))
    our_rate, sam_rate = (middle([s.rate for s in found[name][10]]) for name in (OURS, SAM))
    return (
        "### Warm events\n\n"
        + report.table(["", "at once", "median, ms", "p99, ms", "a second", "failures"], rows)
        + f"\nThe median through `serve` is {ours / rie:.2f} times the bare RIE's (target: 1.2 at "
        f"most); ten at a time it answers {our_rate / sam_rate:.1f} times as many as SAM (target: "
        "ten times, without a failure). The bare RIE takes one event at a time.\n"
    )


def middle(values: list[float]) -> float:
    """The median."""
    return statistics.median(values)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


# --- watch ----------------------------------------------------------------------------------------


def watching(ground: Ground) -> str:
    """From saving the handler to the first answer of the new code."""
    times = []
    with contenders.serving(ground, 2, command="watch") as endpoint:
        for number in range(SAVES):
            say(f"saving, {number + 1} of {SAVES}")
            time.sleep(1.5)  # the old environment is gone by then
            times.append(time_of_save(ground, endpoint, f"save {number}"))
    return (
        "### Saving a file\n\nFrom saving a Python handler under `lambdaimg watch` to the first "
        "answer of the new code, asked for every 10 ms, ms.\n\n"
        + report.table(["", "ms"], [["`lambdaimg watch`", report.spread(times, 0)]])
        + f"\nTarget: under 300 ms; the median is {middle(times):.0f} ms.\n"
    )


def time_of_save(ground: Ground, endpoint: Endpoint, said: str) -> float:
    """Milliseconds until a saved handler answers."""
    caller = Caller(endpoint.port, endpoint.function)
    begun = time.perf_counter()
    save(ground, said)
    while said.encode() not in caller.call():
        time.sleep(0.01)
    caller.close()
    return (time.perf_counter() - begun) * 1e3


# --- many environments ----------------------------------------------------------------------------


def growth(ground: Ground) -> str:
    """Latency and memory with more and more environments in use."""
    rows = []
    for size in SIZES:
        say(f"{size} environments")
        with contenders.serving(ground, size) as endpoint:
            begun = time.perf_counter()
            measure(endpoint.port, endpoint.function, size * 20, size)
            filled = time.perf_counter() - begun
            samples = [
                measure(endpoint.port, endpoint.function, 3000, size) for _ in range(WARM_ROUNDS)
            ]
            rows.append(
                [
                    str(size),
                    f"{filled:.1f}",
                    report.spread([s.median for s in samples], 2),
                    report.spread([s.p99 for s in samples], 2),
                    report.spread([s.rate for s in samples], 0),
                    str(sum(s.failures for s in samples)),
                    f"{resident(endpoint.pid):.0f}",
                ]
            )
    head = ["environments", "until all are warm, s", "median, ms", "p99, ms", "a second"]
    return (
        "### Many environments\n\nAs many callers as environments, each environment a container; "
        "the memory is that of the `serve` process.\n\n"
        + report.table([*head, "failures", "memory, MB"], rows)
    )


def resident(pid: int | None) -> float:
    """Megabytes of memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def remove_sam_images(ground: Ground) -> None:
    """Take away the images that SAM made of the bench's own."""
    listed = contenders.docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}")
    for name in listed.split():
        if name.startswith(f"{ground.image}:"):
            subprocess.run(["docker", "rmi", "-f", name], capture_output=True, check=False)


if __name__ == "__main__":
    main()
