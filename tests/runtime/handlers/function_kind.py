"""A handler that is a function, for the real emulator."""

import sys
import time

from lambdaimg.runtime import HttpStream


def pieces_then_error():
    yield "begun"
    raise ValueError("after the first byte")


def handler(event, context):
    match event:
        case "error":
            raise ValueError("bad value")
        case "exit":
            sys.exit(3)
        case "timeout":
            time.sleep(60)
        case "stream":
            return (piece for piece in ("one ", b"two"))
        case "http":
            return HttpStream(201, {"Content-Type": "text/plain"}, body=["hello"])
        case "stream-error":
            return pieces_then_error()
        case "too-large":
            return "x" * (7 * 1024 * 1024)
        case "context":
            return [context.function_name, context.get_remaining_time_in_millis() > 0]
    return event
