"""An image of somebody else's, in another language, deploys and runs as it is."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.e2e.conftest import Project

DOCKERFILE = """\
FROM debian:trixie-slim
COPY bootstrap /opt/theirs/bootstrap
ENTRYPOINT ["/opt/theirs/bootstrap"]
"""

BOOTSTRAP = r"""#!/bin/bash
# bash alone, over /dev/tcp: no program of the kit's, no curl, no Python.
host=${AWS_LAMBDA_RUNTIME_API%%:*} port=${AWS_LAMBDA_RUNTIME_API##*:}
api=/2018-06-01/runtime/invocation
while :; do
    exec 3<>"/dev/tcp/$host/$port"
    printf 'GET %s/next HTTP/1.1\r\nHost: %s\r\n\r\n' "$api" "$host" >&3
    length=0 id=
    while IFS= read -r line <&3; do
        line=${line%$'\r'}
        [ -n "$line" ] || break
        value=${line#*: }
        case ${line,,} in
            content-length:*) length=$value ;;
            lambda-runtime-aws-request-id:*) id=$value ;;
        esac
    done
    event=
    [ "$length" -eq 0 ] || IFS= LC_ALL=C read -r -N "$length" event <&3
    exec 3<&- 3>&-
    answer="{\"language\": \"bash\", \"event\": $event}"
    exec 3<>"/dev/tcp/$host/$port"
    printf 'POST %s/%s/response HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n' \
        "$api" "$id" "$host" "${#answer}" >&3
    printf 'Connection: close\r\n\r\n%s' "$answer" >&3
    cat <&3 >/dev/null
    exec 3<&- 3>&-
done
"""


def test_an_image_in_another_language(new_project: Callable[..., Project]) -> None:
    project = new_project()
    for path in project.folder.iterdir():
        if path.name in ("Dockerfile", ".dockerignore", project.module):
            path.unlink()
    (project.folder / "Dockerfile").write_text(DOCKERFILE)
    (project.folder / "bootstrap").write_text(BOOTSTRAP)
    (project.folder / "bootstrap").chmod(0o755)

    project("lambda-function").ok()
    for event in ({"n": 1}, {"n": 2}):
        answer = project("invoke", "--json-payload", json.dumps(event)).ok().json()
        assert answer == {"language": "bash", "event": event}
    again = project.actions("update-function")
    assert again["image"] == "up to date"
