"""The translation of the Docker SDK's exceptions: complete, and one clear sentence each."""

from __future__ import annotations

import inspect
from typing import Any

import docker.credentials.errors
import docker.errors
import pytest
import requests.exceptions
import urllib3.exceptions

from lambdaimg.container.errors import TABLE, WORDS, explanation, translate, translated
from lambdaimg.errors import (
    BuildError,
    DockerError,
    LambdaimgError,
    NoEngineError,
    PushError,
    UsageError,
)


def exceptions_of(module: Any) -> set[type[BaseException]]:
    return {
        cls
        for cls in vars(module).values()
        if inspect.isclass(cls)
        and issubclass(cls, BaseException)
        and cls.__module__ == module.__name__
    }


SDK = exceptions_of(docker.errors) | exceptions_of(docker.credentials.errors)
HTTP = exceptions_of(requests.exceptions) | exceptions_of(urllib3.exceptions)
FOREIGN = sorted(
    (c for c in SDK | HTTP if not issubclass(c, Warning)), key=lambda c: (c.__module__, c.__name__)
)


def made(cls: type[BaseException]) -> BaseException:
    """An instance without its constructor, whose arguments differ from class to class."""
    exc = cls.__new__(cls)
    exc.args = ("what the engine said",)
    for name in ("response", "msg", "name", "param"):
        if not isinstance(getattr(cls, name, None), property):
            setattr(exc, name, None)
    exc.explanation = "what the engine said"  # type: ignore[attr-defined]
    return exc


def test_every_exception_of_the_sdk_has_a_row() -> None:
    names = {f"{cls.__module__}.{cls.__qualname__}" for cls in exceptions_of(docker.errors)}
    assert names == {name for name in TABLE if name.startswith("docker.errors.")}


def test_every_row_is_a_class_that_exists() -> None:
    for name in TABLE:
        module, _, cls = name.rpartition(".")
        assert issubclass(getattr(__import__(module, fromlist=[cls]), cls), BaseException)


@pytest.mark.parametrize("cls", FOREIGN, ids=lambda c: f"{c.__module__}.{c.__name__}")
def test_every_foreign_exception_becomes_one_sentence(cls: type[BaseException]) -> None:
    with pytest.raises(LambdaimgError) as caught, translated("testing"):
        raise made(cls)
    error = caught.value
    assert error.exit_status in (1, 2)
    assert error.message.endswith(".")
    assert "\n" not in error.message + error.hint
    assert error.details["type"] == cls.__name__
    assert isinstance(error.__cause__, cls)


@pytest.mark.parametrize(
    ("exc", "error", "said"),
    [
        (docker.errors.BuildError("it broke", iter(())), BuildError, "it broke"),
        (docker.errors.InvalidRepository("Bad"), PushError, "Bad"),
        (docker.errors.ContextNotFound("x"), NoEngineError, "context 'x' not found"),
        (docker.errors.TLSParameterError("no key"), NoEngineError, "no key"),
        (requests.exceptions.ConnectionError("reset"), NoEngineError, "broke while testing: reset"),
        (requests.exceptions.ReadTimeout("slow"), DockerError, "in time while testing"),
        (docker.errors.APIError("x", explanation="boom."), DockerError, "testing: boom."),
        (docker.errors.DockerException("no space left on device"), DockerError, "disk is full"),
    ],
)
def test_what_they_become(exc: Exception, error: type[Exception], said: str) -> None:
    told = translate(exc, "testing")
    assert type(told) is error
    assert said in told.message


def test_the_engines_own_words_win_over_the_class(client: Any, base_image: str) -> None:
    from docker.errors import APIError

    with pytest.raises(LambdaimgError) as caught, translated("tagging"):
        client.api.tag(base_image, "Not A Name")
    assert isinstance(caught.value.__cause__, APIError)
    assert caught.value.exit_status == 2
    assert "not one that Docker takes" in caught.value.message
    assert caught.value.details["status"] in (400, 500)


def test_our_own_and_other_exceptions_pass_untouched() -> None:
    for exc in (UsageError("mine"), KeyError("x"), KeyboardInterrupt()):
        with pytest.raises(type(exc)) as caught, translated("testing"):
            raise exc
        assert caught.value is exc


def test_words_are_in_lower_case_and_templates_complete() -> None:
    for text, row in [*WORDS, *((None, row) for row in TABLE.values())]:
        assert text is None or text == text.lower()
        assert row.what.format(doing="x", why="y").endswith(".")


def test_an_explanation_is_one_line_without_its_full_stop() -> None:
    assert explanation(docker.errors.APIError("x", explanation="one\n two.")) == "one two"
    assert explanation(ValueError()) == "ValueError"
