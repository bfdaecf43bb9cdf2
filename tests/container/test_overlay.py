"""Which changed files can be laid over the image, of Dockerfiles that end as the scaffolds do."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambdaimg.container.dockerfile import parse
from lambdaimg.container.overlay import recipe

TEMPLATE = Path(__file__).resolve().parents[2] / "Dockerfile.template"


@pytest.mark.parametrize(
    ("module", "folder", "changed", "place"),
    [
        ("hello.py", "", "hello.py", "/var/task/hello.py"),
        ("src/hello.py", "", "src/hello.py", "/var/task/hello.py"),
        ("my_app", "my_app", "my_app/sub/x.py", "/var/task/my_app/sub/x.py"),
        ("src/my_app", "my_app", "src/my_app/x.py", "/var/task/my_app/x.py"),
        ("hello.py", "", "requirements.txt", None),
    ],
)
def test_the_handler_of_the_template(
    module: str, folder: str, changed: str, place: str | None
) -> None:
    arguments = {"LAMBDA_MODULE": module, "LAMBDA_FOLDER": folder}
    found = recipe(parse(TEMPLATE.read_text()), None, arguments, {"WorkingDir": "/var/task"})
    assert found.concerns(changed)
    assert found.replaceable(changed) == place
    assert not found.concerns("NOTES.txt")


def test_a_default_made_of_another_argument() -> None:
    text = "FROM a\nARG X=app\nARG Y=${X}.py\nARG Z=${NOBODY_KNOWS}\nCOPY $Y /task/\n"
    found = recipe(parse(text), None, {}, {})
    assert found.replaceable("app.py") == "/task/app.py"
    assert recipe(parse(f"{text}COPY $Z /task/\n"), None, {}, {}).replaceable("app.py") is None


def test_a_mount_of_the_context_makes_every_file_part_of_the_image() -> None:
    text = "FROM a\nRUN --mount=target=/src make\nCOPY app.py /task/\n"
    found = recipe(parse(text), None, {}, {})
    assert found.concerns("NOTES.txt")
    assert found.replaceable("app.py") is None
