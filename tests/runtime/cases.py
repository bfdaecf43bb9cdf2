"""The cases that AWS's Python client and this runtime are both driven through.

A case is one event to one handler of `handlers/cases.py`, or one module that is loaded. What is
posted, what is logged and how the process ends must be the same, but for the differences that
are listed here, each with its reason.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

JSON_LOG = {"AWS_LAMBDA_LOG_FORMAT": "JSON"}
FRAMED = {"FRAMED": "1"}  # stands for a descriptor in _LAMBDA_TELEMETRY_LOG_FD


@dataclass(frozen=True)
class Case:
    """An event for a handler.

    Attributes:
        name: of the handler, or of the result that it is to return.
        body, headers, content_type: the event.
        env: environment variables of the process.
        status: what its post is answered with.
        differs: why the two do not do the same; empty where they must.
    """

    name: str
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str | None = "application/json"
    env: Mapping[str, str] = field(default_factory=dict)
    status: int = 202
    label: str = ""
    differs: str = ""

    @property
    def id(self) -> str:
        return ".".join(filter(None, (self.name, self.label)))


@dataclass(frozen=True)
class Load:
    """A handler that is loaded from a module with this source."""

    id: str
    handler: str
    source: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    differs: str = ""


EVERYWHERE = {
    "user-agent, accept": "they name the client and its library",
    "content-type of init/error": "AWS's client sends none; here it is application/json",
    "lambda-runtime-function-error-type": (
        "AWS's client sends it with errors of initialisation only; here invocation errors have "
        "it too, as Runtime.X or Function.X, which is what AWS's document asks for"
    ),
    "lambda_warning": (
        "AWS's client logs a page about updates of its managed runtimes when a handler cannot "
        "be loaded, which is not true of images"
    ),
}
"""Differences in every case, with their reasons."""

_TEXT = "the text of the reason is the standard library's, not simplejson's"
_DIES = "AWS's client ends at this, and the environment with it; this one goes on"
_TRACE_END = (
    "AWS's text line has no line end behind a trace, so that the next line sticks to it; here it "
    "has one"
)


def event(label: str, body: bytes, **options: Any) -> Case:
    return Case("kind_of_event", body, label=label, **options)


def result(name: str, **options: Any) -> Case:
    return Case(name, **options)


EVENTS = [
    event("zero", b"0"),
    event("empty-text", b'""'),
    event("empty-object", b"{}"),
    event("null", b"null"),
    event("false", b"false"),
    event("empty-list", b"[]"),
    event("nested", b'{"a": [1, 2.5, {"b": null}], "c": "d"}'),
    event("blanks", b' \t\r\n{"a" : 1}\n '),
    event("letters", '{"é": "漢字 😀"}'.encode()),
    event("escapes", rb'"\u00e9 \ud83d\ude00 \n \\ \/"'),
    event("lone-surrogate", rb'"\ud800"'),
    event("same-key-twice", b'{"a": 1, "a": 2}'),
    event("large-number", b"123456789012345678901234567890"),
    event("floats", b"[1e400, -1e400, 1e-400, 0.1, -0.0, 1E2]"),
    event("not-a-number", b"[NaN, Infinity, -Infinity]", differs=_TEXT),
    event("control-letter", b'"a\tb"', differs=_TEXT),
    event("malformed", b"[}"),
    event("cut-short", b'{"a": '),
    event("more-behind", b"{} {}", differs=_TEXT),
    event("nothing", b""),
    event("bad-utf-8", b'"\xff"'),
    event("byte-order-mark", b"\xef\xbb\xbf1"),
    event("too-deep", b"[" * 100_000, differs=_TEXT),
    event("text-plain", b"hello", content_type="text/plain"),
    event("json-with-charset", b"{}", content_type="application/json; charset=utf-8"),
    event("no-type", b"{}", content_type=None, differs=_DIES),
    Case("echo", json.dumps(["x" * 100] * 10_000).encode(), label="1MB"),
    Case("length", json.dumps("x" * (6 * 1024 * 1024 - 2)).encode(), label="6MB"),
    Case(
        "echo", b'"' + b"y" * (6 * 1024 * 1024) + b'"', label="over-6MB", status=413, differs=_DIES
    ),
]

PLAIN_RESULTS = """
    none zero empty_text false empty_list empty_dict text letters control bytes no_bytes
    bytearray decimal decimal_large decimal_nan decimal_infinite nan infinite floats
    large_number set time object tuple named_tuple named_tuple_within like_named_tuple ordered
    default number_keys odd_keys bytes_key tuple_key bytes_within int_enum enum text_subclass
    dataclass uuid circle surrogate function deep
"""

RESULTS = [
    *map(result, PLAIN_RESULTS.split()),
    result("bytes_no_text"),
    result("too_deep", differs=_TEXT),
    result("letters", label="utf-8", env={"AWS_EXECUTION_ENV": "AWS_Lambda_python3.12"}),
    result(
        "surrogate",
        label="utf-8",
        env={"AWS_EXECUTION_ENV": "AWS_Lambda_python3.12"},
        differs=_DIES + ", with the letter as an escape",
    ),
    result("generator", differs="a streamed response here; AWS's client cannot stream"),
]

_CLIENT = {
    "client": {"installation_id": "i", "app_title": "t", "app_version_name": "n"},
    "custom": {"k": "v"},
    "env": {"make": "m"},
    "w3c": {"traceparent": "00-1-2-01", "tracestate": 7, "other": "x"},
}
_IDENTITY = {"cognitoIdentityId": "id", "cognitoIdentityPoolId": "pool"}

CONTEXT = [
    Case("context_nobody"),
    Case("context_all", headers={"Lambda-Runtime-Aws-Tenant-Id": "tenant-1"}),
    Case("context_client", headers={"Lambda-Runtime-Client-Context": json.dumps(_CLIENT)}),
    Case(
        "context_client",
        headers={"Lambda-Runtime-Client-Context": '{"custom": {"é": "漢"}}'},
        label="letters",
    ),
    Case(
        "context_client",
        headers={"Lambda-Runtime-Client-Context": "{no json"},
        label="malformed",
    ),
    Case(
        "context_client",
        headers={"Lambda-Runtime-Client-Context": "[1]"},
        label="no-object",
        differs="told as Runtime.LambdaContextUnmarshalError, not as an AttributeError",
    ),
    Case("context_identity", headers={"Lambda-Runtime-Cognito-Identity": json.dumps(_IDENTITY)}),
    Case("context_identity", headers={"Lambda-Runtime-Cognito-Identity": "{"}, label="malformed"),
    Case("remaining"),
    Case("nothing_remains", headers={"Lambda-Runtime-Deadline-Ms": "1"}),
    Case("context_log"),
    Case("trace", headers={"Lambda-Runtime-Trace-Id": "Root=1-2-3;Sampled=1"}),
    Case("trace", label="absent"),
    Case("echo", headers={"Lambda-Runtime-Invocation-Id": "again-1"}, label="invocation-id"),
]

ERRORS = [
    Case("value_error"),
    Case("value_error", label="invocation-id", headers={"Lambda-Runtime-Invocation-Id": "i-2"}),
    Case("no_text"),
    Case("own_class"),
    Case("letters_in_error"),
    Case("several_lines"),
    Case("within"),
    Case("chained"),
    Case("group"),
    Case("recursion", differs="fewer frames of the runtime stand below the handler's"),
    Case("no_memory"),
    Case("assertion"),
    Case("stop_iteration"),
    Case("compiled"),
    Case("generated_code"),
    Case("endless_message"),
    Case("lone_surrogate", differs=_DIES),
    Case("speechless", differs=_DIES),
    Case("value_error", label="json", env=JSON_LOG),
    Case("value_error", label="framed", env=FRAMED),
    Case("value_error", label="framed-json", env={**FRAMED, **JSON_LOG}),
    Case("value_error", label="refused", status=403, differs=_DIES),
    Case("text", label="status-400", status=400, differs=_DIES),
    Case("text", label="status-500", status=500, differs=_DIES),
]

_SAID = "the end is the same; a line in the log says here what ended the process"
ENDS = [
    Case("exit_zero", differs=_SAID),
    Case("exit_three", differs=_SAID),
    Case("exit_text", differs=_SAID),
    Case("interrupt", differs=_SAID + ", and the exit status is a signal's 130 without a trace"),
    Case("exit_hard"),
]

LOGS = [
    Case("prints"),
    Case("prints_errors"),
    Case("logs"),
    Case("logs", label="debug", env={"AWS_LAMBDA_LOG_LEVEL": "DEBUG"}),
    Case("logs", label="trace", env={"AWS_LAMBDA_LOG_LEVEL": "TRACE"}),
    Case("logs", label="lower-case", env={"AWS_LAMBDA_LOG_LEVEL": "error"}),
    Case("logs", label="no-level", env={"AWS_LAMBDA_LOG_LEVEL": "LOUD"}),
    Case("logs", label="json", env=JSON_LOG),
    Case(
        "logs",
        label="json-info",
        env={**JSON_LOG, "AWS_LAMBDA_LOG_LEVEL": "INFO"},
        headers={"Lambda-Runtime-Aws-Tenant-Id": "tenant-1"},
    ),
    Case("logs", label="framed", env=FRAMED),
    Case("logs", label="framed-level", env={**FRAMED, "AWS_LAMBDA_LOG_LEVEL": "INFO"}),
    Case("logs", label="framed-json", env={**FRAMED, **JSON_LOG}),
    Case("logs_extra"),
    Case("logs_extra", label="json", env=JSON_LOG),
    Case("logs_exception", differs=_TRACE_END),
    Case("logs_exception", label="json", env=JSON_LOG),
]

LOADS = [
    Load("plain", "mod.handler", "def handler(e, c):\n    return 1\n"),
    Load("slashes", "package/inner/module.handler"),
    Load("dots", "package.inner.module.handler"),
    Load("no-dot", "mod"),
    Load("empty", ""),
    Load("no-module", "no_such_module.handler"),
    Load("no-module-json", "no_such_module.handler", env=JSON_LOG),
    Load("no-handler", "mod.other", "value = 1\n"),
    Load("built-in", "sys.exit"),
    Load("syntax-error", "mod.handler", "def x(:\n"),
    Load("needs-missing", "mod.handler", "import no_such_module\n"),
    Load("import-error", "mod.handler", "raise ImportError('by hand')\n"),
    Load(
        "raises",
        "mod.handler",
        "def f():\n    raise RuntimeError('while importing')\n\n\nf()\n",
        differs="frames of Python's import machinery are left out of the trace",
    ),
    Load(
        "own-class",
        "mod.handler",
        "class ConfigInvalid(Exception):\n    pass\n\n\nraise ConfigInvalid('no table')\n",
        differs="frames of Python's import machinery are left out of the trace",
    ),
    Load("exits", "mod.handler", "import sys\n\nsys.exit(4)\n"),
    Load(
        "interrupted",
        "mod.handler",
        "raise KeyboardInterrupt\n",
        differs="the exit status is a signal's 130, without a trace",
    ),
    Load(
        "no-function",
        "mod.handler",
        "handler = 1\n",
        differs="told when it is loaded, as Runtime.HandlerNotFound, and not at each event",
    ),
    Load(
        "logs-while-imported",
        "mod.handler",
        "import logging\n\nlogging.warning('early')\n\n\ndef handler(e, c):\n    return 1\n",
    ),
]

CASES = [*EVENTS, *RESULTS, *CONTEXT, *ERRORS, *ENDS, *LOGS]
