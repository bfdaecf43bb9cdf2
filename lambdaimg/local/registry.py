"""Where the embedded AWS keeps images: the one function that knows.

MiniStack's ECR answers with the host names of AWS (`000000000000.dkr.ecr.REGION.amazonaws.com`)
and serves the registry's protocol on its own port. `localhost` is the name that a Docker engine
takes without TLS; `127.0.0.1` in an image's name would make a second name for the same image.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_ECR_HOST = re.compile(
    r"\A(?P<scheme>https?://)?"
    r"(?P<account>\d{12})\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\."
    r"(?P<domain>amazonaws\.com(?:\.cn)?|on\.aws|on\.amazonwebservices\.com\.cn)"
    r"(?P<rest>/.*)?\Z"
)


def local_repository_uri(uri: str, endpoint: str) -> str:
    """The local form of an ECR repository URI, image URI or proxy endpoint.

    Args:
        uri: what ECR returned, with or without scheme, repository, tag or digest, such as
            `000000000000.dkr.ecr.us-east-1.amazonaws.com/team/hello@sha256:...`.
        endpoint: the embedded AWS's URL, such as `http://127.0.0.1:14566`.

    Returns:
        The same with `localhost:PORT` in place of AWS's host: without scheme where there was
        none, `http://` where there was one. Anything that is no ECR URI comes back as it is.
    """
    match = _ECR_HOST.match(uri)
    port = urlsplit(endpoint).port
    if match is None or port is None:
        return uri
    scheme = "http://" if match["scheme"] else ""
    return f"{scheme}localhost:{port}{match['rest'] or ''}"
