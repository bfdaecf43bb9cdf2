"""Images in real containers: isolation, failures told truly, and nothing left."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lambdaimg.container.dial import dialer
from lambdaimg.container.engine import endpoint
from lambdaimg.emulator import bridge, cgroup
from lambdaimg.emulator.containers import LABEL, DockerExecutor
from lambdaimg.emulator.engine import Engine, EngineError
from lambdaimg.emulator.function_pool import FunctionPool
from lambdaimg.emulator.isolation import USER, create_body, exit_code, start_failure
from lambdaimg.emulator.owner import is_abandoned, owner_mark
from lambdaimg.emulator.pool import RETIRE
from lambdaimg.emulator.protocol import FunctionSpec, Outcome
from tests.support.faults import Answer, Drop, Fault, Side
from tests.support.proxy import CountingProxy
from tests.support.waiting import until

from .conftest import MARK, Log

HERE = Path(__file__).parent


Run = Callable[..., FunctionPool]


def do(name: str) -> bytes:
    return json.dumps({"do": name}).encode()


def error_of(outcome: Outcome) -> dict[str, str]:
    assert outcome.function_error == "Unhandled"
    error: dict[str, str] = json.loads(outcome.payload)
    return error


def test_an_image_runs_as_lambda_would_run_it(run: Run, image: str, log: Log) -> None:
    pool = run(environment={"OWN": "1"}, memory=256, region="eu-west-1")
    first = pool.invoke(do("facts"), request_id="r-1", want_log=True)
    facts = json.loads(first.payload)
    assert (facts["uid"], facts["root"], facts["tmp"]) == (993, False, True)
    variables = facts["environment"]
    assert variables["OWN"] == "1"
    assert variables["AWS_LAMBDA_FUNCTION_NAME"] == "perl"
    assert variables["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    assert variables["AWS_REGION"] == "eu-west-1"
    assert variables["_HANDLER"] == "words.txt"
    assert not [name for name in variables if "SECRET" in name or "ACCESS_KEY" in name]
    tail = first.log.decode()
    assert "START RequestId: r-1 Version: $LATEST\n" in tail
    end, report = tail.splitlines()[-2:]
    assert end == "END RequestId: r-1"
    assert report.startswith("REPORT RequestId: r-1\t")
    assert "\tMax Memory Used: " in report
    assert "\tInit Duration: " in report
    assert pool.invoke(b'{"again": 1}').payload == b'{"again": 1}'
    assert pool.size == 1


def test_all_that_a_container_wrote_is_in_the_log_when_it_is_gone(run: Run, log: Log) -> None:
    pool = run()
    for request_id in ("r-1", "r-2"):
        pool.invoke(b"1", request_id=request_id)
    pool.close()
    for text in ("starting\n", "out r-1\n", "err r-1\n", "out r-2\n", "err r-2\n"):
        assert text in log.text
    written = [text for _, source, text in log.entries if source == "stdout"]
    assert "".join(written) == "starting\nout r-1\nout r-2\n"


def test_variables_of_the_caller_are_given_when_asked(run: Run) -> None:
    facts = json.loads(run({"AWS_ACCESS_KEY_ID": "AKIA"}).invoke(do("facts")).payload)
    assert facts["environment"]["AWS_ACCESS_KEY_ID"] == "AKIA"


def test_failures_are_told_truly_and_the_next_event_is_served(run: Run, log: Log) -> None:
    pool = run(timeout=2)
    assert error_of(pool.invoke(do("fail"))) == {"errorMessage": "no", "errorType": "Bad"}
    assert error_of(pool.invoke(do("exit"), request_id="r-1")) == {
        "errorType": "Runtime.ExitError",
        "errorMessage": "RequestId: r-1 Error: Runtime exited with error: exit status 3",
    }
    starved = pool.invoke(do("memory"), request_id="r-2", want_log=True)
    assert error_of(starved) == {
        "errorType": "Runtime.OutOfMemory",
        "errorMessage": "RequestId: r-2 Error: Runtime exited with error: signal: killed",
    }
    assert "Status: error\tError Type: Runtime.OutOfMemory" in starved.log.decode()
    assert error_of(pool.invoke(do("sleep"), request_id="r-3")) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": "RequestId: r-3 Error: Task timed out after 2.00 seconds",
    }
    assert pool.invoke(b"1").payload == b"1"


def test_a_function_may_close_its_output(run: Run) -> None:
    pool = run(timeout=20)
    assert json.loads(pool.invoke(do("mute")).payload) == {"do": "mute"}
    for number in range(3):
        time.sleep(0.1)  # the engine tells of the end of the output when it comes to it
        assert pool.invoke(str(number).encode(), want_log=True).payload == str(number).encode()
    assert pool.size == 1
    assert error_of(pool.invoke(do("exit")))["errorType"] == "Runtime.ExitError"


CREATE = "docker.POST /containers/create"


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        (CREATE, Drop()),
        (CREATE, Drop(Side.MIDDLE)),
        (CREATE, Answer(500, b'{"message": "no more"}')),
        (CREATE, Answer(200, b"not JSON")),
        (CREATE, Answer(200, b"{}")),
        ("docker.POST /containers/ID/attach", Drop()),
    ],
)
def test_an_engine_that_fails_at_a_start_is_told(
    image: str, run_id: str, call: str, fault: Fault
) -> None:
    def name_of(method: str, target: str, *_: object) -> tuple[str, str]:
        path = re.sub(r"[0-9a-f]{64}", "ID", target.partition("?")[0])
        return "docker", f"{method} {path}"

    engine = Engine(dialer(endpoint()))
    with CountingProxy(endpoint().url.replace("tcp://", "http://"), name_of) as proxy:
        proxy.inject(call, fault)
        there = endpoint(proxy.url.replace("http://", "tcp://"))
        executor = DockerExecutor(dialer(there), labels={MARK: f"{run_id}-start"})
        with FunctionPool(FunctionSpec("perl", image=image, timeout=3), executor) as pool:
            error = error_of(pool.invoke(b"{}"))
        struck = [made.name for made in proxy.calls() if made.fault]
    for left in engine.containers(f"{MARK}={run_id}-start"):  # one of which nobody was told
        engine.remove(left["Id"])
    assert error["errorType"] == "Sandbox.Failure"
    assert struck == [call]


def test_a_failed_init_is_told_with_what_it_wrote(run: Run, log: Log) -> None:
    outcome = run(environment={"FAIL_INIT": "1"}).invoke(b"{}", want_log=True)
    assert error_of(outcome)["errorType"] == "Runtime.ExitError"
    assert log.text.count("init fails\n") == 2
    assert log.text.count("INIT_REPORT") == 2


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"entrypoint": ["/no/such"]}, "Runtime.InvalidEntrypoint", "fork/exec /no/such: "),
        ({"image": "lambdaimg-test/none:1"}, "Sandbox.ImageNotFound", "There is no image"),
        ({"workdir": "/dev/null/x"}, "Sandbox.Failure", ""),
    ],
)
def test_what_cannot_be_started_is_told(
    run: Run, changes: dict[str, Any], kind: str, words: str
) -> None:
    error = error_of(run(**changes).invoke(b"{}"))
    assert error["errorType"] == kind
    assert words in error["errorMessage"]


def test_command_entrypoint_and_folder_can_be_replaced(run: Run) -> None:
    pool = run(
        entrypoint=["perl", "/usr/local/bin/runtime.pl"], command=["hostname"], workdir="/etc"
    )
    facts = json.loads(pool.invoke(do("facts")).payload)
    assert facts["environment"]["_HANDLER"] == "hostname"


def test_a_file_can_be_laid_over_the_image_s(run: Run, image: str, tmp_path: Path) -> None:
    pool = run(max_environments=1)
    assert pool.invoke(do("words")).payload == b'"first words"'
    other = tmp_path / "words"
    other.write_text("other words")
    mounts = [(str(other), "/function/words.txt")]
    pool.update(pool.spec.but(mounts=mounts), prestart=True)
    assert pool.invoke(do("words")).payload == b'"other words"'


def running_container(run_id: str) -> dict[str, Any]:
    """The one container of the test, once it runs; the engine lists some before it knows them."""
    engine = Engine(dialer(endpoint()))

    def running() -> list[dict[str, Any]]:
        return [c for c in engine.containers(f"{MARK}={run_id}") if c["State"] == "running"]

    [first, *_] = until(running, "a container runs")
    facts: dict[str, Any] = engine.get(f"/containers/{first['Id']}/json")
    return facts


def test_a_held_container_reads_what_is_there_when_it_is_let_go(
    run: Run, run_id: str, tmp_path: Path, log: Log
) -> None:
    pool = run()
    words = tmp_path / "words"
    words.write_text("not yet")
    spec = pool.spec.but(mounts=[(str(words), "/function/words.txt")], environment={"OWN": "1"})
    pool.hold(spec)
    facts = running_container(run_id)
    assert (pool.size, log.entries) == (0, [])
    words.write_text("in the end")
    pool.update(spec, prestart=True)
    assert pool.invoke(do("words")).payload == b'"in the end"'
    told = json.loads(pool.invoke(do("facts")).payload)["environment"]
    assert told["OWN"] == "1"
    assert {"PWD", "OLDPWD", "SHLVL", "_"}.isdisjoint(told)
    assert running_container(run_id)["Id"] == facts["Id"]


def test_a_held_container_that_is_not_wanted_is_taken_away(run: Run, run_id: str) -> None:
    pool = run()
    pool.hold(pool.spec.but(memory=256))
    unwanted = running_container(run_id)["Id"]
    pool.update(pool.spec.but(memory=512))
    facts = json.loads(pool.invoke(do("facts")).payload)
    assert facts["environment"]["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "512"
    engine = Engine(dialer(endpoint()))
    until(
        lambda: unwanted not in {c["Id"] for c in engine.containers(f"{MARK}={run_id}")},
        "the container is gone",
    )


def test_an_image_without_a_shell_is_started_as_ever(
    run: Run, run_id: str, image: str, engine: Any
) -> None:
    text = f'FROM {image}\nENTRYPOINT []\nRUN ["perl", "-e", "unlink \'/bin/sh\'"]\n'
    text += 'ENTRYPOINT ["perl", "/usr/local/bin/runtime.pl"]\nCMD ["words.txt"]\n'
    bare, _ = engine.images.build(fileobj=io.BytesIO(text.encode()), rm=True)
    pool = run(image=bare.id)
    spec = pool.spec.but(memory=256)
    pool.hold(spec)
    time.sleep(RETIRE)  # while it is being started, or after that has failed
    pool.update(spec, prestart=True)
    assert pool.invoke(do("words")).payload == b'"first words"'
    pool.close()
    engine.images.remove(bare.id, force=True, noprune=True)


def test_an_image_of_a_stranger_runs_unchanged(run: Run, stranger: str) -> None:
    pool = run(image=stranger)
    for number in range(2):
        answer = json.loads(pool.invoke(str(number).encode()).payload)
        assert answer == {"bash": "5", "event": number}


def test_closing_in_the_middle_of_everything_leaves_nothing(run: Run, run_id: str) -> None:
    pool = run(max_environments=4)
    with ThreadPoolExecutor(4) as threads:
        outcomes = [threads.submit(pool.invoke, do("sleep")) for _ in range(4)]
        ended = until(
            lambda: pool.open_events == 4 or [o.result() for o in outcomes if o.done()],
            "four events are taken in",
        )
        assert ended is True
        pool.close()
        assert {error_of(o.result())["errorType"] for o in outcomes} == {"Sandbox.Stopped"}
    assert Engine(dialer(endpoint())).containers(f"{MARK}={run_id}") == []


KILLED = """
import os, signal, sys
from lambdaimg.container.dial import dialer
from lambdaimg.container.engine import endpoint
from lambdaimg.emulator.containers import DockerExecutor
from lambdaimg.emulator.function_pool import FunctionPool
from lambdaimg.emulator.protocol import FunctionSpec
executor = DockerExecutor(dialer(endpoint()), labels={sys.argv[2]: sys.argv[3]})
pool = FunctionPool(FunctionSpec(image=sys.argv[1], timeout=30), executor)
assert pool.invoke(b"1").payload == b"1"
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_emulator_left_is_swept_away(image: str, run_id: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, image, MARK, f"{run_id}-killed"],
        cwd=HERE.parent.parent,
        check=False,
    )
    assert done.returncode == -9
    engine = Engine(dialer(endpoint()))
    label = f"{MARK}={run_id}-killed"
    [left] = engine.containers(label)
    assert is_abandoned(left["Labels"][LABEL])
    assert not is_abandoned(owner_mark())
    assert DockerExecutor(dialer(endpoint())).sweep() >= 1
    assert engine.containers(label) == []


def test_containers_meet_this_machine_on_the_bridge_alone(image: str) -> None:
    engine = Engine(dialer(endpoint()))
    found = bridge.meeting(engine)
    assert found.listen not in ("0.0.0.0", "::")
    assert bridge.is_here(found.listen)
    with pytest.raises(EngineError) as caught:
        bridge.meeting(engine, "no-such-network")
    assert caught.value.status == 404


def test_a_control_group_that_is_not_here_tells_nothing() -> None:
    assert cgroup.find("0" * 64) is None


# --- what is decided without an engine ------------------------------------------------------------


@pytest.mark.parametrize(
    ("network", "address"),
    [
        (
            {"IPAM": {"Config": [{"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.9"}]}},
            "172.17.0.9",
        ),
        ({"IPAM": {"Config": [{"Subnet": "10.5.0.0/24"}]}}, "10.5.0.1"),
        (
            {
                "IPAM": {
                    "Config": [
                        {"Subnet": "fd00::/64", "Gateway": "fd00::1"},
                        {"Subnet": "10.0.0.0/8"},
                    ]
                }
            },
            "10.0.0.1",
        ),
        ({"IPAM": {"Config": []}}, None),
        ({"IPAM": None}, None),
        ({}, None),
    ],
)
def test_the_gateway_of_a_network(network: dict[str, Any], address: str | None) -> None:
    assert bridge.gateway_of(network) == address


def test_an_address_of_another_machine_is_not_here() -> None:
    assert bridge.is_here("127.0.0.1")
    assert not bridge.is_here("192.0.2.1")


IMAGE = {"Id": "sha256:1", "Config": {"Cmd": ["app.handler"], "Env": ["PATH=/bin", "A=1"]}}
NOTHING: dict[str, Any] = {"variables": {}, "network": "bridge", "labels": {}, "publish": ()}


def test_a_container_is_confined() -> None:
    spec = FunctionSpec("f", memory=512, mounts=[("/here", "/there")])
    body = create_body(spec, "a:1", IMAGE, **NOTHING)
    host = body["HostConfig"]
    assert body["User"] == USER
    assert (host["ReadonlyRootfs"], list(host["Tmpfs"])) == (True, ["/tmp"])
    assert host["Memory"] == host["MemorySwap"] == 512 * 1024 * 1024
    assert host["NanoCpus"] == 1_000_000_000
    assert (host["CapDrop"], host["SecurityOpt"]) == (["ALL"], ["no-new-privileges"])
    assert host["Binds"] == ["/here:/there:ro"]
    assert "PortBindings" not in host
    assert {"_HANDLER=app.handler", "AWS_LAMBDA_RUNTIME_API=a:1"} <= set(body["Env"])
    assert {"Cmd", "Entrypoint", "WorkingDir"}.isdisjoint(body)


def test_an_entrypoint_alone_keeps_the_image_s_command() -> None:
    body = create_body(FunctionSpec(entrypoint=["/x"]), "a:1", IMAGE, **NOTHING)
    assert (body["Entrypoint"], body["Cmd"]) == (["/x"], ["app.handler"])


def test_the_function_s_own_variables_win_but_for_the_api_s_address() -> None:
    own = {"AWS_REGION": "own", "AWS_LAMBDA_RUNTIME_API": "own", "K": "own"}
    given = {**NOTHING, "variables": {"K": "given"}}
    found = create_body(FunctionSpec(environment=own), "a:1", IMAGE, **given)["Env"]
    assert {"AWS_REGION=own", "K=own", "AWS_LAMBDA_RUNTIME_API=a:1"} <= set(found)


def test_a_held_container_waits_in_a_shell() -> None:
    body = create_body(FunctionSpec(entrypoint=["/x"]), "a:1", IMAGE, **NOTHING, held=True)
    assert body["Entrypoint"][:2] == ["/bin/sh", "-c"]
    assert body["Cmd"] == ["/x", "app.handler"]
    assert (body["OpenStdin"], body["StdinOnce"]) == (True, True)


def test_a_port_is_published_on_loopback_alone() -> None:
    body = create_body(FunctionSpec(), "a:1", IMAGE, **{**NOTHING, "publish": [5678]})
    bindings = body["HostConfig"]["PortBindings"]
    assert bindings == {"5678/tcp": [{"HostIp": "127.0.0.1", "HostPort": "5678"}]}


def test_on_the_machine_s_own_network_no_name_is_added() -> None:
    body = create_body(FunctionSpec(), "a:1", IMAGE, **{**NOTHING, "network": "host"})
    assert "ExtraHosts" not in body["HostConfig"]


@pytest.mark.parametrize(("status", "code"), [(0, 0), (1, 1), (128, 128), (137, -9), (139, -11)])
def test_exit_statuses_of_docker(status: int, code: int) -> None:
    assert exit_code(status) == code


@pytest.mark.parametrize(
    ("message", "kind", "reason"),
    [
        (
            'OCI create failed: runc: exec: "/x": stat /x: no such file or directory: unknown',
            "Runtime.InvalidEntrypoint",
            "fork/exec /x: no such file or directory",
        ),
        (
            'unable to start: exec: "x": executable file not found in $PATH: unknown',
            "Runtime.InvalidEntrypoint",
            "fork/exec x: executable file not found in $PATH",
        ),
        ("No such image: i:1", "Sandbox.ImageNotFound", "There is no image i:1"),
        ("no space left on device", "Sandbox.Failure", "no space left on device"),
    ],
)
def test_why_a_container_was_not_started(message: str, kind: str, reason: str) -> None:
    end = start_failure(EngineError(404, message), "i:1")
    assert (end.error_type, end.reason) == (kind, reason)
