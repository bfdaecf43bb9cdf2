"""Images of the Python scaffold: built by the kit, run by the engine, invoked from outside."""

from __future__ import annotations

import io
import ipaddress
import json
import shutil
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lambdaimg.container.builder import BuildSpec, BuiltImage, build
from lambdaimg.errors import BuildError
from tests.runtime.api import HANDLERS, ROOT
from tests.runtime.emulator import TIMEOUT, check_common, check_ends, invoke
from tests.runtime.index import NAME, URL, proxy

LABEL = {"lambdaimg-test": "runtime"}
AS_ON_LAMBDA: dict[str, Any] = {
    "read_only": True,
    "tmpfs": {"/tmp": "size=512m,mode=1777"},
    "user": "993:990",
}
RIE = "/usr/local/bin/aws-lambda-rie"


@pytest.fixture(scope="module")
def built(
    engine: Any, base_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., tuple[str, BuiltImage]]]:
    """Builds images of the scaffold with these files and build arguments, each once."""
    tags: dict[str, tuple[str, BuiltImage]] = {}

    def build_once(name: str, *files: Path, **args: str) -> tuple[str, BuiltImage]:
        if name not in tags:
            folder = tmp_path_factory.mktemp(name)
            shutil.copy(ROOT / "Dockerfile.template", folder / "Dockerfile")
            for file in files:
                shutil.copy(file, folder)
            tag = f"lambdaimg-test-runtime-{name}-{time.time_ns()}:1"
            spec = BuildSpec(folder, tag, build_args=args, labels=LABEL)
            tags[name] = tag, build(engine, spec, lambda event: None)
        return tags[name]

    yield build_once
    for tag, _ in tags.values():
        engine.images.remove(tag, force=True, noprune=True)


@pytest.fixture
def hello(built: Callable[..., tuple[str, BuiltImage]]) -> tuple[str, BuiltImage]:
    return built("hello", ROOT / "share" / "python" / "hello_lambda.py")


@contextmanager
def running(engine: Any, image: str, **options: Any) -> Iterator[tuple[str, Any]]:
    """A container's address and itself, once it answers."""
    container = engine.containers.create(
        image, ports={"8080/tcp": ("127.0.0.1", None)}, labels=LABEL, **options
    )
    try:
        yield from started(container)
    finally:
        container.remove(force=True)


def started(container: Any) -> Iterator[tuple[str, Any]]:
    container.start()
    container.reload()
    port = container.attrs["NetworkSettings"]["Ports"]["8080/tcp"][0]["HostPort"]
    yield f"http://127.0.0.1:{port}", container


def invoke_when_ready(url: str, event: Any) -> bytes:
    """The answer, as soon as somebody listens; the engine's proxy listens earlier."""
    for _ in range(200):
        try:
            return invoke(url, event)
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"nobody listens at {url}")


def test_the_scaffold_answers_as_on_lambda(engine: Any, hello: tuple[str, BuiltImage]) -> None:
    """Not root, nothing writable but /tmp; port 8080 is served where no Runtime API is given."""
    with running(engine, hello[0], **AS_ON_LAMBDA) as (url, container):
        told = json.loads(invoke_when_ready(url, {"name": "Ada"}))
        assert told["message"] == "Hello, Ada!"
        assert f"\t{told['request_id']}\tgreeting Ada" in container.logs().decode()
        container.stop(timeout=10)
        assert container.wait()["StatusCode"] in (0, 143)


def test_the_handler_is_the_last_layer_and_alone_in_it(
    engine: Any, hello: tuple[str, BuiltImage]
) -> None:
    exported = io.BytesIO(b"".join(engine.images.get(hello[0]).save()))
    with tarfile.open(fileobj=exported) as image:
        manifest = json.load(member(image, "manifest.json"))
        with tarfile.open(fileobj=member(image, manifest[0]["Layers"][-1])) as layer:
            files = [one.name for one in layer.getmembers() if one.isfile()]
    assert files == ["var/task/hello_lambda.py"]


def member(archive: tarfile.TarFile, name: str) -> Any:
    file = archive.extractfile(name)
    assert file is not None
    return file


def run_in(engine: Any, image: str, *command: str) -> str:
    output = engine.containers.run(
        image, list(command[1:]), entrypoint=command[0], remove=True, labels=LABEL
    )
    return output.decode()


def test_the_image_holds_bytecode_and_no_tools(engine: Any, hello: tuple[str, BuiltImage]) -> None:
    script = (
        "cd /usr/local/lib/lambdaimg/lambdaimg/runtime && ls __pycache__ && "
        "for tool in pip pip3 gcc cc make; do command -v $tool; done; "
        "python3 -c 'import pip' 2>&1 | tail -1; ls /build /etc/ssl/certs/ca-bundle.pem 2>&1; "
        "ls -d /var/lib/apt/lists/* /var/cache/apt/* 2>/dev/null; true"
    )
    lines = run_in(engine, hello[0], "/bin/sh", "-c", script).splitlines()
    sources = {path.stem for path in (ROOT / "lambdaimg" / "runtime").glob("*.py")}
    assert {line.partition(".")[0] for line in lines if line.endswith(".pyc")} == sources
    rest = [line for line in lines if not line.endswith(".pyc")]
    assert rest == [
        "ModuleNotFoundError: No module named 'pip'",
        "ls: cannot access '/build': No such file or directory",
        "ls: cannot access '/etc/ssl/certs/ca-bundle.pem': No such file or directory",
    ]


def test_bytecode_is_used_without_a_look_at_its_source(
    engine: Any, hello: tuple[str, BuiltImage]
) -> None:
    """Bit 0 of the flags: hash-based; bit 1: to be checked. PEP 552."""
    script = (
        "import glob\n"
        "for path in glob.glob('/usr/local/lib/lambdaimg/**/*.pyc', recursive=True):\n"
        "    print(int.from_bytes(open(path, 'rb').read(8)[4:], 'little'))"
    )
    assert set(run_in(engine, hello[0], "/usr/bin/python3", "-c", script).split()) == {"1"}


def test_a_changed_handler_makes_one_layer(
    engine: Any, built: Callable[..., tuple[str, BuiltImage]], tmp_path: Path
) -> None:
    changed = tmp_path / "hello_lambda.py"
    changed.write_text((ROOT / "share" / "python" / "hello_lambda.py").read_text() + "\n# more\n")
    _, first = built("hello", ROOT / "share" / "python" / "hello_lambda.py")
    tag, second = built("changed", changed)
    layers = [engine.images.get(one).attrs["RootFS"]["Layers"] for one in (first.id, tag)]
    assert layers[0][:-1] == layers[1][:-1]
    assert layers[0][-1] != layers[1][-1]
    assert second.layers == first.layers


def test_the_smallest_interpreter_suffices_for_the_scaffold(
    engine: Any, built: Callable[..., tuple[str, BuiltImage]], hello: tuple[str, BuiltImage]
) -> None:
    source = ROOT / "share" / "python" / "hello_lambda.py"
    tag, image = built("minimal", source, PYTHON_PACKAGE="python3-minimal")
    assert image.size < hello[1].size
    with running(engine, tag, **AS_ON_LAMBDA) as (url, _):
        assert json.loads(invoke_when_ready(url, {}))["message"] == "Hello, world!"


# --- requirements, and BuildKit -------------------------------------------------------------

NEEDS_PACKAGE = f"""
import {NAME}


def handler(event, context):
    return [{NAME}.VALUE, {NAME}.__cached__]
"""


@pytest.fixture(scope="module")
def packages(engine: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A proxy before a package index that containers reach, and the CA bundle that it needs."""
    bridge = engine.networks.get("bridge").attrs["IPAM"]["Config"][0]
    # An engine that has not run a container yet does not tell the gateway: it is the first.
    gateway = bridge.get("Gateway") or str(ipaddress.ip_network(bridge["Subnet"])[1])
    with proxy(tmp_path_factory.mktemp("index"), gateway) as (url, bundle):
        yield url, bundle


def with_requirements(folder: Path, url: str, bundle: Path | None, tag: str) -> BuildSpec:
    text = (ROOT / "Dockerfile.template").read_text()
    stage = "FROM python AS packages\n"
    assert stage in text
    (folder / "Dockerfile").write_text(text.replace(stage, f"{stage}ENV PIP_RETRIES=0\n"))
    (folder / "hello_lambda.py").write_text(NEEDS_PACKAGE)
    (folder / "requirements.txt").write_text(f"{NAME}==1.0\n")
    args = {"PIP_INDEX_URL": URL, "HTTPS_PROXY": url}
    return BuildSpec(folder, tag, build_args=args, labels=LABEL, ca_bundle=bundle)


def test_requirements_are_installed_with_the_ca_bundle_s_trust(
    engine: Any, base_image: str, packages: tuple[str, Path], tmp_path: Path
) -> None:
    """Without the bundle the proxy is not trusted; the bundle stays out of the image."""
    url, bundle = packages
    tag = f"lambdaimg-test-runtime-packages-{time.time_ns()}:1"
    with pytest.raises(BuildError) as refused:
        build(engine, with_requirements(tmp_path, url, None, tag), lambda event: None)
    assert "CERTIFICATE_VERIFY_FAILED" in refused.value.details["output"]
    build(engine, with_requirements(tmp_path, url, bundle, tag), lambda event: None)
    try:
        with running(engine, tag, **AS_ON_LAMBDA) as (address, _):
            value, bytecode = json.loads(invoke_when_ready(address, {}))
        assert value == "from the package"
        assert bytecode.startswith("/opt/python/__pycache__/")
        assert bundle.read_bytes() not in b"".join(engine.images.get(tag).save())
        assert run_in(engine, tag, "/bin/ls", "/opt/python").split() == [
            "__pycache__",
            f"{NAME}-1.0.dist-info",
            f"{NAME}.py",
        ]
        assert "pip" not in run_in(engine, tag, "/usr/bin/dpkg-query", "-W", "-f", "${Package} ")
    finally:
        engine.images.remove(tag, force=True, noprune=True)


def test_buildkit_builds_it_too(engine: Any, base_image: str, tmp_path: Path) -> None:
    text = (ROOT / "Dockerfile.template").read_text()
    mounted = "FROM python\n\nRUN --mount=type=cache,target=/cache true\n"
    assert text.count("FROM python\n\n") == 1
    (tmp_path / "Dockerfile").write_text(text.replace("FROM python\n\n", mounted))
    shutil.copy(ROOT / "share" / "python" / "hello_lambda.py", tmp_path)
    tag = f"lambdaimg-test-runtime-buildkit-{time.time_ns()}:1"
    build(engine, BuildSpec(tmp_path, tag, labels=LABEL), lambda event: None)
    try:
        with running(engine, tag, **AS_ON_LAMBDA) as (url, _):
            assert json.loads(invoke_when_ready(url, {}))["message"] == "Hello, world!"
    finally:
        engine.images.remove(tag, force=True, noprune=True)


# --- the real emulator in front of the image ------------------------------------------------


@contextmanager
def emulated(engine: Any, image: str, handler: str, binary: Path) -> Iterator[tuple[str, Any]]:
    """The image with the emulator as its entry point, put into the container by copying."""
    container = engine.containers.create(
        image,
        ["/usr/local/bin/bootstrap", handler],
        entrypoint=RIE,
        ports={"8080/tcp": ("127.0.0.1", None)},
        labels=LABEL,
        environment={"AWS_LAMBDA_FUNCTION_TIMEOUT": str(TIMEOUT)},
        user="993:990",
    )
    try:
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            entry = tarfile.TarInfo(Path(RIE).name)
            entry.size, entry.mode = binary.stat().st_size, 0o755
            with binary.open("rb") as file:
                tar.addfile(entry, file)
        container.put_archive(str(Path(RIE).parent), archive.getvalue())
        yield from started(container)
    finally:
        container.remove(force=True)


@pytest.mark.parametrize("handler", ["function_kind", "class_kind"])
def test_the_real_emulator_invokes_images(
    engine: Any,
    built: Callable[..., tuple[str, BuiltImage]],
    rie_binary: Path,
    handler: str,
) -> None:
    files = [HANDLERS / "function_kind.py", HANDLERS / "class_kind.py"]
    tag, _ = built("kinds", *files, LAMBDA_MODULE="*_kind.py")
    with emulated(engine, tag, f"{handler}.handler", rie_binary) as (url, container):
        invoke_when_ready(url, "first")
        check_common(url)
        check_ends(url)
        log = container.logs().decode()
    assert "[ERROR] ValueError: bad value" in log
    assert ("event 1\n" in log) == (handler == "class_kind")
