"""Which requests a canary answers: a keyed hash of the request's key, so that the same key goes to the same model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

HEADER = "Mlcore-Routing-Key"
"""By which a client says what belongs together: a user, a session; those of one key go to one model."""


def salt_of(challenger: str, champion: str) -> bytes:
    """The key of the hash: of two versions by their digests, so that every pair has other requests.

    >>> salt_of("sha256:a", "sha256:b") == salt_of("sha256:a", "sha256:c")
    False
    """
    return hashlib.sha256(f"{challenger} {champion}".encode()).digest()


def in_share(key: bytes, share: float, salt: bytes) -> bool:
    """Whether a key is among the share of all keys that the challenger answers.

    >>> sum(in_share(str(key).encode(), 0.05, b"salt") for key in range(10_000))
    530
    """
    found = hashlib.blake2b(key, digest_size=8, key=salt).digest()
    return int.from_bytes(found, "big") < share * 2.0**64


def key_of(header: str | None, rows: Sequence[Mapping[str, Any]], names: Sequence[str], body: bytes) -> bytes:
    """What a request is told from others by: its header, else the key of its first row, else all of it.

    A request is answered by one model, as a whole: its rows may be compared with one another.

    Args:
        header: Of :data:`HEADER`.
        rows: Of the request; of Arrow, the first one.
        names: The columns of the pipeline's key; they may be missing.
        body: As it came.
    """
    if header:
        return b"header " + header.encode()
    if rows and all(rows[0].get(name) is not None for name in names):
        values = [str(rows[0][name]) for name in names]
        return b"key " + json.dumps(values, separators=(",", ":")).encode()
    return b"body " + body
