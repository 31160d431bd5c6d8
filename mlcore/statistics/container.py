"""Arrays of numbers and a JSON document in one run of bytes, read without copying.

    mlcore\\0 | length of the header (8 bytes) | header, canonical JSON | arrays, each at a multiple of 8 bytes

Equal contents give equal bytes, on every machine.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mlcore.core.digests import canonical_json
from mlcore.core.types import Json

_MAGIC = b"mlcore\0\0"
_ALIGNED = 8
_WIDTHS = (1, 2, 4, 8)
Array = npt.NDArray[Any]


def packed(document: Json, arrays: Sequence[Array]) -> bytes:
    """The bytes of a document and flat or two-dimensional arrays."""
    stored = [np.ascontiguousarray(array, array.dtype.newbyteorder("<")) for array in arrays]
    layout: list[Json] = [[array.dtype.str, list(array.shape)] for array in stored]
    header = canonical_json({"document": document, "arrays": layout})
    parts = [_MAGIC, len(header).to_bytes(_ALIGNED, "little"), header, _padding(len(header))]
    for array in stored:
        parts += [array.tobytes(), _padding(array.nbytes)]
    return b"".join(parts)


def unpacked(content: bytes | memoryview) -> tuple[Any, list[Array]]:
    """The document and views of the arrays.

    Raises:
        ValueError: The bytes are of something else, or too few.
    """
    if content[: len(_MAGIC)] != _MAGIC:
        raise ValueError("the first bytes are others")
    start = len(_MAGIC) + _ALIGNED
    end = start + int.from_bytes(content[len(_MAGIC) : start], "little")
    header = json.loads(bytes(content[start:end]))
    place = end + len(_padding(end - start))
    arrays = []
    for type_, shape in header["arrays"]:
        dtype = np.dtype(type_)
        size = int(np.prod(shape))
        arrays.append(np.frombuffer(content, dtype, size, place).reshape(shape))
        place += dtype.itemsize * size + len(_padding(dtype.itemsize * size))
    if place != len(content):
        raise ValueError(f"{len(content)} bytes instead of {place}")
    return header["document"], arrays


def joined(arrays: Iterable[Array], type_: npt.DTypeLike) -> Array:
    """One array after the other."""
    parts = list(arrays)
    return np.concatenate(parts).astype(type_, copy=False) if parts else np.empty(0, type_)


def narrowed(counts: Iterable[Array]) -> tuple[Array, Array]:
    """Arrays of counts in as few bytes as their values allow: widths in bytes, and all bytes."""
    widths, content = [], []
    for each in counts:
        largest = int(each.max()) if len(each) else 0
        width = next(width for width in _WIDTHS if largest < 1 << (8 * width - (width == _ALIGNED)))
        widths.append(width)
        content.append(np.ascontiguousarray(each, f"<u{width}").view(np.uint8))
    return np.array(widths, np.uint8), joined(content, np.uint8)


def widened(widths: Array, lengths: Array, content: Array) -> list[Array]:
    """The arrays of :func:`narrowed`, which had these lengths."""
    made, place = [], 0
    for width, length in zip(widths.tolist(), lengths.tolist(), strict=True):
        end = place + width * length
        made.append(content[place:end].view(f"<u{width}").astype(np.int64))
        place = end
    return made


def signed(tables: Sequence[Array]) -> tuple[Array, Array]:
    """Tables of integers, of as many columns each: every row in as few bytes as its values allow, one of zeros in none.

    Gives the width of every row, and the bytes of all rows, the narrow ones first.
    """
    if not tables:
        return np.empty(0, np.uint8), np.empty(0, np.uint8)
    rows = np.concatenate(tables)
    largest = np.maximum(rows.max(axis=1), -rows.min(axis=1))
    narrow = _WIDTHS[:-1]
    enough = [largest == 0, *(largest < 1 << (8 * width - 1) for width in narrow)]
    widths = np.select(enough, [0, *narrow], _WIDTHS[-1])
    content = [rows[widths == width].astype(f"<i{width}").ravel().view(np.uint8) for width in _WIDTHS]
    return widths.astype(np.uint8), np.concatenate(content)


def of_signed(widths: Array, content: Array, columns: int) -> Array:
    """The rows of :func:`signed`."""
    rows = np.zeros((len(widths), columns), np.int64)
    place = 0
    for width in _WIDTHS:
        some = np.flatnonzero(widths == width)
        end = place + width * columns * len(some)
        rows[some] = content[place:end].view(f"<i{width}").reshape(len(some), columns)
        place = end
    return rows


def _padding(size: int) -> bytes:
    return b"\0" * (-size % _ALIGNED)
