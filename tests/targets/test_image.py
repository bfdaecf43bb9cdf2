"""The image target on a real engine: what counts as a change, and changes during a build."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from lambdaimg.container.look import image_exists
from lambdaimg.context import Context, Silent
from lambdaimg.errors import BuildError, InterruptedRunError, ProjectError
from lambdaimg.make.target import Action
from lambdaimg.settings import Settings
from lambdaimg.targets.image import (
    build_image,
    check_project,
    find_image,
    misnamed,
    remove_image,
    source,
)
from tests.container.conftest import image_files, write_tree

Project = Callable[..., Context]


@pytest.fixture
def project(
    tmp_path: Path, unique: Callable[[str], str], engine: Any, base_image: str
) -> Iterator[Project]:
    """`project(files)` is the context of a project with these files and an image of its own."""
    name = unique("image")

    def make(files: Mapping[str, str], **more: Any) -> Context:
        write_tree(tmp_path, files)
        architecture = {"amd64": "x86_64"}.get(engine.version()["Arch"], "arm64")
        settings = Settings(image_name=name, architecture=architecture, **more)
        return Context(tmp_path, settings, {}).for_target("image")

    yield make
    for tag in [tag for image in engine.images.list(name=name) for tag in image.tags]:
        engine.images.remove(tag, force=True)


class Writing(Silent):
    """Writes to a file while the build shows its output, as `tee` does."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def output(self, target: str, text: str) -> None:
        """Appends the output."""
        with self.path.open("a") as file:
            file.write(text)


DOCKERFILE = "FROM debian:trixie-slim\nRUN echo said\nCOPY {} /task/\n"


def test_a_file_that_no_copy_takes_is_no_change(project: Project) -> None:
    ctx = project({"Dockerfile": DOCKERFILE.format("app.py"), "app.py": "1"})
    built = build_image(ctx, None)
    (ctx.project / "NOTES.txt").write_text("new")
    (ctx.project / "Dockerfile").write_text("# why\n" + DOCKERFILE.format("app.py"))
    ctx.renew()
    found = find_image(ctx)
    assert found is not None
    assert found.value == built.value
    (ctx.project / "app.py").write_text("2")
    ctx.renew()
    assert find_image(ctx) is None


def test_output_that_goes_into_the_project_does_not_disturb_the_build(project: Project) -> None:
    new_step = DOCKERFILE.replace("said", f"said {uuid.uuid4()}")  # whatever the engine has kept
    ctx = project({"Dockerfile": new_step.format("app.py"), "app.py": "1", "out.log": ""})
    ctx.listener = Writing(ctx.project / "out.log")
    made_of = source(ctx)
    done = build_image(ctx, None)
    assert (done.action, done.extra["source"]) == (Action.BUILT, made_of)
    assert "said" in (ctx.project / "out.log").read_text()


def test_an_image_that_has_names_of_others_loses_its_own_alone(
    project: Project, engine: Any, unique: Callable[[str], str]
) -> None:
    ctx = project({"Dockerfile": DOCKERFILE.format("app.py"), "app.py": "1"})
    built = build_image(ctx, None).value
    other = f"{unique('other')}:1"
    engine.images.get(built).tag(other)
    for _ in range(2):  # the second time it has been removed already
        remove_image(ctx, built)
        assert engine.images.get(built).tags == [other]
    engine.images.get(built).tag(ctx.settings.image_name)
    engine.images.remove(other)
    for _ in range(2):
        remove_image(ctx, built)
        assert image_exists(built) is False


class Interrupting(Silent):
    """Interrupts the run, from another thread, as soon as a step says something."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx

    def output(self, target: str, text: str) -> None:
        """Interrupts."""
        threading.Thread(target=self.ctx.cancel).start()


def test_an_interrupted_run_ends_its_build_at_the_engine_too(
    project: Project, engine: Any, unique: Callable[[str], str]
) -> None:
    word = unique("word")
    step = f"RUN echo {word}; sleep 600\n"
    ctx = project({"Dockerfile": f"FROM debian:trixie-slim\n{step}"})
    ctx.listener = Interrupting(ctx)
    with pytest.raises(InterruptedRunError):
        build_image(ctx, None)
    for _ in range(100):
        running = engine.containers.list(ignore_removed=True, filters={"status": "running"})
        if not any(word in " ".join(each.attrs["Config"]["Cmd"] or ()) for each in running):
            break
        time.sleep(0.1)
    else:
        pytest.fail("the step goes on")
    with pytest.raises(InterruptedRunError):
        build_image(ctx, None)


def test_a_source_that_changes_during_the_build_is_named(project: Project) -> None:
    ctx = project({"Dockerfile": DOCKERFILE.format("."), "app.py": "1"})
    ctx.listener = Writing(ctx.project / "out.log")
    with pytest.raises(BuildError, match=r"^out\.log changed while the image was built") as caught:
        build_image(ctx, None)
    assert caught.value.exit_status == 1
    assert ".dockerignore" in caught.value.hint
    assert find_image(ctx) is None


# The template's last lines, on a base that needs no installing.
HANDLER_LAST = """\
FROM debian:trixie-slim
CMD ["hello_lambda.handler"]
"""
ROOT = Path(__file__).resolve().parents[2]


def ending(name: str) -> str:
    """A small Dockerfile that ends as a scaffold's does."""
    text = (ROOT / name).read_text()
    return HANDLER_LAST + text[text.index("# The handler comes last") :]


@pytest.mark.parametrize(
    ("module", "files"),
    [
        ("my_app", {"my_app/__init__.py", "my_app/sub/x.py"}),
        ("src/my_app/", {"my_app/__init__.py", "my_app/sub/x.py"}),
        ("one.py", {"one.py"}),
        ("src/two.py", {"two.py"}),
        ("*.py", {"one.py"}),
    ],
)
def test_a_handler_is_in_the_image_under_its_own_name(
    project: Project, engine: Any, module: str, files: set[str]
) -> None:
    package = {"my_app/__init__.py": "", "my_app/sub/x.py": ""}
    sources = {**package, **{f"src/{name}": "" for name in package}, "one.py": "", "src/two.py": ""}
    ctx = project({**sources, "Dockerfile": ending("Dockerfile.template")}, lambda_module=module)
    done = build_image(ctx, None)
    held = image_files(engine, done.value, "var/task")
    assert {name for name, (kind, _, _) in held.items() if kind == "file"} == files
    if module == "my_app":
        changed = ctx.project / "my_app/sub/x.py"
        changed.write_text("new")
        ctx.renew()
        assert "1 of 2 layers new" in build_image(ctx, None).detail


@pytest.mark.parametrize("name", ["Dockerfile.template", "share/bash/Dockerfile"])
@pytest.mark.parametrize(
    ("module", "command", "warns"),
    [
        ("my_app", (), True),
        ("other.py", (), True),
        ("other.py", ("other.handler",), False),
        ("hello_lambda.py", (), False),
        ("src/hello_lambda", (), False),
        ("*.py", (), False),
    ],
)
def test_a_cmd_that_names_another_module_is_told(
    tmp_path: Path, name: str, module: str, command: tuple[str, ...], warns: bool
) -> None:
    (tmp_path / "Dockerfile").write_text(ending(name))
    told = misnamed(Context(tmp_path, Settings(lambda_module=module, command=command), {}))
    assert (module in told and "hello_lambda.handler" in told) if warns else told == ""


def test_a_folder_is_no_dockerfile(tmp_path: Path) -> None:
    (tmp_path / "docker").mkdir()
    with pytest.raises(ProjectError, match=r"^docker is a folder"):
        check_project(Context(tmp_path, Settings(dockerfile="docker/"), {}))


def test_the_scaffolds_keep_secrets_and_logs_out_of_the_build() -> None:
    from lambdaimg.container.ignore import IgnoreRules

    files = sorted((ROOT / "share").glob("*/dockerignore"))
    assert len(files) >= 5
    for file in files:
        rules = IgnoreRules.parse(file.read_text())
        for path in (".aws/config", "credentials.json", "out.log", ".env", "key.pem"):
            assert rules.excludes(path), f"{file}: {path}"


def test_a_cmd_of_ones_own_is_left_alone(tmp_path: Path) -> None:
    ctx = Context(tmp_path, Settings(lambda_module="other.py"), {})
    for text in ("FROM a\nCOPY . /\nCMD ['x']\n", 'FROM a\nCMD ["a.b"]\n', "FROM a\nCMD a.b\n"):
        (tmp_path / "Dockerfile").write_text(text)
        assert misnamed(ctx) == ""
