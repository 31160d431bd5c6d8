"""Laws of columns made of a row's past: against a row-by-row reading of their definition, and what they may not see."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from mlcore.accumulators.exact_sum import square_root
from mlcore.transform.contract import ARROW_TYPES
from mlcore.transform.history.columns import HistoryColumn, add_history
from mlcore.transform.history.exact import RangeSums, scaled

START = datetime(2024, 3, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
KINDS = {"at": "timestamp", "key": "string", "part": "int64", "x": "float64", "n": "int64", "text": "string"}
AGGREGATES = ("count", "sum", "mean", "std", "min", "max", "lag")

floats = st.one_of(
    st.floats(),
    st.floats(-100, 100),
    st.integers(-50, 50).map(float),
    st.sampled_from([0.1, 0.2, 0.3, -0.0, 1e16, -1e16, 5e-324, 1e300, -1e300]),
)
row = st.fixed_dictionaries(
    {
        "at": st.integers(0, 30).map(lambda hours: START + hours * HOUR),
        "key": st.sampled_from(["a", "b", None]),
        "part": st.sampled_from([1, 2, None]),
        "x": st.none() | floats,
        "n": st.none() | st.integers(-(2**63), 2**63 - 1) | st.integers(-9, 9),
        "text": st.sampled_from(["p", "q", None]),
    }
)
rows_of = st.lists(row, max_size=25)


@st.composite
def columns(draw: st.DrawFn) -> HistoryColumn:
    aggregate = draw(st.sampled_from(AGGREGATES))
    column = draw(st.sampled_from(["x", "n"] if aggregate not in ("count", "lag") else ["x", "n", "text"]))
    by = draw(st.sampled_from([("key",), ("key", "part"), ()]))
    delay = draw(st.integers(0, 5))
    kind = {"count": "int64", "sum": "float64", "mean": "float64", "std": "float64"}.get(aggregate, KINDS[column])
    return HistoryColumn(
        name="made",
        aggregate=aggregate,
        column=draw(st.sampled_from([column, None])) if aggregate == "count" else column,
        by=by,
        over=(delay + draw(st.integers(1, 20))) * HOUR,
        delay=delay * HOUR,
        periods=draw(st.integers(1, 3)),
        type=kind,
        reads={name: KINDS[name] for name in (*by, column)},
    )


def table(rows: Sequence[dict[str, Any]]) -> pa.Table:
    return pa.table({name: pa.array([one[name] for one in rows], ARROW_TYPES[kind]) for name, kind in KINDS.items()})


def made(rows: Sequence[dict[str, Any]], past: Sequence[dict[str, Any]], *history: HistoryColumn) -> list[Any]:
    """The values of the first column, each as what tells all of its bits."""
    found = add_history(table(rows), table(past), history, event_timestamp="at")["made"].to_pylist()
    return [struct.pack("<d", value) if isinstance(value, float) else value for value in found]


def finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def visible(one: dict[str, Any], past: Sequence[dict[str, Any]], column: HistoryColumn) -> list[dict[str, Any]]:
    """By the definition: same key, strictly earlier, known by now, not too long ago."""
    if any(one[name] is None for name in column.by):
        return []
    return [
        other
        for other in past
        if all(other[name] == one[name] for name in column.by)
        and other["at"] < one["at"]
        and other["at"] + column.delay <= one["at"]
        and other["at"] >= one["at"] - column.over
    ]


def oracle(one: dict[str, Any], past: Sequence[dict[str, Any]], column: HistoryColumn) -> Any:
    """The value of one row, of its own window alone, in Python's exact numbers."""
    if any(one[name] is None for name in column.by):
        return None
    seen = visible(one, past, column)
    if column.column is None:
        return len(seen)
    values = [finite(other[column.column]) for other in seen]
    if column.aggregate == "lag":
        # False sorts before True: of one moment what is missing is first, then the smallest
        ordered = sorted(zip(seen, values, strict=True), key=lambda each: (each[0]["at"], each[1] is not None, each[1]))
        return ordered[-column.periods][1] if len(ordered) >= column.periods else None
    known = [value for value in values if value is not None]
    if column.aggregate == "count":
        return len(known)
    return aggregated(column.aggregate, known)


def aggregated(aggregate: str, known: list[Any]) -> Any:
    if not known:
        return None
    if aggregate in ("min", "max"):
        return min(known) if aggregate == "min" else max(known)
    total = sum(map(Fraction, known))
    if aggregate == "std":
        if len(known) < 2:
            return None
        exact = [Fraction(float(value)) for value in known]
        spread = len(known) * sum(value * value for value in exact) - sum(exact) ** 2
        return square_root(spread / (len(known) * (len(known) - 1)))
    try:
        return float(total if aggregate == "sum" else total / len(known))
    except OverflowError:
        return None


def same(aggregate: str, found: Any, expected: Any, size: float) -> bool:
    if found is None or expected is None or not isinstance(expected, float):
        return bool(found == expected)
    if aggregate == "std":
        return math.isclose(found, expected, rel_tol=1e-9, abs_tol=3e-14 * size + 1e-320)
    if aggregate == "mean":
        return math.isclose(found, expected, rel_tol=3e-16, abs_tol=1e-323)
    return found == expected


@given(rows_of, columns())
@settings(max_examples=150)
def test_each_row_has_what_the_definition_says(rows: list[dict[str, Any]], column: HistoryColumn) -> None:
    """Sums are the nearest floats, means and deviations as near as can be, all else equal to the definition's."""
    found = add_history(table(rows), table(rows), [column], event_timestamp="at")["made"].to_pylist()
    for one, value in zip(rows, found, strict=True):
        expected = oracle(one, rows, column)
        numbers = [finite(other[column.column]) for other in rows if column.column in ("x", "n")]
        size = max((abs(float(number)) for number in numbers if number is not None), default=0.0)
        assert same(column.aggregate, value, expected, size), (one, value, expected)


@given(rows_of, columns(), st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_rows_that_are_not_past_change_nothing(rows: list[dict[str, Any]], column: HistoryColumn, chance: Any) -> None:
    """Poison in every row that a row may not see: of its moment, later, not known yet, too old, of another key."""
    for one in rows:
        seen = visible(one, rows, column)
        poison = {"x": chance.choice([1e300, math.nan, None, 7.7]), "n": 2**62, "text": "z"}
        poisoned = [other if other in seen else {**other, **poison} for other in rows]
        assert made([one], poisoned, column) == made([one], rows, column) == made([one], seen, column)


@given(rows_of, columns(), st.lists(st.integers(0, 41), max_size=4), st.randoms(use_true_random=False))
def test_any_division_into_spans_gives_the_same_bytes(
    rows: list[dict[str, Any]], column: HistoryColumn, cuts: list[int], chance: Any
) -> None:
    """Each span with the spans within the look-back before it, in any order, is what all rows at once are."""
    edges = [-1, *sorted(set(cuts)), 50]
    at_once = dict(zip(range(len(rows)), made(rows, rows, column), strict=True))
    for first, after in pairwise(edges):
        start, end = START + first * HOUR, START + after * HOUR
        numbers = [number for number, one in enumerate(rows) if start <= one["at"] < end]
        known = [one for one in rows if start - column.over <= one["at"] < end]
        chance.shuffle(known)
        in_span = made([rows[number] for number in numbers], known, column)
        assert in_span == [at_once[number] for number in numbers]


@given(rows_of, columns(), columns())
def test_a_column_is_the_same_beside_another(
    rows: list[dict[str, Any]], column: HistoryColumn, other: HistoryColumn
) -> None:
    """What columns share is made once, for the longest of their windows: each sees its own window alone."""
    assert made(rows, rows, column, replace(other, name="other")) == made(rows, rows, column)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=30), st.data())
def test_sums_over_ranges_are_the_nearest_floats(values: list[float], data: st.DataObject) -> None:
    """Whatever else is in the sequence, be it of 600 orders of magnitude more."""
    start = data.draw(st.integers(0, len(values)))
    stop = data.draw(st.integers(start, len(values)))
    sums = RangeSums.of_values(np.array(values, np.float64))
    (found,) = scaled(*sums.rounded(np.array([start]), np.array([stop])))
    exact = sum(map(Fraction, values[start:stop]))
    try:
        assert found == float(exact)
    except OverflowError:
        assert math.isinf(found)


@given(st.lists(st.floats(-1e150, 1e150), min_size=1, max_size=30))
def test_sums_of_squares_are_known_to_a_hundred_bits(values: list[float]) -> None:
    """The two floats together are within 2**-90 of the exact sum."""
    sums = RangeSums.of_squares(np.array(values, np.float64))
    high, low, exponents = sums.doubled(np.array([0]), np.array([len(values)]))
    found = (Fraction(float(high[0])) + Fraction(float(low[0]))) * Fraction(2) ** int(exponents[0])
    exact = sum(Fraction(value) ** 2 for value in values)
    assert abs(found - exact) <= exact / 2**90
