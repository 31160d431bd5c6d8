"""A file that is checked: read a piece at a time, however large it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

import pyarrow as pa
import pyarrow.compute as pc

from mlcore.components.summaries import dataset_summary
from mlcore.errors import ConfigError, quoted
from mlcore.ingest.keys import Keys
from mlcore.ingest.tables import BadRows, Table, open_table
from mlcore.schema.history import Expectations
from mlcore.schema.schema import Schema
from mlcore.schema.summary import DatasetSummary, FeatureType
from mlcore.statistics.accumulate import DatasetAccumulator
from mlcore.statistics.options import StatisticsOptions

_TYPES = {
    FeatureType.TIMESTAMP: pa.timestamp("us", tz="UTC"),
    FeatureType.DATE: pa.date32(),
    FeatureType.BOOL: pa.bool_(),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckedFile:
    """A file, its columns of the types the schema has for what text can be.

    TensorFlow Data Validation takes a CSV column of digits for whole numbers, whatever the schema says; a schema of our
    own may say that they are strings, or numbers that happen to be whole. Text is a moment, a date or a truth value
    where the schema says so and all of a column can be.

    Attributes:
        table: The file.
        types: Columns that are read as another type.
        summary: What is in it.
        duplicates: Rows beyond the first of each key that was asked for.
    """

    table: Table
    types: Mapping[str, pa.DataType]
    summary: DatasetSummary
    duplicates: int

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows that could be read, once more."""
        return (_told(batch, self.types) for batch in self.table.batches(BadRows(most=1.0)))


def read_checked(path: str, schema: Schema, own: bool, bad: BadRows, expected: Expectations) -> CheckedFile:
    """Read a file.

    Args:
        path: Which.
        schema: What it is checked against.
        own: Whether that is of our own form, and no ``schema.pbtxt``.
        bad: Counts the rows that are left out.
        expected: The columns that are asked for.

    Raises:
        MlcoreError: It cannot be read, or lacks a column that is asked for.
    """
    table = open_table(path, texts=_texts(schema) if own else ())
    for asked in (*expected.key, expected.label, expected.event_timestamp):
        if asked is not None and table.schema.names and asked not in table.schema.names:
            raise ConfigError(
                f"there is no column {quoted(asked)}",
                where=path,
                next_step=f"choose one of {', '.join(table.schema.names[:20])}",
            )
    types = _wanted(table.schema, schema, own, expected.event_timestamp)
    try:
        return _profiled(path, table, types, bad, expected)
    except _NotAll:
        bad.clear()
        return _profiled(path, table, _possible(table, types), bad, expected)


class _NotAll(Exception):
    """A text that is not what the schema says its column is."""


@dataclass(slots=True)
class _Seen:
    """What is counted beside the statistics, which do not keep it."""

    keys: Keys
    rows: int = 0
    negative_infinite: Counter[str] = field(default_factory=Counter)

    def add(self, batch: pa.RecordBatch, key: Sequence[str]) -> None:
        self.rows += batch.num_rows
        if key:
            self.keys.add(batch, key)
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if pa.types.is_floating(column.type) and pc.min(column).as_py() == -float("inf"):
                self.negative_infinite[name] += pc.sum(pc.equal(column, -float("inf"))).as_py()


def _profiled(
    path: str, table: Table, types: Mapping[str, pa.DataType], bad: BadRows, expected: Expectations
) -> CheckedFile:
    name = quoted(PurePosixPath(path).name)
    with ExitStack() as stack:
        seen = _Seen(stack.enter_context(Keys()))
        batches = _counted(table, types, bad, seen, expected.key)
        first = next(batches, None)
        if first is None:
            return CheckedFile(
                table=table, types=types, summary=DatasetSummary(name=name, rows=0, features=()), duplicates=0
            )
        accumulated = DatasetAccumulator.of(_chained(first, batches), StatisticsOptions(label=expected.label))
        duplicates = len(seen.keys.repeats()[0]) if expected.key else 0
    found = dataset_summary(name, accumulated, end=expected.as_of)
    features = tuple(
        replace(feature, negative_infinite=seen.negative_infinite[feature.name]) if feature.infinite else feature
        for feature in found.features
    )
    return CheckedFile(table=table, types=types, summary=replace(found, features=features), duplicates=duplicates)


def _chained(first: pa.RecordBatch, others: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield first
    yield from others


def _counted(
    table: Table, types: Mapping[str, pa.DataType], bad: BadRows, seen: _Seen, key: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    for batch in table.batches(bad):
        told = _told(batch, types)
        seen.add(told, key)
        yield told


def _told(batch: pa.RecordBatch, types: Mapping[str, pa.DataType]) -> pa.RecordBatch:
    if not types:
        return batch
    columns = [
        column if (wanted := types.get(name)) is None else _cast(column, wanted)
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _cast(column: pa.Array, wanted: pa.DataType) -> pa.Array:
    try:
        return column.cast(wanted, safe=pa.types.is_string(column.type))
    except pa.ArrowInvalid as error:
        raise _NotAll from error


def _possible(table: Table, types: Mapping[str, pa.DataType]) -> dict[str, pa.DataType]:
    """Those types that all values of their columns can be."""
    left = dict(types)
    for batch in table.batches(BadRows(most=1.0)):
        for name, wanted in list(left.items()):
            try:
                _cast(batch.column(name), wanted)
            except _NotAll:
                del left[name]
    return left


def _wanted(present: pa.Schema, schema: Schema, own: bool, event_timestamp: str | None) -> dict[str, pa.DataType]:
    """Columns that shall be read as another type."""
    texts = {feature.name: _TYPES[feature.type] for feature in schema.features if feature.type in _TYPES}
    if event_timestamp is not None:
        texts.setdefault(event_timestamp, _TYPES[FeatureType.TIMESTAMP])
    floats = {feature.name for feature in schema.features if feature.type is FeatureType.FLOAT} if own else set()
    wanted = {}
    for column in present:
        if column.name in floats and pa.types.is_integer(column.type):
            wanted[column.name] = pa.float64()
        elif column.name in texts and pa.types.is_string(column.type):
            wanted[column.name] = texts[column.name]
    return wanted


def _texts(schema: Schema) -> list[str]:
    """Features that may be strings of digits: without a domain, or with digits in it."""
    strings = [feature for feature in schema.features if feature.type is FeatureType.STRING]
    return [
        feature.name
        for feature in strings
        if feature.string_domain is None or any(value.isdigit() for value in feature.string_domain.values)
    ]
