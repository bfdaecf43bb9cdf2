"""Handlers of the differential test: one function per case, named by the request id."""

import collections
import dataclasses
import datetime
import decimal
import enum
import logging
import math
import os
import sys
import uuid

Point = collections.namedtuple("Point", "x y")


class Colour(enum.Enum):
    RED = 1


class Size(enum.IntEnum):
    SMALL = 1


class Word(str):
    pass


@dataclasses.dataclass
class Data:
    x: int = 1


class Like:
    def _asdict(self):
        return {"like": "a named tuple"}


class Speechless(Exception):
    def __str__(self):
        raise RuntimeError("no text")


class OrderRefused(Exception):
    pass


def circle():
    value = []
    value.append(value)
    return value


def deep(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value


RESULTS = {
    "none": None,
    "zero": 0,
    "empty_text": "",
    "false": False,
    "empty_list": [],
    "empty_dict": {},
    "text": "text",
    "letters": "é ü 漢字 😀 \u2028",
    "control": '\x00\x1f\x7f"\\/',
    "bytes": b"\x00\xff raw",
    "no_bytes": b"",
    "bytearray": bytearray(b"x"),
    "decimal": {"d": decimal.Decimal("1.10")},
    "decimal_large": [decimal.Decimal("1E+40"), decimal.Decimal("-0.000000001")],
    "decimal_nan": decimal.Decimal("-NaN"),
    "decimal_infinite": decimal.Decimal("Infinity"),
    "nan": math.nan,
    "infinite": [math.inf, -math.inf],
    "floats": [0.1, 1e16, 1e22, 1.5e-7, -0.0, 5e-324],
    "large_number": 2**70,
    "set": {1},
    "time": datetime.datetime(2025, 1, 1),
    "object": object(),
    "tuple": (1, (2, 3)),
    "named_tuple": Point(1, 2),
    "named_tuple_within": {"points": [Point(1, Point(2, 3))]},
    "like_named_tuple": Like(),
    "ordered": collections.OrderedDict(b=1, a=2),
    "default": collections.defaultdict(int, a=1),
    "number_keys": {1: "a", 2.5: "b"},
    "odd_keys": {True: "a", None: "b"},
    "bytes_key": {b"k": 1},
    "tuple_key": {(1, 2): 3},
    "bytes_within": {"b": b"caf\xc3\xa9"},
    "bytes_no_text": {"b": b"\xff"},
    "int_enum": {"size": Size.SMALL},
    "enum": Colour.RED,
    "text_subclass": Word("word"),
    "dataclass": Data(),
    "uuid": uuid.UUID(int=1),
    "circle": circle(),
    "deep": deep(500),
    "too_deep": deep(100_000),
    "surrogate": "\ud800",
    "function": len,
}


def echo(event, context):
    return event


def kind_of_event(event, context):
    return [type(event).__name__, repr(event)]


def length(event, context):
    return len(event)


# --- errors ---


def value_error(event, context):
    raise ValueError("bad value")


def no_text(event, context):
    raise ValueError


def own_class(event, context):
    raise OrderRefused("order 7", 7)


def letters_in_error(event, context):
    raise ValueError("é 漢字 😀")


def several_lines(event, context):
    raise ValueError("first\n  second\n\nthird")


def within(event, context):
    def inner():
        return {}["missing"]

    return inner()


def chained(event, context):
    try:
        int("x")
    except ValueError as error:
        raise RuntimeError("outer") from error


def group(event, context):
    raise ExceptionGroup("several", [ValueError("a"), TypeError("b")])


def recursion(event, context):
    return recursion(event, context)


def no_memory(event, context):
    raise MemoryError("none left")


def assertion(event, context):
    assert event == 1, "not one"


def stop_iteration(event, context):
    raise StopIteration("over")


def compiled(event, context):
    exec(compile("1 +", "made-up.py", "exec"))


def generated_code(event, context):
    exec(compile("1 / 0", "made-up.py", "exec"))


def endless_message(event, context):
    raise ValueError("x" * (1024 * 1024))


def lone_surrogate(event, context):
    raise ValueError("\ud800")


def speechless(event, context):
    raise Speechless


def exit_zero(event, context):
    sys.exit(0)


def exit_three(event, context):
    sys.exit(3)


def exit_text(event, context):
    sys.exit("a reason")


def interrupt(event, context):
    raise KeyboardInterrupt


def exit_hard(event, context):
    os._exit(7)


def generator(event, context):
    return (item for item in "ab")


# --- context and environment ---


def context_all(event, context):
    return repr(context).partition("(")[2]


def context_client(event, context):
    client = context.client_context
    return [client.custom, client.env, repr(client.client), context.w3c()]


def context_identity(event, context):
    return [context.identity.cognito_identity_id, context.identity.cognito_identity_pool_id]


def context_nobody(event, context):
    return [context.client_context, repr(context.identity), context.tenant_id, context.w3c()]


def remaining(event, context):
    left = context.get_remaining_time_in_millis()
    return [type(left).__name__, left > 10**9]


def nothing_remains(event, context):
    return context.get_remaining_time_in_millis()


def context_log(event, context):
    context.log("one\n")
    context.log({"two": 2})


def trace(event, context):
    return os.environ.get("_X_AMZN_TRACE_ID")


# --- logging ---


def prints(event, context):
    print("a line", "of two words")
    print("é 漢字")
    print("no end", end="")


def prints_errors(event, context):
    print("to standard error", file=sys.stderr)


def logs(event, context):
    log = logging.getLogger("shop")
    log.debug("debug %d", 1)
    log.info("info %s", "é")
    log.warning("warning")
    log.error("error\nof two lines")
    log.critical("critical")
    log.log(5, "below debug")


def logs_extra(event, context):
    log = logging.getLogger()
    log.warning("extra", extra={"order": 7, "when": datetime.date(2025, 1, 1)})
    log.warning({"a": "dict", "n": 1})


def logs_exception(event, context):
    try:
        int("x")
    except ValueError:
        logging.getLogger("shop").exception("it failed")


FUNCTIONS = {
    name: value for name, value in list(globals().items()) if callable(value) and name[0].islower()
}


def handler(event, context):
    name = context.aws_request_id.partition(".")[0]
    if name in FUNCTIONS:
        return FUNCTIONS[name](event, context)
    return RESULTS[name]
