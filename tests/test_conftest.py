"""The rules that the tests themselves are run by."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# The text of a module for a run of its own, which is what these tests look at: one that passes a
# test over must fail there. Nothing in them is passed over here.
KINDS = {
    # must fail the inner run: a test that skips itself
    "skipped": "import pytest\ndef test_one():\n    pytest.skip('no')\n",
    # must fail the inner run: a module that is skipped whole
    "module": "import pytest\npytest.skip('no', allow_module_level=True)\n",
    # must fail the inner run: a failure that is expected
    "expected": "import pytest\n@pytest.mark.xfail\ndef test_one():\n    assert 1 == 2\n",
    "good": "",
}
# Beside it stands one that passes, so that the inner run has something to report.
PASSES = "def test_good():\n    assert len('good') == 4\n"


def suite(folder: Path, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Runs a suite of two tests, one of them as `text` has it, under the project's conftest."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_first.py").write_text(PASSES)
    (folder / "test_other.py").write_text(text)
    words = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-c", folder / "pytest.ini"]
    return subprocess.run(
        [*words, *options, folder],
        cwd=ROOT,
        env={**os.environ, "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("kind", "workers"), [("skipped", "0"), ("module", "0"), ("expected", "0"), ("skipped", "2")]
)
def test_a_run_with_a_test_passed_over_fails_where_that_is_asked(
    tmp_path: Path, kind: str, workers: str
) -> None:
    done = suite(tmp_path, KINDS[kind], "--no-skips", "-n", workers)
    assert done.returncode == 1
    assert "not run: " in done.stdout


def test_a_developer_may_pass_a_test_over(tmp_path: Path) -> None:
    assert suite(tmp_path, KINDS["skipped"]).returncode == 0


def test_a_whole_run_passes(tmp_path: Path) -> None:
    done = suite(tmp_path, KINDS["good"], "--no-skips")
    assert done.returncode == 0
    assert "1 passed" in done.stdout.splitlines()[-1]


def test_the_developers_settings_do_not_reach_the_tests(tmp_path: Path) -> None:
    checks = (
        "import os\nfrom pathlib import Path\n"
        "def test_clean():\n"
        "    assert not {'AWS_PROFILE', 'FUNCTION_NAME', 'LAMBDAIMG_LOCAL'} & set(os.environ)\n"
        f"    assert Path.home() != Path({str(tmp_path)!r})\n"
        "    assert not os.path.exists(os.environ['DOCKER_CONFIG'])\n"
    )
    foreign = {"AWS_PROFILE": "x", "FUNCTION_NAME": "x", "LAMBDAIMG_LOCAL": "1"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**foreign, "HOME": str(tmp_path)}.items():
            patch.setenv(name, value)
        assert suite(tmp_path, checks).returncode == 0
