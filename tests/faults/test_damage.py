"""Records with random damage: no traceback, no wrong belief."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.kit import BASIC, SQS, Kit, Project

Damage = Callable[[Path, random.Random], None]


def cut(path: Path, chance: random.Random) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: chance.randrange(len(content))])


def flip(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(chance.randint(1, 4)):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(bytes(content))


def noise(path: Path, chance: random.Random) -> None:
    path.write_bytes(chance.randbytes(chance.randrange(200)))


def others(path: Path, chance: random.Random) -> None:
    path.write_bytes(chance.choice(sorted(path.parent.glob("*.json"))).read_bytes())


def value(path: Path, chance: random.Random) -> None:
    document = json.loads(path.read_bytes())
    document["value"] = chance.choice(["", "arn:aws:iam::000000000000:role/other", "\ud800", "x"])
    path.write_text(json.dumps(document))


def types(path: Path, chance: random.Random) -> None:
    document = json.loads(path.read_bytes())
    document[chance.choice(sorted(document))] = chance.choice([None, [], {}, 10**400, True, "1"])
    path.write_text(json.dumps(document))


def folder(path: Path, chance: random.Random) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: tuple[Damage, ...] = (cut, flip, noise, others, value, types)


@pytest.fixture
def settled(kit: Kit) -> Project:
    """A project in which everything is done."""
    project = kit.project(policies=(BASIC, SQS))
    project.run("lambda-sqs-trigger").ok()
    project.run("update-function").ok()
    return project


def test_damaged_records_are_told_from_whole_ones(settled: Project) -> None:
    wanted = settled.state()
    records = settled.folder_of_records()
    whole = settled.folder / "whole"
    shutil.copytree(records, whole)
    for seed in range(24):
        chance = random.Random(seed)
        names = sorted(records.glob("*.json"))
        for path in chance.sample(names, chance.randint(1, 4)):
            chance.choice(DAMAGES)(path, chance)
        shown = settled.run("status", "--json").ok()
        for row in shown.json()["result"]["targets"]:
            if row["state"] != "not done":
                kept = json.loads((whole / f"{row['target']}.json").read_bytes())
                assert row["value"] == kept["value"], f"seed {seed}: believed a damaged record"
        if seed % 4 == 0:
            ended = settled.run("lambda-sqs-trigger")
            assert (ended.status, "Traceback" in ended.err) == (0, False), ended.err
            settled.run("update-function").ok()
            assert settled.state() == wanted, f"seed {seed}"
            # Nothing was changed, so that no run needed this one and wrote it anew.
            shutil.copy(whole / "fast.json", records)
        else:
            shutil.rmtree(records)
            shutil.copytree(whole, records)


def test_a_record_that_cannot_be_written_is_one_sentence(settled: Project) -> None:
    records = settled.folder_of_records()
    folder(records / "update-function.json", random.Random())
    ended = settled.run("update-function")
    assert (ended.status, len(ended.errors), "Traceback" in ended.err) == (1, 1, False)
    assert "Cannot write update-function.json" in ended.errors[0]
    (records / "update-function.json").rmdir()
    settled.run("update-function").ok()
