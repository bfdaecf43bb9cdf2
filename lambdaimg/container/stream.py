"""Requests of the Docker Engine API that answer with a stream of JSON messages.

The SDK's own `build` and `push` cannot name a platform to push, and fail where a credential
helper fails that is not even needed; so the two requests are made here, by the SDK's session.
"""

from __future__ import annotations

import base64
import json
import socket
import warnings
from collections.abc import Generator, Iterator, Mapping
from typing import Any

from lambdaimg.cancel import Cancel


def post_stream(
    api: Any,
    path: str,
    params: Mapping[str, str],
    headers: Mapping[str, str],
    data: Iterator[bytes] | None = None,
    cancel: Cancel | None = None,
) -> Generator[dict[str, Any], None, None]:
    """POST, and the messages of the answer as they come.

    Args:
        api: the SDK's `APIClient`.
        path: behind the API's version, as in `/build`.
        params: the query.
        headers: of the request.
        data: pieces of the body.
        cancel: ends the request, and with it what the engine does, at once.

    Raises:
        InterruptedRunError: `cancel` ended it.
        docker.errors.APIError, requests.exceptions.RequestException: as the SDK does.
    """
    from docker.errors import StreamParseError, create_api_error_from_http_exception
    from requests.exceptions import HTTPError

    cancel = cancel or Cancel()
    response = api.post(
        f"{api.base_url}/v{api.api_version}{path}",
        params=params,
        headers=headers,
        data=_until(cancel, data) if data else None,
        timeout=api.timeout,
        stream=True,
    )
    with response, cancel.ending(lambda: _hang_up(response)):
        try:
            response.raise_for_status()
        except HTTPError as exc:
            create_api_error_from_http_exception(exc)
        for line in response.iter_lines():
            try:
                if line:
                    yield json.loads(line)
            except ValueError as exc:
                raise StreamParseError(str(exc)) from exc


def _until(cancel: Cancel, data: Iterator[bytes]) -> Iterator[bytes]:
    for piece in data:
        cancel.check()
        yield piece


def _hang_up(response: Any) -> None:
    """Ends a connection that another thread reads from, which closing it would not."""
    connection = getattr(response.raw, "_connection", None)
    held: socket.socket | None = getattr(connection, "sock", None)
    if held is not None:
        held.shutdown(socket.SHUT_RDWR)


def auth_header(credentials: Mapping[str, Any]) -> str:
    """Credentials as the engine takes them in a header."""
    return base64.urlsafe_b64encode(json.dumps(credentials).encode()).decode("ascii")


def pull_credentials() -> tuple[dict[str, Any], str | None]:
    """What the user's Docker configuration knows for pulling base images.

    Returns:
        credentials by registry, and why some are missing, or None. A helper that fails is no
        error: most base images need no login.
    """
    from docker.auth import load_config
    from docker.credentials.errors import StoreError
    from docker.errors import DockerException

    config: Any = load_config()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a helper that is not installed: told below
            return dict(config.get_all_credentials()), None
    except (DockerException, StoreError) as exc:
        return dict(config.auths), " ".join(str(exc).split())


def proxy_arguments(base_url: str) -> dict[str, str]:
    """Build args for the proxies that the user's Docker configuration names."""
    from docker.utils import config, proxy

    proxies: Any = config.load_general_config().get("proxies") or {}
    chosen: Any = proxies.get(base_url) or proxies.get("default") or {}
    environment: Any = proxy.ProxyConfig.from_dict(chosen).get_environment()
    return dict(environment)
