"""Parquet: one file, a batch of rows at a time; columns named by its folders (``year=2013``) too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mlcore.errors import MalformedData, quoted
from mlcore.ingest.blocks import BadRow, Block, Reason
from mlcore.ingest.formats.convert import converted, expected
from mlcore.ingest.places import open_binary, partitions

BATCH_ROWS = 65_536


def read_parquet(path: str, types: Mapping[str, pa.DataType]) -> Iterator[Block]:
    """The columns of the types, in their order; other columns are left out.

    Integers and floats of any width, decimals for floats, moments of any unit and zone, and dictionaries are taken
    where their values keep their meaning; a moment without a zone is not, for nobody knows when it was.

    Raises:
        MalformedData: It is no Parquet, is damaged, or lacks a column in a type that can be taken.
        DataError: The file cannot be read.
    """
    folders = partitions(path)
    with open_binary(path) as stream:
        try:
            file = pq.ParquetFile(stream)
            present = file.schema_arrow
            _check(path, present, types, folders)
            names = [name for name in types if name in present.names]
            row = 1
            for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=names, use_threads=False):
                yield _block(path, batch, types, folders, row)
                row += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            raise MalformedData(
                f"the Parquet file cannot be read: {quoted(str(error), limit=300)}",
                where=path,
                next_step="deliver the file again, whole: upload it under another name and rename it when done",
            ) from error


def parquet_schema(path: str) -> pa.Schema:
    """The columns of a file, those its folders name at the end.

    Raises:
        MalformedData: It is no Parquet.
        DataError: The file cannot be read.
    """
    with open_binary(path) as stream:
        try:
            schema = pq.read_schema(stream)
        except (pa.ArrowException, OSError) as error:
            raise MalformedData(
                f"the Parquet file cannot be read: {quoted(str(error), limit=300)}",
                where=path,
                next_step="deliver the file again, whole",
            ) from error
    for name in partitions(path):
        if name not in schema.names:
            schema = schema.append(pa.field(name, pa.string()))
    return schema


def _check(path: str, present: pa.Schema, types: Mapping[str, pa.DataType], folders: Mapping[str, str | None]) -> None:
    for name, kind in types.items():
        if name not in present.names and name not in folders:
            shown = ", ".join(quoted(known, limit=40) for known in present.names[:40])
            raise MalformedData(
                f"the file lacks the column {quoted(name, limit=40)}; it has {shown}",
                where=path,
                next_step="correct the export, or data.columns in the pipeline file",
            )
        if present.names.count(name) > 1:
            raise MalformedData(
                f"the file has the column {quoted(name, limit=40)} more than once",
                where=path,
                next_step="give each column of the export a name of its own",
            )
        if name in present.names and not _takes(kind, present.field(name).type):
            raise MalformedData(
                f"column {name} is of type {present.field(name).type} in the file and {kind} is asked for",
                where=path,
                next_step="write the file's type in data.columns, or correct the export"
                + (" (moments need a time zone)" if pa.types.is_timestamp(kind) else ""),
            )


def _takes(kind: pa.DataType, given: pa.DataType) -> bool:
    if pa.types.is_dictionary(given):
        given = given.value_type
    if given == kind or pa.types.is_null(given):
        return True
    is_ = pa.types
    if is_.is_string(kind):
        return bool(is_.is_large_string(given) or is_.is_binary(given) or is_.is_string_view(given))
    if is_.is_timestamp(kind):
        return bool(is_.is_timestamp(given)) and (given.tz is None) == (kind.tz is None)
    if is_.is_floating(kind):
        return bool(is_.is_integer(given) or is_.is_floating(given) or is_.is_decimal(given))
    if is_.is_integer(kind):
        return bool(is_.is_integer(given))
    return bool(is_.is_date(kind) and is_.is_date(given))


def _block(
    path: str, batch: pa.RecordBatch, types: Mapping[str, pa.DataType], folders: Mapping[str, str | None], row: int
) -> Block:
    wrong = np.zeros(batch.num_rows, bool)
    columns, bad = [], []
    for name, kind in types.items():
        if name in batch.schema.names:
            given = batch.column(name)
            values, faults = _as(given, kind)
        else:
            given = pa.array([folders[name]] * batch.num_rows, pa.string())
            values, faults = converted(given, kind)
        columns.append(values)
        for index in np.flatnonzero(faults & ~wrong).tolist():
            shown = quoted(given[index].as_py(), limit=60)
            message = f"column {name}: {shown} is not {expected(kind)}"
            text = quoted(batch.slice(index, 1).to_pylist()[0], limit=500)
            reason = Reason.UNDECODABLE if pa.types.is_string(kind) else Reason.UNPARSABLE
            bad.append(BadRow(file=path, line=row + index, reason=reason, message=message, column=name, text=text))
        wrong |= faults
    rows = pa.RecordBatch.from_arrays(columns, schema=pa.schema(list(types.items())))
    lines = np.arange(row, row + batch.num_rows, dtype=np.int64)
    if wrong.any():
        rows, lines = rows.filter(pa.array(~wrong)), lines[~wrong]
        bad.sort(key=lambda each: each.line)
    return Block(file=path, rows=rows, lines=lines, bad=tuple(bad))


def _as(values: pa.Array, kind: pa.DataType) -> tuple[pa.Array, np.ndarray]:
    """Values in another type, and where that is impossible: there the value becomes null."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    try:
        values = values.cast(kind, safe=not pa.types.is_floating(kind))
        values.validate(full=pa.types.is_string(kind))
        return values, np.zeros(len(values), bool)
    except pa.ArrowInvalid:
        single = [_single(value, kind) for value in values]
    wrong = np.array([found is None for found in single]) & values.is_valid().to_numpy(zero_copy_only=False)
    return pa.array([None if found is None else found.as_py() for found in single], kind), wrong


def _single(value: pa.Scalar, kind: pa.DataType) -> pa.Scalar | None:
    try:
        found = pa.array([value.as_py()], value.type).cast(kind)
        found.validate(full=True)
    except (pa.ArrowInvalid, ValueError):
        return None
    return found[0] if found.null_count == 0 else None
