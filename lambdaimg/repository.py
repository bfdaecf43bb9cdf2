"""The repository as several targets meet it: what ECR says of it, and a login for its registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from lambdaimg.aws.errors import is_code
from lambdaimg.context import PASSING, Context
from lambdaimg.errors import AwsError

if TYPE_CHECKING:
    from lambdaimg.container.registry import Registry
    from lambdaimg.container.transport import RegistryAuth

DESCRIBED = f"{PASSING}repository "
T = TypeVar("T")


def describe_ahead(ctx: Context) -> dict[str, Any] | None:
    """The repository, for a look before its target's, which then need not ask again."""
    with_answer = ctx.once(DESCRIBED + ctx.settings.repository, lambda: [describe(ctx)])
    return with_answer[0]


def described(ctx: Context) -> dict[str, Any] | None:
    """The repository as it was found ahead, once; else as it is now."""
    ahead = ctx.shared.pop(DESCRIBED + ctx.settings.repository, None)
    return ahead[0] if ahead else describe(ctx)


def describe(ctx: Context) -> dict[str, Any] | None:
    """The repository; None where there is none."""
    try:
        answer = ctx.aws("ecr").describe_repositories(repositoryNames=[ctx.settings.repository])
    except Exception as error:
        if is_code(error, "RepositoryNotFoundException"):
            return None
        raise
    found: dict[str, Any] = answer["repositories"][0]
    return found


def registry_login(ctx: Context) -> Mapping[str, Any]:
    """ECR's login for its registry, and where that is; asked once, and kept in memory only."""

    def make() -> Mapping[str, Any]:
        data = ctx.aws("ecr").get_authorization_token()["authorizationData"]
        if not data:
            raise AwsError("ECR gave no login for the registry.", "Run the same command again.")
        found: Mapping[str, Any] = data[0]
        return found

    return ctx.once("registry login", make)


def registry_auth(ctx: Context) -> RegistryAuth:
    """The login as registries take it."""
    import base64

    from lambdaimg.container.transport import RegistryAuth

    token = base64.b64decode(registry_login(ctx)["authorizationToken"]).decode()
    name, _, password = token.partition(":")
    return RegistryAuth(username=name, password=password)


def with_registry(ctx: Context, uri: str, work: Callable[[Registry], T]) -> T:
    """What `work` makes of the registry of a repository.

    Args:
        uri: the repository, `host/name`.
    """
    from lambdaimg.container.registry import Registry, split_repository
    from lambdaimg.container.transport import Transport

    host, name = split_repository(uri)
    transport = Transport(host, registry_auth(ctx))
    try:
        return work(Registry(transport, name, ctx.waiter.sleep))
    finally:
        transport.close()
