"""Checks of the account: who is asking, and what they may do; what is there already."""

from __future__ import annotations

import datetime
import email.utils
from collections.abc import Iterator
from typing import Any

from lambdaimg.aws.arns import role_arn
from lambdaimg.aws.errors import is_code
from lambdaimg.aws.permissions import Simulator
from lambdaimg.context import Context
from lambdaimg.policies import read
from lambdaimg.preflight.finding import Finding, failed, passed, unknown
from lambdaimg.targets import TABLES

PASS_ROLE = "iam:PassRole"  # noqa: S105 - an action's name
CLOCK_OFF_S = 240
TRUST = "Allow it in the policies of the caller."


def caller(ctx: Context) -> dict[str, Any]:
    """STS's answer about whoever the credentials are of; asked once."""
    return ctx.once("caller", lambda: ctx.aws("sts").get_caller_identity())


def check_credentials(ctx: Context) -> Iterator[Finding]:
    """The credentials and whose they are, the account, and the clock."""
    answer = caller(ctx)
    account = str(answer["Account"])
    yield passed("credentials", f"{answer['Arn']}, account {account}")
    wanted = ctx.settings.account
    if wanted and wanted != account:
        text = f"the credentials are of {account}, and {wanted} is set"
        yield failed("account", text, "Choose another profile, or take the setting away.")
    date = answer["ResponseMetadata"]["HTTPHeaders"].get("date", "")
    if date:
        there = email.utils.parsedate_to_datetime(date)
        off = abs((datetime.datetime.now(datetime.UTC) - there).total_seconds())
        if off > CLOCK_OFF_S:
            text = f"this machine's clock is off by {off:.0f} s"
            yield failed("clock", text, "Set the clock: AWS refuses signatures of another time.")
        else:
            yield passed("clock", "this machine's clock agrees with AWS")


def check_region(ctx: Context) -> Iterator[Finding]:
    """The region, and where it came from."""
    source = ctx.settings.source("region")
    ctx.aws("lambda").list_functions(MaxItems=1)
    yield passed("region", f"{ctx.region} ({source}), Lambda answers")


def check_permissions(ctx: Context) -> Iterator[Finding]:
    """The IAM actions of each target, and `iam:PassRole` by itself."""
    who = caller(ctx)
    simulator = Simulator(ctx.aws("iam"), str(who["Arn"]))
    for target in TABLES[ctx.settings.package].values():
        actions = [action for action in target.permissions if action != PASS_ROLE]
        if not actions:
            continue
        rights, name = simulator.rights(actions), f"permissions of {target.name}"
        if rights.unknown:
            yield unknown(name, rights.unknown, "The README lists what each target needs.")
        elif rights.denied:
            yield failed(name, f"not allowed: {', '.join(rights.denied)}", TRUST)
        else:
            yield passed(name, f"{len(actions)} actions allowed")
    yield from _teardown(ctx, simulator)
    role = role_arn(ctx.region, str(who["Account"]), ctx.settings.role_name)
    context = {"iam:PassedToService": "lambda.amazonaws.com"}
    rights = simulator.rights([PASS_ROLE], role, context)
    if rights.unknown:
        yield unknown(PASS_ROLE, rights.unknown, f"Lambda needs it on {role}.")
    elif rights.denied:
        yield failed(PASS_ROLE, f"not allowed on {role}", TRUST)
    else:
        yield passed(PASS_ROLE, f"allowed on {role}")


def _teardown(ctx: Context, simulator: Simulator) -> Iterator[Finding]:
    """The actions of `teardown`, which a caller who deploys may well lack."""
    actions = {a: None for t in TABLES[ctx.settings.package].values() for a in t.removal}
    rights, name = simulator.rights(list(actions)), "permissions of teardown"
    if rights.unknown:
        yield unknown(name, rights.unknown)
    elif rights.denied:
        yield unknown(name, f"not allowed: {', '.join(rights.denied)}", "Only teardown needs them.")
    else:
        yield passed(name, f"{len(actions)} actions allowed")


def check_registry(ctx: Context) -> Iterator[Finding]:
    """Whether the registry answers with the login that ECR gives."""
    import http.client
    from urllib.parse import urlsplit

    from lambdaimg.container.transport import Transport
    from lambdaimg.repository import registry_auth, registry_login

    endpoint = ctx.repository_uri(str(registry_login(ctx)["proxyEndpoint"]))
    host = urlsplit(endpoint).netloc
    transport = Transport(host, registry_auth(ctx))
    try:
        status = transport.request("GET", "/v2/", scope="").status
    except (OSError, http.client.HTTPException) as error:
        text = f"{host} does not answer: {error or type(error).__name__}"
        yield failed("registry", text, "Check the network, proxies and AWS_CA_BUNDLE.")
        return
    finally:
        transport.close()
    if status == 200:
        yield passed("registry", f"{host} takes the login")
    else:
        yield failed("registry", f"{host} answers {status}", "Check the network and proxies.")


def check_function(ctx: Context) -> Iterator[Finding]:
    """The package type of a function that is there."""
    name = ctx.settings.function_name
    try:
        now = ctx.aws("lambda").get_function_configuration(FunctionName=name)
    except Exception as error:
        if not is_code(error, "ResourceNotFoundException"):
            raise
        yield passed("function", f"there is no {name} yet")
        return
    have, want = str(now.get("PackageType", "Zip")).lower(), ctx.settings.package
    if have == want:
        yield passed("function", f"{name} is there, its package is {have}")
    else:
        text = f"{name} is there, its package is {have} and cannot become {want}"
        yield failed("function", text, "Choose another function_name, or delete the function.")


def check_policies(ctx: Context) -> Iterator[Finding]:
    """The policies of the policies file, each with its line."""
    file = ctx.settings.policies_file
    for policy in read(ctx.path(file)):
        where = f"{file}, line {policy.line}"
        try:
            ctx.aws("iam").get_policy(PolicyArn=policy.arn)
        except Exception as error:
            if is_code(error, "NoSuchEntity", "NoSuchEntityException"):
                text = f"{where}: there is no policy {policy.arn}"
                yield failed("policies", text, "Check the name, the partition and the account.")
            elif is_code(error, "AccessDenied", "AccessDeniedException"):
                text = f"{where}: the caller may not look whether {policy.name} exists"
                yield unknown("policies", text, "Allow iam:GetPolicy.")
            else:
                raise
        else:
            yield passed("policies", f"{where}: {policy.name} exists")
