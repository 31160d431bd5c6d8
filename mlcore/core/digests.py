"""Content digests: SHA-256 over canonical bytes, written ``sha256:<hex>``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from mlcore.core.types import Json
from mlcore.errors import MlcoreError

PREFIX = "sha256:"


def canonical_json(value: Json) -> bytes:
    """One byte string per JSON value: keys sorted, no spaces, UTF-8, no NaN or infinity.

    Raises:
        MlcoreError: A number has no JSON form.

    >>> canonical_json({"b": 1, "a": [1.5, None]})
    b'{"a":[1.5,null],"b":1}'
    """
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise MlcoreError("a number that is not finite has no canonical JSON form", where=str(error)) from error
    return text.encode()


def digest_bytes(data: bytes) -> str:
    return PREFIX + hashlib.sha256(data).hexdigest()


def digest_json(value: Json) -> str:
    return digest_bytes(canonical_json(value))


def digest_chunks(chunks: Iterable[bytes]) -> str:
    """Digest of a stream, never holding more than one chunk."""
    state = hashlib.sha256()
    for chunk in chunks:
        state.update(chunk)
    return PREFIX + state.hexdigest()


def is_digest(text: str) -> bool:
    return text.startswith(PREFIX) and len(text) == len(PREFIX) + 64
