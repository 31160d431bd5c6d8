"""Our statistics of a file against those that TensorFlow Data Validation 1.16.1 makes of it, number by number.

It reads the file's floats in 32 bits, ours keep the 64 they are written in. So wherever it says FLOAT its numbers are
compared twice: with ours of the same values rounded to 32 bits, where nothing is left to explain, and with ours as they
are, where the rounding alone may show.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mlcore.ingest.tables import open_table
from mlcore.statistics.accumulate import DatasetAccumulator
from mlcore.statistics.extract import summarise
from mlcore.statistics.summary import ColumnSummary, NumericSummary

CASES = Path(__file__).parents[4] / "shared" / "conformance" / "statistics"
RELATIVE = 1e-6
RANK = 0.01
ROUNDED_DEVIATIONS = {"pickup_latitude", "dropoff_latitude", "dropoff_longitude", "dropoff_census_tract"}
"""Far from zero for how little they vary: 32 bits round to steps of 4e-6 degrees, and of 1,024 in tract numbers."""

pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the conformance cases are not beside the repository")


@dataclass(frozen=True)
class Case:
    """One file: what is said of each column, and what is in it.

    Attributes:
        theirs: What the peer says.
        ours: What we say of the file's values.
        rounded: What we say of them when those that the peer calls FLOAT are of 32 bits.
        table: The values, so rounded.
    """

    theirs: dict[str, dict[str, Any]]
    ours: dict[str, ColumnSummary]
    rounded: dict[str, ColumnSummary]
    table: pa.Table

    def numbers(self) -> list[tuple[str, dict[str, Any], NumericSummary, NumericSummary]]:
        found = []
        for name, theirs in self.theirs.items():
            ours, rounded = self.ours[name].numeric, self.rounded[name].numeric
            if ours is not None and rounded is not None:
                found.append((name, theirs, ours, rounded))
        return found


@pytest.fixture(scope="module")
def case() -> Case:
    document = json.loads((CASES / "tfdv_stats_taxi.json").read_text(encoding="utf-8"))
    theirs = document["features"]
    table = pa.Table.from_batches(list(open_table(str(CASES / "taxi.csv")).batches()))
    assert table.num_rows == document["num_examples"]
    assert set(table.column_names) == set(theirs)
    floats = {name for name, found in theirs.items() if found["type"] == "FLOAT"}
    rounded = pa.table(
        {name: table[name].cast(pa.float32()) if name in floats else table[name] for name in table.column_names}
    )
    return Case(theirs=theirs, ours=summaries(table), rounded=summaries(rounded), table=rounded)


def summaries(table: pa.Table) -> dict[str, ColumnSummary]:
    return {column.name: column for column in summarise(DatasetAccumulator.of(table.to_batches()))}


def test_types_and_counts_are_the_peer_s(case: Case) -> None:
    """Of all eighteen columns: the type, rows with a value and without, and zeros, exactly."""
    types = {"INT": "int64", "FLOAT": "float64", "STRING": "string"}
    assert len(case.theirs) == 18
    for name, theirs in case.theirs.items():
        ours = case.ours[name]
        assert ours.type == types[theirs["type"]], name
        assert (ours.count, ours.missing) == (theirs["num_non_missing"], theirs["num_missing"]), name
        assert (None if ours.numeric is None else ours.numeric.zeros) == theirs.get("num_zeros"), name


def test_extremes_are_the_peer_s(case: Case) -> None:
    """Of all fifteen columns of numbers, exactly; ours are told apart from theirs by rounding to 32 bits alone."""
    assert len(case.numbers()) == 15
    for name, theirs, ours, rounded in case.numbers():
        assert (rounded.minimum, rounded.maximum) == (theirs["min"], theirs["max"]), name
        kind = np.float32 if theirs["type"] == "FLOAT" else float
        assert (kind(ours.minimum), kind(ours.maximum)) == (theirs["min"], theirs["max"]), name


def test_means_and_deviations_are_the_peer_s(case: Case) -> None:
    """Within a millionth; without rounding all but the deviations of four columns are, too."""
    for name, theirs, ours, rounded in case.numbers():
        assert (rounded.mean, rounded.std) == pytest.approx((theirs["mean"], theirs["std_dev"]), rel=RELATIVE), name
        assert ours.mean == pytest.approx(theirs["mean"], rel=RELATIVE), name
        if name not in ROUNDED_DEVIATIONS:
            assert ours.std == pytest.approx(theirs["std_dev"], rel=RELATIVE), name


def test_quantiles_lie_at_their_ranks_and_at_the_peer_s(case: Case) -> None:
    """Eleven deciles and the median of each column: ours exactly, and within one per cent of the rows of theirs."""
    for name, theirs, _, rounded in case.numbers():
        values = np.sort(case.table[name].drop_null().to_numpy().astype(np.float64))
        pairs = [
            *zip(rounded.quantiles, theirs["quantile_boundaries"], strict=True),
            (rounded.median, theirs["median"]),
        ]
        for share, (mine, its) in zip([*(step / 10 for step in range(11)), 0.5], pairs, strict=True):
            assert off(values, mine, share) <= 1 / len(values), (name, share)
            assert off(values, its, share) <= RANK, (name, share)


def off(values: np.ndarray[Any, np.dtype[np.float64]], quantile: float, share: float) -> float:
    """How far a share lies outside the ranks that a value has, as shares of the rows."""
    low = np.searchsorted(values, quantile, side="left") / len(values)
    high = np.searchsorted(values, quantile, side="right") / len(values)
    return float(max(low - share, share - high, 0.0))


def test_histograms_hold_as_many_rows(case: Case) -> None:
    """Ten bins of equal width: up to every edge as many rows as theirs within one per cent, which is their sketch's.

    An edge that is a value of many rows has all of these on one side with us and on either with them.
    """
    for name, theirs, _, rounded in case.numbers():
        values = np.sort(case.table[name].drop_null().to_numpy().astype(np.float64))
        buckets = theirs["histogram_standard"]["buckets"]
        reached = np.cumsum([count for _, _, count in buckets])
        for bin_, (low, high, _), theirs_up_to in zip(rounded.histogram, buckets, reached, strict=True):
            assert (bin_.low, bin_.high) == pytest.approx((low, high), rel=RELATIVE, abs=1e-9), name
            assert off(values, high, theirs_up_to / len(values)) <= RANK, (name, high)
        counts = [bin_.count for bin_ in rounded.histogram]
        edges = [rounded.histogram[0].low, *(bin_.high for bin_ in rounded.histogram)]
        assert counts == np.histogram(values, edges)[0].tolist(), name


def test_strings_are_the_peer_s(case: Case) -> None:
    """Different values, the most frequent with their rows, and lengths, exactly; only equals may change places."""
    strings = [name for name, theirs in case.theirs.items() if theirs["type"] == "STRING"]
    assert strings == ["pickup_census_tract", "payment_type", "company"]
    for name in strings:
        ours, theirs = case.ours[name], case.theirs[name]
        top = [(value, int(count)) for value, count in theirs["top_values"]]
        assert ours.distinct == theirs["unique"]
        assert len(ours.ranks) == theirs["rank_histogram_len"]
        assert [count for _, count in ours.top] == [count for _, count in top]
        last = top[-1][1] if top else 0
        whole = len(top) == theirs["unique"]  # else some that are as rare as the last one are not in the list
        assert {pair for pair in ours.top if whole or pair[1] > last} == {p for p in top if whole or p[1] > last}
        counted = dict(zip(*np.unique(case.table[name].drop_null().to_pylist(), return_counts=True), strict=True))
        assert all(counted[value] == count for value, count in (*ours.top, *top))
        length = 0.0 if ours.string is None else ours.string.average_length
        assert np.float32(length) == theirs["avg_length"]


def test_different_numbers_are_counted(case: Case) -> None:
    """The peer counts those of strings alone: ours of numbers are exact for so few."""
    for name, _, _, _ in case.numbers():
        found = case.rounded[name]
        assert found.distinct_exact
        assert found.distinct == len(case.table[name].drop_null().unique()), name
