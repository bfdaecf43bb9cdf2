"""Layers and documents made without an engine: their bytes, and what they refuse."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdaimg.container.extend import Documents, Facts, alike, base_of, checked, facts_of, image_of
from lambdaimg.container.lastcopy import UnfitError
from lambdaimg.container.layer import STORED_MAX, Held, gzipped, make_layer, read_layer
from lambdaimg.container.registry import DOCKER_MANIFEST, OCI_MANIFEST, sha256
from lambdaimg.container.tree import Entry

ENTRIES = [
    Entry("w", "dir", 0o755, ""),
    Entry("w/a.py", "file", 0o644, b"a"),
    Entry("w/grüße", "link", 0o777, "a.py"),
    Entry("w/run", "file", 0o755, b"#!"),
]


@given(st.binary(min_size=1, max_size=300_000), st.booleans())
def test_it_isgzipped(content: bytes, stored: bool) -> None:
    assert gzip.decompress(gzipped(content, stored)) == content


def test_the_bytes_are_always_the_same() -> None:
    layer = make_layer(ENTRIES, {"w": (5, 6)}, (1, 2))
    assert layer.digest == ("sha256:" + hashlib.sha256(layer.content).hexdigest())
    assert layer == make_layer(list(ENTRIES), {"w": (5, 6)}, (1, 2))
    assert layer.diff_id == sha256(gzip.decompress(layer.content))
    assert layer.reproducible
    held = read_layer(layer.content)
    assert held["w"] == Held("dir", 0o755, (5, 6), "")
    assert held["w/grüße"] == Held("link", 0o777, (1, 2), "a.py")
    assert held["w/run"].mode == 0o755


def test_what_is_large_is_compressed() -> None:
    layer = make_layer([Entry("a", "file", 0o644, bytes(2 * STORED_MAX))], {}, (0, 0))
    assert len(layer.content) < STORED_MAX
    assert list(read_layer(layer.content)) == ["a"]


def tar_of(*members: tarfile.TarInfo) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(bytes(member.size)))
    return out.getvalue()


def member(name: str, **more: Any) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for key, value in more.items():
        setattr(info, key, value)
    return info


@pytest.mark.parametrize(
    "content",
    [
        tar_of(member("w/.wh.a")),
        tar_of(member("w/a", type=tarfile.FIFOTYPE)),
        tar_of(member("w/a"), member("w/b", type=tarfile.LNKTYPE, linkname="w/a")),
        tar_of(member("w/a", pax_headers={"SCHILY.xattr.security.capability": "x"})),
        b"\x28\xb5\x2f\xfd zstd",
        b"no tar" * 200,
        b"\x1f\x8b no gzip",
    ],
)
def test_layers_that_no_copy_makes(content: bytes) -> None:
    with pytest.raises(UnfitError):
        read_layer(content)


def held(**files: tuple[int, tuple[int, int], str]) -> dict[str, Held]:
    return {f"w/{name}": Held("file", *rest) for name, rest in files.items()}


FOLDER = {"w": Held("dir", 0o750, (3, 4), "")}
OURS = held(a=(0o644, (0, 0), "1"), b=(0o755, (0, 0), "2"))


def test_the_facts_of_a_layer_that_is_as_ours() -> None:
    built = FOLDER | held(a=(0o644, (7, 8), "1"), b=(0o755, (7, 8), "2"))
    facts = facts_of(built, OURS, "w", True)
    assert facts == Facts(True, (7, 8), {"w": (0o750, 3, 4)}, {"w/a": "file", "w/b": "file"})
    assert Facts.read(facts.text()) == facts


@pytest.mark.parametrize(
    "built",
    [
        held(a=(0o644, (0, 0), "1")),
        held(a=(0o644, (0, 0), "other"), b=(0o755, (0, 0), "2")),
        held(a=(0o600, (0, 0), "1"), b=(0o755, (0, 0), "2")),
        held(a=(0o644, (0, 0), "1"), b=(0o755, (1, 0), "2")),
        OURS | held(c=(0o644, (0, 0), "3")),
        OURS | {"elsewhere": Held("dir", 0o755, (0, 0), "")},
    ],
)
def test_layers_that_are_not_as_ours(built: dict[str, Held]) -> None:
    with pytest.raises(UnfitError):
        facts_of(built, OURS, "w", True)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 0}', '{"schema": 1, "owner": 3}'])
def test_facts_that_cannot_be_read(text: str) -> None:
    with pytest.raises(UnfitError):
        Facts.read(text)


def test_entries_that_are_new_or_of_another_kind() -> None:
    facts = Facts(True, (0, 0), {}, {"w/a.py": "file", "w/run": "file", "w": "dir"})
    facts.refuse_new(each for each in ENTRIES if each.kind != "link")
    with pytest.raises(UnfitError, match="grüße is new"):
        facts.refuse_new(ENTRIES)
    with pytest.raises(UnfitError, match="no file any more"):
        facts.refuse_new([Entry("w/run", "dir", 0o755, "")])


def documents(media_type: str = DOCKER_MANIFEST, last: str = "COPY app /") -> Documents:
    config = {
        "architecture": "amd64",
        "config": {"Cmd": ["x"], "Labels": {"mine": "1"}},
        "container_config": {"Hostname": "of the build"},
        "history": [{"created_by": "ADD x /"}, {"created_by": last}, {"empty_layer": True}],
        "rootfs": {"type": "layers", "diff_ids": ["sha256:a", "sha256:b"]},
    }
    content = json.dumps(config).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": {"mediaType": "c", "size": len(content), "digest": sha256(content)},
        "layers": [{"digest": "sha256:1", "size": 1}, {"digest": "sha256:2", "size": 2}],
    }
    return Documents(media_type, json.dumps(manifest).encode(), content)


@pytest.mark.parametrize(
    ("media_type", "kind"),
    [
        (DOCKER_MANIFEST, "application/vnd.docker.image.rootfs.diff.tar.gzip"),
        (OCI_MANIFEST, "application/vnd.oci.image.layer.v1.tar+gzip"),
    ],
)
def test_the_documents_of_an_image(media_type: str, kind: str) -> None:
    facts = Facts(True, (0, 0), {}, {})
    base = checked(base_of(checked(documents(media_type)), facts))
    assert Facts.read(base.label("lambdaimg.base")) == facts
    layer = make_layer(ENTRIES, {}, (0, 0))
    image = checked(image_of(base, layer, {"lambdaimg.source": "s"}))
    config, manifest = json.loads(image.config), json.loads(image.manifest)
    assert config["config"] == {"Cmd": ["x"], "Labels": {"mine": "1", "lambdaimg.source": "s"}}
    assert config["rootfs"]["diff_ids"] == ["sha256:a", layer.diff_id]
    assert "container_config" not in config
    assert manifest["layers"][0] == {"digest": "sha256:1", "size": 1}
    assert manifest["layers"][1]["mediaType"] == kind
    assert image == image_of(base, layer, {"lambdaimg.source": "s"})


def test_bases_that_give_the_same_images() -> None:
    facts = Facts(True, (0, 0), {}, {})
    base = base_of(documents(), facts)
    config = json.loads(documents().config)
    config["created"] = "later"
    config["config"]["Labels"]["source"] = "other"
    content = json.dumps(config).encode()
    manifest = json.loads(documents().manifest)
    manifest["config"]["digest"] = sha256(content)
    manifest["layers"][1]["digest"] = "sha256:3"
    later = Documents(DOCKER_MANIFEST, json.dumps(manifest).encode(), content)
    assert alike(base, base_of(later, facts), "source")
    assert not alike(base, base_of(later, facts), "")
    assert not alike(base, base_of(documents(), Facts(False, (0, 0), {}, {})), "source")
    manifest["layers"][0]["digest"] = "sha256:4"
    newer = Documents(DOCKER_MANIFEST, json.dumps(manifest).encode(), content)
    assert not alike(base, base_of(newer, facts), "source")


@pytest.mark.parametrize(
    "wrong",
    [
        documents("application/vnd.oci.image.index.v1+json"),
        documents(last="RUN x"),
        Documents(DOCKER_MANIFEST, b"{}", b"{}"),
        Documents(DOCKER_MANIFEST, b"[", b"{}"),
        Documents(DOCKER_MANIFEST, documents().manifest, b"{}"),
    ],
)
def test_documents_of_something_else(wrong: Documents) -> None:
    with pytest.raises(UnfitError):
        checked(wrong)
