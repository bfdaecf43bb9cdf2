"""Who has a role."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any


def users_of(client: Any, role_arn: str, leaving: Collection[str]) -> str:
    """The functions that have a role, by name with commas.

    Args:
        client: of Lambda.
        leaving: functions that do not count, since they go too.
    """
    names = [
        function["FunctionName"]
        for page in client.get_paginator("list_functions").paginate()
        for function in page["Functions"]
        if function.get("Role") == role_arn
    ]
    return ", ".join(name for name in names if name not in leaving)
