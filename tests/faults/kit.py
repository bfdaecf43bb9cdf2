"""Projects, runs and final states: what the tests of faults, crashes and concurrency share."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from tests.support.endpoint import AwsEndpoint
from tests.support.faults import Do, Side
from tests.support.proxy import CountingProxy

ANSWER_LIMIT_S = 120
BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
SQS = "arn:aws:iam::aws:policy/service-role/AWSLambdaSQSQueueExecutionRole"
S3 = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
SERVICES = ("sts", "iam", "ecr", "lambda", "sqs", "registry", "docker")
FOREIGN = "arn:aws:iam::aws:policy/AmazonSNSReadOnlyAccess"


class Zygote:
    """The other end of `tests.faults.zygote`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._count = 0
        self._log = (folder / "log").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.zygote"],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )

    def __enter__(self) -> Zygote:
        return self

    def __exit__(self, *_exc: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()
        self._log.close()

    def start(self, request: Mapping[str, Any]) -> Child:
        """A child that waits for `go`."""
        self._count += 1
        stem = self.folder / str(self._count)
        paths = {name: str(stem.with_suffix(f".{name}")) for name in ("out", "err", "trace")}
        answer = self.ask({"op": "start", **paths, **request})
        return Child(self, answer["pid"], {name: Path(path) for name, path in paths.items()})

    def ask(self, request: Mapping[str, Any], pid: int = 0) -> dict[str, Any]:
        """A line there, a line back; a child that takes too long is killed."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(request).encode() + b"\n")
        stdin.flush()
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            if not selector.select(ANSWER_LIMIT_S) and pid:
                os.kill(pid, signal.SIGKILL)
        line = stdout.readline()
        assert line, f"the zygote died: {(self.folder / 'log').read_text()}"
        answer: dict[str, Any] = json.loads(line)
        return answer


@dataclass
class Child:
    """A run of the command."""

    zygote: Zygote
    pid: int
    paths: Mapping[str, Path]

    def go(self) -> None:
        """Lets it begin."""
        self.zygote.ask({"op": "go", "pid": self.pid})

    def wait(self) -> Ended:
        """Waits for its end."""
        status = self.zygote.ask({"op": "wait", "pid": self.pid}, self.pid)["status"]
        out, err, trace = (
            self.paths[name].read_text("utf-8", "replace") if self.paths[name].exists() else ""
            for name in ("out", "err", "trace")
        )
        for path in self.paths.values():
            path.unlink(missing_ok=True)
        return Ended(status, out, err, tuple(trace.splitlines()))

    def kill(self) -> None:
        """As a power cut would."""
        os.kill(self.pid, signal.SIGKILL)


@dataclass(frozen=True)
class Ended:
    """How a run ended; `trace` are the sentinels that it wrote and voided."""

    status: int
    out: str
    err: str
    trace: tuple[str, ...]

    def ok(self) -> Ended:
        """Itself, once it is certain that it ended well."""
        assert self.status == 0, f"status {self.status}\n{self.out}\n{self.err}"
        return self

    def json(self) -> Any:
        """The document of `--json`."""
        return json.loads(self.out)

    @property
    def errors(self) -> list[str]:
        """The sentences in which it failed."""
        return [line for line in self.err.splitlines() if line.startswith("error: ")]


@dataclass(frozen=True, order=True)
class Point:
    """A moment of a run: before or after the nth call, or sentinel, of a name."""

    name: str
    nth: int
    side: str

    def __str__(self) -> str:
        return f"{self.side} {self.name} ({self.nth})"


@dataclass
class Project:
    """A project folder and the names of its resources, which no other has."""

    kit: Kit
    name: str
    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)
    images_before: int = 0
    whole: bool = False

    def write(
        self, policies: tuple[str, ...] = (BASIC,), handler: str = "one", **more: Any
    ) -> None:
        """Writes the project's files; `more` are settings."""
        self.settings |= more
        lines = [f"{name} = {value}" for name, value in self.settings.items()]
        (self.folder / "lambdaimg.toml").write_text("\n".join(lines) + "\n")
        (self.folder / "policies").write_text("\n".join(policies) + "\n")
        (self.folder / ".dockerignore").write_text("*\n!handler\n")
        self.handler(handler)
        (self.folder / "Dockerfile").write_text('FROM scratch\nCOPY handler /\nCMD ["/handler"]\n')

    def handler(self, text: str) -> None:
        """Changes the handler, that is the image."""
        (self.folder / "handler").write_text(text)

    def start(self, *words: str, kill: Point | None = None, **more: Any) -> Child:
        """A run that waits for `go`."""
        env = self.kit.environment | more.pop("env", {})
        request: dict[str, Any] = {"argv": words, "cwd": str(self.folder), "env": env, **more}
        if kill is not None:
            request["kill"] = {"event": kill.name, "nth": kill.nth, "side": kill.side}
        return self.kit.zygote.start(request)

    def run(self, *words: str, **more: Any) -> Ended:
        """A run to its end."""
        child = self.start(*words, **more)
        child.go()
        return child.wait()

    def run_killed(self, point: Point, *words: str, **more: Any) -> Ended:
        """A run that is killed at a point; status 0 where it never came there."""
        service, _, operation = point.name.partition(".")
        proxy = self.kit.proxies.get(service)
        if proxy is None:
            return self.run(*words, kill=point, **more)
        child = self.start(*words, **more)
        rule = proxy.inject(point.name, Do(child.kill, Side(point.side)), skip=point.nth - 1)
        child.go()
        ended = child.wait()
        assert operation
        proxy.heal()
        assert bool(rule.struck) is (ended.status == -signal.SIGKILL), (rule, ended)
        return ended

    def points(self, *words: str, **more: Any) -> list[Point]:
        """Every moment of an undisturbed run at which it could be killed."""
        for proxy in self.kit.every_proxy:
            proxy.forget()
        ended = self.run(*words, **more).ok()
        names = [call.name for proxy in self.kit.every_proxy for call in proxy.calls()]
        names = [name for name in names if is_point(name)]
        names += ended.trace
        return [
            Point(name, nth, side)
            for name, count in sorted(Counter(names).items())
            for nth in range(1, count + 1)
            for side in sides(name)
        ]

    # --- what there is in the end ---------------------------------------------------------------

    def state(self, **tokens: str) -> dict[str, Any]:
        """Everything that is there under the project's names, without names, ids and times.

        Args:
            tokens: texts that differ between projects, by what stands in their place.
        """
        text = json.dumps(self._state(), default=str, sort_keys=True)
        for place, token in {"NAME": self.name, **tokens}.items():
            text = text.replace(token, place)
        found: dict[str, Any] = json.loads(text)
        return found

    def forget(self, target: str) -> None:
        """Takes the record of a target away."""
        (self.folder_of_records() / f"{target}.json").unlink(missing_ok=True)

    def queue_url(self) -> str:
        """The address of the queue."""
        name = json.loads(self.settings["queue_name"])
        return str(self.kit.client("sqs").get_queue_url(QueueName=name)["QueueUrl"])

    def mappings(self) -> list[Any]:
        """The mappings of the queue to the function."""
        client, name = self.kit.client("lambda"), json.loads(self.settings["queue_name"])
        found = client.list_event_source_mappings(FunctionName=self.name)["EventSourceMappings"]
        return [mapping for mapping in found if mapping["EventSourceArn"].endswith(f":{name}")]

    def images(self) -> int:
        """How many images the repository has."""
        answer = self.kit.client("ecr").describe_images(repositoryName=self.name)
        return len(answer["imageDetails"])

    def _state(self) -> dict[str, Any]:
        looks = {
            "repository": self._repository,
            "role": self._role,
            "function": self._function,
            "queue": self._queue,
            "mappings": self._mappings,
        }
        found: dict[str, Any] = {"records": self._records(), "names": self.names_in_engine()}
        for what, look in looks.items():
            try:
                found[what] = look()
            except ClientError as error:
                found[what] = error.response["Error"]["Code"]
        return found

    def names_in_engine(self) -> list[str]:
        """What the project's images are called in the engine."""
        patterns = [f"*{self.name}*", f"*/*{self.name}*"]
        listed = self.kit.engine.api.images(filters={"reference": patterns})
        return sorted({tag for image in listed for tag in image["RepoTags"] or ()})

    def _repository(self) -> Any:
        ecr = self.kit.client("ecr")
        (found,) = ecr.describe_repositories(repositoryNames=[self.name])["repositories"]
        images = ecr.describe_images(repositoryName=self.name)["imageDetails"]
        tags = ecr.list_tags_for_resource(resourceArn=found["repositoryArn"])["tags"]
        return {
            "images": len(images) - self.images_before,
            "untagged": sum(not image.get("imageTags") for image in images),
            "tags": tags,
            "scan": found["imageScanningConfiguration"],
        }

    def _role(self) -> Any:
        iam, name = self.kit.client("iam"), f"{self.name}-role"
        role = iam.get_role(RoleName=name)["Role"]
        attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
        tags = iam.list_role_tags(RoleName=name)["Tags"]
        return {
            "trust": role["AssumeRolePolicyDocument"],
            "policies": sorted(policy["PolicyArn"] for policy in attached),
            "tags": sorted(tags, key=lambda tag: str(tag["Key"])),
        }

    def _function(self) -> Any:
        answer = self.kit.client("lambda").get_function(FunctionName=self.name)
        now = answer["Configuration"]
        digest = answer["Code"]["ResolvedImageUri"].rpartition("@")[2]
        return {
            "state": (now["State"], now["LastUpdateStatus"]),
            "memory": str(now["MemorySize"]),
            "timeout": now["Timeout"],
            "role": now["Role"],
            "environment": (now.get("Environment") or {}).get("Variables"),
            "tags": answer.get("Tags"),
            "runs what was deployed": self.value("deploy").endswith(digest),
            "runs these sources": digest in self._digests_of_sources(),
        }

    def _digests_of_sources(self) -> set[str]:
        """The images of the repository with the tag of the sources as they are."""
        record = json.loads((self.folder_of_records() / "image.json").read_text())
        images = self.kit.client("ecr").batch_get_image(
            repositoryName=self.name, imageIds=[{"imageTag": f"src-{record['extra']['source']}"}]
        )["images"]
        return {image["imageId"]["imageDigest"] for image in images}

    def _queue(self) -> Any:
        sqs, url = self.kit.client("sqs"), self.queue_url()
        answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        kept = ("VisibilityTimeout", "MessageRetentionPeriod", "RedrivePolicy")
        return {
            "attributes": {name: answer["Attributes"].get(name) for name in kept},
            "tags": sqs.list_queue_tags(QueueUrl=url).get("Tags"),
        }

    def _mappings(self) -> Any:
        client = self.kit.client("lambda")
        return [
            {
                "queue": mapping["EventSourceArn"],
                "batch": mapping["BatchSize"],
                "state": mapping["State"],
                "responses": mapping.get("FunctionResponseTypes"),
                "tags": client.list_tags(Resource=mapping["EventSourceMappingArn"])["Tags"],
            }
            for mapping in self.mappings()
        ]

    def folder_of_records(self) -> Path:
        """Where the sentinels are."""
        (folder,) = [f for f in (self.folder / ".lambdaimg").iterdir() if f.is_dir()]
        return folder

    def _records(self) -> list[str]:
        root = self.folder / ".lambdaimg"
        return sorted(
            str(path.relative_to(root)).replace(self.folder_of_records().name, "ENV")
            for path in root.rglob("*")
            if path.is_file() and path.suffix != ".cache"
        )

    def value(self, target: str) -> str:
        """What the sentinel of a target holds."""
        path = self.folder_of_records() / f"{target}.json"
        return str(json.loads(path.read_text())["value"])


def is_point(name: str) -> bool:
    """Whether a run is killed at this call: the engine's own calls of the registry are left out."""
    service, _, call = name.partition(".")
    return call.endswith("manifests") if service == "registry" else service in SERVICES


def sides(name: str) -> tuple[str, ...]:
    """When a call may be cut off; those that stream their answer also in the middle of it."""
    if name in ("docker.POST /build", "docker.POST /images/NAME/push"):
        return ("before", "middle", "after")
    return ("before", "after")


@dataclass
class Kit:
    """The command between its proxies."""

    zygote: Zygote
    aws: AwsEndpoint
    aws_proxy: CountingProxy
    docker_proxy: CountingProxy
    engine: Any
    folder: Path
    run_id: str
    projects: list[Project] = field(default_factory=list)
    clients: dict[str, Any] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        aws, docker = self.aws_proxy, self.docker_proxy
        self.proxies = {**dict.fromkeys(SERVICES, aws), "docker": docker}
        self.every_proxy = (aws, docker)
        self.environment = {
            **os.environ,
            **self.aws.variables,
            "AWS_ENDPOINT_URL": aws.url,
            "DOCKER_HOST": docker.url.replace("http://", "tcp://"),
        }

    def client(self, service: str) -> Any:
        """A client that goes past the proxy."""
        if service not in self.clients:
            self.clients[service] = self.aws.client(service)
        return self.clients[service]

    def project(self, **settings: Any) -> Project:
        """A new project with names of its own."""
        name = f"t-{self.run_id}-{uuid.uuid4().hex[:8]}"
        folder = self.folder / name
        folder.mkdir()
        names = {
            "function_name": f'"{name}"',
            "image_name": f'"{name}"',
            "role_name": f'"{name}-role"',
            "queue_name": f'"{name}-queue"',
        }
        project = Project(self, name, folder, names)
        project.write(**settings)
        self.projects.append(project)
        return project

    def settle(self, function: str) -> None:
        """Waits until a function's change is in force."""
        self.client("lambda").get_waiter("function_updated_v2").wait(
            FunctionName=function, WaiterConfig={"Delay": 0.02, "MaxAttempts": 500}
        )

    def close(self) -> None:
        """Takes the images away, and every rule."""
        for proxy in self.every_proxy:
            proxy.heal()
            proxy.forget()
        for project in self.projects:
            for name in project.names_in_engine():
                self.engine.api.remove_image(name, force=True, noprune=True)
