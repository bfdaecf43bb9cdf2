"""Keeps secret values out of what is shown: errors, output, tracebacks, the log of calls. Pure.

Secret are the values of the function's environment variables, of build arguments and of the AWS
credentials in the environment, and the session token that AWS repeats where it refuses a request's
signature, wherever that came from. Short values, and those that are also the value of a setting
that everybody may read (a region, a name), are no secrets: to hide them would only garble messages.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping

from lambdaimg.settings import FIELDS, Settings

SHORTEST = 6
MASK = "***"
CREDENTIALS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN")
SECRET_TABLES = ("environment", "build_args")
# Of the request that AWS repeats where its signature is wrong.
TOKEN = re.compile(r"(x-amz-security-token[:=]\s*)[^\s&]+", re.IGNORECASE)

Hide = Callable[[str], str]


def secret_values(settings: Settings, environ: Mapping[str, str]) -> set[str]:
    """The values that nobody is to see, in every spelling."""
    values = [environ.get(name, "") for name in CREDENTIALS]
    for table in SECRET_TABLES:
        values += dict(getattr(settings, table)).values()
    public = {str(getattr(settings, name)) for name in FIELDS if name not in SECRET_TABLES}
    return {text for value in values for text in spellings(value)} - public


def spellings(value: str) -> set[str]:
    """A value as others repeat it: quoted, with its blanks made one, or a line of it alone."""
    found = {value, " ".join(value.split()), *(line.strip() for line in value.splitlines())}
    for each in tuple(found):
        quoted = (json.dumps(each), json.dumps(each, ensure_ascii=False), repr(each))
        found.update(text[1:-1] for text in quoted)
    return {each for each in found if len(each) >= SHORTEST}


def hider(values: Iterable[str]) -> Hide:
    """A function that puts a mask in the place of each value, where it stands alone."""
    longest_first = sorted(set(values), key=len, reverse=True)
    if not longest_first:
        return without_token
    pattern = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, longest_first))})(?![\w-])")
    return lambda text: without_token(pattern.sub(MASK, text))


def without_token(text: str) -> str:
    """A text without the session token of a request that AWS repeats in it."""
    return TOKEN.sub(rf"\g<1>{MASK}", text)


def tells(document: object, values: Collection[str]) -> bool:
    """Whether any text in a document of JSON's types holds one of the values."""
    if isinstance(document, str):
        return any(value in document for value in values)
    if isinstance(document, Mapping):
        return any(tells(item, values) for item in document.values())
    if isinstance(document, (list, tuple)):
        return any(tells(item, values) for item in document)
    return False


def hidden_in(document: object, hide: Hide) -> object:
    """A document of JSON's types with every text in it passed through `hide`."""
    if isinstance(document, str):
        return hide(document)
    if isinstance(document, Mapping):
        return {key: hidden_in(value, hide) for key, value in document.items()}
    if isinstance(document, (list, tuple)):
        return [hidden_in(item, hide) for item in document]
    return document
