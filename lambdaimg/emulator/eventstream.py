"""AWS's event-stream encoding, as far as a streamed response needs it. Pure.

A message is: total length and length of the headers (four bytes each, big-endian), the CRC-32
of these eight bytes, the headers, the payload, the CRC-32 of everything before. A header is: a
byte of length, the name, a byte for the type (7: string), two bytes of length, the value.
"""

from __future__ import annotations

import base64
import json
from zlib import crc32

from lambdaimg.emulator.protocol import Outcome

STRING = 7


def message(headers: dict[str, str], payload: bytes) -> bytes:
    """One message of an event stream."""
    encoded = bytearray()
    for name, value in headers.items():
        raw = value.encode()
        encoded.append(len(name))
        encoded += name.encode()
        encoded.append(STRING)
        encoded += len(raw).to_bytes(2, "big") + raw
    total = 16 + len(encoded) + len(payload)
    out = bytearray(total.to_bytes(4, "big") + len(encoded).to_bytes(4, "big"))
    out += crc32(out).to_bytes(4, "big")
    out += encoded
    out += payload
    out += crc32(out).to_bytes(4, "big")
    return bytes(out)


def payload_chunk(data: bytes) -> bytes:
    """A piece of the response."""
    headers = {
        ":event-type": "PayloadChunk",
        ":content-type": "application/octet-stream",
        ":message-type": "event",
    }
    return message(headers, data)


def invoke_complete(outcome: Outcome) -> bytes:
    """The last message: how the invocation ended, and the tail of its log where asked for."""
    content = {}
    if outcome.function_error:
        content["ErrorCode"] = outcome.function_error
        content["ErrorDetails"] = outcome.payload.decode("utf-8", "replace")
    if outcome.log:
        content["LogResult"] = base64.b64encode(outcome.log).decode()
    headers = {
        ":event-type": "InvokeComplete",
        ":content-type": "application/json",
        ":message-type": "event",
    }
    return message(headers, json.dumps(content).encode())
