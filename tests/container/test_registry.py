"""The registry client on the wire: logins, retries, redirects, refusals, TLS and proxies."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lambdaimg.container.refusals import TABLE, refusal
from lambdaimg.container.registry import ATTEMPTS, DOCKER_MANIFEST, OCI_INDEX, Registry, sha256
from lambdaimg.container.transport import RegistryAuth, Transport, registry_scheme
from lambdaimg.errors import LambdaimgError, PushError, ResourceGoneError
from tests.container.registry_server import RegistryServer
from tests.support.endpoint import AwsEndpoint

LOGIN = ("AWS", "hunter2")
AUTH = RegistryAuth(*LOGIN)
BLOB = b"some bytes"
MANIFEST = json.dumps({"schemaVersion": 2, "layers": []}).encode()

Open = Callable[..., Registry]


@pytest.fixture
def open_registry() -> Iterator[Open]:
    """`open_registry(server)` is a client of it that does not wait between attempts."""
    opened: list[Transport] = []

    def go(server: RegistryServer, auth: RegistryAuth | None = None, **more: Any) -> Registry:
        name = more.pop("repository", server.repository)
        opened.append(Transport(more.pop("host", server.host), auth, **more))
        return Registry(opened[-1], name, sleep=lambda _: None)

    yield go
    for transport in opened:
        transport.close()


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with RegistryServer("team/hello") as running:
        yield running


def test_blobs_and_manifests_go_in_and_come_back(
    server: RegistryServer, open_registry: Open
) -> None:
    registry = open_registry(server)
    assert registry.blob(sha256(BLOB)) is None
    assert not registry.has_blob(sha256(BLOB))
    assert registry.upload_blob(sha256(BLOB), BLOB)
    assert not registry.upload_blob(sha256(BLOB), BLOB)
    assert registry.blob(sha256(BLOB)) == BLOB
    assert registry.manifest("v1") is None
    digest = registry.put_manifest("v1", DOCKER_MANIFEST, MANIFEST)
    for reference in ("v1", digest):
        found = registry.manifest(reference)
        assert found is not None
        assert (found.digest, found.media_type, found.body) == (digest, DOCKER_MANIFEST, MANIFEST)
        assert found.content["schemaVersion"] == 2


def test_the_embedded_aws_speaks_the_same(
    aws_local: AwsEndpoint, unique: Callable[[str], str]
) -> None:
    name = unique("team/hello")
    aws_local.client("ecr").create_repository(repositoryName=name)
    transport = Transport(f"localhost:{aws_local.port}", AUTH)
    registry = Registry(transport, name)
    assert registry.upload_blob(sha256(BLOB), BLOB)
    assert not registry.upload_blob(sha256(BLOB), BLOB)
    config = {"digest": sha256(BLOB), "size": len(BLOB), "mediaType": "application/json"}
    body = json.dumps({"schemaVersion": 2, "config": config, "layers": []}).encode()
    digest = registry.put_manifest("v1", DOCKER_MANIFEST, body)
    found = registry.manifest(digest)
    assert found is not None
    assert found.body == body
    with pytest.raises(ResourceGoneError, match="does not exist"):
        Registry(transport, unique("none")).put_manifest("v1", DOCKER_MANIFEST, body)
    transport.close()


def test_files_are_streamed(server: RegistryServer, open_registry: Open, tmp_path: Path) -> None:
    file = tmp_path / "layer"
    file.write_bytes(BLOB * 300_000)
    registry = open_registry(server)
    digest = sha256(file.read_bytes())
    assert registry.upload_blob(digest, file)
    assert server.blobs[digest] == file.read_bytes()


def test_uploads_may_run_at_the_same_time(server: RegistryServer, open_registry: Open) -> None:
    registry = open_registry(server)
    blobs = [str(n).encode() * 1000 for n in range(24)]
    with ThreadPoolExecutor(6) as pool:
        sent = list(pool.map(lambda blob: registry.upload_blob(sha256(blob), blob), blobs))
    assert all(sent)
    assert set(server.blobs.values()) == set(blobs)


def test_a_connection_is_kept_and_replaced_when_it_was_closed(
    server: RegistryServer, open_registry: Open
) -> None:
    registry = open_registry(server)
    registry.upload_blob(sha256(BLOB), BLOB)
    for _ in range(3):
        server.faults = [0]
        assert registry.has_blob(sha256(BLOB))


# --- logins -------------------------------------------------------------------------------------


@pytest.mark.parametrize("bearer", [False, True])
def test_logins(open_registry: Open, bearer: bool) -> None:
    with RegistryServer("team/hello", LOGIN, bearer=bearer) as server:
        registry = open_registry(server, AUTH)
        assert registry.upload_blob(sha256(BLOB), BLOB)
        assert registry.blob(sha256(BLOB)) == BLOB
        tokens = [path for _, path, _ in server.seen if path == "/token"]
        assert len(tokens) == bearer


@pytest.mark.parametrize("bearer", [False, True])
@pytest.mark.parametrize("auth", [None, RegistryAuth("AWS", "wrong")])
def test_a_login_that_is_refused(
    open_registry: Open, bearer: bool, auth: RegistryAuth | None
) -> None:
    with (
        RegistryServer("team/hello", LOGIN, bearer=bearer) as server,
        pytest.raises(PushError, match="does not accept the login") as caught,
    ):
        open_registry(server, auth).manifest("v1")
    assert "wrong" not in json.dumps(caught.value.as_dict())


def test_the_password_does_not_show() -> None:
    assert "hunter2" not in repr(AUTH)


def test_a_redirect_is_followed_without_the_login(open_registry: Open) -> None:
    with RegistryServer("team/hello", LOGIN) as server:
        registry = open_registry(server, AUTH)
        registry.upload_blob(sha256(BLOB), BLOB)
        server.redirect = True
        assert registry.blob(sha256(BLOB)) == BLOB
        followed = [login for _, path, login in server.seen if path.startswith("/stored/")]
        assert followed == [""]


# --- what passes, and what does not -------------------------------------------------------------


@pytest.mark.parametrize("fault", [0, 429, 500, 502, 503])
def test_a_passing_fault_is_tried_again(
    server: RegistryServer, open_registry: Open, fault: int
) -> None:
    registry = open_registry(server)
    server.faults = [fault] * (ATTEMPTS - 1)
    assert registry.put_manifest("v1", DOCKER_MANIFEST, MANIFEST) == sha256(MANIFEST)
    server.faults = [fault]
    assert registry.upload_blob(sha256(BLOB), BLOB)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (0, "cannot be reached"),
        (503, "ordered by the test (503)"),
        (429, "answers no more requests"),
        (403, "refuses access"),
        (400, "ordered by the test (400)"),
    ],
)
def test_a_fault_that_stays_is_one_sentence(
    server: RegistryServer, open_registry: Open, fault: int, said: str
) -> None:
    pauses: list[float] = []
    registry = Registry(Transport(server.host), server.repository, sleep=pauses.append)
    server.faults = [fault] * 20
    with pytest.raises(PushError) as caught:
        registry.manifest("v1")
    assert said in caught.value.message
    waits = fault in (0, 429, 503)
    assert len(pauses) == (ATTEMPTS - 1) * waits
    assert pauses == sorted(pauses)


def test_a_registry_that_is_not_there(open_registry: Open, server: RegistryServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(PushError, match=r"cannot be reached: .*refused"):
        open_registry(server, host=f"127.0.0.1:{port}").manifest("v1")


def test_a_repository_that_does_not_exist(open_registry: Open, server: RegistryServer) -> None:
    registry = open_registry(server, repository="team/other")
    for attempt in (lambda: registry.manifest("v1"), lambda: registry.upload_blob("sha256:0", b"")):
        with pytest.raises(ResourceGoneError, match="team/other does not exist") as caught:
            attempt()
        assert caught.value.details["reason"] == "repository"


def test_other_bytes_than_the_digests_are_refused(
    open_registry: Open, server: RegistryServer
) -> None:
    registry = open_registry(server)
    registry.upload_blob(sha256(BLOB), BLOB)
    digest = registry.put_manifest("v1", DOCKER_MANIFEST, MANIFEST)
    server.corrupt = True
    for attempt in (lambda: registry.blob(sha256(BLOB)), lambda: registry.manifest(digest)):
        with pytest.raises(PushError, match="other bytes than those of sha256:"):
            attempt()


def test_a_manifest_that_is_no_object(open_registry: Open, server: RegistryServer) -> None:
    registry = open_registry(server)
    registry.put_manifest("v1", OCI_INDEX, b"[]")
    found = registry.manifest("v1")
    assert found is not None
    with pytest.raises(PushError, match="no JSON object"):
        _ = found.content


# --- TLS and proxies ----------------------------------------------------------------------------


def test_tls_with_an_authority_of_ones_own(open_registry: Open, certificates: Path) -> None:
    with RegistryServer("team/hello", certificates=certificates) as server:
        trusted = open_registry(server, scheme="https", ca_bundle=certificates / "ca.pem")
        assert trusted.upload_blob(sha256(BLOB), BLOB)
        with pytest.raises(PushError, match="certificate that is not trusted"):
            open_registry(server, scheme="https").manifest("v1")


@pytest.mark.parametrize(
    ("host", "scheme"),
    [
        ("localhost:5000", "http"),
        ("127.0.0.1", "http"),
        ("127.1.2.3:80", "http"),
        ("[::1]:5000", "http"),
        ("123456789012.dkr.ecr.us-east-1.amazonaws.com", "https"),
        ("localhost.example.org", "https"),
        ("registry:5000", "https"),
    ],
)
def test_the_scheme_is_that_of_the_engine(host: str, scheme: str) -> None:
    assert registry_scheme(host) == scheme


class ConnectProxy:
    """A proxy that leads every `CONNECT` to one port of this machine."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        self.asked: list[str] = []

    def serve_one(self) -> threading.Thread:
        thread = threading.Thread(target=self._one, daemon=True)
        thread.start()
        return thread

    def _one(self) -> None:
        near, _ = self._server.accept()
        head = b""
        while b"\r\n\r\n" not in head:
            head += near.recv(1)
        self.asked.append(head.split()[1].decode())
        near.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        with contextlib.closing(socket.create_connection(("127.0.0.1", self._to))) as far:
            back = threading.Thread(target=self._pump, args=(far, near), daemon=True)
            back.start()
            self._pump(near, far)
        self._server.close()

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                sink.sendall(piece)


def test_a_proxy_of_the_environment_is_used(
    open_registry: Open, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RegistryServer("team/hello", certificates=certificates) as server:
        proxy = ConnectProxy(server.port)
        proxy.serve_one()
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("https_proxy", proxy.url)
        registry = open_registry(
            server, host="registry.test:443", ca_bundle=certificates / "ca.pem"
        )
        assert registry.upload_blob(sha256(BLOB), BLOB)
        assert proxy.asked == ["registry.test:443"]


def test_hosts_without_a_proxy_are_called_themselves(
    open_registry: Open, server: RegistryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert open_registry(server).manifest("v1") is None
    monkeypatch.setenv("no_proxy", "registry.test")
    with pytest.raises(PushError, match=r"cannot be found|cannot be reached"):
        open_registry(server, host="registry.test:1").manifest("v1")


# --- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "error", "reason"),
    [
        (
            "name unknown: The repository with name 'x' does not exist in the registry with id '1'",
            ResourceGoneError,
            "repository",
        ),
        (
            "tag invalid: The image tag 'v1' already exists in the 'x' repository and cannot be "
            "overwritten because the repository is immutable.",
            PushError,
            "immutable",
        ),
        ("denied: Your authorization token has expired. Reauthenticate.", PushError, "login"),
        ("no basic auth credentials", PushError, "login"),
        ("unauthorized: authentication required", PushError, "login"),
        ("denied: User: arn:aws:iam::1:user/u is not authorized to perform", PushError, "denied"),
        ("toomanyrequests: Rate exceeded", PushError, "throttled"),
        ("dial tcp: lookup x on 10.0.0.2:53: no such host", PushError, "network"),
        ("x509: certificate signed by unknown authority", PushError, "certificate"),
        ("http: server gave HTTP response to HTTPS client", PushError, "scheme"),
        ("Put https://x: net/http: TLS handshake timeout", PushError, "network"),
        ("manifest invalid: unsupported media type", PushError, "manifest"),
        ("MANIFEST_BLOB_UNKNOWN: blob unknown to registry (404)", PushError, "blob"),
    ],
)
def test_what_registries_and_networks_say(
    said: str, error: type[LambdaimgError], reason: str
) -> None:
    told = refusal(said, "host/x")
    assert type(told) is error
    assert told.details["reason"] == reason
    assert told.message.endswith(".")
    assert told.hint.endswith(".")


def test_every_row_is_reached_and_other_words_are_kept() -> None:
    assert {row.reason for row in TABLE} == {
        "blob",
        "repository",
        "immutable",
        "login",
        "denied",
        "throttled",
        "network",
        "certificate",
        "scheme",
        "manifest",
    }
    told = refusal("something\n else.", "host/x")
    assert told.message == "The push to host/x failed: something else."
