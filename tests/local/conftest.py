"""State folders of their own for tests that start and kill servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lambdaimg.local import server


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """An empty state folder; whatever server ends up there is stopped."""
    state = tmp_path / "local"
    yield state
    server.down(state)


@pytest.fixture(scope="module")
def local_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[server.LocalAws]:
    """A server for the tests of a module that change nothing about it."""
    state = tmp_path_factory.mktemp("aws")
    yield server.ensure_up(state)
    server.down(state)
