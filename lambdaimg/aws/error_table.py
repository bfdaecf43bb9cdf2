"""What AWS says when it refuses, and what the user is told: what happened, why, what to do next.

A row is for an error code and perhaps a part of the message. `client_errors` has the rows for
botocore's own exceptions. The page docs/errors.md is made of both.
"""

from __future__ import annotations

from dataclasses import dataclass

from lambdaimg.errors import (
    AccessDeniedError,
    AwsError,
    ConflictError,
    CredentialsError,
    LambdaimgError,
    ResourceGoneError,
    SettingsError,
)


@dataclass(frozen=True)
class Row:
    """One kind of AWS error.

    Args:
        code: the AWS error code.
        kind: the class it becomes.
        message: what happened; may use {message}, {operation} and {region}.
        hint: what to do next.
        says: a pattern that AWS's message must match.
        gone: the target whose resource is missing.
    """

    code: str
    kind: type[LambdaimgError]
    message: str
    hint: str = ""
    says: str = ""
    gone: str = ""


NO_IMAGE = r"[Ss]ource image .* does not exist|image .* not found"
NO_ASSUME = r"role defined for the function cannot be assumed"
NO_QUEUE = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")
THROTTLED = (
    "TooManyRequestsException",
    "Throttling",
    "ThrottlingException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "Throttled",
)
TRIGGER_RIGHTS = r"execution role does not have permissions to call (ReceiveMessage|\S+) on SQS"

ROWS: tuple[Row, ...] = (
    # credentials
    Row(
        "ExpiredToken|ExpiredTokenException|RequestExpired",
        CredentialsError,
        "The AWS credentials are expired.",
        "Log in again (`aws sso login`, or your own way), then run the same command.",
    ),
    Row(
        "InvalidClientTokenId|UnrecognizedClientException|AuthFailure|InvalidAccessKeyId",
        CredentialsError,
        "AWS does not know these credentials.",
        "Check the profile and the region; `aws sts get-caller-identity` tells who you are.",
    ),
    Row(
        "SignatureDoesNotMatch|InvalidSignatureException|IncompleteSignature",
        CredentialsError,
        "AWS refused the request's signature: {message}",
        "Check the secret key, and that this machine's clock is right.",
    ),
    Row(
        "OptInRequired|SubscriptionRequiredException",
        CredentialsError,
        "The account is not enabled for AWS in {region}.",
        "Enable the service or the region in the AWS console.",
    ),
    # permissions
    Row(
        "AccessDenied|AccessDeniedException|UnauthorizedOperation|AuthorizationError",
        AccessDeniedError,
        "The caller may not pass the role to Lambda: iam:PassRole is missing.",
        "Allow iam:PassRole on the role, with lambda.amazonaws.com as the service.",
        says=r"iam:PassRole",
    ),
    Row(
        "AccessDenied|AccessDeniedException|UnauthorizedOperation|AuthorizationError",
        AccessDeniedError,
        "AWS does not allow {operation}: {message}",
        "The README lists the IAM permissions that each target needs.",
    ),
    # ECR
    Row(
        "RepositoryNotFoundException",
        ResourceGoneError,
        "The ECR repository does not exist.",
        "Run `lambdaimg ecr-repo`.",
        gone="ecr-repo",
    ),
    Row(
        "ImageNotFoundException",
        ResourceGoneError,
        "The image is not in the ECR repository.",
        "Run `lambdaimg deploy`.",
        gone="deploy",
    ),
    Row(
        "ImageTagAlreadyExistsException",
        ConflictError,
        "The tag exists in a repository whose tags are immutable, with another image.",
        "Change the sources, or set immutable_tags = false.",
    ),
    Row(
        "LimitExceededException|LimitExceeded|ServiceLimitExceeded",
        AwsError,
        "An AWS quota is used up: {message}",
        "Ask for a higher quota in Service Quotas, or remove what is no longer used.",
    ),
    # IAM
    Row(
        "NoSuchEntity|NoSuchEntityException",
        AwsError,
        "A policy of the policies file does not exist: {message}",
        "Check the ARN, its partition and its account.",
        says=r"[Pp]olicy .*(not attachable|does not exist|was not found|not found)",
    ),
    Row(
        "NoSuchEntity|NoSuchEntityException",
        ResourceGoneError,
        "The role does not exist: {message}",
        "Run `lambdaimg lambda-role`.",
        gone="lambda-role",
    ),
    Row(
        "ConcurrentModification|ConcurrentModificationException",
        ConflictError,
        "Somebody else changes the role all the time: {message}",
        "Run the same command again in a moment.",
    ),
    Row(
        "MalformedPolicyDocument|MalformedPolicyDocumentException",
        AwsError,
        "IAM does not take the policy document: {message}",
        "Look at `lambdaimg show policy-document`.",
    ),
    Row(
        "PolicyNotAttachable|PolicyNotAttachableException",
        AwsError,
        "A policy of the policies file cannot be attached to a role: {message}",
        "Take the line out of the policies file: some of AWS's policies are for AWS alone.",
    ),
    # Lambda
    Row(
        "InvalidParameterValueException",
        AwsError,
        "Lambda cannot assume the role, and it is not a matter of time.",
        "Look at the role's trust policy (`lambdaimg show policy-document` is what it should "
        "be, `--no-source-account` leaves its condition out); a missing iam:PassRole looks much "
        "the same.",
        says=NO_ASSUME,
    ),
    Row(
        "InvalidParameterValueException",
        ResourceGoneError,
        "The image that the function is to run is not in the registry.",
        "Run `lambdaimg deploy`.",
        says=NO_IMAGE,
        gone="deploy",
    ),
    Row(
        "InvalidParameterValueException",
        AwsError,
        "Lambda may not read the ECR repository.",
        "Allow lambda.amazonaws.com in the repository's policy, or yourself "
        "ecr:SetRepositoryPolicy and ecr:GetRepositoryPolicy.",
        says=r"Lambda does not have permission to access the ECR image",
    ),
    Row(
        "InvalidParameterValueException",
        AwsError,
        "The image's manifest is not one that Lambda takes: {message}",
        "Lambda takes one image for one architecture, no index: build with "
        "`--provenance=false --sbom=false` and one platform.",
        says=r"image manifest|media type",
    ),
    Row(
        "InvalidParameterValueException",
        AwsError,
        "The role may not read the queue.",
        "List AWSLambdaSQSQueueExecutionRole in the policies file, then run the same command.",
        says=TRIGGER_RIGHTS,
    ),
    Row(
        "InvalidParameterValueException",
        AwsError,
        "The queue's visibility timeout is below the function's timeout.",
        "Raise visibility_timeout to six times the timeout, and run `lambdaimg queue`.",
        says=r"[Vv]isibility timeout",
    ),
    Row(
        "InvalidParameterValueException|ValidationException|InvalidParameterException",
        SettingsError,
        "AWS does not take a value: {message}",
        "`lambdaimg settings` shows every setting and where it came from.",
    ),
    Row(
        "ResourceConflictException",
        ConflictError,
        "The function is being changed by somebody else: {message}",
        "Run the same command again in a moment.",
        says=r"in progress|[Pp]ending",
    ),
    Row(
        "ResourceConflictException",
        ConflictError,
        "AWS says that it exists already: {message}",
        "Run the same command again: it adopts what is there.",
    ),
    Row(
        "ResourceNotFoundException",
        ResourceGoneError,
        "The function does not exist.",
        "Run `lambdaimg lambda-function`.",
        says=r"[Ff]unction",
        gone="lambda-function",
    ),
    Row(
        "CodeStorageExceededException",
        AwsError,
        "The account's storage for function code is used up.",
        "Delete old versions of functions.",
    ),
    Row(
        "|".join(THROTTLED),
        AwsError,
        "AWS throttles {operation}, also after several tries.",
        "Wait a minute, then run the same command: it goes on from here.",
    ),
    Row(
        "EC2ThrottledException|ENILimitReachedException|SubnetIPAddressLimitReachedException",
        AwsError,
        "Lambda could not set up its network: {message}",
        "Look at the limits of the VPC's subnets.",
    ),
    Row(
        "PreconditionFailedException",
        ConflictError,
        "Somebody changed the function in the same moment.",
        "Run the same command again.",
    ),
    Row(
        "RequestEntityTooLargeException|RequestTooLargeException",
        SettingsError,
        "The payload is too large: Lambda takes 6 MB, and 1 MB asynchronously.",
        "Put the data into S3 and send its address.",
    ),
    Row(
        "InvalidRequestContentException",
        SettingsError,
        "Lambda does not take the payload: {message}",
        "The payload must be JSON.",
    ),
    Row(
        "KMSAccessDeniedException|KMSDisabledException|KMSInvalidStateException"
        "|KMSNotFoundException",
        AwsError,
        "Lambda cannot use the KMS key of the environment variables: {message}",
        "Look at the key's state and its policy.",
    ),
    # SQS
    Row(
        "|".join(NO_QUEUE),
        ResourceGoneError,
        "The queue does not exist.",
        "Run `lambdaimg queue`.",
        gone="queue",
    ),
    Row(
        "QueueAlreadyExists|QueueNameExists",
        ConflictError,
        "A queue of this name exists with other attributes: {message}",
        "Run the same command again, or choose another queue_name.",
    ),
    Row(
        "AWS.SimpleQueueService.QueueDeletedRecently|QueueDeletedRecently",
        AwsError,
        "The queue was deleted less than a minute ago.",
        "Wait a minute, then run the same command.",
    ),
    # everywhere
    Row(
        "ServiceUnavailable|ServiceException|InternalError|InternalFailure|InternalServerError"
        "|ServiceFailure|ServerException|500|502|503|504",
        AwsError,
        "AWS has a fault of its own: {message}",
        "Run the same command again in a moment; nothing is lost.",
    ),
    Row(
        "ResourceInUseException|DeleteConflict|ResourceInUse",
        ConflictError,
        "AWS refuses, since it is still in use: {message}",
        "Run the same command again in a moment.",
    ),
)
