"""The composition root: what a run works with, made lazily and handed to every target.

A `Context` belongs to one target of one run (`for_target`); all contexts of a run share the
clients, the Docker engine, the values of targets already done and the clock. The runs of several
functions share all of that but the values (`for_function`).
"""

from __future__ import annotations

import copy
import hashlib
import os
import re
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from lambdaimg.aws.retry import Waiter
from lambdaimg.cancel import Cancel
from lambdaimg.errors import LambdaimgError, SettingsError
from lambdaimg.make.store import Store, Whom
from lambdaimg.settings import Settings

if TYPE_CHECKING:
    from docker import DockerClient

    from lambdaimg.aws.clients import Clients
    from lambdaimg.calls import CallLog
    from lambdaimg.local.server import LocalAws

STATE_FOLDER = ".lambdaimg"
# Begins the name of what may change while a run goes on: the project's files, the engine's images.
PASSING = "passing: "
# What a run knows of one function: its records, and what was made of its sources.
RECORDS = "records"
FAST_PATH = "fast path"
DEFAULT_REGION = "us-east-1"
LOOPBACK = ("localhost", "127.0.0.1", "::1")
T = TypeVar("T")


class ProgressListener(Protocol):
    """Who hears the progress of a target."""

    def progress(self, target: str, text: str) -> None:
        """What the target does right now; replaces what it said before."""

    def output(self, target: str, text: str) -> None:
        """Output of the target's own that is to be kept on the screen, such as a build's."""


class Silent:
    """A listener for runs that show nothing."""

    def progress(self, target: str, text: str) -> None:
        """Heard by nobody."""

    def output(self, target: str, text: str) -> None:
        """Heard by nobody."""


class Context:
    """What a target's functions get.

    Args:
        project: the project's folder.
        settings: the resolved settings.
        environ: the environment, with the embedded AWS's variables in it where that is used.
        local: the embedded AWS; None for AWS itself.
        listener: who hears progress.
        waiter: the clock of all waits.
        calls: where every call is written down, for `--debug`.

    A run sets `onward`: more is to be done than the image; and `fast`: the image is wanted in the
    registry alone, so that it need not be in the engine (see `fast`).
    """

    def __init__(
        self,
        project: Path,
        settings: Settings,
        environ: Mapping[str, str] | None = None,
        local: LocalAws | None = None,
        listener: ProgressListener | None = None,
        waiter: Waiter | None = None,
        calls: CallLog | None = None,
    ) -> None:
        self.project = project
        self.settings = settings
        self.environ: Mapping[str, str] = os.environ if environ is None else environ
        self.local = local
        self.listener: ProgressListener = listener or Silent()
        self.waiter = waiter or Waiter()
        self.stopping = Cancel()
        self.calls = calls
        self.target = ""
        self.values: dict[str, str] = {}
        self.extras: dict[str, Mapping[str, Any]] = {}
        self.forced = frozenset[str]()
        self.leaving = frozenset({settings.function_name})
        self.onward = False
        self.fast = False
        self.own: dict[str, Any] = {}
        self.shared: dict[str, Any] = {}
        self._lock = threading.RLock()

    # --- what the runner asks ---------------------------------------------------------------

    def for_target(self, name: str) -> Context:
        """The context of one target; shares everything but its name."""
        view = copy.copy(self)
        view.target = name
        return view

    def for_function(self, settings: Settings, listener: ProgressListener) -> Context:
        """The context of the run of one function of several; values and records are its own."""
        view = copy.copy(self)
        view.settings, view.listener = settings, listener
        view.values, view.extras, view.own = {}, {}, {}
        view.leaving = frozenset({settings.function_name})
        return view

    def setting(self, name: str) -> Any:
        """The value of a setting, or of a property made from settings."""
        return getattr(self.settings, name)

    def stated(self, name: str) -> bool:
        """Whether the user states a setting; what is not stated is left as it is at AWS."""
        return self.settings.source(name) != "default"

    def path(self, name: str) -> Path:
        """The absolute path of a file that is named relative to the project."""
        return self.project / Path(name).expanduser()

    def file_digest(self, setting: str) -> str:
        """A hash of the content of the file that `setting` names; '' where it is missing."""
        try:
            return hashlib.sha256(self.path(self.setting(setting)).read_bytes()).hexdigest()[:16]
        except OSError:
            return ""

    def remember(self, target: str, value: str, extra: Mapping[str, Any]) -> None:
        """Keeps the value of a target that is done."""
        self.values[target] = value
        self.extras[target] = extra

    def translate(self, error: Exception, target: str) -> LambdaimgError:
        """A foreign exception as one of ours; what nobody knows is named as it is."""
        from lambdaimg.aws import errors as aws_errors
        from lambdaimg.container import errors as container_errors

        told = aws_errors.translate(error, self.region)
        if told is None and container_errors.is_foreign(error):
            told = container_errors.translate(error, target)
        if told is None and isinstance(error, OSError):
            from lambdaimg import os_errors

            told = os_errors.translate(error)
        if told is None:
            text = " ".join(str(error).split()) or type(error).__name__
            told = LambdaimgError(
                f"{target} failed: {type(error).__name__}: {text}",
                "This is a fault of lambdaimg: run again with --debug and report it.",
            )
        told.__cause__ = error
        return told

    def renew(self) -> None:
        """Forgets what was read of the project's files, and what was made of it."""
        with self._lock:
            for name in [name for name in self.shared if name.startswith(PASSING)]:
                del self.shared[name]
            self.own.pop(FAST_PATH, None)

    def sleep(self, seconds: float) -> None:
        """Waits, unless the run is interrupted."""
        self.waiter.sleep(seconds)

    def cancel(self) -> None:
        """Ends every wait of the run, and what goes on within `stopping.ending`."""
        self.waiter.cancel()
        self.stopping.now()

    # --- what targets ask -------------------------------------------------------------------

    def value(self, target: str) -> str:
        """The value of a target that is done before this one."""
        return self.values[target]

    def kept(self, target: str, name: str) -> Any:
        """What the sentinel of a target keeps beside its value; None where it keeps none."""
        return self.extras.get(target, {}).get(name)

    def say(self, text: str) -> None:
        """Tells what this target does right now."""
        self.waiter.check()
        self.listener.progress(self.target, text)

    def output(self, text: str) -> None:
        """Shows output that is to stay."""
        self.waiter.check()
        self.listener.output(self.target, text)

    def once(self, name: str, make: Callable[[], T]) -> T:
        """`make()`, computed once per run."""
        with self._lock:
            if name not in self.shared:
                self.shared[name] = make()
            found: T = self.shared[name]
            return found

    # --- AWS ----------------------------------------------------------------------------------

    @property
    def region(self) -> str:
        """The region: the setting, else the profile's, else us-east-1."""
        return self.settings.region or self.once("region", self._profile_region)

    def _profile_region(self) -> str:
        return profile_region(self.settings.profile, self.environ) or DEFAULT_REGION

    @property
    def endpoint(self) -> str:
        """The endpoints that AWS's own variables name, as one text; '' for AWS itself."""
        found = {
            name: value
            for name, value in self.environ.items()
            if value and re.fullmatch(r"AWS_ENDPOINT_URL(_[A-Z_]+)?", name)
        }
        if set(found) == {"AWS_ENDPOINT_URL"}:
            return found["AWS_ENDPOINT_URL"]
        return " ".join(f"{name}={value}" for name, value in sorted(found.items()))

    @property
    def clients(self) -> Clients:
        """The AWS clients."""

        def make() -> Clients:
            from lambdaimg.aws.clients import Access, Clients

            profile = "" if self.local else self.settings.profile
            return Clients(Access(region=self.region, profile=profile), self.calls)

        return self.once("clients", make)

    def aws(self, service: str) -> Any:
        """The boto3 client of a service."""
        return self.clients.client(service)

    def make_clients(self, *services: str) -> None:
        """Makes clients beside, for the targets after one that waits for something else.

        Making them takes longer than the calls. What goes wrong, whoever needs them will meet.
        """

        def make() -> None:
            with suppress(Exception):
                for service in services:
                    self.aws(service)

        threading.Thread(target=make, name="clients", daemon=True).start()

    def account(self, trust: bool = False) -> str:
        """The account, asked of STS where it is not known for these credentials.

        Args:
            trust: take the account last found this way, without a look at the credentials.

        Raises:
            CredentialsError: there are no credentials.
            SettingsError: the credentials are of another account than the setting says.
        """
        if self.local:
            return self.local.account
        if trust and self.settings.account:
            return self.settings.account
        from lambdaimg.aws import identity

        folder = self.state_root
        through = identity.way(self.settings.profile, self.endpoint, self.environ)
        known = identity.recall(folder, through)
        if trust and known:
            return known[1]
        key = identity.key_hash(self.clients.access_key_id())
        if known and known[0] == key:
            account = known[1]
        else:
            account = str(self.aws("sts").get_caller_identity()["Account"])
            identity.remember(folder, through, key, account)
        if self.settings.account and self.settings.account != account:
            raise SettingsError(
                f"The credentials are of account {account}, not {self.settings.account} "
                f"(from {self.settings.source('account')}).",
                hint="Choose another profile, or take the setting away.",
            )
        return account

    def repository_uri(self, uri: str) -> str:
        """Where to push to for a repository that ECR gave the address `uri`.

        An AWS on this machine names AWS's own hosts, and serves the registry itself.
        """
        from urllib.parse import urlsplit

        endpoint = str(self.aws("ecr").meta.endpoint_url)
        if urlsplit(endpoint).hostname not in LOOPBACK:
            return uri
        from lambdaimg.local.registry import local_repository_uri

        return local_repository_uri(uri, endpoint)

    # --- Docker -------------------------------------------------------------------------------

    def engine(self) -> DockerClient:
        """The Docker engine.

        Raises:
            NoEngineError: none answers.
        """

        def make() -> DockerClient:
            from lambdaimg.container.engine import connect, watch

            client = connect()
            if self.calls is not None:
                watch(client, self.calls)
            return client

        return self.once("engine", make)

    # --- state --------------------------------------------------------------------------------

    @property
    def state_root(self) -> Path:
        """`.lambdaimg` of the project."""
        return self.project / STATE_FOLDER

    @property
    def records_open(self) -> bool:
        """Whether this is a run that keeps records."""
        return RECORDS in self.own

    def records(self) -> Store:
        """The sentinels of this environment, for reading what the last run left."""
        with self._lock:
            if RECORDS not in self.own:
                self.own[RECORDS] = self.store(trust=True)
            found: Store = self.own[RECORDS]
            return found

    def store(self, trust: bool = False) -> Store:
        """The sentinels of this environment: account, region, endpoint and function."""
        account = self.once(f"account {trust}", lambda: self.account(trust))
        whom = Whom(account, self.region, self.endpoint)
        return Store(self.state_root / environment_name(whom, self.settings.function_name), whom)


def environment_name(whom: Whom, function: str) -> str:
    """The folder of the sentinels of one account, region, endpoint and function."""
    name = f"{whom.account}-{whom.region}-{function}"
    if not whom.endpoint:
        return name
    parts = re.fullmatch(r"(https?)://([\w.-]+)(?::(\d+))?/?", whom.endpoint)
    if parts:
        return f"{name}@{parts[2].lower()}-{parts[3] or parts[1]}"
    return f"{name}@{hashlib.sha256(whom.endpoint.encode()).hexdigest()[:12]}"


def profile_region(profile: str, environ: Mapping[str, str]) -> str:
    """The region of a profile in AWS's configuration files; '' where there is none.

    Read here rather than by boto3, so that a run in which nothing is to be done needs no boto3.
    """
    name = profile or environ.get("AWS_DEFAULT_PROFILE", "") or "default"
    home = Path(environ.get("HOME", "~")).expanduser()
    files = (
        (environ.get("AWS_CONFIG_FILE") or str(home / ".aws/config"), f"profile {name}"),
        (environ.get("AWS_SHARED_CREDENTIALS_FILE") or str(home / ".aws/credentials"), name),
    )
    for file, section in files:
        path = Path(file).expanduser()
        if not path.is_file():
            continue
        import configparser

        parser = configparser.RawConfigParser(strict=False)
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError, OSError):
            continue
        for candidate in (section, name):
            if parser.has_option(candidate, "region"):
                return parser.get(candidate, "region").strip()
    return ""
