"""The repository as it is published: one version, pinned requirements, a wheel that has it all."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import lambdaimg

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SCAFFOLD = ("Dockerfile.template", "policies", "payload.json")
LINES = 430


# --- version ------------------------------------------------------------------------------------


def test_the_version_stands_in_one_place() -> None:
    assert "version" not in PYPROJECT["project"]
    assert PYPROJECT["tool"]["hatch"]["version"]["path"] == "lambdaimg/__init__.py"
    sources = [path for path in (ROOT / "lambdaimg").rglob("*.py") if path.name != "__init__.py"]
    assert [path for path in sources if lambdaimg.__version__ in path.read_text()] == []


def test_the_changelog_has_the_version() -> None:
    headings = re.findall(r"^## (\S+?),? ", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == lambdaimg.__version__


# --- the wheel ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as a release is, by the pinned build tools and without the network."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    options = ["--no-build-isolation", "--no-deps", "--no-index", "--wheel-dir", folder]
    done = subprocess.run(
        [*pip, "wheel", *options, ROOT], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def test_the_wheel_has_every_module_and_every_shipped_file(installed: Path) -> None:
    package = installed / "lambdaimg"
    modules = [path.relative_to(ROOT) for path in (ROOT / "lambdaimg").rglob("*.py")]
    assert [module for module in modules if not (installed / module).is_file()] == []
    assert (package / "py.typed").is_file()
    shipped = [
        path
        for path in (ROOT / "share").rglob("*")
        if path.is_file() and path.parent.name != "__pycache__"
    ]
    assert shipped
    for path in shipped:
        inside = package / "_share" / path.relative_to(ROOT / "share")
        assert inside.read_bytes() == path.read_bytes()
    for name in SCAFFOLD:
        (inside,) = (package / "_share").rglob(name)
        assert inside.read_bytes() == (ROOT / name).read_bytes()


def test_the_wheel_has_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    strays = [
        name for name in names if not re.match(r"lambdaimg(/|-[0-9.]+\.dist-info/)", name)
    ] + [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".orig"))]
    assert strays == []


def test_the_wheels_metadata_is_that_of_the_project(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(name).decode())
        (name,) = (n for n in archive.namelist() if n.endswith("/entry_points.txt"))
        entry_points = archive.read(name).decode()
        assert any(n.endswith("licenses/LICENSE") for n in archive.namelist())
    assert metadata["Version"] == lambdaimg.__version__
    needed = {Requirement(line).name for line in metadata.get_all("Requires-Dist", [])
              if "extra ==" not in line}  # fmt: skip
    assert needed == {"boto3", "docker", "rich", "typer"}
    assert "lambdaimg = lambdaimg.__main__:main" in entry_points


def test_an_installed_wheel_sets_up_a_project(installed: Path, tmp_path: Path) -> None:
    """From the unpacked wheel alone: the working tree must not lend it its files."""
    code = "import sys; sys.path.insert(0, sys.argv.pop(1)); import lambdaimg.cli as c; c.main()"
    words = [sys.executable, "-P", "-c", code, str(installed), "init", "--json"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    names = {path.name for path in tmp_path.iterdir()}
    assert {"Dockerfile", "policies", "payload.json", "lambdaimg.toml"} <= names
    assert (tmp_path / "policies").read_bytes() == (ROOT / "policies").read_bytes()


# --- requirements -------------------------------------------------------------------------------


def pins(name: str) -> dict[str, tuple[str, int]]:
    """Version and number of hashes of every package in a requirements file."""
    text = (ROOT / "requirements" / name).read_text().replace("\\\n", " ")
    found: dict[str, tuple[str, int]] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            package, version = re.split("==", line.split()[0])
            found[canonicalize_name(package)] = (
                version,
                len(re.findall(r"--hash=sha256:\w{64}", line)),
            )
    return found


@pytest.mark.parametrize("name", ["dev.txt", "rie.txt"])
def test_requirements_are_exact_with_hashes_and_name_no_index(name: str) -> None:
    assert pins(name)
    assert all(hashes for _, hashes in pins(name).values())
    text = (ROOT / "requirements" / name).read_text()
    assert re.findall(r"https?:|file:|^--(?!hash)| @ |^-e|/simple", text, re.MULTILINE) == []


def test_everything_that_the_project_names_is_pinned_as_it_allows() -> None:
    pinned = pins("dev.txt")
    project = PYPROJECT["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["local"], *extras["dev"]]
    wanted += PYPROJECT["build-system"]["requires"]
    environment = default_environment()
    for requirement in map(Requirement, wanted):
        if requirement.name == project["name"]:
            continue
        if requirement.marker is None or requirement.marker.evaluate(environment):
            version, _ = pinned[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(version, prereleases=True), requirement


# --- files --------------------------------------------------------------------------------------


def test_modules_are_short() -> None:
    counted = {
        path.relative_to(ROOT).as_posix(): len(path.read_text().splitlines())
        for path in (ROOT / "lambdaimg").rglob("*.py")
    }
    assert {name: n for name, n in counted.items() if n > LINES} == {}


def test_every_module_says_what_it_is_for() -> None:
    modules = [*(ROOT / "lambdaimg").rglob("*.py"), *(ROOT / "bench").glob("*.py")]
    assert [path for path in modules if not path.read_text().startswith(('"""', "#!"))] == []


@pytest.mark.parametrize("name", [".ci/run", "scripts/engine", "scripts/venv"])
def test_shell_scripts_are_executable_and_parse(name: str) -> None:
    assert os.access(ROOT / name, os.X_OK)
    subprocess.run(["bash", "-n", ROOT / name], check=True)


def test_make_lists_its_targets() -> None:
    done = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True, check=True)
    listed = {line.split()[0] for line in done.stdout.splitlines()}
    assert {"venv", "demo", "test", "unit", "lint", "types", "bench", "clean-dev"} <= listed
