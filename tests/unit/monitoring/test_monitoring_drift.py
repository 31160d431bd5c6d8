from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from support.days import make_day

from mlcore.accumulators.distinct import HyperLogLog
from mlcore.accumulators.value_counts import Spilled, ValueCounts
from mlcore.errors import ArtifactCorrupt, ArtifactMissing, DataError
from mlcore.monitoring.drift import FILE_NAME, FeatureDrift, detect, null_distances, read_drift, write_drift
from mlcore.monitoring.histograms import (
    MAX_BINS,
    MAX_CATEGORIES,
    MISSING,
    OTHER,
    Day,
    DayColumn,
    FeatureDays,
    count_values,
)


def one(reference: list[Day], current: list[Day], name: str = "x") -> FeatureDays:
    (feature,) = count_values(reference, current, [name])
    return feature


def judged(reference: list[Day], current: list[Day]) -> FeatureDrift:
    (drift,) = detect([one(reference, current)], min_distance=0.1)
    return drift


def weekly(weeks: int, rng: np.random.Generator, **more: Any) -> list[Day]:
    """Days whose mean depends on the weekday, and on nothing else."""
    return [make_day(x=rng.normal(day % 7, 1, 200).tolist() + more.get("plus", [])) for day in range(7 * weeks)]


def test_categories_have_a_bin_each_and_new_ones_share_one() -> None:
    """Bins are the reference's; what it never had, and what is missing, are counted apart."""
    feature = one([make_day(x=["a", "b", "b"]), make_day(x=["a", None])], [make_day(x=["b", "new", None])])
    assert feature.bins == ("'a'", "'b'", OTHER, MISSING)
    assert feature.reference.tolist() == [[1, 2, 0, 0], [1, 0, 0, 1]]
    assert feature.current.tolist() == [[0, 1, 1, 1]]


def test_rare_categories_share_a_bin() -> None:
    """Only the most frequent values have a bin of their own."""
    values = [f"v{i:03}" for i in range(MAX_CATEGORIES + 20)]
    feature = one([make_day(x=values[:MAX_CATEGORIES] * 2 + values)], [make_day(x=values)])
    assert len(feature.bins) == MAX_CATEGORIES + 2
    assert feature.current[0, -2] == 20


def test_few_numbers_have_a_bin_each() -> None:
    """A number never seen falls into the bin above it, one beyond all into the last."""
    feature = one([make_day(x=[1, 1, 3])], [make_day(x=[0, 1, 2, 3, 9])])
    assert feature.bins == ("1", "3", "over 3", MISSING)
    assert feature.reference.tolist() == [[2, 1, 0, 0]]
    assert feature.current.tolist() == [[2, 2, 1, 0]]


def test_many_numbers_fill_their_bins_equally() -> None:
    """Bins hold equal shares of the reference; NaN and infinity are counted as missing."""
    feature = one([make_day(x=[float(i) for i in range(1000)])], [make_day(x=[5.0, float("nan"), float("inf")])])
    assert len(feature.bins) == MAX_BINS + 1
    assert set(feature.reference[0, :-1].tolist()) == {50}
    assert feature.current[0, -1] == 2


def test_strings_too_rare_to_be_kept_are_others() -> None:
    """Where a day's counts do not hold every string, the rows they do not account for are others, and none is lost."""
    seen = HyperLogLog.of(pa.array(["a", "b", "rare"]))
    values = ValueCounts(pa.array(["a", "b"]), np.array([30, 10]), Spilled(seen=seen))
    day = {"x": DayColumn(values=values, present=400, rows=410)}
    feature = one([day], [day])
    assert feature.bins == ("'a'", "'b'", OTHER, MISSING)
    assert feature.reference.tolist() == [[30, 10, 360, 10]]


def test_a_column_without_a_single_value_is_counted_as_missing() -> None:
    """An all-missing column in the reference is no reason to fail."""
    empty = {"x": DayColumn(values=ValueCounts.of(pa.array([], pa.float64())), present=0, rows=3)}
    feature = one([empty], [make_day(x=[1.0])])
    assert feature.reference.tolist() == [[0, 3]]
    assert feature.current.tolist() == [[1, 0]]


def test_days_that_cannot_be_compared_are_errors() -> None:
    """No days, a column that a day lacks, and text against numbers."""
    with pytest.raises(DataError, match="0 current days"):
        count_values([make_day(x=[1])], [], ["x"])
    with pytest.raises(DataError, match="column y"):
        count_values([make_day(x=[1])], [make_day(x=[1])], ["y"])
    with pytest.raises(DataError, match="text on some days"):
        one([make_day(x=[1])], [make_day(x=["a"])])


def test_weekdays_are_no_drift() -> None:
    """A feature that swings with the weekday does not drift in a whole week."""
    rng = np.random.default_rng(1)
    drift = judged(weekly(8, rng), weekly(1, rng))
    assert not drift.drifted
    assert drift.p_value is not None
    assert drift.p_value > 0.05


def test_half_a_column_going_missing_is_drift() -> None:
    """Missing values are a category of their own, and the words say what changed."""
    rng = np.random.default_rng(2)
    drift = judged(weekly(8, rng), weekly(1, rng, plus=[None] * 200))
    assert drift.drifted
    assert drift.change == MISSING
    assert (drift.share_before, drift.share_now) == (0.0, 0.5)
    assert "(missing) went from 0.0 % to 50.0 %" in str(drift)
    assert drift.p_value == 1 / (1 + len(null_distances(np.zeros((56, 2), dtype=np.int64), 7)))


def test_small_distances_never_are_drift() -> None:
    """A constant that moves by a hair in a hundredth of the rows is unusual and does not matter."""
    reference = [make_day(x=[1.0] * 1000)] * 30
    (drift,) = detect([one(reference, [make_day(x=[1.0] * 995 + [1.001] * 5)] * 7)], min_distance=0.1)
    assert drift.null_max == 0.0
    assert 0 < drift.distance < 0.1
    assert not drift.drifted


def test_a_short_reference_decides_nothing() -> None:
    """With too few days to know what is usual there is no verdict, and the words say so."""
    drift = judged([make_day(x=["a"])] * 8, [make_day(x=["b"])] * 7)
    assert drift.distance == 1.0
    assert not drift.drifted
    assert drift.p_value is None
    assert "too short to judge" in str(drift)


def test_drift_survives_its_file(tmp_path: Path) -> None:
    """What is written is read; silence and rubbish are errors."""
    with pytest.raises(ArtifactMissing):
        read_drift(tmp_path)
    drifts = (
        judged([make_day(x=["a"])] * 8, [make_day(x=["b"])] * 7),
        judged([make_day(x=[1])] * 60, [make_day(x=[1])]),
    )
    write_drift(tmp_path, drifts)
    assert read_drift(tmp_path) == drifts
    (tmp_path / FILE_NAME).write_text('{"features": [{}]}')
    with pytest.raises(ArtifactCorrupt):
        read_drift(tmp_path)
