"""The same sample of rows whatever their order and however they are split into files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Hashes = npt.NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_NULL = np.uint64(0x6E756C6C6E756C6C)


def sample(
    batches: Iterable[pa.RecordBatch], *, key: Sequence[str], columns: Sequence[str], rows: int, seed: int = 0
) -> pa.Table:
    """The ``rows`` rows whose keys have the smallest hashes, in the order of their hashes: a uniform sample.

    Never holds more than the sample and one batch.

    Args:
        batches: All rows, in any order.
        key: Columns that together tell rows apart; the sample depends on their values alone.
        columns: Columns of the sample; those a batch lacks are left out.
        rows: Size of the sample; all rows where there are fewer.
        seed: Another seed gives another sample.
    """
    kept: pa.Table | None = None
    hashes = np.empty(0, dtype=np.uint64)
    for batch in batches:
        new = key_hashes(batch, key, seed=seed)
        chosen = np.flatnonzero(new <= hashes[-1]) if len(hashes) == rows else np.arange(len(new))
        present = [name for name in columns if name in batch.schema.names]
        part = pa.Table.from_batches([batch.select(present)]).take(pa.array(chosen))
        kept = part if kept is None else pa.concat_tables([kept, part])
        hashes = np.concatenate([hashes, new[chosen]])
        order = np.argsort(hashes, kind="stable")[:rows]
        kept, hashes = kept.take(pa.array(order)), hashes[order]
    return pa.table({}) if kept is None else kept


def key_hashes(batch: pa.RecordBatch, key: Sequence[str], *, seed: int = 0) -> Hashes:
    """64-bit hashes of the rows' keys, equal on every machine and in every version."""
    hashes = np.full(batch.num_rows, np.uint64(seed), dtype=np.uint64)
    for name in key:
        hashes = _mixed(hashes ^ _codes(batch.column(name)))
    return hashes


def _codes(column: pa.Array) -> Hashes:
    if pa.types.is_string(column.type):
        encoded = column.dictionary_encode()
        values = np.array([_text_hash(text) for text in encoded.dictionary.to_pylist()] or [0], dtype=np.uint64)
        codes = values[pc.fill_null(encoded.indices, 0).to_numpy(zero_copy_only=False)]
    elif pa.types.is_floating(column.type):
        codes = _mixed(pc.fill_null(column, 0.0).to_numpy(zero_copy_only=False).astype(np.float64).view(np.uint64))
    else:
        whole = column.cast(pa.int32()) if pa.types.is_date32(column.type) else column
        codes = _mixed(pc.fill_null(whole.cast(pa.int64()), 0).to_numpy(zero_copy_only=False).view(np.uint64))
    missing = column.is_null().to_numpy(zero_copy_only=False)
    return np.where(missing, _NULL, codes)


def _text_hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def _mixed(values: Hashes) -> Hashes:
    """SplitMix64: every bit of the result depends on every bit of the value (Steele, Lea and Flood, 2014)."""
    values = values + _GOLDEN
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
