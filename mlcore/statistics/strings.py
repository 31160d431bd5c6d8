"""What strings are made of: lengths, white space, encodings."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlcore.accumulators.hashing import hashed

Counts = npt.NDArray[np.int64]
_LONG = 1_024
_SHOWN = 200
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def decoded(values: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Values as strings, and which strings stand for bytes that are no UTF-8: those are escaped as ``\\xNN``."""
    none = pa.array([], pa.string())
    if pa.types.is_string(values.type):
        return values, none
    try:
        return values.cast(pa.string()), none
    except pa.ArrowInvalid:
        texts = [bytes(value).decode("utf-8", "backslashreplace") for value in values.to_pylist()]
        bad = [text for text, value in zip(texts, values.to_pylist(), strict=True) if text.encode() != bytes(value)]
        return pa.array(texts, pa.string()), pa.array(bad, pa.string())


def bounded(values: pa.Array) -> pa.Array:
    """The strings, with the beginning and the hash of one in the place of each that is longer than ``_LONG`` bytes."""
    size = _integers(pc.binary_length(values))
    if not len(size) or int(size.max()) <= _LONG:
        return values
    hashes = hashed(values).tolist()
    texts = [
        f"{text[:_SHOWN]}… ({length} bytes, {hash_:016x})" if length > _LONG else text
        for text, length, hash_ in zip(values.to_pylist(), size.tolist(), hashes, strict=True)
    ]
    return pa.array(texts, pa.string())


def strings_of(values: pa.Array, invalid: pa.Array) -> dict[str, Counts]:
    """Of every string: its characters, and 1 for each of its properties; names are those of ``columns.RowCounts``."""
    if not len(values):
        none = np.empty(0, np.int64)
        return dict.fromkeys(("characters", "empty", "blank", "padded", "non_ascii", "damaged", "invalid"), none)
    characters = _integers(pc.utf8_length(values))
    size = _integers(pc.binary_length(values))
    non_ascii = (characters != size).astype(np.int64)
    padded, blank = _white(values, size)
    return {
        "characters": characters,
        "empty": (size == 0).astype(np.int64),
        "blank": blank,
        "padded": padded,
        "non_ascii": non_ascii,
        "damaged": _integers(pc.match_substring(values, _REPLACEMENT)) if non_ascii.any() else np.zeros_like(size),
        "invalid": _integers(pc.is_in(values, invalid)) if len(invalid) else np.zeros_like(size),
    }


def _white(values: pa.Array, size: Counts) -> tuple[Counts, Counts]:
    """Which strings start or end with white space, and which have nothing else: asked only of those that may."""
    padded, blank = np.zeros_like(size), np.zeros_like(size)
    some = np.flatnonzero(size > 0)
    if len(some):
        ends = np.cumsum(size)
        _, starts, content = values.buffers()
        bytes_ = np.frombuffer(content, np.uint8)
        first = int(np.frombuffer(starts, np.int32)[values.offset])
        heads, tails = bytes_[first + (ends - size)[some]], bytes_[first + ends[some] - 1]
        some = some[(heads <= 0x20) | (heads >= 0x80) | (tails <= 0x20) | (tails >= 0x80)]
    if len(some):
        asked = values.take(pa.array(some))
        trimmed = pc.utf8_trim_whitespace(asked)
        padded[some] = _integers(pc.not_equal(trimmed, asked))
        blank[some] = _integers(pc.equal(pc.binary_length(trimmed), 0))
    return padded, blank


def _integers(array: pa.Array) -> Counts:
    integers: Counts = array.to_numpy(zero_copy_only=False).astype(np.int64)
    return integers
