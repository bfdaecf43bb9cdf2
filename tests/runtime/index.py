"""A package index behind an intercepting proxy, as companies have them, for builds in containers.

Whatever host is asked for through the proxy, it answers itself, with a certificate of its own
authority.
"""

from __future__ import annotations

import datetime
import hashlib
import http.server
import ssl
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAME = "lambdaimg_test_package"
HOST = "packages.test"
URL = f"https://{HOST}/simple"
WHEEL = f"{NAME}-1.0-py3-none-any.whl"


def make_wheel(folder: Path) -> Path:
    """A package with one module, which has a `VALUE`."""
    info = f"{NAME}-1.0.dist-info"
    files = {
        f"{NAME}.py": 'VALUE = "from the package"\n',
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    path = folder / WHEEL
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
        wheel.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in files))
    return path


def make_certificates(folder: Path) -> tuple[Path, Path]:
    """An authority's certificate, and a file with certificate and key for `HOST`."""
    now = datetime.datetime.now(datetime.UTC)
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])

    def certificate(name: x509.Name, public: ec.EllipticCurvePublicKey, ca: bool) -> bytes:
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(issuer)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()),
                critical=False,
            )
            .add_extension(x509.KeyUsage(not ca, *[False] * 4, ca, ca, False, False), critical=True)
        )
        if not ca:
            names = [x509.DNSName(HOST)]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        signed = builder.sign(authority_key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM)

    bundle, served = folder / "authority.pem", folder / "server.pem"
    bundle.write_bytes(certificate(issuer, authority_key.public_key(), True))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    served.write_bytes(
        certificate(name, key.public_key(), False)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return bundle, served


@contextmanager
def proxy(folder: Path, address: str) -> Iterator[tuple[str, Path]]:
    """The proxy's URL, and the CA bundle without which what it says is not trusted."""
    wheel = make_wheel(folder)
    bundle, served = make_certificates(folder)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    page = f'<a href="/{WHEEL}#sha256={digest}">{WHEEL}</a>'.encode()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(served)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_CONNECT(self) -> None:
            self.send_response(200)
            self.end_headers()
            try:
                self.connection = context.wrap_socket(self.connection, server_side=True)
            except ssl.SSLError:  # the client does not trust it
                self.close_connection = True
                return
            self.rfile = self.connection.makefile("rb")
            self.wfile = self.connection.makefile("wb", buffering=0)

        def do_GET(self) -> None:
            is_wheel = self.path.endswith(".whl")
            body = wheel.read_bytes() if is_wheel else page
            self.send_response(200)
            self.send_header("Content-Type", "application/zip" if is_wheel else "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer((address, 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://{address}:{server.server_port}", bundle
    finally:
        server.shutdown()
        server.server_close()
