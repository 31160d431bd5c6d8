from __future__ import annotations

import math
from pathlib import Path

import pyarrow as pa
import pytest

from mlcore.errors import ArtifactCorrupt, ArtifactMissing, DataError
from mlcore.statistics.accumulate import DatasetAccumulator
from mlcore.statistics.extract import summarise
from mlcore.statistics.files import FILE_NAME, from_bytes, read, to_bytes
from mlcore.statistics.summary import ColumnSummary


def summaries(table: pa.Table) -> dict[str, ColumnSummary]:
    return {column.name: column for column in summarise(DatasetAccumulator.of(table.to_batches()))}


def test_numbers_are_described_apart_from_what_is_no_number() -> None:
    """NaN and infinity are counted, and kept out of mean, deviation and quantiles; null is missing."""
    column = summaries(pa.table({"x": pa.array([0.0, -0.0, 2.0, 4.0, math.nan, math.inf, None])}))["x"]
    assert (column.rows, column.count, column.missing, column.distinct) == (7, 6, 1, 3)
    numeric = column.numeric
    assert numeric is not None
    assert (numeric.nan, numeric.infinite, numeric.zeros) == (1, 1, 2)
    assert (numeric.mean, numeric.minimum, numeric.median, numeric.maximum) == (1.5, 0.0, 0.0, 4.0)
    assert numeric.std == pytest.approx(math.sqrt(2.75))
    assert sum(bin_.count for bin_ in numeric.histogram) == 4


def test_strings_are_ranked_with_ties_by_value() -> None:
    """The most frequent come first, equals in the order of the values, and null is not the empty string."""
    column = summaries(pa.table({"s": ["b", "a", "b", "a", "", None]}))["s"]
    assert column.string is not None
    assert column.string.top == (("a", 2), ("b", 2), ("", 1))
    assert (column.count, column.missing, column.distinct) == (5, 1, 3)
    assert column.string.average_length == pytest.approx(0.8)


def test_a_variance_survives_a_large_offset() -> None:
    """Squares are summed exactly, so values near a billion keep their deviation."""
    column = summaries(pa.table({"x": [1e9 + 1.0, 1e9 + 2.0, 1e9 + 3.0]}))["x"]
    assert column.numeric is not None
    assert column.numeric.std == pytest.approx(math.sqrt(2 / 3), rel=1e-12)


def test_numbers_beyond_the_square_root_of_the_largest_float() -> None:
    """Squares that no float can hold still give a mean and a deviation."""
    column = summaries(pa.table({"x": [1e200, 3e200], "y": [1e-200, 3e-200], "z": [-1.7e308, 1.7e308]}))
    for name, mean, std in (("x", 2e200, 1e200), ("y", 2e-200, 1e-200), ("z", 0.0, 1.7e308)):
        numeric = column[name].numeric
        assert numeric is not None
        assert (numeric.mean, numeric.std) == (mean, pytest.approx(std))


def test_columns_without_a_value_have_no_moments() -> None:
    """A column that is missing throughout is described by its counts alone."""
    column = summaries(pa.table({"x": pa.nulls(3, pa.float64()), "s": pa.nulls(3, pa.string())}))
    assert (column["x"].count, column["x"].missing, column["x"].numeric) == (0, 3, None)
    assert column["s"].string is None


def test_what_cannot_be_described_is_refused() -> None:
    """A list column, and bytes that are no statistics, are errors that say so."""
    with pytest.raises(DataError, match="list"):
        summaries(pa.table({"x": [[1, 2]]}))
    whole = to_bytes(DatasetAccumulator.of(pa.table({"x": [1, 2]}).to_batches()))
    for damaged in (b"PAR1", b"", whole[:-40], whole.replace(b'"version":4', b'"version":3')):
        with pytest.raises(ArtifactCorrupt, match=r"no statistics|version 3 where 4 is read"):
            from_bytes(damaged)


def test_missing_files_are_named(tmp_path: Path) -> None:
    """Statistics whose file is gone are an error with the place."""
    with pytest.raises(ArtifactMissing) as error:
        read(tmp_path)
    assert str(tmp_path) in error.value.where
    (tmp_path / FILE_NAME).write_bytes(b"")
    with pytest.raises(ArtifactCorrupt) as corrupt:
        read(tmp_path)
    assert corrupt.value.where == str(tmp_path / FILE_NAME)
