"""Which account the credentials are of: asked of STS once, then remembered by access key.

The memory is a file in the state folder: for each way to find credentials (profile, endpoint,
key in the environment) a hash of the access key that it led to and the key's account. An access
key belongs to one account for ever, so the same key needs no second question; another key does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lambdaimg.make.store import write_atomically

FILE_NAME = "identity.json"


def way(profile: str, endpoint: str, environ: Mapping[str, str]) -> str:
    """A short name for the way to the credentials; holds nothing secret."""
    text = "\n".join((profile, endpoint, environ.get("AWS_ACCESS_KEY_ID", "")))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def key_hash(access_key_id: str) -> str:
    """What is kept of an access key id."""
    return hashlib.sha256(b"access key " + access_key_id.encode()).hexdigest()[:16]


def recall(folder: Path, through: str) -> tuple[str, str] | None:
    """The key hash and account last found `through` a way; None where there is no record."""
    entry = _read(folder).get(through)
    if not isinstance(entry, dict):
        return None
    key, account = entry.get("key"), entry.get("account")
    if isinstance(key, str) and isinstance(account, str) and len(account) == 12:
        return key, account
    return None


def remember(folder: Path, through: str, key: str, account: str) -> None:
    """Keeps what a way led to."""
    known = _read(folder)
    known[through] = {"key": key, "account": account}
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_atomically(folder / FILE_NAME, json.dumps(known, indent=1) + "\n")


def _read(folder: Path) -> dict[str, Any]:
    try:
        data = json.loads((folder / FILE_NAME).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}
