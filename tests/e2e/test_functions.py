"""Several functions in one project: one image, and each its own handler in it."""

from __future__ import annotations

import json

from tests.e2e.conftest import Project

HANDLERS = """\
def resize(event, context):
    print("resizing")
    return {"by": "resize", "event": event}


def mail(event, context):
    return {"by": "mail", "as": context.function_name}


def fail(event, context):
    raise ValueError("not today")
"""


def test_handlers_of_one_image_answer_each_as_itself(project: Project) -> None:
    (project.folder / project.module).write_text(HANDLERS)
    module = project.module.removesuffix(".py")
    tables = [
        f'[functions.{name}]\ncommand = ["{module}.{name}"]' for name in ("resize", "mail", "fail")
    ]
    file = project.folder / "lambdaimg.toml"
    file.write_text("\n".join([file.read_text(), *tables]) + "\n")
    functions = project.aws.client("lambda")
    try:
        made = project("lambda-function", "--json").ok().json()["result"]["functions"]
        built = [
            target
            for part in made
            for target in part["targets"]
            if target["target"] in ("image", "deploy") and "done_by" not in target
        ]
        assert len(built) == 2, "built and pushed once"

        event = json.dumps({"n": 1})
        one = project("invoke", "--function", "resize", "--json-payload", event).ok()
        assert one.json() == {"by": "resize", "event": {"n": 1}}
        asked = project("invoke", "--json-payload", event)
        assert asked.status == 2
        assert "--function NAME" in asked.stderr

        every = project("invoke", "--all", "--payload", "-", "--json", stdin=event)
        assert every.status == 3
        parts = {part["function"]: part for part in every.json()["result"]["functions"]}
        assert parts["mail"]["result"]["payload"] == {"by": "mail", "as": f"{project.name}-mail"}
        assert parts["resize"]["result"]["payload"]["event"] == {"n": 1}
        assert parts["fail"]["error"]["code"] == "FunctionFailed"
        assert "not today" in parts["fail"]["error"]["message"]

        shown = project("invoke", "--all", "--payload", "-", "--log", stdin=event)
        assert shown.status == 3
        said = '{\n    "by": "mail",\n    "as": "' + f"{project.name}-mail" + '"\n  }\n'
        assert f"mail ({project.name}-mail)\n  {said}" in shown.stdout
        assert "request_id" not in shown.stdout
        assert "resize: resizing\n" in shown.stderr
        assert shown.stderr.count("START RequestId") == 3, "each log is shown once"
        assert "it does the rest" not in shown.stderr, "nothing of it is done for good"

        log = project("logs", "--json").ok().json()["result"]["functions"]
        lines = {part["function"]: str(part["result"]["events"]) for part in log}
        assert "resizing" in lines["resize"]
        assert "resizing" not in lines["mail"]
        assert any(
            line.startswith("resize") and "resizing" in line
            for line in project("logs").ok().stdout.splitlines()
        )
    finally:
        for name in ("resize", "mail", "fail"):
            functions.delete_function(FunctionName=f"{project.name}-{name}")
