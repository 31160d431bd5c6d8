"""The payload of a Statistics artifact.

    statistics/
    └── statistics.arrow    Arrow IPC: a row a column with its values and their counts, all other state as JSON metadata

Equal data gives equal bytes.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mlcore.accumulators.distinct import HyperLogLog
from mlcore.accumulators.exact_sum import ExactSum
from mlcore.accumulators.value_counts import Spilled, ValueCounts
from mlcore.core.digests import canonical_json
from mlcore.core.types import Json
from mlcore.errors import ArtifactCorrupt, ArtifactMissing, quoted
from mlcore.statistics.accumulate import ColumnAccumulator, DatasetAccumulator

FILE_NAME = "statistics.arrow"
VERSION = 2
_KEY = b"mlcore.statistics"
_LISTS = {"text": pa.string(), "integer": pa.int64(), "number": pa.float64(), "count": pa.int64()}
_SCHEMA = pa.schema([(name, pa.list_(type_)) for name, type_ in _LISTS.items()])
_DAMAGED = "delete the folder and run again"


def to_bytes(dataset: DatasetAccumulator) -> bytes:
    """The versioned, canonical form."""
    values = [column.values for column in dataset.columns.values()]
    lists = [
        _lists(type_, [part.values if name == _kind(part.values.type) else None for part in values])
        for name, type_ in _LISTS.items()
        if name != "count"
    ]
    lists.append(_lists(pa.int64(), [pa.array(part.counts) for part in values]))
    columns: list[Json] = [_state(name, column) for name, column in dataset.columns.items()]
    header = canonical_json({"version": VERSION, "rows": dataset.rows, "columns": columns})
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd", use_threads=False)
    schema = _SCHEMA.with_metadata({_KEY: header})
    with pa.ipc.new_file(sink, schema, options=options) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays(lists, schema=schema))
    return bytes(sink.getvalue())


def from_bytes(content: bytes) -> DatasetAccumulator:
    """The accumulators of :func:`to_bytes`.

    Raises:
        ArtifactCorrupt: The bytes are no statistics of this version.
    """
    try:
        with pa.ipc.open_file(pa.BufferReader(content)) as reader:
            table = reader.read_all().combine_chunks()
        header = json.loads(table.schema.metadata[_KEY])
        if header["version"] == VERSION:
            columns = {state["name"]: _column(state, table, row) for row, state in enumerate(header["columns"])}
            return DatasetAccumulator(rows=header["rows"], columns=columns)
    except (pa.ArrowInvalid, OSError, LookupError, TypeError, ValueError) as error:
        raise ArtifactCorrupt("these are no statistics", next_step=_DAMAGED) from error
    found = quoted(header["version"])
    raise ArtifactCorrupt(f"statistics of version {found} where {VERSION} is read", next_step=_DAMAGED)


def read(folder: Path) -> DatasetAccumulator:
    """The accumulators of one Statistics artifact.

    Raises:
        ArtifactMissing: The file is not there.
        ArtifactCorrupt: It is not what was written.
    """
    try:
        content = (folder / FILE_NAME).read_bytes()
    except OSError as error:
        raise ArtifactMissing("the statistics are gone", where=str(folder), next_step="run again") from error
    try:
        return from_bytes(content)
    except ArtifactCorrupt as error:
        raise ArtifactCorrupt(error.what, where=str(folder / FILE_NAME), next_step=error.next_step) from error


def read_merged(folders: Sequence[Path]) -> DatasetAccumulator:
    """The statistics of several spans together, merged in the given order."""
    return DatasetAccumulator.merge([read(folder) for folder in folders])


def _lists(type_: pa.DataType, parts: Sequence[pa.Array | None]) -> pa.Array:
    """One list a column, empty where the column has no values of this type."""
    offsets = np.cumsum([0, *(0 if part is None else len(part) for part in parts)], dtype=np.int32)
    flat = pa.concat_arrays([pa.array([], type_), *(part for part in parts if part is not None)])
    return pa.ListArray.from_arrays(pa.array(offsets), flat)


def _kind(type_: pa.DataType) -> str:
    if pa.types.is_string(type_):
        return "text"
    return "number" if pa.types.is_floating(type_) else "integer"


def _state(name: str, column: ColumnAccumulator) -> dict[str, Json]:
    return {
        "name": name,
        "type": column.type,
        "rows": column.rows,
        "missing": column.missing,
        "nan": column.nan,
        "infinite": column.infinite,
        "zeros": column.zeros,
        "characters": column.characters,
        "total": dict(column.total.to_json()),
        "total_squares": dict(column.total_squares.to_json()),
        "kind": _kind(column.values.values.type),
        "spilled": _spilled_state(column.values.spilled),
    }


def _spilled_state(spilled: Spilled | None) -> Json:
    if spilled is None:
        return None
    return {
        "seen": b64encode(spilled.seen.to_bytes()).decode(),
        "bits": spilled.bits,
        "error": spilled.error,
        "lowest": spilled.lowest,
        "highest": spilled.highest,
    }


def _column(state: dict[str, Any], table: pa.Table, row: int) -> ColumnAccumulator:
    return ColumnAccumulator(
        type=state["type"],
        values=ValueCounts(
            table[state["kind"]][row].values, table["count"][row].values.to_numpy(), _spilled(state["spilled"])
        ),
        rows=state["rows"],
        missing=state["missing"],
        nan=state["nan"],
        infinite=state["infinite"],
        zeros=state["zeros"],
        characters=state["characters"],
        total=ExactSum.from_json(state["total"]),
        total_squares=ExactSum.from_json(state["total_squares"]),
    )


def _spilled(state: dict[str, Any] | None) -> Spilled | None:
    if state is None:
        return None
    return Spilled(
        seen=HyperLogLog.from_bytes(b64decode(state["seen"])),
        bits=state["bits"],
        error=state["error"],
        lowest=state["lowest"],
        highest=state["highest"],
    )
