"""Keeps secret values out of what is shown: errors, output, tracebacks, the log of calls. Pure.

Secret are the values of the function's environment variables, of build arguments and of the AWS
credentials in the environment. Short values, and those that are also the value of a setting that
everybody may read (a region, a name), are no secrets: to hide them would only garble messages.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from lambdaimg.settings import FIELDS, Settings

SHORTEST = 6
MASK = "***"
CREDENTIALS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN")
SECRET_TABLES = ("environment", "build_args")

Hide = Callable[[str], str]


def secret_values(settings: Settings, environ: Mapping[str, str]) -> set[str]:
    """The values that nobody is to see."""
    values = [environ.get(name, "") for name in CREDENTIALS]
    for table in SECRET_TABLES:
        values += dict(getattr(settings, table)).values()
    public = {str(getattr(settings, name)) for name in FIELDS if name not in SECRET_TABLES}
    return {value for value in values if len(value) >= SHORTEST} - public


def hider(values: Iterable[str]) -> Hide:
    """A function that puts a mask in the place of each value, where it stands alone."""
    longest_first = sorted(set(values), key=len, reverse=True)
    if not longest_first:
        return lambda text: text
    pattern = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, longest_first))})(?![\w-])")
    return lambda text: pattern.sub(MASK, text)


def hidden_in(document: object, hide: Hide) -> object:
    """A document of JSON's types with every text in it passed through `hide`."""
    if isinstance(document, str):
        return hide(document)
    if isinstance(document, Mapping):
        return {key: hidden_in(value, hide) for key, value in document.items()}
    if isinstance(document, (list, tuple)):
        return [hidden_in(item, hide) for item in document]
    return document
