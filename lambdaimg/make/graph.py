"""The order of targets: closure, cycles, unknown names. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lambdaimg.errors import GraphError
from lambdaimg.make.target import Target

Table = Mapping[str, Target[Any]]


def table_of(targets: Iterable[Target[Any]]) -> dict[str, Target[Any]]:
    """The targets by name, in the order given.

    Raises:
        GraphError: a name is used twice, a prerequisite is unknown, or there is a cycle.
    """
    table: dict[str, Target[Any]] = {}
    for target in targets:
        if target.name in table:
            raise GraphError(f"Two targets are called {target.name}.")
        table[target.name] = target
    for target in table.values():
        for name in target.before:
            if name not in table:
                raise GraphError(f"Target {target.name} needs {name}, which does not exist.")
    order(table, table)
    return table


def order(table: Table, names: Iterable[str]) -> list[str]:
    """`names` and everything they need, each after what it needs; stable.

    Raises:
        GraphError: a name is unknown, or the targets need each other in a circle.
    """
    done: list[str] = []
    settled: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            circle = " -> ".join((*path[path.index(name) :], name))
            raise GraphError(f"Targets need each other in a circle: {circle}.")
        if name in settled:
            return
        if name not in table:
            raise GraphError(f"There is no target {name}.", hint=f"Targets: {', '.join(table)}.")
        for before in table[name].before:
            visit(before, (*path, name))
        settled.add(name)
        done.append(name)

    for name in names:
        visit(name, ())
    return done


def dependents(table: Table, name: str) -> set[str]:
    """`name` and every target that comes after it, directly or not."""
    found = {name}
    grew = True
    while grew:
        more = {t.name for t in table.values() if found & set(t.before)} - found
        found |= more
        grew = bool(more)
    return found


def ready(table: Table, waiting: Sequence[str], done: set[str]) -> list[str]:
    """The targets of `waiting` (a closure) all of whose prerequisites are in `done`."""
    return [name for name in waiting if set(table[name].before) <= done]
