"""Parquet: one file, a batch of rows at a time; columns named by its folders (``year=2013``) too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mlcore.errors import MalformedData, quoted
from mlcore.ingest.blocks import TEXT_LIMIT, BadRow, Block, Reason
from mlcore.ingest.formats.casting import Mask, cast
from mlcore.ingest.formats.convert import converted, expected
from mlcore.ingest.places import open_binary, partitions

BATCH_ROWS = 65_536
_FIRST, _LAST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
_BUFFER_BYTES = 1 << 20
"""A row group may be as large as the file: of each column a piece is read at a time."""


def read_parquet(path: str, types: Mapping[str, pa.DataType]) -> Iterator[Block]:
    """The columns of the types, in their order; other columns are left out.

    Integers and floats of any width, decimals for floats, texts and whole numbers, moments of any unit and zone, and
    dictionaries are taken where their values keep their meaning; nanoseconds are cut to microseconds. A moment without
    a zone is not taken, for nobody knows when it was, nor is what has several values.

    Raises:
        MalformedData: It is no Parquet, is damaged, or lacks a column in a type that can be taken.
        DataError: The file cannot be read.
    """
    folders = partitions(path)
    with open_binary(path, jumping=True) as stream:
        try:
            file = pq.ParquetFile(stream, buffer_size=_BUFFER_BYTES, pre_buffer=False)
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
    with open_binary(path, jumping=True) as stream:
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
                next_step=_instead(kind, present.field(name).type),
            )


def _takes(kind: pa.DataType, given: pa.DataType) -> bool:
    if pa.types.is_dictionary(given):
        given = given.value_type
    if given == kind or pa.types.is_null(given):
        return True
    is_ = pa.types
    if is_.is_string(kind):
        return _is_text(given) or bool(is_.is_decimal(given))
    if is_.is_timestamp(kind):
        return bool(is_.is_timestamp(given)) and (given.tz is None) == (kind.tz is None)
    if is_.is_floating(kind):
        return bool(is_.is_integer(given) or is_.is_floating(given) or is_.is_decimal(given))
    if is_.is_integer(kind):
        return bool(is_.is_integer(given) or (is_.is_decimal(given) and given.scale == 0))
    if is_.is_decimal(kind):
        return bool(is_.is_decimal(given) or is_.is_integer(given))
    if is_.is_binary(kind):
        return _is_text(given)
    return bool(is_.is_date(kind) and is_.is_date(given))


def _is_text(kind: pa.DataType) -> bool:
    is_ = pa.types
    kinds = (is_.is_string, is_.is_large_string, is_.is_string_view, is_.is_binary, is_.is_large_binary)
    return any(each(kind) for each in (*kinds, is_.is_binary_view, is_.is_fixed_size_binary))


def _instead(kind: pa.DataType, given: pa.DataType) -> str:
    if pa.types.is_nested(given):
        return "flatten it in the export: a column has one value a row"
    if pa.types.is_timestamp(kind) and pa.types.is_timestamp(given):
        return "write moments with a time zone: nobody knows when others were"
    return "write the file's type in data.columns, or correct the export"


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
            message = f"column {name}: {_shown(given[index])} is not {expected(kind)}"
            text = ",".join(_shown(batch.column(each)[index]) for each in batch.schema.names)[:TEXT_LIMIT]
            reason = Reason.UNDECODABLE if pa.types.is_string(kind) else Reason.UNPARSABLE
            bad.append(BadRow(file=path, line=row + index, reason=reason, message=message, column=name, text=text))
        wrong |= faults
    rows = pa.RecordBatch.from_arrays(columns, schema=pa.schema(list(types.items())))
    lines = np.arange(row, row + batch.num_rows, dtype=np.int64)
    if wrong.any():
        rows, lines = rows.filter(pa.array(~wrong)), lines[~wrong]
        bad.sort(key=lambda each: each.line)
    return Block(file=path, rows=rows, lines=lines, bad=tuple(bad))


def _as(values: pa.Array, kind: pa.DataType) -> tuple[pa.Array, Mask]:
    """Values in another type, and where that is impossible: there the value becomes null.

    Nanoseconds are cut to microseconds; no calendar has a moment before the year 1 or after 9999.
    """
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_string(kind) and _is_text(values.type):
        return cast(values.cast(pa.binary()), kind)  # for text in a file need not be UTF-8
    cut = pa.types.is_timestamp(values.type) and values.type.unit == "ns"
    if pa.types.is_floating(kind) or cut:
        return values.cast(kind, safe=False), np.zeros(len(values), bool)
    if pa.types.is_decimal(kind) and pa.types.is_integer(values.type):
        values = values.cast(pa.decimal128(20, 0))  # Arrow asks for room for the largest integer, whatever is there
    values, wrong = cast(values, kind)
    if pa.types.is_temporal(kind):
        outside = pc.or_(pc.less(values, _bound(kind, _FIRST)), pc.greater(values, _bound(kind, _LAST)))
        outside = pc.fill_null(outside, False).to_numpy(zero_copy_only=False)  # noqa: FBT003
        values, wrong = pc.if_else(pa.array(outside), pa.scalar(None, kind), values), wrong | outside
    return values, wrong


def _bound(kind: pa.DataType, moment: datetime) -> pa.Scalar:
    if not pa.types.is_timestamp(kind):
        return pa.scalar(moment.date(), kind)
    return pa.scalar(moment if kind.tz else moment.replace(tzinfo=None), kind)


def _shown(value: pa.Scalar) -> str:
    try:
        return quoted(value.as_py(), limit=60)
    except (OverflowError, ValueError):  # a moment that Python has none for, or text that is no UTF-8
        plain = value.cast(pa.int64() if pa.types.is_temporal(value.type) else pa.binary())
        return quoted(plain.as_py(), limit=60)
