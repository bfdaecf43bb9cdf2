"""Finding the engine, over each way to it, and the one sentence where none answers."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lambdaimg.container import engine as engine_module
from lambdaimg.container.builder import BuildSpec, build
from lambdaimg.container.endpoint import resolve
from lambdaimg.container.engine import connect, endpoint, image_exists, local_image, ping
from lambdaimg.errors import NoEngineError
from tests.container.conftest import Tree, as_nobody, image_files
from tests.container.relay import Relay, unix


@pytest.fixture
def dial(engine: Any) -> Callable[[], socket.socket]:
    """Connects to the tests' engine."""
    path = endpoint().socket_path
    assert path is not None, "the tests' engine is one with a Unix socket"
    return unix(path)


def test_the_clients_version_is_the_engines(client: Any) -> None:
    info = ping(endpoint())
    assert info is not None
    assert client.api.api_version == info.api_version == client.version()["ApiVersion"]


def test_over_tcp(dial: Any, base_image: str) -> None:
    with Relay(dial) as relay:
        host = f"tcp://127.0.0.1:{relay.port}"
        assert image_exists(base_image, host) is True
        assert image_exists("lambdaimg-tests:none", host) is False
        made = connect(host)
        assert made.ping()
        made.close()


@pytest.mark.parametrize("verify", ["1", ""])
def test_over_tls(
    dial: Any,
    base_image: str,
    certificates: Path,
    monkeypatch: pytest.MonkeyPatch,
    verify: str,
) -> None:
    with Relay(dial, certificates) as relay:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{relay.port}")
        monkeypatch.setenv("DOCKER_CERT_PATH", str(certificates))
        monkeypatch.setenv("DOCKER_TLS_VERIFY", verify)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", ssl.get_default_verify_paths().openssl_cafile)
        assert image_exists(base_image) is True
        made = connect()
        assert made.ping()
        made.close()


def test_tls_files_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path))
    with pytest.raises(NoEngineError) as caught:
        connect()
    assert "DOCKER_CERT_PATH" in caught.value.hint


def test_a_certificate_that_is_not_trusted(
    dial: Any, certificates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Relay(dial, certificates) as relay:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{relay.port}")
        monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path))
        monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
        with pytest.raises(NoEngineError, match="certificate") as caught:
            connect()
    assert "DOCKER_CERT_PATH" in caught.value.hint


def test_what_the_engine_holds(client: Any, base_image: str) -> None:
    found = local_image(client, base_image)
    assert found is not None
    assert found.id.startswith("sha256:")
    assert base_image in found.tags
    assert found.size > 10_000_000
    assert found.layers
    assert found.platform.startswith("linux/")
    assert local_image(client, found.id) == found
    assert local_image(client, "lambdaimg-tests:none") is None


def test_the_cheap_look_agrees(client: Any, base_image: str) -> None:
    found = local_image(client, base_image)
    assert found is not None
    refs = (base_image, found.id, "sha256:" + "0" * 64)
    assert [image_exists(ref) for ref in refs] == [True, True, False]


def test_the_cheap_look_imports_no_sdk(base_image: str) -> None:
    code = (
        "import sys; from lambdaimg.container.engine import image_exists; "
        f"print(image_exists({base_image!r}), sorted({{'docker', 'requests'}} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True []"


# --- no engine ----------------------------------------------------------------------------------


def both(host: str) -> list[NoEngineError]:
    """The errors of both ways to the engine."""
    caught = []
    for attempt in (lambda: connect(host), lambda: image_exists("x", host)):
        with pytest.raises(NoEngineError) as error:
            attempt()
        caught.append(error.value)
    return caught


def test_no_socket(tmp_path: Path) -> None:
    for error in both(f"unix://{tmp_path}/none.sock"):
        assert error.message.endswith("does not answer: No such file or directory.")
        assert error.hint.startswith("Start Docker")


def test_a_socket_that_nobody_serves(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
    for error in both(f"unix://{path}"):
        assert "does not answer: Connection refused" in error.message


def test_a_port_that_nobody_serves() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    for error in both(f"tcp://127.0.0.1:{port}"):
        assert "Connection refused" in error.message


def test_a_host_that_does_not_exist() -> None:
    for error in both("tcp://no-such-host.invalid:2375"):
        assert "Check the host name" in error.hint


def test_permission_denied(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        path.chmod(0)

        def attempt() -> str:
            try:
                connect(f"unix://{path}")
            except NoEngineError as exc:
                return f"{exc.message} {exc.hint}"
            return "connected"

        said = as_nobody(attempt)
    assert "refuses access: Permission denied. Run as root, or add your user to the group" in said


def answering(answer: bytes) -> contextlib.AbstractContextManager[str]:
    """A server that gives one answer; its address as in DOCKER_HOST."""

    @contextlib.contextmanager
    def serving() -> Iterator[str]:
        with socket.create_server(("127.0.0.1", 0)) as server:

            def serve() -> None:
                connection, _ = server.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

            thread = threading.Thread(target=serve)
            thread.start()
            yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
            thread.join()

    return serving()


def test_an_engine_of_windows_containers() -> None:
    head = b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nOSType: windows\r\nContent-Length: 2\r\n\r\nOK"
    with answering(head) as host, pytest.raises(NoEngineError, match="runs windows containers"):
        connect(host)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "is no Docker engine"),
        (
            b"HTTP/1.1 500 No\r\nApi-Version: 1.41\r\nContent-Length: 0\r\n\r\n",
            "is no Docker engine",
        ),
        (b"", "does not answer"),
        (b"SSH-2.0-OpenSSH\r\n", "does not answer"),
    ],
)
def test_something_else_that_answers(tmp_path: Path, answer: bytes, said: str) -> None:
    with answering(answer) as host, pytest.raises(NoEngineError, match=said):
        ping(resolve(host, {}, tmp_path))


def test_an_engine_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "LOOK_TIMEOUT_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(NoEngineError) as caught:
            ping(resolve(f"tcp://127.0.0.1:{port}", {}, tmp_path))
    assert "restart it" in caught.value.hint


def ssh_command(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A command `ssh` in front of the system's, which writes down its arguments."""
    ssh = folder / "ssh"
    ssh.write_text(f'#!/bin/sh\necho "$*" >> {folder}/words\n{text}\n')
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder / "words"


def test_ssh_that_does_not_connect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ssh_command(tmp_path, "echo Warning >&2; echo 'ssh: no route' >&2; exit 255", monkeypatch)
    for attempt in (connect, lambda url: image_exists("x", url)):
        with pytest.raises(NoEngineError, match=r"ssh://nobody@there .* answer: ssh: no route\.$"):
            attempt("ssh://nobody@there")
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(NoEngineError, match=r"No such file.*") as caught:
        connect("ssh://there")
    assert "ssh command has to be installed" in caught.value.hint


def test_an_engine_over_ssh(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    base_image: str,
    docker_command: str,
    tree: Tree,
    tag: str,
) -> None:
    """The other machine is this one: what `ssh` would run there runs here."""
    here = endpoint().url
    said = ssh_command(
        tmp_path,
        f'while [ "$1" != docker ]; do shift; done\nDOCKER_HOST={here} exec "$@"',
        monkeypatch,
    )
    assert image_exists(base_image, "ssh://me@there:2222") is True
    assert image_exists("no-such-image", "ssh://me@there:2222") is False
    assert said.read_text().splitlines()[0] == (
        "-T -o ConnectTimeout=30 -l me -p 2222 -- there docker system dial-stdio"
    )
    client = connect("ssh://there")
    image = local_image(client, base_image)
    assert image is not None
    assert client.info()["OSType"] == "linux"
    assert local_image(client, "no-such-image") is None
    folder = tree({"Dockerfile": "FROM scratch\nCOPY x /\n", "x": "over ssh"})
    image = build(client, BuildSpec(folder, tag), lambda _: None)
    assert image_files(client, image.id)["x"][2] == "over ssh"
    client.close()
