"""What the tests of images need besides the common fixtures: folders, tags, certificates."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from lambdaimg.container.builder import BuildSpec, BuiltImage, build
from lambdaimg.container.engine import connect
from lambdaimg.container.events import BuildEvent

Tree = Callable[[Mapping[str, str | bytes]], Path]
BuildImage = Callable[..., tuple[BuiltImage, list[BuildEvent]]]


def write_tree(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files into a folder, with the folders that they are in."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """`tree({"a/b.txt": "text"})` is a new folder with these files."""
    made: list[Path] = []

    def make(files: Mapping[str, str | bytes]) -> Path:
        folder = tmp_path / f"tree-{len(made)}"
        folder.mkdir()
        made.append(folder)
        return write_tree(folder, files)

    return make


@pytest.fixture(scope="session")
def client(engine: Any) -> Iterator[Any]:
    """A client made by `connect`, which is what the kit uses."""
    made = connect()
    yield made
    made.close()


@pytest.fixture
def tag(client: Any, unique: Callable[[str], str]) -> Iterator[str]:
    """A name for an image of the test's own, which is removed after it."""
    from docker.errors import ImageNotFound

    name = f"{unique('image')}:latest"
    yield name
    with contextlib.suppress(ImageNotFound):  # where the test made none
        client.images.remove(name, force=True)


@pytest.fixture
def build_image(client: Any, tag: str) -> Iterator[BuildImage]:
    """Builds a folder under the test's own tag; the image, and the events."""
    from docker.errors import DockerException

    made: list[str] = []

    def go(folder: Path, **more: Any) -> tuple[BuiltImage, list[BuildEvent]]:
        events: list[BuildEvent] = []
        spec = BuildSpec(folder, tag, **{"platform": native(client), **more})
        image = build(client, spec, events.append)
        made.append(image.id)
        return image, events

    yield go
    for image_id in made:
        with contextlib.suppress(DockerException):  # the same image again, or gone already
            client.images.remove(image_id, force=True)


def native(client: Any) -> str:
    """The engine's own platform."""
    version = client.version()
    return f"{version['Os']}/{version['Arch']}"


@pytest.fixture(scope="session")
def docker_command() -> str:
    """Path of the `docker` command, against which Docker's own rules are checked."""
    path = shutil.which("docker")
    if path is None:
        pytest.fail("the docker command is not installed; use scripts/engine run -- ...")
    return path


def image_files(client: Any, image: str, below: str = "") -> dict[str, tuple[str, int, str]]:
    """Path -> kind, mode and contents (or target) of what an image holds below a folder."""
    import io
    import tarfile

    container = client.api.create_container(image, command=["none"])
    try:
        data = b"".join(client.api.export(container["Id"]))
    finally:
        client.api.remove_container(container["Id"])
    found: dict[str, tuple[str, int, str]] = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for member in tar:
            name = member.name.strip("/")
            if below and not name.startswith(f"{below}/"):
                continue
            name = name.removeprefix(f"{below}/")
            file = tar.extractfile(member) if member.isfile() else None
            text = file.read().decode("latin-1") if file else member.linkname
            kind = "file" if member.isfile() else "dir" if member.isdir() else "link"
            found[name] = (kind, member.mode & 0o7777, text)
    return found


def as_nobody(work: Callable[[], str]) -> str:
    """What `work` returns when run without root's rights (in a child where this is root)."""
    if os.geteuid() != 0:
        return work()
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            text = work()
        except BaseException as exc:
            text = f"unexpected: {exc!r}"
        os.write(theirs, text.encode()[:60000])
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(child, 0)
    return said


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ca.pem, cert.pem and key.pem for localhost, 127.0.0.1 and registry.test."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    folder = tmp_path_factory.mktemp("certificates")
    now = datetime.datetime.now(datetime.UTC)

    def usage(authority: bool) -> x509.KeyUsage:
        signs = {"key_cert_sign": authority, "crl_sign": authority}
        rest = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
        rest = (*rest, "encipher_only", "decipher_only")
        return x509.KeyUsage(digital_signature=not authority, **signs, **dict.fromkeys(rest, False))

    def issue(name: str, key: Any, issuer: Any, signer: Any, authority: bool) -> Any:
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        names: list[x509.GeneralName] = [x509.DNSName("localhost"), x509.DNSName("registry.test")]
        names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer or subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            # Python 3.13 is strict: it wants to see who signed, and what an authority may do.
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False
            )
            .add_extension(usage(authority), critical=True)
            .sign(signer, hashes.SHA256())
        )

    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = issue("lambdaimg tests", root_key, None, root_key, True)
    leaf = issue("localhost", key, root.subject, root_key, False)
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(root.public_bytes(pem))
    (folder / "cert.pem").write_bytes(leaf.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder
