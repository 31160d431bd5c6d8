"""A summary as a JSON document for programs: stable keys, plain values, no NaN and no infinity.

    {"rows": 3, "weight": null,
     "features": {"size": {"type": "float64", "count": 2, "missing": 1, "mean": 1.5, ..., "top": [[1.0, 1], [2.0, 1]]}},
     "associations": [...], "missing_together": [...], "slices": [...]}

Every feature has the same keys; one that says nothing of its type is ``null``, or an empty list.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import date, datetime

from mlcore.core.types import Json
from mlcore.statistics.summary import Bin, ColumnSummary, StatisticsSummary, StringSummary, TimeSummary, WeightedSummary

_EXACT = 1 << 53
"""Floats above skip whole numbers."""


def to_document(summary: StatisticsSummary) -> dict[str, Json]:
    """Everything of a summary.

    >>> to_document(StatisticsSummary(rows=0, columns=()))["features"]
    {}
    """
    return {
        "rows": summary.rows,
        "weight": plain(summary.weight),
        "features": _features(summary.columns),
        "associations": [
            {"feature": each.column, "kind": each.kind, "strength": plain(each.strength), "rows": each.rows}
            for each in summary.associations
        ],
        "missing_together": [
            {"features": [pair.first, pair.second], "rows": pair.rows, "overlap": plain(pair.overlap)}
            for pair in summary.missing_together
        ],
        "slices": [
            {
                "feature": part.column,
                "value": plain(part.value),
                "rows": part.rows,
                "features": _features(part.columns),
            }
            for part in summary.slices
        ],
    }


def feature_document(column: ColumnSummary, *, histograms: bool = True) -> dict[str, Json]:
    """One feature; its name is what it is filed under.

    Args:
        column: Its summary.
        histograms: Whether to give what takes room, too: histograms and ranks.
    """
    found: dict[str, Json] = {
        "type": column.type,
        "count": column.count,
        "missing": column.missing,
        "present_fraction": column.present_fraction,
        "distinct": column.distinct,
        "distinct_exact": column.distinct_exact,
        "top": [[plain(value), count] for value, count in column.top],
        "top_error": column.top_error,
        **_numeric(column),
        "nan": column.nan,
        "infinite": column.infinite,
        "boolean": None if column.boolean is None else {"true": column.boolean.true, "false": column.boolean.false},
        "time": None if column.time is None else _time(column.time),
        "string": None if column.string is None else _string(column.string),
        "weighted": None if column.weighted is None else _weighted(column.weighted),
    }
    if histograms:
        numeric = column.numeric
        found["histogram"] = _bins(numeric.histogram if numeric else ())
        found["quantile_histogram"] = _bins(numeric.quantile_histogram if numeric else ())
        found["ranks"] = list(column.ranks)
    return found


def plain(value: object, *, whole: bool = False) -> Json:
    """A value as JSON has it: moments as ISO 8601, and ``None`` for NaN and infinity, which JSON has not.

    Args:
        value: A number, text, truth value, date, moment or ``None``.
        whole: Whether a number is a whole one by its type.

    >>> plain(float("nan")), plain(2.0, whole=True), plain(2.0)
    (None, 2, 2.0)
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return int(value) if whole and value.is_integer() and abs(value) <= _EXACT else value
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    return str(value)


def _features(columns: Iterable[ColumnSummary]) -> dict[str, Json]:
    return {column.name: feature_document(column) for column in columns}


def _numeric(column: ColumnSummary) -> dict[str, Json]:
    numeric, time = column.numeric, column.time
    whole = column.type in ("int64", "bool")
    if numeric is None:
        bounds: tuple[object, ...] = (time.minimum, time.maximum, time.median) if time else (None, None, None)
        return {
            "mean": None,
            "std": None,
            "zeros": None,
            **dict(zip(("min", "max", "median"), map(plain, bounds), strict=True)),
            "quantiles": [plain(moment) for moment in time.quantiles] if time else [],
        }
    return {
        "mean": plain(numeric.mean),
        "std": plain(numeric.std),
        "zeros": numeric.zeros,
        "min": plain(numeric.minimum, whole=whole),
        "max": plain(numeric.maximum, whole=whole),
        "median": plain(numeric.median, whole=whole),
        "quantiles": [plain(number, whole=whole) for number in numeric.quantiles],
    }


def _bins(bins: Sequence[Bin]) -> list[Json]:
    return [[plain(each.low), plain(each.high), each.count] for each in bins]


def _string(string: StringSummary) -> dict[str, Json]:
    return {
        "average_length": plain(string.average_length),
        "shortest": string.shortest,
        "longest": string.longest,
        "empty": string.empty,
        "blank": string.blank,
        "padded": string.padded,
        "non_ascii": string.non_ascii,
        "damaged": string.damaged,
        "invalid": string.invalid,
    }


def _time(time: TimeSummary) -> dict[str, Json]:
    return {
        "histogram": list(time.histogram),
        "gaps": [
            {"start": gap.start.isoformat(), "end": gap.end.isoformat(), "seconds": gap.length.total_seconds()}
            for gap in time.gaps
        ],
        "future": time.future,
    }


def _weighted(weighted: WeightedSummary) -> dict[str, Json]:
    return {
        "count": plain(weighted.count),
        "missing": plain(weighted.missing),
        "mean": plain(weighted.mean),
        "std": plain(weighted.std),
        "median": plain(weighted.median),
        "quantiles": [plain(number) for number in weighted.quantiles],
        "top": [[plain(value), plain(weight)] for value, weight in weighted.top],
    }
