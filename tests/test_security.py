"""What SECURITY.md promises of the code as it is written."""

from __future__ import annotations

import ast
import importlib.metadata
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "lambdaimg"
# Functions that give text to a shell, or run what text says.
SHELLS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"}
READERS = {"pickle.load", "pickle.loads", "marshal.loads", "yaml.load", "shelve.open"}
RUNNERS = {"subprocess.run", "subprocess.Popen", "subprocess.check_output", "subprocess.call"}


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Every call in the package, with the place where it stands."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node


CALLS = list(calls())


def test_nothing_is_run_by_a_shell() -> None:
    found = [
        place
        for place, call in CALLS
        if ast.unparse(call.func) in SHELLS
        or any(keyword.arg == "shell" for keyword in call.keywords)
    ]
    assert found == []


def test_programs_are_started_with_a_list_of_words() -> None:
    started = [(place, call) for place, call in CALLS if ast.unparse(call.func) in RUNNERS]
    assert len(started) >= 3
    texts = [
        place
        for place, call in started
        if isinstance(call.args[0], ast.Constant | ast.JoinedStr | ast.BinOp)
        and not isinstance(call.args[0], ast.List)
    ]
    assert texts == []


def test_no_file_is_read_that_could_run_code() -> None:
    found = [place for place, call in CALLS if ast.unparse(call.func) in READERS]
    built_in = [
        place
        for place, call in CALLS
        if isinstance(call.func, ast.Name) and call.func.id in {"eval", "exec", "compile"}
    ]
    assert found + built_in == []


def test_only_the_contract_of_images_listens_on_every_interface() -> None:
    """In a container, port 8080 has to be reached from outside of it."""
    everywhere = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if re.search(r"""["']0\.0\.0\.0["']""", path.read_text())
    }
    assert everywhere <= {"runtime/start.py", "emulator/__main__.py", "emulator/server.py"}


def test_certificates_are_always_verified() -> None:
    off = [
        place
        for place, call in CALLS
        for keyword in call.keywords
        if keyword.arg in {"verify", "check_hostname"}
        and isinstance(keyword.value, ast.Constant)
        and keyword.value.value is False
    ]
    assert off == []
    sources = [path.read_text() for path in PACKAGE.rglob("*.py")]
    assert not any("_create_unverified_context" in source for source in sources)


def dependencies() -> dict[str, str]:
    """The packages that a user installs, with the versions of this environment."""
    found: dict[str, str] = {}
    waiting = ["boto3", "docker", "rich", "typer"]
    while waiting:
        name = re.split(r"[ ;<>=!~\[(]", waiting.pop())[0].lower().replace("_", "-")
        if name in found:
            continue
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        found[name] = distribution.version
        waiting += [need for need in distribution.requires or () if "extra ==" not in need]
    return found


def test_the_review_of_dependencies_names_each() -> None:
    text = (ROOT / "SECURITY.md").read_text()
    reviewed = set(re.findall(r"^\| `([a-z0-9-]+)` \|", text, re.MULTILINE))
    # colorama is for Windows, where it is not installed here.
    assert reviewed - {"ministack", "hypercorn"} == set(dependencies()) - {"colorama"}


@pytest.mark.parametrize("name", sorted(dependencies()))
def test_every_dependency_is_pinned_with_hashes(name: str) -> None:
    text = (ROOT / "requirements" / "dev.txt").read_text()
    pinned = re.search(rf"^{re.escape(name)}==\S+ \\\n    --hash=sha256:", text, re.MULTILINE)
    assert pinned, f"{name} is not pinned"
