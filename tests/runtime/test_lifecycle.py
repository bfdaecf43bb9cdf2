"""How a process begins, goes on after failures of the Runtime API, and ends."""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.runtime.api import (
    HANDLERS,
    NEXT,
    NO_ORJSON,
    ROOT,
    Api,
    Client,
    Event,
    Request,
    answer,
    ours,
)
from tests.support.waiting import until

FIRST_MODULES = """
    client codec context current faults http1 loader loghook loop signals sink start transport
"""
HOOKS = ["last hook", "first hook"]


def test_sigterm_between_events_runs_the_hooks_and_ends() -> None:
    with Api([Event("one")]) as api, Client(ours("lifecycle.handler"), api) as client:
        api.await_idle()
        client.process.terminate()
        assert client.ended() == 0
        assert client.output.splitlines() == HOOKS
        assert "failed: ValueError('hook')" in client.errors


def test_sigterm_within_an_event_runs_the_hooks_and_ends_when_it_is_answered() -> None:
    event = Event("one", b'"terminate"')
    with Api([event, event]) as api, Client(ours("lifecycle.handler"), api) as client:
        assert client.ended() == 0
        assert [post.body for post in api.posts] == [b'"answered"']
        assert client.output.splitlines() == [*HOOKS, "still here"]
        assert len(api.events) == 1


def test_sigterm_before_the_wait_for_an_event_has_begun_ends_too() -> None:
    with (
        Api([Event("one", b'"late"')]) as api,
        Client(ours("lifecycle.handler"), api) as client,
    ):
        assert client.ended() == 0
        assert client.output.splitlines() == HOOKS


def test_an_error_is_told_where_the_handler_has_closed_standard_output() -> None:
    events = [Event("one", b'"close"'), Event("two", b'"close"', status=403), Event("three")]
    with Api(events) as api, Client(ours("lifecycle.handler"), api) as client:
        api.await_idle()
        assert [post.call for post in api.posts] == [
            "invocation/error",
            "invocation/error",
            "invocation/response",
        ]
        assert api.posts[0].json["errorMessage"] == "stdout is closed"
        assert client.errors.count("[ERROR] ValueError: stdout is closed") == 2
        assert "\ttwo\tthe error was not accepted" in client.errors


def test_an_error_is_no_larger_than_the_runtime_api_takes() -> None:
    events = [Event("one", b'"verbose"'), Event("two", b'"deep"')]
    with Api(events) as api, Client(ours("lifecycle.handler"), api) as client:
        api.await_idle()
        verbose, deep = api.posts
        assert len(verbose.body) <= 6 * 1024 * 1024
        assert len(deep.body) <= 6 * 1024 * 1024
        message = verbose.json["errorMessage"]
        assert message.startswith("\U0001f600" * 1000)
        assert message.endswith(" ... (7000000 characters in all)")
        assert deep.json["errorMessage"] == "at the bottom"
        trace = deep.json["stackTrace"]
        assert "in handler" in trace[0]
        assert 'raise ValueError("at the bottom")' in trace[-1]
        assert any("frames in all" in frame for frame in trace)
        assert client.process.poll() is None


def test_a_class_has_a_hook_of_its_own() -> None:
    with Api([Event("one")]) as api, Client(ours("lifecycle.method"), api) as client:
        api.await_idle()
        client.process.terminate()
        assert client.ended() == 0
        assert client.output.splitlines() == ["own hook", *HOOKS]


def test_sigint_ends_without_a_trace() -> None:
    with Api([]) as api, Client(ours("lifecycle.handler"), api) as client:
        api.await_idle()
        client.process.send_signal(signal.SIGINT)
        assert client.ended() == 130
        assert client.errors == ""


def test_what_is_loaded_before_the_first_event() -> None:
    """Nothing beyond the runtime's own few modules: the start is what it is for that reason."""
    script = "import os, sys\nbefore = set(sys.modules)\nfrom lambdaimg.runtime.start import main\n"
    script += "main(['plain.handler'], [], 0)"
    path = os.pathsep.join(map(str, (ROOT, HANDLERS)))
    env = {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    with Api([Event("one")]) as api, Client(["-S", "-c", script], api, env):
        api.await_idle()
        loaded = set(json.loads(api.posts[0].body))
    of_runtime = {name for name in loaded if name.startswith("lambdaimg.runtime.")}
    assert {name.rpartition(".")[2] for name in of_runtime} == set(FIRST_MODULES.split())
    own = {"lambdaimg", "lambdaimg.runtime", *of_runtime}
    assert loaded - own <= {"_json", "_signal", "_socket", "_struct", "gc", "plain"}


def test_the_module_path() -> None:
    env = {"LAMBDA_TASK_ROOT": str(HANDLERS), "PYTHONPATH": f"{NO_ORJSON}:{ROOT}"}
    with Api([Event("one", b'"path"')]) as api, Client(ours("lifecycle.handler"), api, env):
        api.await_idle()
        path = json.loads(api.posts[0].body)
    assert path[:4] == [str(HANDLERS), "/opt/python", str(NO_ORJSON), str(ROOT)]
    assert path.count(str(ROOT)) == 1


def test_the_bootstrap_program(tmp_path: Path) -> None:
    """As in the image: the library apart, found by the program, behind the interpreter's own."""
    library = tmp_path / "lib"
    library.mkdir()
    (library / "lambdaimg").symlink_to(ROOT / "lambdaimg")
    source = (ROOT / "lambdaimg" / "runtime" / "bootstrap").read_text()
    program = tmp_path / "bootstrap"
    program.write_text(source.replace("/usr/local/lib/lambdaimg", str(library)))
    env = {"PYTHONPATH": "", "LAMBDA_TASK_ROOT": str(HANDLERS)}
    with Api([Event("one", b'"path"')]) as api:
        with Client([str(program), "lifecycle.handler"], api, env):
            api.await_idle()
        path = json.loads(api.posts[0].body)
    assert path[:2] == [str(HANDLERS), "/opt/python"]
    assert path[-1] == str(library)
    assert str(tmp_path) not in path


def test_the_argument_wins_over_the_variable() -> None:
    env = {"_HANDLER": "cases.handler"}
    with Api([Event("one", b"7")]) as api, Client(ours("lifecycle.handler"), api, env):
        api.await_idle()
        assert api.posts[0].body == b"7"


def test_without_an_argument_the_variable_counts() -> None:
    env = {"_HANDLER": "lifecycle.handler"}
    with Api([Event("one", b"7")]) as api, Client(["-m", "lambdaimg.runtime"], api, env):
        api.await_idle()
        assert api.posts[0].body == b"7"


def test_without_a_runtime_api_it_is_served() -> None:
    """The process becomes an emulator on port 8080, in a network of its own if need be."""
    script = (
        "import os, sys\n"
        "os.execv = lambda path, words: print(repr([path, *words]), os.environ['PYTHONPATH'])\n"
        "from lambdaimg.runtime.start import main\n"
        "try:\n    main(['app.handler'], ['/usr/local/bin/bootstrap'])\n"
        "except KeyError:\n    pass\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    words = [sys.executable, sys.executable, "-m", "lambdaimg.emulator"]
    words += ["--host", "0.0.0.0", "--port", "8080", "--"]
    words += ["/usr/local/bin/bootstrap", "app.handler"]
    assert done.stdout.startswith(repr(words)), done.stderr
    assert done.stdout.split()[-1].split(":")[0] == str(ROOT)


# --- a Runtime API that fails ---------------------------------------------------------------


def test_a_process_whose_runtime_api_is_gone_ends_with_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    api = Api()
    api.address = f"127.0.0.1:{port}"
    with Client(ours("lifecycle.handler"), api) as client:
        assert client.ended() == 1
        assert client.errors == (
            f"The Runtime API at 127.0.0.1:{port} fails: [Errno 111] Connection refused\n"
        )
        assert client.output.count("no event could be fetched, trying again") == 4


def scripted(replies: list[bytes | None]) -> tuple[Api, list[bytes]]:
    """An API whose `next` gives these replies, None closing the connection, then waits."""
    listener = socket.create_server(("127.0.0.1", 0))
    seen: list[bytes] = []
    api = Api()
    api.address = f"127.0.0.1:{listener.getsockname()[1]}"

    def serve() -> None:
        while True:
            peer, _ = listener.accept()
            with peer:
                while request := peer.recv(65536):
                    seen.append(request)
                    if not request.startswith(f"GET {NEXT}".encode()):
                        peer.sendall(answer(202, {"Content-Length": "0"}))
                        continue
                    if not replies:
                        api.idle.set()
                        peer.recv(1)
                        return
                    reply = replies.pop(0)
                    if reply is None:
                        break
                    peer.sendall(reply)

    threading.Thread(target=serve, daemon=True).start()
    return api, seen


@pytest.mark.parametrize(
    "broken",
    [
        None,
        b"nonsense\r\n\r\n",
        answer(500, {"Content-Length": "0"}),
        answer(200, {"Content-Length": "2"}, b"{}"),
        answer(200, {"Content-Length": "2", "Lambda-Runtime-Aws-Request-Id": "a b"}, b"{}"),
        answer(200, {"Lambda-Runtime-Aws-Request-Id": "x"}, b"{}"),
    ],
)
def test_an_event_after_a_broken_one_is_served(broken: bytes | None) -> None:
    api, seen = scripted([broken, Event("good", b"5").reply()])
    with Client(ours("lifecycle.handler"), api) as client:
        api.await_idle()
        assert client.process.poll() is None
    posts = [one for one in seen if one.startswith(b"POST")]
    assert len(posts) == 1
    assert posts[0].startswith(b"POST /2018-06-01/runtime/invocation/good/response ")
    assert posts[0].endswith(b"\r\n\r\n5")


def test_a_refused_response_is_logged_and_the_next_event_served() -> None:
    events = [Event("one", status=413), Event("two", status=403), Event("three")]
    with Api(events) as api, Client(ours("lifecycle.handler"), api) as client:
        api.await_idle()
        assert [post.call for post in api.posts] == ["invocation/response"] * 3
        assert "\tone\tthe response of 2 bytes was not accepted" in client.output
        assert "\ttwo\tthe response of 2 bytes was not accepted" in client.output


def test_one_connection_serves_everything() -> None:
    events = [Event(f"e{number}") for number in range(50)]
    with Api(events) as api, Client(ours("lifecycle.handler"), api):
        api.await_idle()
        assert (len(api.posts), api.connections) == (50, 1)


def test_a_connection_that_was_dropped_while_the_handler_ran_costs_nothing() -> None:
    def drop(post: Request) -> None:
        if post.request_id == "one" and len(api.posts) == 1:
            raise ValueError  # ends the connection without an answer

    with (
        Api([Event("one", b"1"), Event("two", b"2")], drop) as api,
        Client(ours("lifecycle.handler"), api),
    ):
        api.await_idle()
        assert [(post.request_id, post.body) for post in api.posts] == [
            ("one", b"1"),
            ("one", b"1"),
            ("two", b"2"),
        ]


# --- SnapStart ------------------------------------------------------------------------------

SNAP = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
HOOKED = """
from snapshot_restore_py import register_after_restore, register_before_snapshot

register_before_snapshot(print, "before 1")
register_before_snapshot(print, "before 2")
register_after_restore(print, "after 1")
register_after_restore(print, "after 2")


def handler(event, context):
    return event
"""


def run_snapshot(folder: Path, source: str) -> tuple[list[str], int | None, Client, Api]:
    (folder / "snap.py").write_text(source)
    env = {**SNAP, "PYTHONPATH": f"{folder}:{ROOT}"}
    with Api([Event("one")]) as api, Client(ours("snap.handler"), api, env) as client:
        while client.process.poll() is None and not api.idle.wait(0.01):
            pass
        client.process.kill()
        client.process.wait()
        lines = client.output.splitlines()
        return lines, client.process.returncode, client, api


def test_hooks_run_around_a_snapshot(tmp_path: Path) -> None:
    lines, _, _, api = run_snapshot(tmp_path, HOOKED)
    assert lines == ["before 2", "before 1", "after 1", "after 2"]
    assert [(one.method, one.call) for one in api.requests] == [
        ("GET", "restore/next"),
        ("POST", "invocation/response"),
    ]


def test_a_snapshot_needs_no_hooks(tmp_path: Path) -> None:
    _, _, _, api = run_snapshot(tmp_path, "def handler(event, context):\n    return 1\n")
    assert [one.call for one in api.requests] == ["restore/next", "invocation/response"]


@pytest.mark.parametrize(
    ("phase", "call", "status", "type_"),
    [
        ("before_snapshot", "init/error", 64, "Runtime.BeforeSnapshotError"),
        ("after_restore", "restore/error", 65, "Runtime.AfterRestoreError"),
    ],
)
def test_hooks_that_fail(tmp_path: Path, phase: str, call: str, status: int, type_: str) -> None:
    source = (
        f"from snapshot_restore_py import register_{phase} as register\n\n"
        "def fail():\n    raise ValueError('no')\n\n"
        "register(fail)\n\ndef handler(event, context): ...\n"
    )
    lines, ended, _, api = run_snapshot(tmp_path, source)
    assert ended == status
    (post,) = api.posts
    assert (post.call, post.json["errorType"]) == (call, "ValueError")
    assert post.headers["lambda-runtime-function-error-type"] == type_
    assert lines[0].startswith("[ERROR] ValueError: no")


# --- Managed Instances ----------------------------------------------------------------------


def test_each_worker_has_events_of_its_own(tmp_path: Path) -> None:
    path = str(tmp_path / "output")
    received = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def collect() -> None:
            for _ in range(6):
                peer, _ = listener.accept()
                received.append(peer)

        thread = threading.Thread(target=collect, daemon=True)
        thread.start()
        env = {
            "AWS_LAMBDA_MAX_CONCURRENCY": "3",
            "_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET": path,
        }
        pids: set[int] = set()
        with Api([]) as api, Client(ours("lifecycle.handler"), api, env) as client:
            thread.join(10)
            numbers = itertools.count()

            def all_have_answered() -> bool:
                api.offer(Event(f"e{next(numbers)}", b'"pid"'))
                pids.update(post.json for post in api.posts)
                return len(pids) == 3

            until(all_have_answered, "an answer from each worker")
            api.await_idle()
            client.process.terminate()
            assert client.ended() == 0
            assert client.output == ""
        assert client.process.pid not in pids
        told = b"".join(_all_of(peer) for peer in received).decode()
        assert told.count("last hook\nfirst hook\n") == 3


def _all_of(peer: socket.socket) -> bytes:
    with peer, peer.makefile("rb") as stream:
        return stream.read()


def test_workers_that_cannot_start_end_the_process() -> None:
    env = {"AWS_LAMBDA_MAX_CONCURRENCY": "2"}
    with Api([]) as api, Client(ours("no_such_module.handler"), api, env) as client:
        assert client.ended() == 1
        assert [post.call for post in api.posts] == ["init/error"] * 2
