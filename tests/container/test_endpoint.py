"""Which engine is meant: the environment, Docker's contexts, the default."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from lambdaimg.container.endpoint import DEFAULT_HOST, Endpoint, resolve
from lambdaimg.errors import NoEngineError


def add_context(home: Path, name: str, docker: Any, tls: bool = False) -> None:
    key = hashlib.sha256(name.encode()).hexdigest()
    folder = home / ".docker" / "contexts"
    meta = folder / "meta" / key / "meta.json"
    meta.parent.mkdir(parents=True)
    meta.write_text(json.dumps({"Name": name, "Metadata": {}, "Endpoints": {"docker": docker}}))
    if tls:
        certificates = folder / "tls" / key / "docker"
        certificates.mkdir(parents=True)
        (certificates / "ca.pem").write_text("")


def use(home: Path, text: str) -> None:
    (home / ".docker").mkdir(exist_ok=True)
    (home / ".docker" / "config.json").write_text(text)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    add_context(tmp_path, "remote", {"Host": "tcp://remote:2376", "SkipTLSVerify": False}, tls=True)
    add_context(tmp_path, "desktop", {"Host": "unix:///run/desktop.sock"})
    return tmp_path


def test_nothing_set_is_the_default_socket(tmp_path: Path) -> None:
    assert resolve(None, {}, tmp_path) == Endpoint(DEFAULT_HOST, None, "the default socket")


@pytest.mark.parametrize(
    ("host", "environ", "current", "url"),
    [
        ("unix:///explicit", {"DOCKER_HOST": "unix:///env"}, "desktop", "unix:///explicit"),
        (None, {"DOCKER_HOST": "unix:///env", "DOCKER_CONTEXT": "x"}, "desktop", "unix:///env"),
        (None, {"DOCKER_CONTEXT": "remote"}, "desktop", "tcp://remote:2376"),
        (None, {}, "desktop", "unix:///run/desktop.sock"),
        (None, {"DOCKER_HOST": ""}, "desktop", "unix:///run/desktop.sock"),
        (None, {"DOCKER_CONTEXT": "default"}, "desktop", DEFAULT_HOST),
        (None, {}, "default", DEFAULT_HOST),
        (None, {"DOCKER_HOST": "build:2375"}, "default", "tcp://build:2375"),
        (None, {"DOCKER_HOST": "/run/x.sock"}, "default", "unix:///run/x.sock"),
        (None, {"DOCKER_HOST": "ssh://me@build"}, "default", "ssh://me@build"),
    ],
)
def test_the_order_is_dockers_own(
    home: Path, host: str | None, environ: dict[str, str], current: str, url: str
) -> None:
    use(home, json.dumps({"currentContext": current}))
    assert resolve(host, environ, home).url == url


def test_a_configuration_elsewhere_is_honoured(home: Path, tmp_path: Path) -> None:
    use(home, json.dumps({"currentContext": "desktop"}))
    moved = (home / ".docker").rename(home / "moved")
    assert resolve(None, {"DOCKER_CONFIG": str(moved)}, tmp_path).url == "unix:///run/desktop.sock"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"currentContext": 1}', '{"auths": {}}'])
def test_a_damaged_configuration_means_the_default(tmp_path: Path, text: str) -> None:
    use(tmp_path, text)
    assert resolve(None, {}, tmp_path).url == DEFAULT_HOST


def test_tls_comes_from_the_environment(tmp_path: Path) -> None:
    for name in ("ca", "cert", "key"):
        (tmp_path / f"{name}.pem").write_text("")
    environ = {"DOCKER_HOST": "tcp://h", "DOCKER_CERT_PATH": str(tmp_path)}
    unverified = resolve(None, environ, tmp_path)
    verified = resolve(None, {**environ, "DOCKER_TLS_VERIFY": "1"}, tmp_path)
    assert unverified.tls is not None
    assert not unverified.tls.verify
    assert verified.tls is not None
    assert verified.tls.verify
    assert verified.tls.key == tmp_path / "key.pem"
    assert verified.address == ("h", 2376)


def test_tls_comes_from_the_context(home: Path) -> None:
    tls = resolve(None, {"DOCKER_CONTEXT": "remote"}, home).tls
    assert tls is not None
    assert tls.verify
    assert tls.ca is not None
    assert tls.ca.name == "ca.pem"
    assert tls.cert is None


def test_a_unix_socket_has_no_tls(tmp_path: Path) -> None:
    environ = {"DOCKER_HOST": "unix:///run/x.sock", "DOCKER_TLS_VERIFY": "1"}
    found = resolve(None, environ, tmp_path)
    assert (found.tls, found.socket_path, found.address) == (None, "/run/x.sock", None)


@pytest.mark.parametrize("text", ["garbage", "ftp://h", "a b:1", "tcp://h:99999", "h:0"])
def test_what_is_no_address_is_shown_as_it_is_written(tmp_path: Path, text: str) -> None:
    with pytest.raises(NoEngineError, match=f"^DOCKER_HOST names .*: .*{text}$"):
        resolve(None, {"DOCKER_HOST": text}, tmp_path)


@pytest.mark.parametrize("url", ["tcp://[::1", "tcp://h:x", "ssh://me@h:99999"])
def test_an_address_that_is_no_url_is_told(tmp_path: Path, url: str) -> None:
    with pytest.raises(NoEngineError) as caught:
        resolve(None, {"DOCKER_HOST": url}, tmp_path)
    assert url in caught.value.message
    assert "port" in caught.value.hint


@pytest.mark.parametrize(
    ("url", "address"),
    [("tcp://h:1", ("h", 1)), ("tcp://h", ("h", 2375)), ("tcp://[::1]:9", ("::1", 9))],
)
def test_addresses(tmp_path: Path, url: str, address: tuple[str, int]) -> None:
    assert resolve(url, {}, tmp_path).address == address


def test_an_unknown_context_is_named(home: Path) -> None:
    with pytest.raises(NoEngineError, match="no Docker context named 'nope'") as caught:
        resolve(None, {"DOCKER_CONTEXT": "nope"}, home)
    assert "docker context ls" in caught.value.hint


@pytest.mark.parametrize("docker", [None, [], "x"])
def test_a_damaged_context_is_named(tmp_path: Path, docker: Any) -> None:
    add_context(tmp_path, "bad", docker)
    with pytest.raises(NoEngineError, match="The Docker context 'bad' cannot be read"):
        resolve(None, {"DOCKER_CONTEXT": "bad"}, tmp_path)


def test_an_unknown_scheme_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoEngineError, match="DOCKER_HOST names a Docker engine of an unknown kind"):
        resolve(None, {"DOCKER_HOST": "gopher://x"}, tmp_path)
