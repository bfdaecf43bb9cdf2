"""What containers of zip functions are made of, without an engine."""

from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path

import pytest

from lambdaimg.local.zips import ZipFunctions, unpack

BOOTSTRAP = {"bootstrap": b"#!/bin/sh\n"}


def zipped(files: dict[str, bytes], mode: int = stat.S_IFREG | 0o755) -> bytes:
    """A zip of files with a mode."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            file.writestr(info, data)
    return buffer.getvalue()


def functions(folder: Path, layers: dict[str, bytes]) -> ZipFunctions:
    """Zip functions whose layers are those."""
    return ZipFunctions(folder / "zips", lambda: "base", lambda layer: layers.get(layer["Arn"]))


def function(code: bytes, *layers: str) -> dict[str, object]:
    """A function as MiniStack keeps it."""
    config = {"Handler": "a.b", "Runtime": "provided.al2023", "PackageType": "Zip"}
    return {"config": {**config, "Layers": [{"Arn": arn} for arn in layers]}, "code_zip": code}


def test_later_layers_lie_over_earlier_ones(tmp_path: Path) -> None:
    one = zipped({**BOOTSTRAP, "lib/x": b"one", "lib/y": b"one"})
    two = zipped({"lib/x": b"two"})
    place = functions(tmp_path, {"1": one, "2": two}).place(function(zipped({"a": b"a"}), "1", "2"))
    assert (place.image, place.entrypoint, place.command) == ("base", ("/opt/bootstrap",), ("a.b",))
    mounts = {there: Path(here) for here, there in place.mounts}
    assert (mounts["/var/task"] / "a").read_bytes() == b"a"
    assert (mounts["/opt"] / "lib/x").read_bytes() == b"two"
    assert (mounts["/opt"] / "lib/y").read_bytes() == b"one"
    assert (mounts["/opt"] / "bootstrap").stat().st_mode & 0o777 == 0o755


def test_the_functions_own_bootstrap_comes_first(tmp_path: Path) -> None:
    known = functions(tmp_path, {"1": zipped(BOOTSTRAP)})
    assert known.place(function(zipped(BOOTSTRAP), "1")).entrypoint == ("/var/task/bootstrap",)


def test_the_same_content_is_unpacked_once_and_new_content_anew(tmp_path: Path) -> None:
    known = functions(tmp_path, {"1": zipped(BOOTSTRAP)})
    first, again = (known.place(function(zipped({"a": b"1"}), "1")) for _ in range(2))
    changed = known.place(function(zipped({"a": b"2"}), "1"))
    assert first == again
    assert first.mounts[0] != changed.mounts[0]
    assert first.mounts[1] == changed.mounts[1]


def test_a_function_without_a_bootstrap_says_so(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="no bootstrap"):
        functions(tmp_path, {}).place(function(zipped({"a": b"a"}), "gone"))


def test_which_functions_these_are() -> None:
    for config, taken in (
        ({"PackageType": "Zip", "Runtime": "provided.al2023"}, True),
        ({"PackageType": "Zip", "Runtime": "provided"}, True),
        ({"PackageType": "Zip", "Runtime": "python3.13"}, False),
        ({"PackageType": "Image"}, False),
    ):
        assert ZipFunctions.takes(config) == taken


def test_links_are_kept_and_nothing_leads_out(tmp_path: Path) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    unpack(zipped({"link": b"/opt/x"}, stat.S_IFLNK | 0o777), folder)
    assert (folder / "link").readlink() == Path("/opt/x")
    unpack(zipped({"away": str(tmp_path).encode()}, stat.S_IFLNK | 0o777), folder)
    for name in ("../out", "away/out"):
        with pytest.raises(LookupError, match="leads out"):
            unpack(zipped({name: b"x"}), folder)
    assert not (tmp_path / "out").exists()
