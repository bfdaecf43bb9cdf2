"""The events that are echoed: 64 bytes, 6 KB and 1 MB of JSON as handlers meet it."""

from __future__ import annotations

import json
import random
from typing import Any

WORDS = """
    account address after between bright carry colour corner delivery each early every garden glass
    handle heavy inside kitchen lamp large light made market metal number offer order paper part
    place price quiet river small stone table under warm water white window wood year
""".split()  # noqa: SIM905


def small() -> bytes:
    """64 bytes: the payload of an `invoke`."""
    return json.dumps({"order": 101, "name": "lamp", "tags": ["a", "b"], "paid": True}).encode()


def medium() -> bytes:
    """About 6 KB: an HTTP request as API Gateway passes it on, with a page of JSON as its body."""
    generator = random.Random(1)
    headers = {f"x-header-{number}": sentence(generator, 6) for number in range(20)}
    body = json.dumps([product(generator, number) for number in range(12)])
    event = {
        "version": "2.0",
        "routeKey": "POST /products",
        "rawPath": "/products",
        "headers": headers,
        "queryStringParameters": {"page": "1", "sort": "name"},
        "requestContext": {
            "accountId": "123456789012",
            "http": {"method": "POST", "path": "/products", "sourceIp": "192.0.2.10"},
            "timeEpoch": 1735689600000,
        },
        "body": body,
        "isBase64Encoded": False,
    }
    return json.dumps(event).encode()


def large() -> bytes:
    """About 1 MB: a list of records."""
    generator = random.Random(2)
    return json.dumps([product(generator, number) for number in range(2940)]).encode()


def product(generator: random.Random, number: int) -> dict[str, Any]:
    """A record of some 400 bytes: numbers, short and long text, a list, an object, a null."""
    return {
        "id": number,
        "name": sentence(generator, 3),
        "description": sentence(generator, 24),
        "price": round(generator.uniform(1, 500), 2),
        "stock": generator.randrange(1000),
        "active": generator.random() < 0.9,
        "tags": generator.sample(WORDS, 3),
        "size": {"width": generator.randrange(200), "height": generator.randrange(200)},
        "replaced_by": None,
    }


def sentence(generator: random.Random, words: int) -> str:
    """Some words."""
    return " ".join(generator.choice(WORDS) for _ in range(words))


DOCUMENTS = {"64 bytes": small(), "6 KB": medium(), "1 MB": large()}
