"""Which COPY makes the last layer, what it puts where, and every reason why there is no telling."""

from __future__ import annotations

import pytest

from lambdaimg.container.dockerfile import parse
from lambdaimg.container.lastcopy import LastCopy, UnfitError, last_copy, placed
from lambdaimg.container.tree import Entry

ENTRIES = [
    Entry("app", "dir", 0o755, ""),
    Entry("app/a.py", "file", 0o644, b"a"),
    Entry("app/link", "link", 0o777, "a.py"),
    Entry("app/sub", "dir", 0o755, ""),
    Entry("app/sub/b.py", "file", 0o755, b"b"),
    Entry("link", "link", 0o777, "app"),
    Entry("one.py", "file", 0o644, b"1"),
    Entry("sub", "dir", 0o755, ""),
    Entry("sub/a.py", "file", 0o644, b"other"),
]


def read(text: str, target: str | None = None) -> LastCopy:
    return last_copy(parse(text), target, {"MODULE": "app"})


@pytest.mark.parametrize(
    ("text", "sources", "others"),
    [
        ("FROM x\nCOPY app /a/", ("app",), ()),
        ("FROM x\nCOPY . /a\nUSER 1\nENV A=b\nCMD x\nEXPOSE 80\nLABEL a=b", (".",), ()),
        ("FROM x\nRUN y\nCOPY one.py /\nCOPY app one.py /a/", ("app", "one.py"), ("one.py",)),
        ('FROM x\nCOPY --chown=1 ["one.py", "/a b/"]', ("one.py",), ()),
        ("FROM x\nARG MODULE\nCOPY ./${MODULE}/ /a", ("app",), ()),
        ("FROM x AS y\nCOPY one.py /\nFROM y\nCOPY --from=y /z /z\nCOPY app /", ("app",),
         ("one.py",)),
    ],
)  # fmt: skip
def test_the_last_copy(text: str, sources: tuple[str, ...], others: tuple[str, ...]) -> None:
    found = read(text)
    assert (found.sources, found.others) == (sources, others)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("FROM x", "copies nothing"),
        ("FROM x\nCOPY app /\nRUN y", "RUN in line 3 makes the last layer"),
        ("FROM x\nCOPY app /\nWORKDIR /y", "WORKDIR in line 3"),
        ("FROM x\nCOPY app /\nVOLUME /y", "VOLUME in line 3"),
        ("FROM x\nADD app /", "ADD in line 2"),
        ("FROM x\nCOPY --from=y app /", "copies from another stage"),
        ("FROM x\nCOPY --chmod=755 app /", "flag --chmod"),
        ("FROM x\nCOPY --link app /", "flag --link"),
        ("FROM x\nCOPY --parents app /", "flag --parents"),
        ("FROM x\nCOPY <<END /a\nb\nEND", "here-document"),
        ("FROM x\nCOPY *.py /", "wildcards"),
        ("FROM x\nCOPY $UNKNOWN /", "variables"),
        ("FROM x\nCOPY app $HOME/", "variables"),
        ("FROM x\nONBUILD RUN y\nCOPY app /", "ONBUILD"),
        ("FROM x\nRUN --mount=type=bind,target=/y z\nCOPY app /", "cannot be told"),
        ("# syntax=somebody/else\nFROM x\nCOPY app /", "cannot be told"),
        ("# escape=`\nFROM x\nCOPY app /", "cannot be told"),
    ],
)
def test_what_does_not_apply(text: str, reason: str) -> None:
    if reason == "ONBUILD":
        reason = "cannot be told"
    with pytest.raises(UnfitError, match=reason):
        read(text)


def test_the_stage_that_is_built() -> None:
    text = "FROM x AS one\nCOPY app /\nFROM x\nRUN y"
    assert read(text, "one").sources == ("app",)
    with pytest.raises(UnfitError, match="no such stage"):
        read(text, "two")


def where(text: str, into: bool = True, workdir: str = "/w") -> dict[str, str | bytes]:
    copy = read(f"FROM x\nCOPY {text}")
    return {entry.path: entry.source for entry in placed(copy, ENTRIES, workdir, into)}


def test_where_things_go() -> None:
    assert where("one.py /a/") == {"a/one.py": b"1"}
    assert where("one.py /a/b.py", into=False) == {"a/b.py": b"1"}
    assert where("one.py .") == {"w/one.py": b"1"}
    assert where("one.py ../c/") == {"c/one.py": b"1"}
    folder = {"a/a.py": b"a", "a/link": "a.py", "a/sub": "", "a/sub/b.py": b"b"}
    assert where("app /a") == folder
    assert list(where("app one.py /a/")) == ["a/a.py", "a/link", "a/one.py", "a/sub", "a/sub/b.py"]
    assert where("app/sub /") == {"b.py": b"b"}
    assert len(where(". /")) == len(ENTRIES)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("none.py /", "missing"),
        ("link /", "link"),
        ("link/a.py /", "missing"),
        ("app sub /", "meet in /a.py"),
    ],
)
def test_sources_that_nobody_can_be_sure_of(text: str, reason: str) -> None:
    with pytest.raises(UnfitError, match=reason):
        where(text)
