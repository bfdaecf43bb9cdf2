"""The context object that a handler gets: attributes and methods of AWS's own."""

from time import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_W3C_FIELDS = ("traceparent", "tracestate", "baggage")


class Function:
    """What is the same for every event of an environment, read from it once.

    Args:
        environ: the environment variables, as `os.environ`.
    """

    __slots__ = ("log_group", "log_stream", "memory", "name", "version")

    def __init__(self, environ: "Mapping[str, str]") -> None:
        self.name = environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.version = environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.memory = environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.log_group = environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream = environ.get("AWS_LAMBDA_LOG_STREAM_NAME")


class _Record:
    """Fields with a readable repr."""

    _fields: "tuple[str, ...]" = ()

    def _fill(self, values: "Mapping[str, Any]") -> None:
        for field in self._fields:
            setattr(self, field, values.get(field))

    def __repr__(self) -> str:
        inner = ",".join(f"{field}={getattr(self, field)}" for field in self._fields)
        return f"{type(self).__name__}([{inner}])"


class CognitoIdentity(_Record):
    """Who called, where the caller signed in with Amazon Cognito; else both are None."""

    cognito_identity_id: "str | None" = None
    cognito_identity_pool_id: "str | None" = None
    _fields = ("cognito_identity_id", "cognito_identity_pool_id")


class Client(_Record):
    """The application that called through the AWS Mobile SDK."""

    installation_id: "str | None"
    app_title: "str | None"
    app_version_name: "str | None"
    app_version_code: "str | None"
    app_package_name: "str | None"
    _fields = (
        "installation_id",
        "app_title",
        "app_version_name",
        "app_version_code",
        "app_package_name",
    )

    def __init__(self, values: "Mapping[str, Any]") -> None:
        self._fill(values)


class ClientContext(_Record):
    """What the caller sent as client context: `custom`, `env`, and `client` as an object."""

    custom: "Any"
    env: "Any"
    client: "Client | None"
    _fields = ("custom", "env", "client")

    def __init__(self, values: "Mapping[str, Any]") -> None:
        self._fill(values)
        client: Any = self.client
        if client is not None:
            self.client = Client(client)


_NO_TRACE: "dict[str, str]" = {}


class Context:
    """About one invocation and the function it is for.

    AWS describes its attributes and methods at
    https://docs.aws.amazon.com/lambda/latest/dg/python-context.html.

    Attributes:
        aws_request_id: the invocation's id.
        function_name, function_version: the function's; None outside of Lambda.
        memory_limit_in_mb: the function's memory in MB, as a string.
        log_group_name, log_stream_name: where its log goes.
        invoked_function_arn: the ARN that the caller used; it may name a version or an alias.
        tenant_id: the tenant of a function with tenant isolation, else None.
        client_context: a `ClientContext`, None where the caller sent none.
        identity: a `CognitoIdentity`.
    """

    def __init__(
        self,
        function: Function,
        request_id: str,
        deadline_ms: int,
        invoked_function_arn: "str | None" = None,
        tenant_id: "str | None" = None,
        client_context: "dict[str, Any] | None" = None,
        identity: "dict[str, Any] | None" = None,
    ) -> None:
        self.aws_request_id = request_id
        self.function_name = function.name
        self.function_version = function.version
        self.memory_limit_in_mb = function.memory
        self.log_group_name = function.log_group
        self.log_stream_name = function.log_stream
        self.invoked_function_arn = invoked_function_arn
        self.tenant_id = tenant_id
        self._deadline_ms = deadline_ms
        self._w3c: dict[str, str] = _NO_TRACE
        self.client_context: ClientContext | None = None
        if client_context is not None:
            self._w3c = _take_w3c(client_context)
            self.client_context = ClientContext(client_context)
        self.identity = CognitoIdentity()
        if identity is not None:
            self.identity.cognito_identity_id = identity.get("cognitoIdentityId")
            self.identity.cognito_identity_pool_id = identity.get("cognitoIdentityPoolId")

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda ends the invocation; 0 where that is past."""
        return max(0, self._deadline_ms - int(time() * 1000))

    def w3c(self) -> "dict[str, str]":
        """The W3C trace context that came with the invocation.

        Those of `traceparent`, `tracestate` and `baggage` that came as text.
        """
        return dict(self._w3c)

    def log(self, message: object) -> None:
        """Write to the function's log as it stands, without a line end of its own."""
        from .sink import current_sink

        current_sink().write(str(message))

    def __repr__(self) -> str:
        fields = (
            "aws_request_id",
            "log_group_name",
            "log_stream_name",
            "function_name",
            "memory_limit_in_mb",
            "function_version",
            "invoked_function_arn",
            "client_context",
            "identity",
            "tenant_id",
        )
        inner = ",".join(f"{field}={getattr(self, field)}" for field in fields)
        return f"{type(self).__name__}([{inner}])"


def _take_w3c(client_context: "dict[str, Any]") -> "dict[str, str]":
    fields = client_context.pop("w3c", None) if isinstance(client_context, dict) else None
    if not isinstance(fields, dict):
        return {}
    return {name: fields[name] for name in _W3C_FIELDS if isinstance(fields.get(name), str)}
