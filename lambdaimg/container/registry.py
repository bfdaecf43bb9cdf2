"""A registry, by the OCI distribution specification: manifests and blobs.

What fails for a passing reason (a broken connection, 429, 5xx) is tried again a few times;
everything here can be repeated without harm, since blobs and manifests are named by their hash.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urljoin

from lambdaimg.container.refusals import refusal
from lambdaimg.container.transport import Response, Transport
from lambdaimg.errors import ProjectError, PushError

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"

LAMBDA_MANIFESTS = frozenset({DOCKER_MANIFEST, OCI_MANIFEST})
"""What Lambda takes: the manifest of one image."""

INDEXES = frozenset({DOCKER_INDEX, OCI_INDEX})

ATTEMPTS = 4
FIRST_PAUSE_S = 0.2
CHUNK = 1 << 20

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest as the registry holds it; the digest is the hash of the body."""

    media_type: str
    digest: str
    body: bytes

    @property
    def content(self) -> dict[str, Any]:
        """The JSON object.

        Raises:
            PushError: the body is none.
        """
        try:
            parsed = json.loads(self.body)
        except ValueError:
            parsed = None
        if not isinstance(parsed, dict):
            raise PushError(
                f"The manifest {self.digest} is no JSON object.", "Push the image again."
            )
        return parsed


def sha256(content: bytes) -> str:
    """Digest of some bytes, as registries write it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class Registry:
    """One repository of a registry; safe to use from several threads.

    Every method raises `PushError` where the registry refuses or cannot be reached, and
    `ResourceGoneError` where the repository does not exist.

    Args:
        transport: the connection to the registry.
        repository: name without the host, as in `team/hello`.
        sleep: waits, in seconds, between attempts.
    """

    def __init__(
        self, transport: Transport, repository: str, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._transport = transport
        self._root = f"/v2/{quote(repository)}"
        self._scope = f"repository:{repository}:pull,push"
        self._shown = f"{transport.host}/{repository}"
        self._sleep = sleep

    def manifest(self, reference: str) -> Manifest | None:
        """The manifest under a tag or digest, None where there is none."""
        accept = ", ".join((*sorted(LAMBDA_MANIFESTS), *sorted(INDEXES)))
        response = self._get(f"/manifests/{quote(reference, safe=':')}", {"Accept": accept})
        if response is None:
            return None
        self._verify(response.body, reference)
        media_type = response.headers.get("content-type", "").partition(";")[0].strip()
        return Manifest(media_type, sha256(response.body), response.body)

    def put_manifest(self, reference: str, media_type: str, body: bytes) -> str:
        """Store a manifest under a tag or digest; its digest."""
        path = f"{self._root}/manifests/{quote(reference, safe=':')}"
        self._repeat(
            lambda: self._accepted("PUT", path, headers={"Content-Type": media_type}, body=body)
        )
        return sha256(body)

    def has_blob(self, digest: str) -> bool:
        """Whether the repository holds a blob."""
        return self._get(f"/blobs/{digest}", {}, method="HEAD") is not None

    def blob(self, digest: str) -> bytes | None:
        """A blob's bytes, None where there is none."""
        response = self._get(f"/blobs/{digest}", {})
        if response is None:
            return None
        self._verify(response.body, digest)
        return response.body

    def upload_blob(self, digest: str, content: bytes | Path) -> bool:
        """Store a blob in one piece, unless it is there.

        Args:
            digest: `sha256:...` of the content.
            content: bytes, or a file that is read while it is sent.

        Returns:
            whether anything was sent.
        """
        if self.has_blob(digest):
            return False
        self._repeat(lambda: self._upload(digest, content))
        return True

    def _upload(self, digest: str, content: bytes | Path) -> Response:
        begun = self._accepted("POST", f"{self._root}/blobs/uploads/", body=b"", length=0)
        location = urljoin(begun.url, begun.headers.get("location", ""))
        url = f"{location}{'&' if '?' in location else '?'}{urlencode({'digest': digest})}"
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        response = self._transport.request(
            "PUT",
            url,
            scope=self._scope,
            headers={"Content-Type": "application/octet-stream"},
            body=content if isinstance(content, bytes) else lambda: _pieces(content),
            length=size,
        )
        if any(code == "BLOB_UPLOAD_UNKNOWN" for code, _ in response.errors()):
            # It went through on a connection that broke before the answer came, or has expired.
            raise _PassingError("the upload is unknown")
        return self._checked(response)

    def _get(self, path: str, headers: dict[str, str], method: str = "GET") -> Response | None:
        """An answer, None for 'not found' (but a missing repository is an error)."""

        def attempt() -> Response | None:
            response = self._transport.request(
                method, self._root + path, scope=self._scope, headers=headers
            )
            if response.status == 404 and not any(
                code == "NAME_UNKNOWN" for code, _ in response.errors()
            ):
                return None
            return self._checked(response)

        return self._repeat(attempt)

    def _accepted(self, method: str, url: str, **more: Any) -> Response:
        return self._checked(self._transport.request(method, url, scope=self._scope, **more))

    def _checked(self, response: Response) -> Response:
        """The same answer where it is a success.

        Raises:
            _PassingError: it may be different in a moment.
        """
        if 200 <= response.status < 300:
            return response
        said = "; ".join(f"{code}: {message}" for code, message in response.errors())
        why = f"{said or http.client.responses.get(response.status, 'refused')} ({response.status})"
        if response.status == 429 or response.status >= 500:
            raise _PassingError(why)
        raise refusal(why, self._shown)

    def _repeat(self, attempt: Callable[[], T]) -> T:
        """Call until it does not fail for a passing reason; the last failure is an error."""
        for pause in (FIRST_PAUSE_S * 3**n for n in range(ATTEMPTS - 1)):
            try:
                return attempt()
            except ssl.SSLCertVerificationError as exc:
                raise refusal(f"certificate: {exc.verify_message}", self._shown) from exc
            except (_PassingError, OSError, http.client.HTTPException):
                self._sleep(pause)
        try:
            return attempt()
        except (_PassingError, OSError, http.client.HTTPException) as exc:
            raise refusal(str(exc) or type(exc).__name__, self._shown) from exc

    def _verify(self, body: bytes, wanted: str) -> None:
        if wanted.startswith("sha256:") and sha256(body) != wanted:
            raise PushError(
                f"{self._shown} answered with other bytes than those of {wanted}.",
                "Something between here and the registry changes what it says; run again.",
            )


def split_repository(repository: str) -> tuple[str, str]:
    """Host and name of a repository.

    Raises:
        ProjectError: it names no host, so that it would go to Docker Hub.
    """
    host, _, name = repository.partition("/")
    if not name or not ("." in host or ":" in host or host == "localhost"):
        raise ProjectError(
            f"{repository!r} names no registry.",
            hint="A repository's URI begins with its registry's host, as in "
            "123456789012.dkr.ecr.us-east-1.amazonaws.com/hello.",
        )
    return host, name


def check_manifest(manifest: Manifest, repository: str) -> None:
    """Refuse what Lambda would refuse.

    Raises:
        PushError: an index (an image of several platforms, or with attestations), or something
            else that is no image.
    """
    if manifest.media_type in LAMBDA_MANIFESTS:
        return
    if manifest.media_type in INDEXES:
        raise PushError(
            f"What was pushed to {repository} is an index of several manifests, and Lambda takes "
            "the manifest of one image.",
            hint="Build for one platform and without attestations: `docker buildx build "
            "--provenance=false --sbom=false --platform linux/amd64`; with the containerd image "
            "store of Docker 29, push one platform (`docker push --platform linux/amd64`).",
            media_type=manifest.media_type,
            digest=manifest.digest,
        )
    raise PushError(
        f"What was pushed to {repository} is of a kind that Lambda does not take: "
        f"{manifest.media_type or 'no media type'}.",
        hint="Build it with a Dockerfile, as a Docker or OCI image.",
        media_type=manifest.media_type,
        digest=manifest.digest,
    )


class _PassingError(Exception):
    """An answer that may be different in a moment."""


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            yield piece
