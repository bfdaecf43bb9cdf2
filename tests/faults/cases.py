"""What is spoilt, as data: the starting points, the calls and the faults.

A starting point is a project in which one thing is to be done, and the command that does it. A
fault strikes one call of that command, some times or always.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.kit import BASIC, S3, SQS, Project
from tests.support.faults import (
    ALWAYS,
    Answer,
    AwsFailure,
    Delay,
    Drop,
    Fault,
    Side,
    Slow,
    Truncate,
    fields,
    throttled,
)

POLICIES = (BASIC, SQS)


@dataclass(frozen=True)
class Start:
    """A starting point.

    Args:
        command: what is run.
        prepare: takes away, or changes, what the command is to bring about.
        then: commands for what went with it and is not the command's matter.
    """

    command: str
    prepare: Callable[[Project], None]
    then: tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    """One line of the table.

    Args:
        start: name of the starting point.
        call: the call that is struck, such as `iam.CreateRole`.
        what: the fault in words.
        fault: the fault.
        times: how many calls it strikes; None for all.
        skip: how many it lets pass first.
        done: whether the run ends well in spite of it.
        status: the exit status where it does not; 2 where the project is at fault.
    """

    start: str
    call: str
    what: str
    fault: Fault
    times: int | None
    done: bool
    skip: int = 0
    status: int = 1

    @property
    def name(self) -> str:
        """The case's name."""
        return f"{self.start}, {self.call}: {self.what}"


# --- starting points ------------------------------------------------------------------------------


def no_identity(project: Project) -> None:
    (project.folder / ".lambdaimg" / "identity.json").unlink(missing_ok=True)


def no_repository(project: Project) -> None:
    project.kit.client("ecr").delete_repository(repositoryName=project.name, force=True)


def not_pushed(project: Project) -> None:
    project.kit.client("ecr").batch_delete_image(
        repositoryName=project.name,
        imageIds=[{"imageDigest": project.value("deploy").rpartition("@")[2]}],
    )
    project.forget("deploy")


def no_image(project: Project) -> None:
    project.forget("image")
    for name in project.names_in_engine():
        project.kit.engine.api.remove_image(name, force=True, noprune=True)


def no_role(project: Project) -> None:
    role, iam = f"{project.name}-role", project.kit.client("iam")
    for policy in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
        iam.detach_role_policy(RoleName=role, PolicyArn=policy["PolicyArn"])
    iam.delete_role(RoleName=role)


def one_policy_less(project: Project) -> None:
    role, iam = f"{project.name}-role", project.kit.client("iam")
    iam.detach_role_policy(RoleName=role, PolicyArn=SQS)
    project.forget("lambda-policies")


def one_policy_more(project: Project) -> None:
    """The kit attached it, when the file still listed it."""
    project.write(policies=(*POLICIES, S3))
    project.run("lambda-policies").ok()
    project.write(policies=POLICIES)


def no_function(project: Project) -> None:
    client = project.kit.client("lambda")
    client.delete_function(FunctionName=project.name)


def other_configuration(project: Project) -> None:
    client = project.kit.client("lambda")
    client.update_function_configuration(
        FunctionName=project.name, MemorySize=1024, Environment={"Variables": {"AA": "old"}}
    )
    project.kit.settle(project.name)


def new_code(project: Project) -> None:
    """The function runs an older image."""
    older = project.value("ecr-repo") + "@sha256:" + "0" * 64
    project.kit.client("lambda").update_function_code(FunctionName=project.name, ImageUri=older)
    project.kit.settle(project.name)


def no_queue(project: Project) -> None:
    project.kit.client("sqs").delete_queue(QueueUrl=project.queue_url())


def other_queue(project: Project) -> None:
    project.kit.client("sqs").set_queue_attributes(
        QueueUrl=project.queue_url(), Attributes={"VisibilityTimeout": "33"}
    )


def no_trigger(project: Project) -> None:
    for mapping in project.mappings():
        project.kit.client("lambda").delete_event_source_mapping(UUID=mapping["UUID"])


def other_trigger(project: Project) -> None:
    for mapping in project.mappings():
        project.kit.client("lambda").update_event_source_mapping(
            UUID=mapping["UUID"], BatchSize=5, Enabled=False
        )


STARTS = {
    "no identity": Start("ecr-repo", no_identity),
    "no repository": Start("ecr-repo", no_repository, ("deploy",)),
    "not pushed": Start("deploy", not_pushed, ("update-function",)),
    "no image": Start("image", no_image, ("deploy",)),
    "no role": Start("lambda-role", no_role, ("lambda-policies",)),
    "a policy to attach": Start("lambda-policies", one_policy_less),
    "a policy to detach": Start("update-policies", one_policy_more),
    "no function": Start("lambda-function", no_function, ("lambda-sqs-trigger",)),
    "another configuration": Start("lambda-function", other_configuration),
    "older code": Start("update-function", new_code),
    "no queue": Start("queue", no_queue),
    "another queue": Start("queue", other_queue),
    "no trigger": Start("lambda-sqs-trigger", no_trigger),
    "another trigger": Start("lambda-sqs-trigger", other_trigger),
}

# --- faults that any call may meet ----------------------------------------------------------------

READS = (
    ("no identity", "sts.GetCallerIdentity"),
    ("no repository", "ecr.DescribeRepositories"),
    ("not pushed", "ecr.BatchGetImage"),
    ("not pushed", "ecr.GetAuthorizationToken"),
    ("no role", "iam.GetRole"),
    ("a policy to attach", "iam.ListAttachedRolePolicies"),
    ("a policy to detach", "iam.ListRoleTags"),
    ("no function", "lambda.GetFunction"),
    ("no function", "lambda.GetFunctionConfiguration"),
    ("no queue", "sqs.GetQueueUrl"),
    ("another queue", "sqs.GetQueueAttributes"),
    ("no trigger", "lambda.ListEventSourceMappings"),
    ("no trigger", "lambda.GetEventSourceMapping"),
)
WRITES = (
    ("no repository", "ecr.CreateRepository"),
    ("no role", "iam.CreateRole"),
    ("a policy to attach", "iam.TagRole"),
    ("a policy to attach", "iam.AttachRolePolicy"),
    ("a policy to detach", "iam.DetachRolePolicy"),
    ("a policy to detach", "iam.UntagRole"),
    ("no function", "lambda.CreateFunction"),
    ("another configuration", "lambda.UpdateFunctionConfiguration"),
    ("older code", "lambda.UpdateFunctionCode"),
    ("no queue", "sqs.CreateQueue"),
    ("another queue", "sqs.SetQueueAttributes"),
    ("no trigger", "lambda.CreateEventSourceMapping"),
    ("another trigger", "lambda.UpdateEventSourceMapping"),
)

Anywhere = tuple[tuple[str, Fault, int | None, bool], ...]
NOT_ALLOWED = AwsFailure("AccessDeniedException", "User is not authorized", 403)
OF_READS: Anywhere = (
    ("throttled twice", throttled(), 2, True),
    ("answer cut short", Truncate(20), 1, True),
    ("not allowed", NOT_ALLOWED, ALWAYS, False),
)
OF_WRITES: Anywhere = (
    ("throttled twice", throttled(), 2, True),
    ("connection lost before AWS acts", Drop(Side.BEFORE), 1, True),
    ("connection lost after AWS acted", Drop(Side.AFTER), 1, True),
    ("503 twice, after AWS acted", Answer(503, side=Side.AFTER), 2, True),
    ("not allowed", NOT_ALLOWED, ALWAYS, False),
)


def refusal(code: str, message: str, status: int = 400) -> AwsFailure:
    """An answer of AWS's, as code and message."""
    return AwsFailure(code, message, status)


def parameter(message: str) -> AwsFailure:
    """Lambda's code for nearly everything."""
    return refusal("InvalidParameterValueException", message)


NO_ASSUME = parameter("The role defined for the function cannot be assumed by Lambda.")
NO_RIGHT = parameter(
    "The provided execution role does not have permissions to call ReceiveMessage on SQS"
)
NOT_SEEN = parameter("Source image 000000000000.dkr.ecr.us-east-1.amazonaws.com/x does not exist.")
IN_PROGRESS = refusal(
    "ResourceConflictException",
    "The operation cannot be performed at this time. An update is in progress for resource: x",
    409,
)
JSON = (("Content-Type", "application/json"),)
ENGINE_FULL = Answer(500, b'{"message":"write /layer: no space left on device"}', JSON)
ENGINE_LOST = Answer(
    200,
    b'{"stream":"Step 1/1 : FROM x\\n"}\n'
    b'{"error":"unable to find image \\"sha256:4dca7b84ca7f\\"",'
    b'"errorDetail":{"message":"unable to find image \\"sha256:4dca7b84ca7f\\""}}\n',
    JSON,
)
ENGINE_FAULT = Answer(500, b'{"message":"layer does not exist"}', JSON)
DENIED = Answer(403, b'{"errors":[{"code":"DENIED","message":"requested access is denied"}]}', JSON)

SPECIAL = (
    # credentials
    Case("no identity", "sts.GetCallerIdentity", "credentials are expired",
         refusal("ExpiredToken", "The security token included in the request is expired", 403),
         ALWAYS, False),
    Case("no identity", "sts.GetCallerIdentity", "credentials are unknown",
         refusal("InvalidClientTokenId", "The security token is invalid", 403), ALWAYS, False),
    Case("no identity", "sts.GetCallerIdentity", "the clock is wrong",
         refusal("SignatureDoesNotMatch", "Signature expired", 403), ALWAYS, False),
    Case("no repository", "ecr.CreateRepository", "throttled for ever", throttled(), ALWAYS, False),
    Case("no repository", "ecr.CreateRepository", "500 for ever", Answer(500), ALWAYS, False),
    Case("no repository", "ecr.CreateRepository", "too many repositories",
         refusal("LimitExceededException", "The repository quota is used up"), ALWAYS, False),
    Case("no repository", "ecr.DescribeRepositories", "answer in small pieces", Slow(7, 0.001), 1,
         True),
    Case("no repository", "ecr.DescribeRepositories", "answer is late", Delay(0.3), 1, True),
    Case("no repository", "ecr.DescribeRepositories", "connection lost for ever", Drop(), ALWAYS,
         False),
    Case("no repository", "ecr.DescribeRepositories", "what answers is not AWS",
         Answer(200, b"<html>Log in to the network</html>", (("Content-Type", "text/html"),)),
         ALWAYS, False),
    # role and policies
    Case("no role", "iam.CreateRole", "too many roles",
         refusal("LimitExceeded", "Cannot exceed quota for RolesPerAccount: 1000", 409), ALWAYS,
         False),
    Case("a policy to attach", "iam.AttachRolePolicy", "too many policies",
         refusal("LimitExceeded", "Cannot exceed quota for PoliciesPerRole: 10", 409), ALWAYS,
         False),
    Case("a policy to attach", "iam.AttachRolePolicy", "no such policy",
         refusal("NoSuchEntity", f"Policy {SQS} does not exist or is not attachable.", 404),
         ALWAYS, False, status=2),
    Case("a policy to attach", "iam.AttachRolePolicy", "another change of the role, six times",
         refusal("ConcurrentModification", "Request was made concurrently", 409), 6, True),
    Case("a policy to attach", "iam.AttachRolePolicy", "another change of the role for ever",
         refusal("ConcurrentModification", "Request was made concurrently", 409), ALWAYS, False),
    # function
    Case("no function", "lambda.CreateFunction", "the role cannot be assumed, eight times",
         NO_ASSUME, 8, True),
    Case("no function", "lambda.CreateFunction", "the role can never be assumed", NO_ASSUME, ALWAYS,
         False),
    Case("no function", "lambda.CreateFunction", "the image is not visible, five times", NOT_SEEN,
         5, True),
    Case("no function", "lambda.CreateFunction", "iam:PassRole is missing",
         refusal("AccessDeniedException", "User: x is not authorized to perform: iam:PassRole on "
                 "resource: y", 403), ALWAYS, False),
    Case("no function", "lambda.CreateFunction", "Lambda may not read the repository",
         parameter("Lambda does not have permission to access the ECR image. Check the ECR "
                   "permissions."), ALWAYS, False),
    Case("no function", "lambda.CreateFunction", "an index instead of an image",
         parameter("The image manifest, config or layer media type for the source image x is not "
                   "supported."), ALWAYS, False),
    Case("no function", "lambda.CreateFunction", "no room for code",
         refusal("CodeStorageExceededException", "Code storage limit exceeded."), ALWAYS, False),
    Case("no function", "lambda.GetFunctionConfiguration", "Pending for six looks",
         fields(State="Pending"), 6, True),
    Case("no function", "lambda.GetFunctionConfiguration", "Pending for ever",
         fields(State="Pending"), ALWAYS, False),
    Case("no function", "lambda.GetFunctionConfiguration", "the function fails",
         fields(State="Failed", StateReason="The image's entrypoint is missing"), ALWAYS, False),
    Case("another configuration", "lambda.UpdateFunctionConfiguration",
         "another change in progress, six times", IN_PROGRESS, 6, True),
    Case("another configuration", "lambda.UpdateFunctionConfiguration",
         "another change in progress for ever", IN_PROGRESS, ALWAYS, False),
    Case("another configuration", "lambda.GetFunctionConfiguration", "the change fails",
         fields(State="Active", LastUpdateStatus="Failed",
                LastUpdateStatusReason="KMS key is disabled"), ALWAYS, False),
    Case("older code", "lambda.UpdateFunctionCode", "the image is not visible, five times",
         NOT_SEEN, 5, True),
    Case("older code", "lambda.UpdateFunctionCode", "the image is never visible", NOT_SEEN, ALWAYS,
         False),
    Case("older code", "lambda.UpdateFunctionCode", "another change in progress, six times",
         IN_PROGRESS, 6, True),
    Case("older code", "lambda.GetFunctionConfiguration", "InProgress for six looks",
         fields(LastUpdateStatus="InProgress"), 6, True),
    Case("older code", "lambda.GetFunction", "the function is a zip function",
         fields(PackageType="Zip"), ALWAYS, False),
    # queue and trigger
    Case("no queue", "sqs.CreateQueue", "deleted less than a minute ago, six times",
         refusal("QueueDeletedRecently", "You must wait 60 seconds"), 6, True),
    Case("no queue", "sqs.CreateQueue", "deleted less than a minute ago, for ever",
         refusal("QueueDeletedRecently", "You must wait 60 seconds"), ALWAYS, False),
    Case("no trigger", "lambda.CreateEventSourceMapping", "the role has no right yet, six times",
         NO_RIGHT, 6, True),
    Case("no trigger", "lambda.CreateEventSourceMapping", "the role never has the right",
         NO_RIGHT, ALWAYS, False),
    Case("no trigger", "lambda.CreateEventSourceMapping", "visibility below the timeout",
         parameter("Queue visibility timeout: 1 seconds is less than Function timeout: 3 seconds"),
         ALWAYS, False),
    Case("no trigger", "lambda.CreateEventSourceMapping", "connection lost four times after AWS "
         "acted", Drop(Side.AFTER), 4, True),
    Case("no trigger", "lambda.GetEventSourceMapping", "Enabling for six looks",
         fields(State="Enabling"), 6, True),
    Case("no trigger", "lambda.GetEventSourceMapping", "Enabling for ever",
         fields(State="Enabling"), ALWAYS, False),
    Case("another trigger", "lambda.UpdateEventSourceMapping", "in use, six times",
         refusal("ResourceInUseException", "The event source mapping is in use"), 6, True),
    # engine and registry
    Case("no image", "docker.GET /_ping", "the engine is gone", Drop(), ALWAYS, False),
    Case("no image", "docker.POST /build", "the engine goes away before the build", Drop(), ALWAYS,
         False),
    Case("no image", "docker.POST /build", "the engine goes away during the build",
         Drop(Side.MIDDLE), ALWAYS, False),
    Case("no image", "docker.POST /build", "the engine's disk is full", ENGINE_FULL, ALWAYS, False),
    Case("no image", "docker.POST /build", "what it builds on is removed meanwhile, once",
         ENGINE_LOST, 1, True),
    Case("no image", "docker.POST /build", "what it builds on is removed again and again",
         ENGINE_LOST, ALWAYS, False),
    Case("no image", "docker.GET /images/NAME/json", "the engine has a fault", ENGINE_FAULT, ALWAYS,
         False),
    Case("not pushed", "docker.POST /images/NAME/tag", "the engine has a fault", ENGINE_FAULT,
         ALWAYS, False),
    Case("not pushed", "docker.POST /images/NAME/push", "the engine goes away during the push",
         Drop(Side.MIDDLE), ALWAYS, False),
    Case("not pushed", "registry.PUT manifests", "the registry denies", DENIED, ALWAYS, False),
    Case("not pushed", "registry.GET manifests", "the registry has a fault, twice", Answer(503), 2,
         True),
    Case("not pushed", "registry.GET manifests", "the manifest is damaged", Truncate(50), ALWAYS,
         False),
)  # fmt: skip

CASES = (
    *(
        Case(start, call, what, fault, times, done)
        for calls, faults in ((READS, OF_READS), (WRITES, OF_WRITES))
        for start, call in calls
        for what, fault, times, done in faults
    ),
    *SPECIAL,
)
