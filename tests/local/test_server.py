"""The embedded AWS is found, started once, and stopped, whatever happened before."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lambdaimg.errors import LocalAwsError
from lambdaimg.local import server
from lambdaimg.local.state import FORMAT, StateFiles, default_home, lock_holder
from tests.support.waiting import until


def wait_until_gone(home: Path) -> None:
    until(lambda: lock_holder(StateFiles(home)) is None, "the server is gone")


def start_elsewhere(home: Path) -> subprocess.Popen[str]:
    """Another process that calls `ensure_up` and prints what it got."""
    code = (
        "import sys; from pathlib import Path; from lambdaimg.local import server\n"
        "local = server.ensure_up(Path(sys.argv[1]))\n"
        "print(local.pid, local.port, local.started)\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, str(home)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(server.__file__).parents[2],
    )


def test_it_is_started_found_again_and_stopped(home: Path) -> None:
    phrases: list[str] = []
    first = server.ensure_up(home, on_event=phrases.append)
    again = server.ensure_up(home, on_event=phrases.append)

    assert first.started
    assert not again.started
    assert again.pid == first.pid
    assert again.endpoint == f"http://127.0.0.1:{first.port}"
    assert phrases == [f"starting the embedded AWS on port {first.port}"]
    found = server.status(home)
    assert found is not None
    assert found.pid == first.pid
    assert os.getsid(first.pid) != os.getsid(0)

    assert server.down(home) == first.pid
    assert server.status(home) is None
    assert server.down(home) is None


def test_it_listens_on_loopback_alone_where_no_engine_has_a_bridge_here(home: Path) -> None:
    local = server.ensure_up(home, docker_host="unix:///nowhere/docker.sock")
    table = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    ours = {row.split()[1] for row in table if row.split()[1].endswith(f":{local.port:04X}")}
    listening = {row.split()[1] for row in table if row.split()[3] == "0A"}
    assert ours & listening == {f"0100007F:{local.port:04X}"}


def test_two_runs_at_once_start_one(home: Path) -> None:
    runs = [start_elsewhere(home) for _ in range(3)]
    said = [run.communicate(timeout=60)[0].split() for run in runs]

    assert len({(pid, port) for pid, port, _ in said}) == 1
    assert sorted(started for _, _, started in said) == ["False", "False", "True"]


def test_a_run_that_ends_while_it_starts_leaves_a_server_that_the_next_takes(home: Path) -> None:
    run = start_elsewhere(home)
    until(
        lambda: lock_holder(StateFiles(home)) is not None or run.poll() is not None,
        "a server starts",
        pause_s=0.005,
    )
    run.kill()
    run.communicate()

    local = server.ensure_up(home)

    assert local.pid == lock_holder(StateFiles(home))


def test_after_a_kill_the_next_start_has_the_same_port(home: Path) -> None:
    first = server.ensure_up(home)
    os.kill(first.pid, signal.SIGKILL)
    wait_until_gone(home)
    assert server.status(home) is None

    second = server.ensure_up(home)

    assert second.started
    assert second.pid != first.pid
    assert second.port == first.port


def test_a_process_id_given_to_another_process_is_not_believed(home: Path) -> None:
    home.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as other:
        record = {
            "format": FORMAT,
            "pid": os.getpid(),
            "port": other.getsockname()[1],
            "account": "000000000000",
            "region": "us-east-1",
            "docker_host": None,
            "version": "0",
        }
        (home / "server.json").write_text(json.dumps(record), encoding="utf-8")
        (home / "server.lock").write_text(f"{os.getpid()}\n", encoding="ascii")

        assert server.status(home) is None
        assert server.down(home) is None
        assert not (home / "server.json").exists()


@pytest.mark.parametrize(
    "content", ["", "not json", "[]", '{"format": 0}', '{"format": 1, "pid": 1}']
)
def test_a_record_that_cannot_be_read_is_replaced(home: Path, content: str) -> None:
    home.mkdir()
    (home / "server.json").write_text(content, encoding="utf-8")
    (home / "port").write_text(content, encoding="utf-8")

    assert server.ensure_up(home).started


def test_a_port_taken_meanwhile_is_changed_and_said(home: Path) -> None:
    first = server.ensure_up(home)
    server.down(home)
    phrases: list[str] = []
    with socket.create_server(("127.0.0.1", first.port)):
        second = server.ensure_up(home, on_event=phrases.append)
    server.down(home)
    third = server.ensure_up(home)

    assert second.port != first.port
    assert third.port == second.port
    assert any(f"port {first.port} of the last run is taken" in phrase for phrase in phrases)


def test_a_port_asked_for_is_that_port_or_an_error(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(LocalAwsError, match=f"Port {port} is taken by another program"):
            server.ensure_up(home, port=port)
    assert server.status(home) is None

    assert server.ensure_up(home, port=port).port == port
    with pytest.raises(LocalAwsError, match=f"already runs on port {port}, not 1"):
        server.ensure_up(home, port=1)


def test_another_account_than_the_running_one_is_an_error(home: Path) -> None:
    local = server.ensure_up(home, account="111122223333", region="eu-central-1")

    assert (local.account, local.region) == ("111122223333", "eu-central-1")
    with pytest.raises(LocalAwsError, match="runs for account 111122223333, not 000000000000"):
        server.ensure_up(home)


def test_a_server_of_another_version_is_used_and_said(home: Path) -> None:
    server.ensure_up(home)
    record = json.loads((home / "server.json").read_text(encoding="utf-8"))
    (home / "server.json").write_text(json.dumps({**record, "version": "0.0.1"}), encoding="utf-8")
    phrases: list[str] = []

    assert server.ensure_up(home, on_event=phrases.append).version == "0.0.1"

    assert "was started by lambdaimg 0.0.1" in phrases[0]


def test_a_server_that_hangs_is_killed(home: Path) -> None:
    local = server.ensure_up(home)
    os.kill(local.pid, signal.SIGSTOP)
    phrases: list[str] = []

    assert server.down(home, timeout_s=0.2, on_event=phrases.append) == local.pid

    assert lock_holder(StateFiles(home)) is None
    assert phrases == ["the embedded AWS does not stop by itself, ending it"]


def test_a_server_that_dies_is_reported_with_its_last_words(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "packages" / "ministack"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise RuntimeError('the disk is on fire')\n")
    monkeypatch.setenv("PYTHONPATH", str(broken.parent))

    with pytest.raises(
        LocalAwsError, match="did not start: RuntimeError: the disk is on fire"
    ) as e:
        server.ensure_up(home)

    assert e.value.hint == f"Its log is {home / 'server.log'}"
    assert server.status(home) is None


def test_without_ministack_it_says_what_to_install(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ministack", None)

    with pytest.raises(LocalAwsError, match="not installed") as raised:
        server.ensure_up(home)

    assert raised.value.hint == 'Install it with: pip install "lambdaimg[local]"'


def test_a_state_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalAwsError, match="cannot keep its state"):
        server.ensure_up(tmp_path / "file" / "local")


def test_the_state_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.delenv("LAMBDAIMG_LOCAL_HOME", raising=False)
    assert default_home() == Path("/home/me/.local/state/lambdaimg/local")
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert default_home() == Path("/state/lambdaimg/local")
    monkeypatch.setenv("LAMBDAIMG_LOCAL_HOME", "~/here")
    assert default_home() == Path("/home/me/here")


def test_of_many_that_look_at_once_none_is_taken_for_the_server(tmp_path: Path) -> None:
    files = StateFiles(tmp_path)
    files.server_lock.write_text("1\n")  # of a server that is gone
    found: list[int | None] = []

    def look() -> None:
        found.extend(lock_holder(files) for _ in range(500))

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(found) == {None}
