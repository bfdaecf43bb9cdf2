"""`prune`: remove old images from the repository; one that a function runs always stays."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
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
    repository = Repository([session])
    with repository.locked(session):
        repository.look(live_digests(repository.context))
        if not session.as_json:
            session.report.line(listing(repository.decisions))
        if agreed(session, [repository], yes, dry_run):
            repository.remove()
    session.report.result("prune", repository.result, repository.text or None)


def run_each(session: Session, sessions: list[Session], yes: bool, dry_run: bool) -> None:
    """Prunes the repository of each function, each repository once, after asking once.

    Raises:
        FunctionsError: some could not be pruned; all else was.
        UsageError, InterruptedRunError: nobody can be asked, or the answer was no.
    """
    by_name: dict[str, list[Session]] = {}
    for one in sessions:
        by_name.setdefault(one.settings.repository, []).append(one)
    repositories = [Repository(users) for users in by_name.values()]
    with ExitStack() as locks:
        # All in one order, so that two runs do not wait for each other.
        for repository in sorted(repositories, key=lambda each: each.settings.function_name):
            locks.enter_context(repository.locked(session))
        live = live_digests(repositories[0].context)
        for repository in repositories:
            with repository.failures():
                repository.look(live)
            if repository.part.error is None and not session.as_json:
                session.report.line(several.under_name(repository.part, repository.listing))
        if agreed(session, repositories, yes, dry_run):
            for repository in repositories:
                with repository.failures():
                    repository.remove()
                if repository.text:
                    session.report.line(f"{repository.part.name}: {repository.text}")
    for repository in repositories:
        repository.conclude()
    several.finish(session, [repository.part for repository in repositories])


class Repository:
    """A repository, and what is to become of its images.

    Args:
        users: sessions of the functions whose images it has, one at least.
    """

    def __init__(self, users: Sequence[Session]) -> None:
        first = users[0]
        self.settings = first.settings
        self.context = first.context()
        self.part = several.Part(first.function, first.settings.function_name)
        self.decisions: list[Decision] = []
        self.removed: list[str] = []
        self._users = users

    @property
    def doomed(self) -> list[Decision]:
        """The images that go."""
        return [decision for decision in self.decisions if not decision.why]

    @property
    def listing(self) -> str:
        """The images, as a table."""
        return listing(self.decisions)

    @property
    def text(self) -> str:
        """What became of it; empty where nothing was removed."""
        count = len(self.removed)
        return f"{count} removed, {sizes.text(self._freed)} freed" if count else ""

    @property
    def result(self) -> dict[str, Any]:
        """What `--json` prints of it."""
        return {
            "keep": self.settings.keep_images,
            "removed": self.removed,
            "bytes": self._freed,
            "images": [row(decision) for decision in self.decisions],
        }

    @property
    def _freed(self) -> int:
        return sum(d.image.size for d in self.decisions if d.image.digest in self.removed)

    def locked(self, session: Session) -> AbstractContextManager[Any]:
        """Holds the lock of the first function; whoever holds it already is named."""
        store = self.context.store()
        return store.locked(
            self.settings.lock_wait, lambda who: session.report.note(f"After {who}.")
        )

    def look(self, live: set[str]) -> None:
        """Decides about each image, by what the functions of the account run."""
        stores = [one.context().store() for one in self._users]
        records = [record for store in stores if (record := store.read("deploy"))]
        spared = live | {digest(record.value) for record in records}
        images = of_answer(described(self.context))
        self.decisions = decide(images, spared, self.settings.keep_images)

    def remove(self) -> None:
        """Removes the images that go."""
        digests = [decision.image.digest for decision in self.doomed]
        remove(self.context, digests)
        self.removed = digests

    @contextmanager
    def failures(self) -> Iterator[None]:
        """What fails is this repository's alone."""
        try:
            yield
        except Exception as error:
            self.part.failed(several.told(error, self.context, "prune"))

    def conclude(self) -> None:
        """What became of it, for the report."""
        self.part.result, self.part.over = self.result, True


def agreed(session: Session, repositories: Sequence[Repository], yes: bool, dry_run: bool) -> bool:
    """Whether there is something to remove, and the user wants it."""
    count = sum(len(repository.doomed) for repository in repositories)
    if not count or dry_run:
        return False
    if not yes:
        make_sure(f"Remove {count} of them?", session.as_json)
    return True


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
