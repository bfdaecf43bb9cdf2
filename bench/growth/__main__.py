"""`python -m bench.growth`: nothing to do, and a one-line change, with more functions and MB."""

from __future__ import annotations

import os
import statistics
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from bench import report
from bench._clock import Case, timed
from bench._project import KIT, Bench, bench, say
from bench.deploy.contenders import SETTINGS, Place, handler
from bench.deploy.wire import Relay

ROUNDS = 7
FUNCTIONS = (1, 10, 50)
SIZES_MB = (50, 500, 2000)
PIECE = 1 << 24
TITLE = "How times grow"
BASE = "debian:trixie-slim"
DOCKERFILE = """\
FROM {base}
WORKDIR /var/task
CMD ["handler.handler"]
COPY handler.py /var/task/
"""

TRUST, LOOK, CHANGE = "nothing to do, `--trust`", "nothing to do", "one-line change"
COMMANDS: Mapping[str, Sequence[str]] = {
    TRUST: ("lambda-function", "--trust"),
    LOOK: ("lambda-function",),
    CHANGE: ("update-function",),
}


def place(made: Bench, functions: int, base: str = BASE) -> Place:
    """A project with so many functions, deployed."""
    where = Place(made.folder / f"b-{uuid.uuid4().hex[:8]}")
    where.folder.mkdir()
    made.names.append(where.name)
    tables = [
        f'[functions.f{number:02}]\ncommand = ["handler.handler", "{number}"]\n'
        for number in range(functions)
    ]
    (where.folder / "lambdaimg.toml").write_text(
        "\n".join([SETTINGS.format(name=where.name), *tables])
    )
    (where.folder / "Dockerfile").write_text(DOCKERFILE.format(base=base))
    (where.folder / ".dockerignore").write_text("*\n!handler.py\n")
    (where.folder / "handler.py").write_text(handler("first"))
    where.policies("service-role/AWSLambdaBasicExecutionRole")
    return where


@contextmanager
def base_of(made: Bench, megabytes: int) -> Iterator[str]:
    """A base image with so much random data in it; gone at the end, with all that stands on it."""
    import docker

    client: Any = docker.from_env(timeout=900)
    name, folder = f"b-base-{uuid.uuid4().hex[:8]}", made.folder / f"base-{megabytes}"
    folder.mkdir()
    with (folder / "data").open("wb") as file:
        for _ in range(megabytes * 1_000_000 // PIECE):
            file.write(os.urandom(PIECE))
        file.write(os.urandom(megabytes * 1_000_000 % PIECE))
    (folder / "Dockerfile").write_text(f"FROM {BASE}\nCOPY data /opt/data\n")
    try:
        built, _ = client.images.build(path=str(folder), tag=name, rm=True)
        (folder / "data").unlink()
        try:
            yield name
        finally:
            remove_all_on(client, built.attrs["RootFS"]["Layers"])
    finally:
        client.close()


def remove_all_on(client: Any, layers: list[str]) -> None:
    """Removes every image that begins with these layers: what stands on another one first."""
    from docker.errors import APIError

    before = -1
    while True:
        left = [
            image
            for image in client.images.list(all=True)
            if image.attrs["RootFS"].get("Layers", [])[: len(layers)] == layers
        ]
        if not left or len(left) == before:
            return
        before = len(left)
        for image in left:
            with suppress(APIError):
                client.images.remove(image.id, force=True)


Found = dict[tuple[int, str], Case]


def measured(env: Mapping[str, str], places: Mapping[int, Place], rounds: int) -> Found:
    """Every command in every place, in turn; one round before to warm up."""
    found: Found = {}
    for number in range(rounds + 1):
        for size, where in places.items():
            for name, words in COMMANDS.items():
                if name is CHANGE:
                    where.change()
                command = [KIT, *words]
                cost = timed(command, where.folder, env)
                case = found.setdefault((size, name), Case(name, command, where.folder, env))
                case.costs += [cost] if number else []
    return found


def calls(made: Bench, env: Mapping[str, str], places: Mapping[int, Place]) -> dict[Any, int]:
    """The AWS calls of every command in every place; takes no times."""
    found: dict[Any, int] = {}
    with Relay(made.aws["AWS_ENDPOINT_URL"]) as relay:
        through = {**env, "AWS_ENDPOINT_URL": relay.url}
        for size, where in places.items():
            # Through the relay AWS is another one, of which there are no records yet.
            timed([KIT, "update-function"], where.folder, through)
            timed([KIT, "lambda-function"], where.folder, through)
            for name, words in COMMANDS.items():
                if name is CHANGE:
                    where.change()
                before = relay.counts.calls
                timed([KIT, *words], where.folder, through)
                found[size, name] = relay.counts.calls - before
    return found


def by_functions(made: Bench, env: Mapping[str, str]) -> str:
    """The table of numbers of functions."""
    places = {}
    for number in FUNCTIONS:
        say(f"deploying {number} functions")
        places[number] = place(made, number)
        for command in ("lambda-function", "update-function"):
            timed([KIT, command], places[number].folder, env)
    say(f"{ROUNDS} rounds")
    found = measured(env, places, ROUNDS)
    counted = calls(made, env, places)
    return grown("functions", found, lambda key: str(counted[key]), "AWS calls")


def by_size(made: Bench, env: Mapping[str, str]) -> str:
    """The table of sizes."""
    found: Found = {}
    first: dict[int, float] = {}
    for megabytes in SIZES_MB:
        say(f"an image of {megabytes} MB")
        with base_of(made, megabytes) as base:
            where = place(made, 1, base)
            first[megabytes] = timed([KIT, "lambda-function"], where.folder, env).wall
            timed([KIT, "update-function"], where.folder, env)
            found |= measured(env, {megabytes: where}, ROUNDS)
    return grown("MB", found, lambda key: f"{first[key[0]]:.1f}", "first deploy, s")


def grown(what: str, found: Found, last: Callable[[tuple[int, str]], str], head: str) -> str:
    """A table: a row per command and size, with the ratio to the smallest."""
    rows = []
    sizes = list(dict.fromkeys(size for size, _ in found))
    for name in COMMANDS:
        smallest = found[sizes[0], name].median
        for size in sizes:
            case = found[size, name]
            rows.append(
                [
                    name,
                    f"{size:,}",
                    report.spread(case.wall, 0),
                    f"{statistics.median(case.cpu):.0f}",
                    f"{case.median / smallest:.2f}",
                    last((size, name)),
                ]
            )
    return report.table(["case", what, "wall", "CPU", f"× {sizes[0]}", head], rows)


def main() -> None:
    """Measures, and writes the result."""
    with bench() as made:
        env = made.env | made.aws | {"DOCKER_CONFIG": str(made.folder / "docker")}
        parts = [by_functions(made, env), by_size(made, env)]
    path = report.write("growth", TITLE, "\n".join(parts), how=how())
    print(path.read_text())


def how() -> str:
    """What was run."""
    return (
        f"{ROUNDS} rounds, every command once a round; wall and CPU time in ms. All functions of a "
        "project share one image. Calls are of a further round through a relay. The images' size "
        "is random data in a base image; their first deploy, once each, pushes all of it."
    )


if __name__ == "__main__":
    main()
