"""SnapStart: what is to happen before a snapshot is taken and after it is restored.

The hooks are those that the function registered with the package `snapshot_restore_py`; where
nobody has imported it there are none.
"""

import sys

from .client import RefusedError
from .errors import Failure
from .faults import AFTER_RESTORE_ERROR, BEFORE_SNAPSHOT_ERROR
from .http1 import ProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from .loop import Loop

HOOKS_MODULE = "snapshot_restore_py"
BEFORE_SNAPSHOT_STATUS = 64
AFTER_RESTORE_STATUS = 65


def take_snapshot(loop: "Loop") -> None:
    """Run the hooks around the snapshot, which is taken while `restore/next` waits.

    Hooks before the snapshot run in the reverse order of their registration, those after it in
    that order.

    Raises:
        SystemExit: a hook failed, with 64 before the snapshot and 65 after it.
    """
    try:
        _run(reversed(_registered("get_before_snapshot")))
        loop.client.restore_next()
    except BaseException as error:
        loop.init_failed(Failure.of(error), BEFORE_SNAPSHOT_ERROR)
        raise SystemExit(BEFORE_SNAPSHOT_STATUS) from None
    try:
        _run(_registered("get_after_restore"))
    except BaseException as error:
        failure = Failure.of(error)
        failure.log(loop.sink, loop.json_log)
        try:
            loop.client.restore_error(failure.body(), AFTER_RESTORE_ERROR)
        except (RefusedError, ProtocolError, OSError) as refusal:
            loop.warn(f"the restore error was not accepted: {refusal}")
        raise SystemExit(AFTER_RESTORE_STATUS) from None


def _registered(getter: str) -> "list[Any]":
    module = sys.modules.get(HOOKS_MODULE)
    return list(getattr(module, getter)()) if module is not None else []


def _run(hooks: "Iterable[Any]") -> None:
    for function, positional, named in hooks:
        function(*positional, **named)
