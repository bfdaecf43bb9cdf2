"""boto3's clients: made when first used, each once, with bounded times.

They are made by botocore, which boto3 makes them by too: importing boto3 for it would take as long
as a whole call.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lambdaimg import __version__
from lambdaimg.calls import Call, CallLog, describe
from lambdaimg.errors import AwsError, CredentialsError, SettingsError

CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 60
MAX_ATTEMPTS = 6
POOL = 16
# boto3 needs 30 ms to tell its regions; whoever works in one of these need not wait for that.
USUAL_REGIONS = frozenset(
    f"{where}-{number}"
    for where, numbers in {
        "us-east": (1, 2), "us-west": (1, 2), "ca-central": (1,), "sa-east": (1,),
        "eu-central": (1, 2), "eu-north": (1,), "eu-south": (1, 2), "eu-west": (1, 2, 3),
        "ap-east": (1,), "ap-northeast": (1, 2, 3), "ap-south": (1, 2),
        "ap-southeast": (1, 2, 3, 4), "me-central": (1,), "me-south": (1,), "af-south": (1,),
        "il-central": (1,),
    }.items()
    for number in numbers
)  # fmt: skip


@dataclass(frozen=True)
class Access:
    """How to reach AWS.

    Args:
        region: the AWS region.
        profile: the profile; empty for boto3's own order.
        endpoint: an endpoint for every service; empty for AWS itself or boto3's own settings.
        credentials: access key id and secret key; None for boto3's own order.
    """

    region: str
    profile: str = ""
    endpoint: str = ""
    credentials: tuple[str, str] | None = field(default=None, repr=False)


class Clients:
    """The session and its clients; safe to use from several threads."""

    def __init__(self, access: Access, calls: CallLog | None = None) -> None:
        self.access = access
        self.calls = calls
        self._lock = threading.RLock()
        self._session: Any = None
        self._clients: dict[tuple[str, Any], Any] = {}

    @property
    def session(self) -> Any:
        """The botocore session.

        Raises:
            SettingsError: the region is none that Lambda is known in.
            CredentialsError: the profile does not exist.
        """
        with self._lock:
            if self._session is None:
                self._session = self._make_session()
            return self._session

    def _make_session(self) -> Any:
        from botocore.session import Session

        access = self.access
        session = Session(profile=access.profile or None)
        session.set_config_variable("region", access.region)
        if access.credentials:
            session.set_credentials(*access.credentials)
        _check_region(session, access.region)
        return session

    def access_key_id(self) -> str:
        """The access key id in use, which names the account's credentials and is no secret.

        Raises:
            CredentialsError: there are no credentials, or none that can be used.
        """
        from botocore.exceptions import BotoCoreError

        try:
            credentials = self.session.get_credentials()
            frozen = credentials and credentials.get_frozen_credentials()
        except BotoCoreError:
            raise
        except (OSError, ValueError) as error:
            # What the user's configuration names is not there, or says what nobody understands.
            raise CredentialsError(
                f"The AWS credentials could not be fetched: {error}",
                hint="Look at what the profile names: credential_process, web_identity_token_file.",
            ) from error
        if frozen is None:
            raise CredentialsError(
                "There are no AWS credentials.",
                hint="Run `aws configure` or `aws sso login`, set AWS_PROFILE, "
                "or use --local, which needs none.",
            )
        return str(frozen.access_key)

    def client(
        self, service: str, read_timeout: float = READ_TIMEOUT_S, retries: bool = True
    ) -> Any:
        """The client of `service`.

        Args:
            read_timeout: seconds to wait for an answer.
            retries: whether boto3 may send a request again. Never for an invocation, which
                would run the function twice (boto/boto3#1104).

        Raises:
            CredentialsError: there are no credentials, or none that can be used.
            SettingsError: an endpoint is none.
        """
        key = (service, (read_timeout, retries))
        with self._lock:
            if key not in self._clients:
                from botocore.config import Config
                from botocore.exceptions import BotoCoreError

                self.access_key_id()
                attempts = MAX_ATTEMPTS if retries else 1
                config = Config(
                    connect_timeout=CONNECT_TIMEOUT_S,
                    read_timeout=read_timeout,
                    retries={"mode": "standard", "total_max_attempts": attempts},
                    max_pool_connections=POOL,
                    user_agent_extra=f"lambdaimg/{__version__}",
                )
                try:
                    made = self.session.create_client(
                        service, endpoint_url=self.access.endpoint or None, config=config
                    )
                except BotoCoreError:
                    raise
                except ValueError as error:
                    raise SettingsError(
                        f"There is no way to AWS's {service}: {error}.",
                        hint="Check AWS_ENDPOINT_URL, and endpoint_url in the AWS profile.",
                    ) from error
                made.meta.events.register("after-call", refuse_pages)
                if self.calls is not None:
                    watch(made, self.calls)
                self._clients[key] = made
            return self._clients[key]


def refuse_pages(http_response: Any, **_more: Any) -> None:
    """Refuses an answer that is a web page: JSON protocols would take it for an empty one.

    Raises:
        AwsError: what answers is not AWS.
    """
    page = "text/html" in http_response.headers.get("Content-Type", "")
    # Emulators send JSON under that name too.
    if page and http_response.content.lstrip()[:1] == b"<":
        raise AwsError(
            "What answers is a web page and not AWS.",
            hint="Check AWS_ENDPOINT_URL and proxies; a network that asks for a login does this.",
        )


def watch(client: Any, calls: CallLog) -> None:
    """Writes every call of a client down."""
    service = client.meta.service_model.service_name

    def begun(params: Mapping[str, Any], context: dict[str, Any], **_more: Any) -> None:
        context["lambdaimg"] = (time.monotonic(), describe(params))

    def ended(name: str, context: dict[str, Any], outcome: str, known: Mapping[str, Any]) -> None:
        began, parameters = context.get("lambdaimg", (time.monotonic(), ""))
        attempts = int(known.get("RetryAttempts", 0)) + 1
        identity = str(known.get("RequestId", ""))
        seconds = time.monotonic() - began
        calls.add(Call(f"{service}.{name}", outcome, seconds, attempts, identity, parameters))

    def answered(
        parsed: Mapping[str, Any], model: Any, context: dict[str, Any], **_more: Any
    ) -> None:
        known = parsed.get("ResponseMetadata", {})
        code = parsed.get("Error", {}).get("Code", "")
        ended(model.name, context, f"{known.get('HTTPStatusCode', '')} {code}".strip(), known)

    def failed(
        exception: Exception, context: dict[str, Any], event_name: str, **_more: Any
    ) -> None:
        ended(event_name.rpartition(".")[2], context, type(exception).__name__, {})

    client.meta.events.register("provide-client-params", begun)
    client.meta.events.register("after-call", answered)
    client.meta.events.register("after-call-error", failed)


def _check_region(session: Any, region: str) -> None:
    if region in USUAL_REGIONS:
        return
    known = {
        name
        for partition in session.get_available_partitions()
        for name in session.get_available_regions("lambda", partition_name=partition)
    }
    if region in known:
        return
    import difflib

    close = difflib.get_close_matches(region, sorted(known), n=1)
    hint = f"Did you mean {close[0]}?" if close else "A new region may need a newer boto3."
    raise SettingsError(f"Lambda is not known in a region {region}.", hint=hint)
