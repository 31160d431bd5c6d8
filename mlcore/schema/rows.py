"""Rows that show an anomaly, where the rows are at hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from mlcore.errors import quoted
from mlcore.schema.anomalies import Anomaly, AnomalyType
from mlcore.schema.schema import Feature, Schema
from mlcore.schema.text_findings import is_damaged

SHOWN_ROWS = 3
_SHOWN_COLUMNS = 8
_CELL = 60

Row = dict[str, str | None]
_Mask = Callable[[pa.Array, "_Wanted"], pa.Array]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Wanted:
    anomaly: Anomaly
    feature: Feature | None
    end: datetime | None


def example_rows(
    batches: Iterable[pa.RecordBatch],
    anomaly: Anomaly,
    schema: Schema,
    *,
    show: Sequence[str] = (),
    end: datetime | None = None,
) -> tuple[Row, ...]:
    """The first rows that show an anomaly of one column: at most three, their values as bounded texts.

    Args:
        batches: The rows.
        anomaly: What they should show; of the dataset as a whole, no row shows anything.
        schema: Where the column's domain stands.
        show: Columns that tell which row it is, for instance the key; otherwise the first ones.
        end: What happened then or later is in the future.
    """
    (rows,) = rows_of_each(batches, [anomaly], schema, show=show, end=end)
    return rows


def rows_of_each(
    batches: Iterable[pa.RecordBatch],
    anomalies: Sequence[Anomaly],
    schema: Schema,
    *,
    show: Sequence[str] = (),
    end: datetime | None = None,
) -> tuple[tuple[Row, ...], ...]:
    """The same of several anomalies, in their order; the batches are read once, and not at all where none is shown."""
    found: list[list[Row]] = [[] for _ in anomalies]
    searched = [
        (number, mask, _Wanted(anomaly=anomaly, feature=schema.feature(anomaly.feature), end=end))
        for number, anomaly in enumerate(anomalies)
        if (mask := _MASKS.get(anomaly.type)) is not None and anomaly.feature is not None
    ]
    for batch in batches if searched else ():
        for number, mask, wanted in searched:
            found[number] += _rows(batch, mask, wanted, show, SHOWN_ROWS - len(found[number]))
        searched = [each for each in searched if len(found[each[0]]) < SHOWN_ROWS]
        if not searched:
            break
    return tuple(tuple(rows) for rows in found)


def _rows(batch: pa.RecordBatch, mask: _Mask, wanted: _Wanted, show: Sequence[str], most: int) -> list[Row]:
    feature = wanted.anomaly.feature
    if feature is None or batch.schema.get_field_index(feature) < 0:
        return []
    chosen = pc.fill_null(mask(batch.column(feature), wanted), pa.scalar(value=False))
    names = _shown(batch, feature, show)
    found = batch.select(names).take(pc.indices_nonzero(chosen)[:most])
    return [{name: _cell(row[name]) for name in names} for row in found.to_pylist()]


def _shown(batch: pa.RecordBatch, feature: str, show: Sequence[str]) -> list[str]:
    """The feature, and a few columns that tell which row it is."""
    others = show or [batch.schema.field(index).name for index in range(min(batch.num_columns, _SHOWN_COLUMNS))]
    known = (name for name in others if name != feature and batch.schema.get_field_index(name) >= 0)
    return [feature, *known][:_SHOWN_COLUMNS]


def as_texts(row: Mapping[str, object]) -> Row:
    """A row as bounded texts."""
    return {name: _cell(value) for name, value in row.items()}


def _cell(value: object) -> str | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= _CELL else quoted(text, _CELL - 1)


def duplicate_keys(table: pa.Table, key: Sequence[str]) -> int:
    """Rows beyond the first of each key; a key with a missing value counts as one of its own kind."""
    if not key or not table.num_rows:
        return 0
    counted = table.select(list(key)).group_by(list(key)).aggregate([([], "count_all")])
    return int(table.num_rows - counted.num_rows)


def _missing(column: pa.Array, wanted: _Wanted) -> pa.Array:
    del wanted
    return pc.is_null(column)


def _present(column: pa.Array, wanted: _Wanted) -> pa.Array:
    del wanted
    return pc.is_valid(column)


def _missing_if_any(column: pa.Array, wanted: _Wanted) -> pa.Array:
    return _missing(column, wanted) if column.null_count else _present(column, wanted)


def _misshaped(column: pa.Array, wanted: _Wanted) -> pa.Array:
    """Rows without a value where every row must have one; else all have too few."""
    return _missing(column, wanted) if wanted.anomaly.expected == 0 else _present(column, wanted)


def _newest(column: pa.Array, wanted: _Wanted) -> pa.Array:
    """The event after which there are none."""
    if not pa.types.is_timestamp(column.type) or not isinstance(wanted.anomaly.observed, str):
        return _present(column, wanted)
    kind = pa.timestamp("us", tz="UTC")
    return pc.equal(column.cast(kind), pa.scalar(datetime.fromisoformat(wanted.anomaly.observed), kind))


def _nan(column: pa.Array, wanted: _Wanted) -> pa.Array:
    del wanted
    return pc.is_nan(column) if pa.types.is_floating(column.type) else pc.equal(column, "nan")


def _infinite(column: pa.Array, wanted: _Wanted) -> pa.Array:
    del wanted
    return pc.is_inf(column) if pa.types.is_floating(column.type) else pc.starts_with(column, "inf")


def _off_domain(column: pa.Array, wanted: _Wanted) -> pa.Array:
    domain = wanted.feature.string_domain if wanted.feature else None
    if domain is None or not pa.types.is_string(column.type):
        return _present(column, wanted)
    known = pc.is_in(column, value_set=pa.array(domain.values, pa.string()))
    return pc.and_(pc.is_valid(column), pc.invert(known))


def _expected_text(wanted: _Wanted) -> float | None:
    return wanted.anomaly.expected if isinstance(wanted.anomaly.expected, int | float) else None


def _small(column: pa.Array, wanted: _Wanted) -> pa.Array:
    bound = _expected_text(wanted)
    return pc.less(_numbers(column), bound) if bound is not None else _present(column, wanted)


def _big(column: pa.Array, wanted: _Wanted) -> pa.Array:
    bound = _expected_text(wanted)
    return pc.greater(_numbers(column), bound) if bound is not None else _present(column, wanted)


def _not_bool(column: pa.Array, wanted: _Wanted) -> pa.Array:
    if not pa.types.is_string(column.type):
        known_number = pc.is_in(_numbers(column), value_set=pa.array([0.0, 1.0]))
        return pc.and_(pc.is_valid(column), pc.invert(known_number))
    domain = wanted.feature.bool_domain if wanted.feature else None
    known = [value for value in (domain.true_value, domain.false_value) if value is not None] if domain else []
    return pc.and_(pc.is_valid(column), pc.invert(pc.is_in(column, value_set=pa.array(known, pa.string()))))


def _numbers(column: pa.Array) -> pa.Array:
    if pa.types.is_string(column.type):
        return pa.array([_number(value) for value in column.to_pylist()], pa.float64())
    return column.cast(pa.float64(), safe=False)


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None


def _no_number(column: pa.Array, wanted: _Wanted) -> pa.Array:
    """Strings that keep a column from being one of numbers; without any, every value does."""
    if not pa.types.is_string(column.type):
        return _present(column, wanted)
    odd = pa.array([value is not None and _number(value) is None for value in column.to_pylist()], pa.bool_())
    return odd if pc.any(odd).as_py() else _present(column, wanted)


def _named(column: pa.Array, wanted: _Wanted) -> pa.Array:
    names = wanted.anomaly.observed if isinstance(wanted.anomaly.observed, list) else []
    return pc.is_in(column, value_set=pa.array([str(name) for name in names], pa.string()))


def _damaged(column: pa.Array, wanted: _Wanted) -> pa.Array:
    del wanted
    return pa.array([value is not None and _is_damaged(value) for value in column.to_pylist()], pa.bool_())


def _is_damaged(value: object) -> bool:
    if not isinstance(value, bytes):
        return isinstance(value, str) and is_damaged(value)
    try:
        value.decode()
    except UnicodeDecodeError:
        return True
    return False


def _future(column: pa.Array, wanted: _Wanted) -> pa.Array:
    if wanted.end is None or not pa.types.is_timestamp(column.type):
        return pa.array([False] * len(column), pa.bool_())
    return pc.greater_equal(
        column.cast(pa.timestamp("us", tz="UTC")), pa.scalar(wanted.end, pa.timestamp("us", tz="UTC"))
    )


_MASKS: dict[AnomalyType, _Mask] = {
    AnomalyType.SCHEMA_NEW_COLUMN: _present,
    AnomalyType.UNEXPECTED_DATA_TYPE: _no_number,
    AnomalyType.INVALID_FEATURE_SHAPE: _misshaped,
    AnomalyType.VALUE_NESTEDNESS_MISMATCH: _present,
    AnomalyType.FEATURE_TYPE_NOT_PRESENT: _missing,
    AnomalyType.FEATURE_TYPE_LOW_NUMBER_VALUES: _present,
    AnomalyType.FEATURE_TYPE_HIGH_NUMBER_VALUES: _present,
    AnomalyType.FEATURE_TYPE_LOW_UNIQUE: _present,
    AnomalyType.FEATURE_TYPE_HIGH_UNIQUE: _present,
    AnomalyType.FEATURE_TYPE_NO_UNIQUE: _present,
    AnomalyType.COMPARATOR_L_INFTY_HIGH: _present,
    AnomalyType.COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH: _present,
    AnomalyType.COMPARATOR_NORMALIZED_ABSOLUTE_DIFFERENCE_HIGH: _present,
    AnomalyType.COMPARATOR_CONTROL_DATA_MISSING: _present,
    AnomalyType.FEATURE_TYPE_LOW_FRACTION_PRESENT: _missing,
    AnomalyType.FEATURE_TYPE_LOW_NUMBER_PRESENT: _missing_if_any,
    AnomalyType.ENUM_TYPE_UNEXPECTED_STRING_VALUES: _off_domain,
    AnomalyType.ENUM_TYPE_INVALID_UTF8: _damaged,
    AnomalyType.INT_TYPE_SMALL_INT: _small,
    AnomalyType.FLOAT_TYPE_SMALL_FLOAT: _small,
    AnomalyType.INT_TYPE_BIG_INT: _big,
    AnomalyType.FLOAT_TYPE_BIG_FLOAT: _big,
    AnomalyType.INT_TYPE_NOT_INT_STRING: _no_number,
    AnomalyType.FLOAT_TYPE_STRING_NOT_FLOAT: _no_number,
    AnomalyType.FLOAT_TYPE_HAS_NAN: _nan,
    AnomalyType.FLOAT_TYPE_HAS_INF: _infinite,
    AnomalyType.BOOL_TYPE_SMALL_INT: _not_bool,
    AnomalyType.BOOL_TYPE_BIG_INT: _not_bool,
    AnomalyType.BOOL_TYPE_UNEXPECTED_STRING: _not_bool,
    AnomalyType.BOOL_TYPE_UNEXPECTED_FLOAT: _not_bool,
    AnomalyType.FUTURE_EVENTS: _future,
    AnomalyType.STALE_EVENTS: _newest,
    AnomalyType.CONSTANT_COLUMN: _present,
    AnomalyType.SHIFTED_COLUMN: _present,
    AnomalyType.LABEL_LEAKAGE: _present,
    AnomalyType.SHIFTED_LABEL: _present,
    AnomalyType.TARGET_STATISTIC: _present,
    AnomalyType.FEATURE_FROM_THE_FUTURE: _present,
    AnomalyType.UNIT_CHANGE: _present,
    AnomalyType.ROUNDED_VALUES: _present,
    AnomalyType.DAMAGED_ENCODING: _damaged,
    AnomalyType.RENAMED_CATEGORY: _named,
}
