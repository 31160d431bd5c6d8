"""The payload of a Statistics artifact.

    statistics/
    └── statistics.arrow    Arrow IPC: every value of every column with its count, and the other state as JSON metadata

Equal data gives equal bytes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mlcore.accumulators.exact_sum import ExactSum
from mlcore.accumulators.value_counts import ValueCounts
from mlcore.core.digests import canonical_json
from mlcore.core.types import Json
from mlcore.errors import ArtifactCorrupt, ArtifactMissing
from mlcore.statistics.accumulate import ColumnAccumulator, DatasetAccumulator

FILE_NAME = "statistics.arrow"
VERSION = 1
_KEY = b"mlcore.statistics"
_SCHEMA = pa.schema([("text", pa.string()), ("integer", pa.int64()), ("number", pa.float64()), ("count", pa.int64())])


def to_bytes(dataset: DatasetAccumulator) -> bytes:
    """The versioned, canonical form."""
    tables = [_values_table(column.values) for column in dataset.columns.values()]
    table = pa.concat_tables([_SCHEMA.empty_table(), *tables]).combine_chunks()
    columns: list[Json] = [_state(name, column) for name, column in dataset.columns.items()]
    header = canonical_json({"version": VERSION, "rows": dataset.rows, "columns": columns})
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd", use_threads=False)
    with pa.ipc.new_file(sink, _SCHEMA.with_metadata({_KEY: header}), options=options) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def from_bytes(content: bytes) -> DatasetAccumulator:
    """The accumulators of :func:`to_bytes`.

    Raises:
        ArtifactCorrupt: The bytes are no statistics of this version.
    """
    try:
        with pa.ipc.open_file(pa.BufferReader(content)) as reader:
            table = reader.read_all()
        header = json.loads(table.schema.metadata[_KEY])
    except (pa.ArrowInvalid, KeyError, TypeError, ValueError) as error:
        raise ArtifactCorrupt("these are no statistics", next_step="delete the folder and run again") from error
    if header["version"] != VERSION:
        raise ArtifactCorrupt(f"statistics of version {header['version']} cannot be read by this release")
    columns, start = {}, 0
    for state in header["columns"]:
        columns[state["name"]] = _column(state, table.slice(start, state["values"]))
        start += state["values"]
    return DatasetAccumulator(rows=header["rows"], columns=columns)


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
    return from_bytes(content)


def read_merged(folders: Sequence[Path]) -> DatasetAccumulator:
    """The statistics of several spans together, merged in the given order."""
    return DatasetAccumulator.merge([read(folder) for folder in folders])


def _values_table(values: ValueCounts) -> pa.Table:
    nulls = {name: pa.nulls(len(values.values), _SCHEMA.field(name).type) for name in ("text", "integer", "number")}
    return pa.table({**nulls, _kind(values.values.type): values.values, "count": values.counts}, schema=_SCHEMA)


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
        "total": dict(column.total.to_json()),
        "total_squares": dict(column.total_squares.to_json()),
        "complete": column.values.complete,
        "values": len(column.values.values),
        "kind": _kind(column.values.values.type),
    }


def _column(state: dict[str, Any], table: pa.Table) -> ColumnAccumulator:
    values = table[state["kind"]].combine_chunks()
    counts = table["count"].to_numpy().astype(np.int64)
    return ColumnAccumulator(
        type=state["type"],
        values=ValueCounts(values, counts, state["complete"]),
        rows=state["rows"],
        missing=state["missing"],
        nan=state["nan"],
        infinite=state["infinite"],
        zeros=state["zeros"],
        total=ExactSum.from_json(state["total"]),
        total_squares=ExactSum.from_json(state["total_squares"]),
    )
