"""Killed at any moment, the same command then ends in the same state as an undisturbed one.

The moments are not a list by hand: an undisturbed run is recorded (every AWS call, every call of
the Docker engine and of the registry, every sentinel that is written or voided), and the command
is killed with SIGKILL just before and just after each.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import pytest

from tests.faults.kit import BASIC, FOREIGN, S3, SQS, Kit, Project

SHARES = 4
TRIES = 3
UNREACHED_AT_MOST = 0.1


class Course(ABC):
    """A command, and the starting point of each of its runs. `advance` leads to the next one."""

    words: tuple[str, ...]

    def __init__(self, kit: Kit) -> None:
        self.kit = kit
        self.number = 1000
        self.project = self.fresh()

    @abstractmethod
    def fresh(self) -> Project:
        """A project before the first run."""

    def advance(self) -> None:
        """To the starting point of the next run."""
        self.project = self.fresh()

    def state(self) -> dict[str, Any]:
        """What there is, without what differs from run to run."""
        return self.project.state()


class FromNothing(Course):
    """Everything is to be made."""

    words = ("lambda-function",)

    def fresh(self) -> Project:
        return self.kit.project(policies=(BASIC, S3), environment='{AA = "1"}', timeout=5)


class NewCode(Course):
    """New code, another size, other environment variables."""

    words = ("update-function",)

    def fresh(self) -> Project:
        project = self.kit.project(environment='{BEFORE = "1"}', memory=256)
        project.run("lambda-function").ok()
        self.change(project)
        return project

    def advance(self) -> None:
        self.change(self.project)

    def change(self, project: Project) -> None:
        """Other sources and settings; the function still has the last ones."""
        self.number += 1
        number, project.images_before = self.number, project.images()
        project.write(
            handler=str(number), memory=number, environment=f'{{V{number} = "1", CC = "{number}"}}'
        )

    def state(self) -> dict[str, Any]:
        return self.project.state(N=str(self.number))


class NewQueue(Course):
    """A queue and a trigger for a function that is there."""

    words = ("lambda-sqs-trigger",)

    def fresh(self) -> Project:
        project = self.kit.project(policies=(BASIC, SQS))
        project.run("lambda-function").ok()
        return project

    def advance(self) -> None:
        self.number += 1
        self.project.write(policies=(BASIC, SQS), queue_name=f'"{self.project.name}-{self.number}"')

    def state(self) -> dict[str, Any]:
        return self.project.state(queue=str(self.number))


class OtherPolicies(Course):
    """One to attach, one to detach, and one of somebody else's."""

    words = ("update-policies",)

    def fresh(self) -> Project:
        project = self.kit.project(policies=(BASIC, S3))
        project.run("update-policies").ok()
        role = f"{project.name}-role"
        self.kit.client("iam").attach_role_policy(RoleName=role, PolicyArn=FOREIGN)
        project.write(policies=(BASIC, SQS))
        return project


COURSES = (FromNothing, NewCode, NewQueue, OtherPolicies)


def differences(have: dict[str, Any], want: dict[str, Any]) -> dict[str, Any]:
    """The parts of a state that differ: what they are, and what they should be."""
    return {key: (have[key], want[key]) for key in want if have[key] != want[key]}


@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("make", COURSES, ids=lambda course: course.words[0])
def test_killed_anywhere_a_second_run_finishes(
    make: type[Course],
    share: int,
    kit: Kit,
    record_property: Callable[[str, object], None],
) -> None:
    course = make(kit)
    course.advance()
    points = course.project.points(*course.words)
    wanted = course.state()
    reached, wrong = 0, list[str]()
    mine = points[share::SHARES]
    for point in mine:
        # A look that is repeated until something is so may be repeated less often next time.
        for _ in range(TRIES):
            course.advance()
            killed = course.project.run_killed(point, *course.words)
            if killed.status:
                reached += 1
                break
        again = course.project.run(*course.words)
        if again.status:
            wrong.append(f"{point}: the second run failed: {again.err}")
        elif differing := differences(course.state(), wanted):
            wrong.append(f"{point}: {differing}")
        else:
            continue
        course.project = course.fresh()
    record_property("figure: points of runs at which they were killed", reached)
    record_property("figure: points of runs that were not reached again", len(mine) - reached)
    assert not wrong, "\n".join(wrong)
    assert len(mine) - reached <= max(1, UNREACHED_AT_MOST * len(mine))
