"""A 64-bit hash a value, the same in every process and on every machine."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_SHORT = 64
_WORD = 8
Hashes = npt.NDArray[np.uint64]


def hashed(values: pa.Array, *, seed: int = 0) -> Hashes:
    """The hashes of strings or numbers without nulls; those of another seed collide elsewhere."""
    if pa.types.is_string(values.type) or pa.types.is_binary(values.type):
        return _of_text(values, seed)
    numbers = values.to_numpy(zero_copy_only=False)
    bits = (numbers if numbers.dtype == np.float64 else numbers.astype(np.int64)).view(np.uint64)
    return _mixed(_mixed(bits ^ np.uint64(seed)) if seed else bits)


def of_numbers(numbers: npt.NDArray[np.float64] | npt.NDArray[np.int64]) -> Hashes:
    """The hashes of 64-bit numbers, by their bits."""
    return _mixed(numbers.view(np.uint64))


def _mixed(bits: Hashes) -> Hashes:
    """The finaliser of SplitMix64 (Steele, Lea and Flood, 2014)."""
    mixed = bits + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def _of_text(values: pa.Array, seed: int) -> Hashes:
    """Eight bytes of all strings at a time; long strings one by one."""
    if not len(values):
        return np.empty(0, np.uint64)
    _, offsets_buffer, data = values.buffers()
    offsets = np.frombuffer(offsets_buffer, np.int32, len(values) + 1, values.offset * 4).astype(np.int64)
    lengths = np.diff(offsets)
    first, last = int(offsets[0]), int(offsets[-1])
    padded = np.zeros(last - first + _WORD, np.uint8)
    if last > first:
        padded[: last - first] = np.frombuffer(data, np.uint8, last - first, first)
    words = np.ndarray((last - first + 1,), "<u8", padded.data, strides=(1,))
    hashes = _mixed(lengths.view(np.uint64) ^ np.uint64(seed))
    starts = offsets[:-1] - first
    longest = min(int(lengths.max()), _SHORT)
    for place in range(0, longest, _WORD):
        active = slice(None) if int(lengths.min()) > place else np.flatnonzero(lengths > place)
        unused = np.clip(_WORD - (lengths[active] - place), 0, _WORD - 1).astype(np.uint64) * np.uint64(_WORD)
        word = (words[starts[active] + place] << unused) >> unused
        hashes[active] = _mixed(hashes[active] ^ word)
    for index in np.flatnonzero(lengths > _SHORT).tolist():
        text = padded[starts[index] : starts[index] + lengths[index]].tobytes()
        digest = hashlib.blake2b(text, digest_size=8, salt=seed.to_bytes(8, "little")).digest()
        hashes[index] = int.from_bytes(digest, "little")
    return hashes
