"""scripts/audit with pip-audit itself, before a database of this test's, and before none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROBE = "requests==2.19.1"


class Database(BaseHTTPRequestHandler):
    """Answers as OSV does; `weak` are the versions with a weakness."""

    weak: frozenset[str] = frozenset()
    asked: set[str]

    def do_POST(self) -> None:
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = query["package"]["name"]
        version = f"{name}=={query['version']}"
        self.asked.add(version)
        answer: dict[str, Any] = {}
        if version in self.weak:
            fixed = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.1"}]}]
            package = {"name": name, "ecosystem": "PyPI"}
            affected = [{"package": package, "ranges": fixed}]
            answer = {"vulns": [{"id": "OSV-1", "summary": "weak", "affected": affected}]}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def database() -> Iterator[tuple[type[Database], str]]:
    handler = type("Handler", (Database,), {"asked": set()})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield handler, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join(10)


def audit(url: str, *words: str) -> subprocess.CompletedProcess[str]:
    variables = {"PIP_AUDIT_VULNERABILITY_SERVICE": "osv", "PIP_AUDIT_OSV_URL": url}
    return subprocess.run(
        [sys.executable, ROOT / "scripts" / "audit", *words],
        env={**os.environ, **variables, "NO_PROXY": "*", "no_proxy": "*"},
        capture_output=True,
        text=True,
        check=False,
    )


def pinned(name: str) -> str:
    text = (ROOT / "requirements" / "dev.txt").read_text()
    return next(line.split()[0] for line in text.splitlines() if line.startswith(f"{name}=="))


def test_every_pinned_version_is_asked_about(database: tuple[type[Database], str]) -> None:
    handler, url = database
    handler.weak = frozenset({PROBE})
    done = audit(url, "--strict")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith(" pinned versions reviewed; known weaknesses: 0.\n")
    names = {asked.partition("==")[0] for asked in handler.asked}
    assert {"boto3", "docker", "rich", "typer", "ministack", "aws-sam-cli"} <= names


def test_a_weak_version_fails(database: tuple[type[Database], str]) -> None:
    handler, url = database
    handler.weak = frozenset({PROBE, pinned("urllib3")})
    done = audit(url)
    assert done.returncode == 1, done.stdout + done.stderr
    weak, summary = done.stdout.splitlines()
    assert weak == f"{pinned('urllib3').replace('==', ' ')}: OSV-1, mended in 99.1"
    assert summary.endswith("known weaknesses: 1.")


@pytest.mark.parametrize(("words", "status"), [((), 0), (("--strict",), 2)])
def test_a_database_that_knows_no_weakness_vouches_for_nothing(
    database: tuple[type[Database], str], words: tuple[str, ...], status: int
) -> None:
    handler, url = database
    done = audit(url, *words)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.count("\n") == 1
    assert "nothing was reviewed" in done.stderr
    assert handler.asked == {PROBE}


def test_no_database_is_one_sentence() -> None:
    done = audit("http://127.0.0.1:9/")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.count("\n") == 1
    assert "nothing was reviewed" in done.stderr
