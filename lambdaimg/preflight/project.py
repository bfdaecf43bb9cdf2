"""Checks of the project's own files and settings; nothing outside is asked."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

from lambdaimg import sizes
from lambdaimg.context import STATE_FOLDER, Context
from lambdaimg.errors import LambdaimgError
from lambdaimg.make.graph import dependents
from lambdaimg.policies import may_read_queues, read
from lambdaimg.preflight.finding import Finding, failed, passed, unknown
from lambdaimg.targets import TABLES

LITTLE_SPACE = 200 * 1000 * 1000


def check_files(ctx: Context) -> Iterator[Finding]:
    """The files that the targets need: Dockerfile, handler, policies."""
    seen, table = set(), TABLES[ctx.settings.package]
    # Whether queues can be read is a matter of its own: most functions need none.
    for target in (table[name] for name in table if name not in dependents(table, "queue")):
        if target.check is None or target.check in seen:
            continue
        seen.add(target.check)
        try:
            target.check(ctx.for_target(target.name))
        except LambdaimgError as error:
            yield failed("files", error.message, error.hint)
        else:
            yield passed("files", f"what {target.name} needs is there")


def check_queue_rights(ctx: Context) -> Iterator[Finding]:
    """Whether the function could read a queue, for those who want a trigger."""
    policies = read(ctx.path(ctx.settings.policies_file))
    if may_read_queues(policies):
        yield passed("queue rights", "a policy lets the function read queues")
    else:
        yield unknown(
            "queue rights",
            "no policy lets the function read queues, which lambda-sqs-trigger needs",
            "List AWSLambdaSQSQueueExecutionRole in the policies file, if you want a trigger.",
        )


def check_state(ctx: Context) -> Iterator[Finding]:
    """The folder of the records: whether it can be written, and the space."""
    folder = ctx.state_root if ctx.state_root.is_dir() else ctx.project
    if not os.access(folder, os.W_OK):
        yield failed("state", f"{folder} cannot be written", "Change its permissions.")
        return
    free = shutil.disk_usage(folder).free
    if free < LITTLE_SPACE:
        text = f"only {sizes.text(free)} free where {STATE_FOLDER} is"
        yield failed("state", text, "Free some space on the disk.")
    else:
        yield passed("state", f"{folder} can be written, {sizes.text(free)} free")
