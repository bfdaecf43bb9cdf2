"""A small registry of the OCI distribution specification, with faults that tests can order.

It takes pushes of a real Docker engine. MiniStack's registry is the one for everything ordinary;
this one asks for logins, breaks connections, redirects and refuses.
"""

from __future__ import annotations

import base64
import hashlib
import json
import ssl
import sys
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "a-token"


class RegistryServer:
    """A registry with one repository.

    Args:
        repository: its name; every other is unknown.
        login: user and password that are asked for, or None.
        bearer: ask for a token, which the login gets from `/token`.
        certificates: folder with cert.pem and key.pem for HTTPS.

    Attributes:
        blobs, manifests, types: what is stored; manifests by tag and digest.
        seen: method, path and `Authorization` of each request.
        faults: status codes (0: break the connection) for the next requests.
        immutable: refuse to overwrite a tag, in Amazon ECR's words.
        redirect: answer blobs by a redirect to another host name of this machine.
        corrupt: answer with other bytes.
        served_type: media type of manifests in answers, where not their own.
    """

    def __init__(
        self,
        repository: str,
        login: tuple[str, str] | None = None,
        bearer: bool = False,
        certificates: Path | None = None,
    ) -> None:
        self.repository = repository
        self.login = login
        self.bearer = bearer
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, bytes] = {}
        self.types: dict[str, str] = {}
        self.uploads: dict[str, bytes] = {}
        self.seen: list[tuple[str, str, str]] = []
        self.faults: list[int] = []
        self.immutable = False
        self.redirect = False
        self.corrupt = False
        self.served_type: str | None = None
        handler = type("Handler", (_Handler,), {"registry": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        if certificates:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificates / "cert.pem", certificates / "key.pem")
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port: int = self._server.server_address[1]
        self.host = f"localhost:{self.port}"

    def __enter__(self) -> RegistryServer:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def allows(self, authorization: str) -> bool:
        """Whether an `Authorization` header is the login that is asked for."""
        if self.login is None:
            return True
        if self.bearer:
            return authorization == f"Bearer {TOKEN}"
        return authorization == self.basic

    @property
    def basic(self) -> str:
        """The header of the login itself."""
        user, password = self.login or ("", "")
        return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that break off are part of the tests; everything else is shown."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    registry: RegistryServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        return

    def do_GET(self) -> None:
        self._serve()

    do_HEAD = do_POST = do_PUT = do_PATCH = do_GET

    def _serve(self) -> None:
        body = b"".join(self._body())
        registry, url = self.registry, urlsplit(self.path)
        authorization = self.headers.get("Authorization", "")
        registry.seen.append((self.command, url.path, authorization))
        if url.path.startswith("/stored/"):
            return self._blob(url.path.removeprefix("/stored/"))
        if url.path == "/token":
            if authorization != registry.basic:
                return self._error(401, "UNAUTHORIZED", "authentication required")
            return self._json(200, {"token": TOKEN, "scope": parse_qs(url.query)["scope"]})
        if registry.faults:
            status = registry.faults.pop(0)
            if status == 0:
                self.close_connection = True
                return None
            return self._error(status, "FAULT", "ordered by the test")
        if not registry.allows(authorization):
            kind = 'Basic realm="test"'
            if registry.bearer:
                kind = f'Bearer realm="http://{registry.host}/token",service="test",scope="x"'
            return self._error(401, "UNAUTHORIZED", "authentication required", kind)
        if url.path == "/v2/":
            return self._json(200, {})
        root = f"/v2/{registry.repository}/"
        if not url.path.startswith(root):
            return self._error(404, "NAME_UNKNOWN", f"repository {url.path} does not exist")
        what, _, name = url.path.removeprefix(root).partition("/")
        if what == "manifests":
            return self._manifest(name, body)
        if name.startswith("uploads/"):
            return self._upload(name.removeprefix("uploads/"), body, parse_qs(url.query))
        if registry.redirect and self.command == "GET" and name in registry.blobs:
            target = f"http://127.0.0.1:{registry.port}/stored/{name}"
            return self._answer(307, b"", {"Location": target})
        return self._blob(name)

    def _blob(self, digest: str) -> None:
        content = self.registry.blobs.get(digest)
        if content is None:
            return self._error(404, "BLOB_UNKNOWN", "blob unknown to registry")
        return self._answer(200, content + b"!" * self.registry.corrupt, {})

    def _manifest(self, reference: str, body: bytes) -> None:
        registry = self.registry
        if self.command == "PUT":
            digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
            if registry.immutable and reference in registry.manifests:
                text = (
                    f"The image tag '{reference}' already exists in the '{registry.repository}' "
                    "repository and cannot be overwritten because the repository is immutable."
                )
                return self._error(400, "TAG_INVALID", text)
            for name in (reference, digest):
                registry.manifests[name] = body
                registry.types[name] = self.headers["Content-Type"]
            return self._answer(201, b"", {"Docker-Content-Digest": digest})
        content = registry.manifests.get(reference)
        if content is None:
            return self._error(404, "MANIFEST_UNKNOWN", "manifest unknown")
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        kind = registry.served_type or registry.types[reference]
        content += b" " * registry.corrupt
        return self._answer(200, content, {"Content-Type": kind, "Docker-Content-Digest": digest})

    def _upload(self, name: str, body: bytes, query: dict[str, list[str]]) -> None:
        registry = self.registry
        name = name or uuid.uuid4().hex
        registry.uploads[name] = registry.uploads.get(name, b"") + body
        if self.command != "PUT":
            size = len(registry.uploads[name])
            location = f"/v2/{registry.repository}/blobs/uploads/{name}?state=1"
            headers = {"Location": location, "Range": f"0-{max(size - 1, 0)}"}
            return self._answer(202, b"", headers)
        content = registry.uploads.pop(name)
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        if query["digest"] != [digest]:
            return self._error(400, "DIGEST_INVALID", "provided digest did not match")
        registry.blobs[digest] = content
        return self._answer(201, b"", {"Docker-Content-Digest": digest})

    def _body(self) -> Iterator[bytes]:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while head := self.rfile.readline():
                size = int(head.partition(b";")[0], 16)
                if not size:
                    self.rfile.readline()
                    return
                yield self.rfile.read(size)
                self.rfile.readline()
            raise ConnectionAbortedError
        elif length := int(self.headers.get("Content-Length") or 0):
            yield self.rfile.read(length)

    def _json(self, status: int, content: dict[str, Any]) -> None:
        self._answer(status, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _error(self, status: int, code: str, message: str, challenge: str = "") -> None:
        body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
        headers = {"Content-Type": "application/json"}
        if challenge:
            headers["WWW-Authenticate"] = challenge
        self._answer(status, body, headers)

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
