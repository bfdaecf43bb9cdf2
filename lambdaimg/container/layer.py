"""A layer made without an engine: the same entries give the same bytes on every machine.

Small layers are gzip without compression ("stored" blocks), whose bytes no library's version has
a part in. Larger ones are compressed by zlib, which gives the same bytes wherever it is zlib
itself and not one of its replacements.
"""

from __future__ import annotations

import hashlib
import io
import struct
import tarfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lambdaimg.container.lastcopy import UnfitError
from lambdaimg.container.tarstream import Owner, tar_stream
from lambdaimg.container.tree import Entry

STORED_MAX = 1 << 20
BLOCK = 0xFFFF
_HEAD = b"\x1f\x8b\x08" + bytes(6) + b"\xff"
_MAGIC_GZIP, _MAGIC_ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
# What a PAX header may say without the file being more than its name, size, owner and times.
_PAX_PLAIN = frozenset({"path", "linkpath", "size", "uid", "gid", "mtime", "atime", "ctime"})
_KINDS = {tarfile.REGTYPE: "file", tarfile.AREGTYPE: "file"} | {
    tarfile.DIRTYPE: "dir",
    tarfile.SYMTYPE: "link",
}


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer: what is sent, its digest, the digest of the tar in it.

    `reproducible` tells that any machine makes the same bytes of the same entries.
    """

    content: bytes
    digest: str
    diff_id: str
    reproducible: bool


@dataclass(frozen=True, slots=True)
class Held:
    """What a layer holds under a path; `content` is a file's hash or a link's target."""

    kind: str
    mode: int
    owner: Owner
    content: str


def make_layer(entries: Iterable[Entry], owners: Mapping[str, Owner], owner: Owner) -> Layer:
    """A layer of some entries.

    Args:
        entries: folders before what they hold.
        owners: of single paths.
        owner: of all others.

    Raises:
        ProjectError, BuildError: as `tar_stream`.
    """
    tar = b"".join(tar_stream(entries, lambda path: owners.get(path, owner)))
    stored = len(tar) <= STORED_MAX
    content = gzipped(tar, stored)
    same = stored or "ng" not in zlib.ZLIB_RUNTIME_VERSION
    return Layer(content, _sha256(content), _sha256(tar), same)


def _sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def gzipped(tar: bytes, stored: bool) -> bytes:
    """A tar as gzip (RFC 1952), without a name or a time in its head."""
    tail = struct.pack("<II", zlib.crc32(tar), len(tar) & 0xFFFFFFFF)
    if not stored:
        squeeze = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
        return b"".join((_HEAD, squeeze.compress(tar), squeeze.flush(), tail))
    blocks = [_HEAD]
    for at in range(0, len(tar), BLOCK):
        piece = tar[at : at + BLOCK]
        last = at + BLOCK >= len(tar)
        # RFC 1951, 3.2.4: the length, and its complement.
        blocks += (struct.pack("<BHH", last, len(piece), len(piece) ^ BLOCK), piece)
    return b"".join((*blocks, tail))


def read_layer(content: bytes) -> dict[str, Held]:
    """What a layer holds, by path without a leading slash.

    Raises:
        UnfitError: it holds what no COPY of files makes, or is compressed otherwise than by gzip.
    """
    if content.startswith(_MAGIC_ZSTD):
        raise UnfitError("the image's layers are compressed by zstd")
    try:
        if content.startswith(_MAGIC_GZIP):
            content = zlib.decompress(content, wbits=zlib.MAX_WBITS | 16)
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
            return {info.name.strip("/").removeprefix("./"): _held(tar, info) for info in tar}
    except (tarfile.TarError, zlib.error) as exc:
        raise UnfitError(f"the last layer cannot be read: {exc}") from exc


def _held(tar: tarfile.TarFile, info: tarfile.TarInfo) -> Held:
    kind, name = _KINDS.get(info.type), info.name.rpartition("/")[2]
    if kind is None or name.startswith(".wh.") or set(info.pax_headers) - _PAX_PLAIN:
        raise UnfitError(f"the last layer holds /{info.name}, which has something unusual about it")
    text = info.linkname if kind == "link" else ""
    if kind == "file":
        file = tar.extractfile(info)
        text = hashlib.sha256(file.read() if file else b"").hexdigest()
    return Held(kind, info.mode & 0o7777, (info.uid, info.gid), text)
