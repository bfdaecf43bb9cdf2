"""Who may import whom (DESIGN: layout), read from the source, and what a run really imports.

A rule about layers counts every import, also one inside a function. A rule about weight counts
those that run when the module is imported: what is heavy is imported where it is used.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "lambdaimg"
STANDARD = sys.stdlib_module_names
HEAVY = ("boto3", "botocore", "docker", "hypercorn", "ministack", "requests", "rich", "urllib3")
# What reads the command line, runs and reports; nothing below knows of it.
FRONT = ("app", "cli", "commands", "dispatch", "plain", "report", "session")
# Packages that the image may hold or not; the runtime uses them where they are.
OPTIONAL_IN_IMAGE = ("orjson", "snapshot_restore_py", "debugpy")


@dataclass(frozen=True)
class Import:
    """One imported module, by its full name, and whether it is imported along with its file."""

    importer: str
    module: str
    at_import: bool

    def __str__(self) -> str:
        return f"{self.importer} imports {self.module}"


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_in(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)


def imports_of(path: Path) -> Iterator[Import]:
    name = module_name(path)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    yield from walk(ast.parse(path.read_text()), name, package, True)


def walk(node: ast.AST, importer: str, package: str, at_import: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(importer, alias.name, at_import)
        elif isinstance(child, ast.ImportFrom):
            origin = child.module or ""
            if child.level:
                parents = package.split(".")
                base = ".".join(parents[: len(parents) - child.level + 1])
                origin = f"{base}.{origin}" if origin else base
            for alias in child.names:
                # `from package import module` names a module; `from module import name` does not.
                inner = PACKAGE.parent / f"{origin}.{alias.name}".replace(".", "/")
                is_module = inner.is_dir() or inner.with_suffix(".py").is_file()
                yield Import(importer, f"{origin}.{alias.name}" if is_module else origin, at_import)
        else:
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            typing_only = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
            yield from walk(child, importer, package, at_import and not inside and not typing_only)


IMPORTS = [found for path in sorted(PACKAGE.rglob("*.py")) for found in imports_of(path)]


def broken(rule: list[Import]) -> list[str]:
    return sorted({str(found) for found in rule})


def test_imports_are_found_in_every_form(tmp_path: Path) -> None:
    text = (
        "import a.b\nfrom lambdaimg import errors\nfrom lambdaimg.errors import AwsError\n"
        "from . import store\nfrom .graph import order\nfrom ..aws.retry import poll\n"
        "def f():\n    import c\nif TYPE_CHECKING:\n    import d\n"
        "try:\n    import e\nfinally:\n    pass\n"
    )
    found = list(walk(ast.parse(text), "lambdaimg.make.x", "lambdaimg.make", True))
    assert [(each.module, each.at_import) for each in found] == [
        ("a.b", True),
        ("lambdaimg.errors", True),
        ("lambdaimg.errors", True),
        ("lambdaimg.make.store", True),
        ("lambdaimg.make.graph", True),
        ("lambdaimg.aws.retry", True),
        ("c", False),
        ("d", False),
        ("e", True),
    ]


@pytest.mark.parametrize(
    ("package", "besides"),
    [
        ("lambdaimg.runtime", OPTIONAL_IN_IMAGE),
        ("lambdaimg.emulator", ()),
        ("lambdaimg.make", ("lambdaimg.errors",)),
        ("lambdaimg.errors", ()),
    ],
)
def test_the_standard_library_is_enough(package: str, besides: tuple[str, ...]) -> None:
    own = [found for found in IMPORTS if is_in(found.importer, package)]
    assert own
    assert not broken(
        [
            found
            for found in own
            if found.module.partition(".")[0] not in STANDARD
            and not is_in(found.module, package, *besides)
        ]
    )


def test_what_an_image_may_lack_is_imported_only_when_it_is_used() -> None:
    """A module that cannot do without it is itself imported only when it is used."""
    needing = {i.importer for i in IMPORTS if i.at_import and is_in(i.module, *OPTIONAL_IN_IMAGE)}
    assert not broken([i for i in IMPORTS if i.at_import and i.module in needing])
    assert all(is_in(name, "lambdaimg.runtime") for name in needing)


def test_nothing_heavy_is_imported_before_it_is_used() -> None:
    assert not broken([i for i in IMPORTS if i.at_import and is_in(i.module, *HEAVY)])


def test_rich_belongs_to_the_report() -> None:
    elsewhere = [i for i in IMPORTS if is_in(i.module, "rich") and i.importer != "lambdaimg.report"]
    assert not broken(elsewhere)


def test_typer_belongs_to_the_command_line() -> None:
    allowed = ("lambdaimg.app", "lambdaimg.commands")
    assert not broken(
        [i for i in IMPORTS if is_in(i.module, "typer") and not is_in(i.importer, *allowed)]
    )


def test_targets_know_neither_the_command_line_nor_each_other() -> None:
    above = tuple(f"lambdaimg.{up}" for up in FRONT)
    own = [i for i in IMPORTS if i.importer.startswith("lambdaimg.targets.")]
    assert own
    assert not broken([i for i in own if is_in(i.module, *above, "lambdaimg.targets")])


@pytest.mark.parametrize("package", ["aws", "container", "emulator", "local", "make", "runtime"])
def test_lower_layers_do_not_reach_up(package: str) -> None:
    above = (*FRONT, "context", "targets")
    own = [i for i in IMPORTS if is_in(i.importer, f"lambdaimg.{package}")]
    assert own
    assert not broken([i for i in own if is_in(i.module, *(f"lambdaimg.{up}" for up in above))])


def test_the_version_costs_no_import() -> None:
    assert not broken([i for i in IMPORTS if i.importer == "lambdaimg"])


LOADED = """
import json, sys
sys.argv = ["lambdaimg", *sys.argv[1:]]
from lambdaimg.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
json.dump(sorted(name for name in sys.modules if "." not in name), sys.stderr)
"""


def loaded(folder: Path, *words: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout
    modules: list[str] = json.loads(done.stderr.splitlines()[-1])
    assert "typer" in modules
    return modules


def test_help_imports_neither_boto3_nor_docker(tmp_path: Path) -> None:
    assert not {"boto3", "botocore", "docker", "ministack"} & set(loaded(tmp_path, "--help"))


def test_a_command_that_only_prints_imports_nothing_heavy(tmp_path: Path) -> None:
    assert not set(HEAVY) & set(loaded(tmp_path, "--version"))
