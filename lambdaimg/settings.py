"""Every setting of the kit, once: its name, default, environment variables and limits.

Flags, `--help`, the README's table and the checks are all made from the fields of `Settings`;
`settings_load` reads the values.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

PREFIX = "LAMBDAIMG_"
FIFO_MAX_BATCH = 10
STANDARD_MAX_BATCH = 10_000
# Batches of a standard queue above this size need a batching window of a second or more.
UNWINDOWED_MAX_BATCH = 10

Check = Callable[[Any], str]


def _matches(pattern: str, what: str) -> Check:
    # Not compiled ahead: a run checks the few settings that it is given.
    return lambda value: "" if re.fullmatch(pattern, value) else f"must be {what}"


def _between(low: int, high: int, unit: str = "") -> Check:
    words = f"must be from {low} to {high}{' ' + unit if unit else ''}"
    return lambda value: "" if low <= value <= high else words


def _one_of(*choices: str) -> Check:
    return lambda value: "" if value in choices else f"must be one of {', '.join(choices)}"


def _environment(value: Mapping[str, str]) -> str:
    for name in value:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]+", name):
            return f"has the name {name!r}; names are letters, digits and _, two at least"
    size = sum(len(k.encode()) + len(v.encode()) for k, v in value.items())
    return "" if size <= 4096 else f"is {size} bytes long; Lambda takes 4096 for all variables"


def _tags(value: Mapping[str, str]) -> str:
    for key, text in value.items():
        if not 1 <= len(key) <= 128:
            return f"has the key {key!r}; keys have 1 to 128 characters"
        if key.lower().startswith(("aws:", "lambdaimg:")):
            return f"has the key {key!r}; aws: and lambdaimg: begin no tags of yours"
        if len(text) > 256:
            return f"is too long at {key!r}; AWS takes 256 characters"
    return ""


def _layers(value: tuple[str, ...]) -> str:
    arn = r"arn:[a-z0-9-]+:lambda:[a-z0-9-]+:\d{12}:layer:[A-Za-z0-9_-]+:\d+"
    wrong = [v for v in value if not re.fullmatch(rf"bash|perl|php|cpp|{arn}", v)]
    if wrong:
        return f"has {wrong[0]!r}; each is bash, perl, php, cpp or the ARN of a layer version"
    return "" if len(value) <= 5 else f"has {len(value)} layers; Lambda takes 5"


def setting(
    default: Any,
    help: str,
    env: tuple[str, ...] = (),
    check: Check | None = None,
    secret: bool = False,
    file: bool = False,
    project: bool = False,
) -> Any:
    """A field of `Settings`: its default, help, further environment variables and its check.

    Every setting is also read from `LAMBDAIMG_` and its name in capitals. A `file` that a flag
    names is relative to the current folder; named elsewhere, to the project. What belongs to the
    `project` as a whole cannot be said of one function of several.
    """
    metadata = {
        "help": help,
        "env": env,
        "check": check,
        "secret": secret,
        "file": file,
        "project": project,
    }
    if isinstance(default, dict):
        frozen = MappingProxyType(default)
        return dataclasses.field(default_factory=lambda: frozen, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one run. Times are in seconds and sizes in MB unless the help says else."""

    # where
    profile: str = setting(
        "", "AWS profile; empty: as boto3 finds it", ("AWS_PROFILE",), project=True
    )
    region: str = setting(
        "",
        "AWS region; empty: the profile's, else us-east-1",
        ("AWS_REGION", "AWS_DEFAULT_REGION", "REGION"),
        _matches(r"(|[a-z]{2,}(-[a-z]+)+-\d{1,2})", "a region such as eu-west-1"),
        project=True,
    )
    account: str = setting(
        "",
        "AWS account; empty: asked of STS once",
        ("AWS_ACCOUNT",),
        _matches(r"(\d{12})?", "an account number of 12 digits"),
        project=True,
    )

    # image
    image_name: str = setting(
        "lambda-image",
        "Name of the image in the Docker engine",
        ("IMAGE_NAME",),
        _matches(
            r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*",
            "an image name: lower-case letters, digits, and . _ - / between them",
        ),
    )
    dockerfile: str = setting("Dockerfile", "Dockerfile, relative to the project")
    build_args: Mapping[str, str] = setting(
        {}, "Build arguments, for those the Dockerfile names", secret=True
    )
    build_target: str = setting("", "Stage of the Dockerfile to build; empty: the last")
    build_ca_bundle: str = setting(
        "",
        "CA bundle that pip trusts in the builder stage; never in the final image",
        file=True,
        project=True,
    )
    architecture: str = setting(
        "x86_64",
        "Architecture of the image and the function",
        check=_one_of("x86_64", "arm64"),
    )
    lambda_module: str = setting(
        "hello_lambda.py", "Handler file or folder, copied last", ("LAMBDA_MODULE",)
    )
    fast: bool = setting(
        True,
        "Where only files of the Dockerfile's last COPY changed, put that layer into the registry "
        "without an engine",
    )

    # registry
    repo_name: str = setting(
        "",
        "ECR repository; empty: the image name",
        ("REPO_NAME",),
        _matches(
            r"(|(?=.{2,256}$)[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
            r"(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*)",
            "a repository name of 2 to 256 lower-case letters, digits, and . _ - / between them",
        ),
    )
    scan_on_push: bool = setting(True, "Scan pushed images for known vulnerabilities")
    immutable_tags: bool = setting(False, "Refuse to move a tag in the repository")
    keep_images: int = setting(
        10,
        "Images that prune keeps, the newest ones; one that a function runs stays in any case",
        check=_between(1, 100_000),
    )

    # role
    role_name: str = setting(
        "lambda-role",
        "Execution role",
        ("ROLE_NAME",),
        _matches(r"[\w+=,.@-]{1,64}", "1 to 64 letters, digits and _+=,.@-"),
    )
    source_account: bool = setting(
        True,
        "A role that is made trusts Lambda only for functions of its own account "
        "(aws:SourceAccount)",
    )
    policies_file: str = setting(
        "policies", "File of the managed policies to attach", ("POLICIES_FILE",)
    )

    # function
    function_name: str = setting(
        "hello-lambda",
        "Function",
        ("FUNCTION_NAME",),
        _matches(r"[A-Za-z0-9_-]{1,64}", "1 to 64 letters, digits, - and _"),
    )
    memory: int = setting(128, "Memory of the function in MB", check=_between(128, 10_240, "MB"))
    timeout: int = setting(
        3, "Time limit of an invocation in seconds", check=_between(1, 900, "seconds")
    )
    ephemeral_storage: int = setting(512, "Size of /tmp in MB", check=_between(512, 10_240, "MB"))
    description: str = setting(
        "", "Description of the function", check=lambda v: "" if len(v) <= 256 else "is too long"
    )
    environment: Mapping[str, str] = setting(
        {}, "Environment variables of the function", check=_environment, secret=True
    )
    environment_mode: str = setting(
        "merge",
        "merge keeps variables that were set elsewhere, replace removes them",
        check=_one_of("merge", "replace"),
    )
    command: tuple[str, ...] = setting((), "Overrides the image's CMD; empty: the image's")
    package: str = setting(
        "image", "What the function is: image, or zip", check=_one_of("image", "zip")
    )
    runtime: str = setting("provided.al2023", "Runtime of a zip function")
    handler: str = setting(
        "",
        "Handler of a zip function; empty: `handler` in the file that lambda_module names",
        check=_matches(r"\S{0,128}", "128 characters at most, no blanks"),
    )
    layers: tuple[str, ...] = setting(
        (), "Layers of a zip function: ARNs, or languages whose runtime is published", check=_layers
    )
    entrypoint: tuple[str, ...] = setting((), "Overrides the image's ENTRYPOINT")
    working_directory: str = setting("", "Overrides the image's WORKDIR")
    tags: Mapping[str, str] = setting(
        {}, "Tags of the function, queue, role and repository", check=_tags
    )

    # queue and trigger
    queue_name: str = setting(
        "lambda-runtime",
        "Queue; FIFO where the name ends in .fifo",
        ("QUEUE_NAME",),
        _matches(r"(?=.{1,80}$)[A-Za-z0-9_-]+(\.fifo)?", "1 to 80 letters, digits, - and _"),
    )
    visibility_timeout: int = setting(
        0,
        "Visibility timeout of the queue in seconds; 0: six times the function's timeout when "
        "made, raised later only where it is below the function's timeout",
        check=_between(0, 43_200, "seconds"),
    )
    message_retention: int = setting(
        345_600,
        "How long the queue keeps messages, in seconds",
        check=_between(60, 1_209_600, "seconds"),
    )
    dead_letter_queue: str = setting(
        "",
        "Existing queue for messages that fail too often; empty: none",
        check=_matches(r"(|[A-Za-z0-9_-]{1,80}(\.fifo)?)", "a queue name"),
    )
    max_receive_count: int = setting(
        5, "Receives before a message goes to the dead-letter queue", check=_between(1, 1000)
    )
    batch_size: int = setting(
        10,
        "Messages per batch: up to 10,000, FIFO queues up to 10",
        ("BATCH_SIZE",),
        _between(1, STANDARD_MAX_BATCH),
    )
    batching_window: int = setting(
        0, "Seconds to gather a batch; 1 at least for more than 10", check=_between(0, 300)
    )
    partial_batch_responses: bool = setting(
        True, "Only the messages named in batchItemFailures are tried again"
    )
    maximum_concurrency: int = setting(
        0,
        "Environments that the queue may use at once, 2 to 1000; 0: no limit",
        check=lambda v: "" if v == 0 or 2 <= v <= 1000 else "must be 0 or from 2 to 1000",
    )

    # invoke and limits of waits
    payload: str = setting("payload.json", "Payload of invoke; -: stdin", ("PAYLOAD",), file=True)
    role_wait: int = setting(120, "Limit for a new role to be assumable, in seconds")
    function_wait: int = setting(300, "Limit for a function to be active, in seconds")
    image_wait: int = setting(30, "Limit for a pushed image to be visible to Lambda, in seconds")
    queue_wait: int = setting(75, "Limit for a deleted queue's name to be free, in seconds")
    trigger_wait: int = setting(120, "Limit for a trigger to be enabled, in seconds")
    lock_wait: int = setting(
        300, "Limit for another run on the same environment, in seconds", project=True
    )

    # where each value came from, by name; not a setting
    sources: Mapping[str, str] = dataclasses.field(
        default_factory=lambda: MappingProxyType({}), metadata={"internal": True}
    )

    def source(self, name: str) -> str:
        """Where the value of `name` came from, in words."""
        return self.sources.get(name, "default")

    @property
    def repository(self) -> str:
        """The repository's name."""
        return self.repo_name or self.image_name

    @property
    def fifo(self) -> bool:
        """Whether the queue is a FIFO queue."""
        return self.queue_name.endswith(".fifo")

    @property
    def queue_visibility(self) -> int:
        """The queue's visibility timeout in seconds: six times the timeout where none is set."""
        return self.visibility_timeout or max(30, 6 * self.timeout)

    @property
    def platform(self) -> str:
        """The architecture in Docker's terms."""
        return {"x86_64": "linux/amd64", "arm64": "linux/arm64"}[self.architecture]


FIELDS: Mapping[str, dataclasses.Field[Any]] = MappingProxyType(
    {f.name: f for f in dataclasses.fields(Settings) if not f.metadata.get("internal")}
)


def variables_of(name: str) -> tuple[str, ...]:
    """The environment variables that give a setting, strongest first."""
    own: tuple[str, ...] = FIELDS[name].metadata["env"]
    return (PREFIX + name.upper(), *own)
