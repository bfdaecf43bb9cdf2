"""`prune`: remove old images from the repository; one that a function runs always stays."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from lambdaimg import several, sizes
from lambdaimg.aws.errors import is_code
from lambdaimg.aws.function_config import digest_of
from lambdaimg.aws.retention import Decision, decide, digests_of, of_answer
from lambdaimg.context import Context
from lambdaimg.errors import AwsError, ConflictError, ProjectError
from lambdaimg.report import short, table
from lambdaimg.session import Session
from lambdaimg.sure import make_sure

AT_ONCE = 100


def run(
    session: Session,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the list, and no more")] = False,
) -> None:
    """Removes the kit's own images beyond the newest ones that no version of a function runs.

    Raises:
        ConflictError: functions of other accounts may use the repository, which nobody here sees.
        AwsError: something could not be removed; all else was.
    """
    context = session.context()
    store = context.store()
    keep = session.settings.keep_images
    with store.locked(session.settings.lock_wait, lambda who: session.report.note(f"After {who}.")):
        deployed = store.read("deploy")
        live = live_digests(context) | ({digest(deployed.value)} if deployed else set())
        decisions = decide(of_answer(described(context)), live, keep)
        doomed = [decision for decision in decisions if not decision.why]
        if not session.as_json:
            session.report.line(listing(decisions))
        if doomed and not dry_run:
            if not yes:
                make_sure(f"Remove {len(doomed)} of them?", session.as_json)
            remove(context, [decision.image.digest for decision in doomed])
    freed = sum(decision.image.size for decision in doomed)
    result = {
        "keep": keep,
        "removed": [] if dry_run else [decision.image.digest for decision in doomed],
        "bytes": 0 if dry_run else freed,
        "images": [row(decision) for decision in decisions],
    }
    text = f"{len(doomed)} removed, {sizes.text(freed)} freed" if doomed and not dry_run else None
    session.report.result("prune", result, text)


def run_each(session: Session, sessions: list[Session], yes: bool, dry_run: bool) -> None:
    """Prunes the repository of each function, each repository once."""
    firsts = {one.settings.repository: one for one in reversed(sessions)}
    several.each_by_itself(
        session, [*reversed(firsts.values())], lambda one: run(one, yes, dry_run)
    )


def row(decision: Decision) -> dict[str, Any]:
    """An image as `--json` prints it; `why` it stays, empty where it goes."""
    image = decision.image
    return {
        "digest": image.digest,
        "tags": list(image.tags),
        "bytes": image.size,
        "why": decision.why,
    }


def listing(decisions: list[Decision]) -> str:
    """The images, as a table."""
    cells = [
        (short(d.image.digest), " ".join(d.image.tags), sizes.text(d.image.size),
         d.why or "goes")
        for d in decisions
    ]  # fmt: skip
    return table(cells, ("image", "tags", "size", "")) if cells else "there are no images"


def digest(uri: str) -> str:
    """The digest of an image's address."""
    return uri.rpartition("@")[2]


def described(ctx: Context) -> list[dict[str, Any]]:
    """Every image of the repository.

    Raises:
        ProjectError: there is no repository.
        ConflictError: the repository is open to other accounts.
    """
    ecr, name = ctx.aws("ecr"), ctx.settings.repository
    try:
        pages = ecr.get_paginator("describe_images").paginate(repositoryName=name)
        found = [detail for page in pages for detail in page["imageDetails"]]
    except Exception as error:
        if is_code(error, "RepositoryNotFoundException"):
            raise ProjectError(
                f"There is no repository {name}.", hint="Run `lambdaimg ecr-repo`."
            ) from error
        raise
    refuse_shared(ctx, name)
    return found


def refuse_shared(ctx: Context, name: str) -> None:
    """Refuses a repository of which another account's functions may run images."""
    try:
        text = ctx.aws("ecr").get_repository_policy(repositoryName=name)["policyText"]
    except Exception as error:
        if is_code(error, "RepositoryPolicyNotFoundException"):
            return
        raise
    if others := sharers(json.loads(text), ctx.account()):
        raise ConflictError(
            f"The repository {name} is shared with {', '.join(others)}; what functions there run "
            "cannot be seen from here.",
            hint="Remove images by hand, or take the other accounts out of its policy.",
        )


def sharers(policy: Any, own: str) -> list[str]:
    """The other accounts that a repository's policy speaks of, or all of them. Pure.

    Args:
        policy: the decoded document.
        own: the repository's account.
    """
    # Lambda's own statement names this account's functions by their ARNs.
    found = set(re.findall(r"(?<!\d)\d{12}(?!\d)", json.dumps(policy))) - {own}
    statements = policy.get("Statement", [])
    for statement in statements if isinstance(statements, list) else [statements]:
        principal = statement.get("Principal", {})
        named = principal.get("AWS", []) if isinstance(principal, dict) else principal
        everybody = "*" in named if isinstance(named, list) else named == "*"
        if statement.get("Effect") == "Allow" and everybody:
            found.add("every account")
    return sorted(found)


def live_digests(ctx: Context) -> set[str]:
    """The digests of all versions of all functions of this account and region."""
    client = ctx.aws("lambda")
    known, silent = digests_of(versions(client))
    for function in silent:
        answer = client.get_function(
            FunctionName=function["FunctionName"], Qualifier=function.get("Version", "$LATEST")
        )
        if found := digest_of(answer):
            known.add(found)
    return known


def versions(client: Any) -> Iterator[Mapping[str, Any]]:
    """Every version of every function that is an image."""
    pages = client.get_paginator("list_functions").paginate(FunctionVersion="ALL")
    found = [f for page in pages for f in page["Functions"] if f.get("PackageType") == "Image"]
    yield from found
    # Not every endpoint gives published versions in that list.
    complete = {f["FunctionName"] for f in found if f.get("Version") != "$LATEST"}
    for name in {f["FunctionName"] for f in found} - complete:
        for page in client.get_paginator("list_versions_by_function").paginate(FunctionName=name):
            yield from page["Versions"]


def remove(ctx: Context, digests: list[str]) -> None:
    """Removes images by digest.

    Raises:
        AwsError: some could not be removed.
    """
    failures: list[dict[str, Any]] = []
    for start in range(0, len(digests), AT_ONCE):
        answer = ctx.aws("ecr").batch_delete_image(
            repositoryName=ctx.settings.repository,
            imageIds=[{"imageDigest": each} for each in digests[start : start + AT_ONCE]],
        )
        failures += answer.get("failures", [])
    # An image that is part of an index cannot go before it; one that is gone already may.
    left = [failure for failure in failures if failure.get("failureCode") != "ImageNotFound"]
    if left:
        raise AwsError(
            f"{len(left)} images could not be removed: {left[0].get('failureReason', '')}",
            hint="Run the same command again; the rest was removed.",
        )
