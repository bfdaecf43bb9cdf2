"""`ecr-repo`: the ECR repository, created if absent."""

from __future__ import annotations

from typing import Any

from lambdaimg.aws import tags
from lambdaimg.aws.errors import is_code
from lambdaimg.context import Context
from lambdaimg.make.target import Action, Difference, Done, Observed, Target
from lambdaimg.repository import described


def mutability(ctx: Context) -> str:
    """The tag mutability that the settings ask for, in ECR's words."""
    return "IMMUTABLE" if ctx.settings.immutable_tags else "MUTABLE"


def find_repository(ctx: Context) -> Observed | None:
    """The repository, if there is one."""
    repository = described(ctx)
    if repository is None:
        return None
    return Observed(
        ctx.repository_uri(repository["repositoryUri"]),
        differences(ctx, repository),
        facts=repository,
    )


def differences(ctx: Context, repository: dict[str, Any]) -> tuple[Difference, ...]:
    """What the user states otherwise than it is."""
    found = []
    scan = bool(repository.get("imageScanningConfiguration", {}).get("scanOnPush"))
    if ctx.stated("scan_on_push") and scan != ctx.settings.scan_on_push:
        found.append(Difference("scan_on_push", str(scan), str(ctx.settings.scan_on_push)))
    tagged = repository.get("imageTagMutability", "MUTABLE")
    if ctx.stated("immutable_tags") and tagged != mutability(ctx):
        found.append(Difference("immutable_tags", tagged, mutability(ctx)))
    if ctx.stated("tags"):
        found += tags.differences(tags_of(ctx, repository), ctx.settings.tags)
    return tuple(found)


def tags_of(ctx: Context, repository: dict[str, Any]) -> dict[str, str]:
    """The repository's tags."""
    answer = ctx.aws("ecr").list_tags_for_resource(resourceArn=repository["repositoryArn"])
    return tags.from_list(answer.get("tags", []))


def create_repository(ctx: Context, observed: Observed | None) -> Done:
    """Creates the repository, or applies what is stated otherwise."""
    name, ecr = ctx.settings.repository, ctx.aws("ecr")
    if observed is not None:
        return change_repository(ctx, observed)
    try:
        answer = ecr.create_repository(
            repositoryName=name,
            imageScanningConfiguration={"scanOnPush": ctx.settings.scan_on_push},
            imageTagMutability=mutability(ctx),
            tags=tags.as_list(tags.made_by(ctx.settings.tags)),
        )
    except Exception as error:
        if not is_code(error, "RepositoryAlreadyExistsException"):
            raise
        there = find_repository(ctx)
        if there is None:
            raise
        if there.differences:
            return change_repository(ctx, there)
        return Done(there.value, Action.ADOPTED)
    return Done(ctx.repository_uri(answer["repository"]["repositoryUri"]), Action.CREATED)


def change_repository(ctx: Context, observed: Observed) -> Done:
    """Applies what is stated otherwise than it is."""
    name, ecr = ctx.settings.repository, ctx.aws("ecr")
    attributes = {difference.attribute for difference in observed.differences}
    if "scan_on_push" in attributes:
        ecr.put_image_scanning_configuration(
            repositoryName=name,
            imageScanningConfiguration={"scanOnPush": ctx.settings.scan_on_push},
        )
    if "immutable_tags" in attributes:
        ecr.put_image_tag_mutability(repositoryName=name, imageTagMutability=mutability(ctx))
    if attributes - {"scan_on_push", "immutable_tags"}:
        arn = observed.facts["repositoryArn"]
        ecr.tag_resource(resourceArn=arn, tags=tags.as_list(ctx.settings.tags))
    return Done(observed.value, Action.UPDATED, ", ".join(map(str, observed.differences)))


def users(ctx: Context, observed: Observed) -> str:
    """The other functions that run an image of the repository."""
    client, found = ctx.aws("lambda"), []
    for page in client.get_paginator("list_functions").paginate():
        for function in page["Functions"]:
            name = function["FunctionName"]
            if function.get("PackageType") != "Image" or name in ctx.leaving:
                continue
            uri = client.get_function(FunctionName=name)["Code"].get("ImageUri", "")
            if uri.startswith((f"{observed.value}@", f"{observed.value}:")):
                found.append(name)
    return ", ".join(found)


def delete_repository(ctx: Context, _value: str) -> None:
    """Deletes the repository with the images in it."""
    try:
        ctx.aws("ecr").delete_repository(repositoryName=ctx.settings.repository, force=True)
    except Exception as error:
        if not is_code(error, "RepositoryNotFoundException"):
            raise


ECR_REPO: Target[Context] = Target(
    name="ecr-repo",
    help="Create the ECR repository if it does not exist",
    uses=("repository", "scan_on_push", "immutable_tags", "tags"),
    observe=find_repository,
    act=create_repository,
    remove=delete_repository,
    owned=lambda ctx, observed: tags.is_ours(tags_of(ctx, observed.facts)),
    in_use=users,
    permissions=(
        "ecr:DescribeRepositories",
        "ecr:ListTagsForResource",
        "ecr:CreateRepository",
        "ecr:TagResource",
        "ecr:PutImageScanningConfiguration",
        "ecr:PutImageTagMutability",
    ),
    removal=(
        "ecr:DeleteRepository",
        "lambda:ListFunctions",
        "lambda:GetFunction",
    ),
)
