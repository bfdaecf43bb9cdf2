"""Every check, in the order in which a deployment would need what they look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lambdaimg.context import Context
from lambdaimg.errors import InterruptedRunError, LambdaimgError
from lambdaimg.preflight import account, engine, project
from lambdaimg.preflight.finding import Finding, failed, unknown

Check = Callable[[Context], Iterator[Finding]]

ALWAYS: tuple[tuple[str, Check], ...] = (
    ("files", project.check_files),
    ("state", project.check_state),
    ("queue rights", project.check_queue_rights),
)
OF_IMAGES: tuple[tuple[str, Check], ...] = (
    ("engine", engine.check_engine),
    ("engine space", engine.check_space),
    ("builder", engine.check_build),
    ("image size", engine.check_size),
)
OF_AWS: tuple[tuple[str, Check], ...] = (
    ("credentials", account.check_credentials),
    ("region", account.check_region),
    ("permissions", account.check_permissions),
    ("function", account.check_function),
    ("policies", account.check_policies),
)
OF_REGISTRIES: tuple[tuple[str, Check], ...] = (("registry", account.check_registry),)


def findings(ctx: Context) -> Iterator[Finding]:
    """Looks at everything; a check that cannot look fails, and the next one goes on.

    Raises:
        InterruptedRunError: the user interrupted.
    """
    images = ctx.settings.package == "image"
    causes: dict[str, str] = {}
    for name, check in (
        *ALWAYS,
        *(OF_IMAGES if images else ()),
        *OF_AWS,
        *(OF_REGISTRIES if images else ()),
    ):
        try:
            yield from check(ctx.for_target(name))
        except InterruptedRunError:
            raise
        except Exception as error:
            told = error if isinstance(error, LambdaimgError) else ctx.translate(error, name)
            if told.message in causes:
                yield unknown(name, f"cannot be looked at, see {causes[told.message]}")
                continue
            causes[told.message] = name
            yield failed(name, told.message, told.hint)
