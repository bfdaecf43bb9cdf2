"""What is measured, in Python: for our runtime and for AWS's."""

from typing import Any

BLOCK = 10**9


def hello(event: Any, context: Any) -> Any:
    return {"message": f"Hello, {event['name']}!"}


def echo(event: Any, context: Any) -> Any:
    return event


def pi(event: Any, context: Any) -> Any:
    return {"message": digits(event["number"])}


def digits(count: int) -> str:
    size = (count // 9 + 2) * 30
    terms = [BLOCK // 5] * (size + 1)
    held, text = 0, ""
    while len(text) <= count:
        carry = 0
        for i in range(size, 0, -1):
            carry = carry * i + terms[i] * BLOCK
            carry, terms[i] = divmod(carry, 2 * i - 1)
        text += f"{held + carry // BLOCK:09d}"
        held = carry % BLOCK
        size -= 30
    return f"{text[0]}.{text[1 : count + 1]}"
