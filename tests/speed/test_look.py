"""The look at one image over a bare socket says what the engine says."""

from __future__ import annotations

import os
from typing import Any

import pytest

from lambdaimg.container.look import image_exists
from lambdaimg.errors import NoEngineError

NOBODYS = "sha256:" + "0" * 64


def test_an_image_is_there_or_not(engine: Any, base_image: str) -> None:
    image = engine.images.get(base_image)
    assert image_exists(image.id) is True
    assert image_exists(base_image) is True
    assert image_exists(NOBODYS) is False
    assert image_exists("no-such-image:ever") is False


def test_a_name_that_a_path_cannot_hold_is_still_asked_for(engine: Any) -> None:
    assert image_exists("no such image?x=#") is not True


def test_an_engine_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "DOCKER_HOST", "unix:///nowhere/docker.sock")
    with pytest.raises(NoEngineError):
        image_exists(NOBODYS)
    monkeypatch.setitem(os.environ, "DOCKER_HOST", "tcp://127.0.0.1:9")
    with pytest.raises(NoEngineError):
        image_exists(NOBODYS)
