"""Fixtures for all tests: engine, base image, RIE, AWS emulators, a project, the command line.

Nothing here skips: where a part is missing, the test that needs it fails and says so. Tests that
need the engine are marked `engine` by themselves, from the fixtures that they ask for.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests.support.commandline import CommandLine
from tests.support.endpoint import AwsEndpoint
from tests.support.isolation import isolated
from tests.support.proxy import CountingProxy

ROOT = Path(__file__).resolve().parent.parent
BASE_IMAGE = "debian:trixie-slim"
# pip reads the developer's own configuration, so what fetches with pip runs in this.
OUTER_ENVIRONMENT = dict(os.environ)
ENGINE_FIXTURES = frozenset({"engine", "base_image"})


# --- the run as a whole -------------------------------------------------------------------------

# No test depends on how long an example takes: the machine may be busy with others.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--no-skips",
        action="store_true",
        help="fail the run where any test was skipped or is expected to fail",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "engine: needs a Docker engine (set by the fixtures used)")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # As in a job that a shell runs in the background: its children would ignore Ctrl-C too.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    home = Path(tempfile.mkdtemp(prefix="lambdaimg-tests-"))
    config.add_cleanup(lambda: shutil.rmtree(home, ignore_errors=True))
    if getattr(config.option, "numprocesses", None):
        config.pluginmanager.register(Unheard())
    env = isolated(home, OUTER_ENVIRONMENT)
    os.environ.clear()
    os.environ.update(env)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs the engine, and put it first: the longest work should not come last."""
    for item in items:
        if ENGINE_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker("engine")
    items.sort(key=lambda item: item.get_closest_marker("engine") is None)


class Unheard:
    """The tests of which workers have not reported: a worker that dies takes them along.

    They count as failed, so that `--last-failed` runs them.
    """

    def __init__(self) -> None:
        self.ids: set[str] = set()

    def pytest_xdist_node_collection_finished(self, node: object, ids: list[str]) -> None:
        self.ids = self.ids or set(ids)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.ids.discard(report.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if not self.ids:
            return
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        failed = session.config.pluginmanager.get_plugin("lfplugin")
        if reporter is not None:
            reporter.write_line("")
            reporter.write_line(f"no worker ran {len(self.ids)} tests", red=True)
        if failed is not None:
            failed.lastfailed.update(dict.fromkeys(self.ids, True))
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if not session.config.getoption("--no-skips"):
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return
    passed_over = [r for kind in ("skipped", "xfailed") for r in reporter.stats.get(kind, ())]
    if passed_over:
        reporter.write_line("")
        for report in passed_over:
            reporter.write_line(f"not run: {report.nodeid}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Add up and print what tests recorded as `figure: NAME`."""
    figures: dict[str, int] = {}
    for report in (r for reports in terminalreporter.stats.values() for r in reports):
        for name, value in getattr(report, "user_properties", ()):
            if name.startswith("figure: ") and report.when == "call":
                figures[name] = figures.get(name, 0) + int(value)
    for name, value in figures.items():
        terminalreporter.write_line(f"{name.removeprefix('figure: ')}: {value}")


# --- names --------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def run_id() -> str:
    """A short name of this worker's run, part of the name of all that tests make."""
    return uuid.uuid4().hex[:8]


@pytest.fixture
def unique(run_id: str) -> Callable[[str], str]:
    """`unique("queue")` is a name that no other test has: `t-<run>-queue-<n>`."""
    taken: list[str] = []

    def name(stem: str) -> str:
        taken.append(stem)
        return f"t-{run_id}-{stem}-{uuid.uuid4().hex[:6]}"

    return name


# --- engine, base image, RIE --------------------------------------------------------------------


@pytest.fixture(scope="session")
def engine() -> Iterator[Any]:
    """A client of the Docker SDK for an engine that answers."""
    import docker
    from docker.errors import DockerException

    try:
        client = docker.from_env(timeout=120)
        client.ping()
    except DockerException as error:
        pytest.fail(f"no Docker engine answers ({error}); use scripts/engine run -- ...")
    yield client
    client.close()


@pytest.fixture(scope="session")
def base_image(engine: Any) -> str:
    """The name of the base image, which is there."""
    from docker.errors import ImageNotFound

    try:
        engine.images.get(BASE_IMAGE)
    except ImageNotFound:
        pytest.fail(f"the engine has no {BASE_IMAGE}; use scripts/engine run -- ...")
    return BASE_IMAGE


@pytest.fixture(scope="session")
def rie_binary() -> Path:
    """The Lambda Runtime Interface Emulator: LAMBDAIMG_TEST_RIE, else what scripts/rie fetches."""
    chosen = os.environ.get("LAMBDAIMG_TEST_RIE")
    if chosen:
        return Path(chosen)
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "rie"],
        env=OUTER_ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.fail(f"scripts/rie failed: {done.stderr}")
    return Path(done.stdout.strip())


# --- AWS on this machine ------------------------------------------------------------------------


@pytest.fixture(scope="session")
def aws_local(engine: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsEndpoint]:
    """This worker's embedded AWS. `lambdaimg --local` of its tests finds the same one."""
    from lambdaimg.local import server

    state = Path(os.environ["LAMBDAIMG_LOCAL_HOME"])
    running = server.ensure_up(state, docker_host=os.environ.get("DOCKER_HOST"))
    yield AwsEndpoint(running.endpoint, running.account, running.region)
    server.down(state)


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    """Where this worker's moto server answers, whose state all its tests share."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def moto_server(moto_url: str) -> AwsEndpoint:
    """An AWS account of moto's, empty: moto keeps to more of AWS's rules and runs no function."""
    import urllib.request

    reset = urllib.request.Request(f"{moto_url}/moto-api/reset", method="POST")
    urllib.request.urlopen(reset, timeout=30).close()
    return AwsEndpoint(moto_url, account="123456789012")


@pytest.fixture
def counted(request: pytest.FixtureRequest) -> Iterator[Callable[[AwsEndpoint], CountingProxy]]:
    """`counted(aws_local)` is a proxy before an endpoint, taken down after the test."""
    proxies: list[CountingProxy] = []

    def before(endpoint: AwsEndpoint) -> CountingProxy:
        proxy = CountingProxy(endpoint.url)
        proxies.append(proxy)
        return proxy.__enter__()

    yield before
    for proxy in proxies:
        proxy.__exit__(None, None, None)


# --- the command line and a project -------------------------------------------------------------


@pytest.fixture
def lambdaimg(tmp_path: Path) -> CommandLine:
    """Runs the real command in the test's folder; see `CommandLine`."""
    return CommandLine(tmp_path)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder in which `lambdaimg init` has been run."""
    folder = tmp_path / "project"
    folder.mkdir()
    CommandLine(folder)("init").ok()
    return folder
