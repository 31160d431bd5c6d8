"""What ``mlcore data stats --json`` says of a file with a column of every kind: everything that is counted."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from mlcore.cli.main import app

ROWS = 240
START = datetime(2024, 1, 1, tzinfo=UTC)
TEXTS = ["", "  ", " x ", "Zürich", "Z\N{REPLACEMENT CHARACTER}rich", "日本", "a" * 50, "plain"]
BYTES = [b"ok", b"\xff\xfe", "café".encode(), None]


def columns() -> dict[str, pa.Array]:
    chance = np.random.default_rng(5)
    rows = range(ROWS)
    normal, weight = chance.normal(0, 1, ROWS).tolist(), chance.random(ROWS).tolist()
    odd = {0: math.nan, 1: math.inf, 2: -math.inf, 3: None}
    day = [START + timedelta(minutes=10 * row, days=3 if row >= 200 else 0) for row in rows]
    return {
        "whole": pa.array([None if row % 10 == 0 else row % 7 for row in rows]),
        "real": pa.array([odd.get(row % 24, normal[row]) for row in rows]),
        "all_nan": pa.array([math.nan] * ROWS),
        "truth": pa.array([None if row % 10 == 0 else row % 3 == 0 for row in rows]),
        "moment": pa.array(day, pa.timestamp("us", tz="UTC")),
        "day": pa.array([None if row % 5 == 0 else date(2024, 1, 1 + row % 28) for row in rows]),
        "text": pa.array([TEXTS[row % 8] for row in rows]),
        "raw": pa.array([BYTES[row % 4] for row in rows], pa.binary()),
        "never": pa.nulls(ROWS, pa.float64()),
        "never_text": pa.nulls(ROWS, pa.string()),
        "constant": pa.array(["same"] * ROWS),
        "weight": pa.array(weight),
        "label": pa.array([int(row % 3 == 0) for row in rows]),
    }


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Any:
    file = tmp_path_factory.mktemp("every") / "every.parquet"
    pq.write_table(pa.table(columns()), file)
    future = (START + timedelta(days=4)).isoformat()
    arguments = ["data", "stats", str(file), "--label", "label", "--weight", "weight", "--as-of", future, "--json"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def features(found: Any) -> dict[str, Any]:
    return dict(found["features"])


def test_rows_with_and_without_a_value_are_counted(features: dict[str, Any]) -> None:
    """Of every column; NaN is a value, null is none."""
    for name, column in columns().items():
        missing = column.null_count
        each = features[name]
        assert (each["count"], each["missing"]) == (ROWS - missing, missing), name
        assert each["present_fraction"] == pytest.approx(1 - missing / ROWS)
        assert each["weighted"]["count"] + each["weighted"]["missing"] == pytest.approx(sum(weights()), abs=1e-3)


def weights() -> list[float]:
    return list(columns()["weight"].to_pylist())


@pytest.mark.parametrize("name", ["whole", "real", "weight", "label"])
def test_numbers_are_described_by_their_finite_values(features: dict[str, Any], name: str) -> None:
    """Moments, zeros, extremes, quantiles and both histograms, as numpy has them."""
    each, column = features[name], columns()[name].drop_null().to_numpy(zero_copy_only=False).astype(float)
    finite = np.sort(column[np.isfinite(column)])
    assert (each["nan"], each["infinite"]) == (np.isnan(column).sum(), np.isinf(column).sum())
    assert (each["mean"], each["std"]) == pytest.approx((finite.mean(), finite.std()))
    assert (each["zeros"], each["min"], each["max"]) == ((finite == 0).sum(), finite[0], finite[-1])
    assert each["quantiles"] == np.quantile(finite, np.arange(11) / 10, method="inverted_cdf").tolist()
    assert each["median"] == each["quantiles"][5]
    edges = [each["histogram"][0][0], *(high for _, high, _ in each["histogram"])]
    assert edges == pytest.approx(np.linspace(finite[0], finite[-1], 11))
    assert [rows for _, _, rows in each["histogram"]] == np.histogram(finite, edges)[0].tolist()
    assert [[low, high] for low, high, _ in each["quantile_histogram"]] == [
        list(pair) for pair in zip(each["quantiles"][:-1], each["quantiles"][1:], strict=True)
    ]
    assert sum(rows for _, _, rows in each["quantile_histogram"]) == len(finite)
    assert (each["distinct"], each["distinct_exact"]) == (len(np.unique(finite)), True)
    assert each["ranks"] == sorted(np.unique(finite, return_counts=True)[1].tolist(), reverse=True)


def test_numbers_have_weighted_numbers_too(features: dict[str, Any]) -> None:
    """Mean and deviation with every row counted as its weight says."""
    values, weighed = columns()["whole"], np.array(weights())
    some = values.is_valid().to_numpy(zero_copy_only=False)
    numbers, weighed = values.drop_null().to_numpy().astype(float), weighed[some]
    mean = np.average(numbers, weights=weighed)
    each = features["whole"]["weighted"]
    assert each["mean"] == pytest.approx(mean, rel=1e-4)
    assert each["std"] == pytest.approx(math.sqrt(np.average((numbers - mean) ** 2, weights=weighed)), rel=1e-4)
    assert each["top"][0][1] == pytest.approx(max(weighed[numbers == number].sum() for number in range(7)), rel=1e-4)


def test_a_column_without_a_finite_number_has_none_of_these(features: dict[str, Any]) -> None:
    """Counted, and nothing made up."""
    for name, nan in (("all_nan", ROWS), ("never", 0), ("never_text", 0)):
        each = features[name]
        assert (each["nan"], each["distinct"], each["top"], each["quantiles"], each["histogram"]) == (
            nan,
            0,
            [],
            [],
            [],
        )
        assert [each[key] for key in ("mean", "std", "zeros", "min", "max", "median", "string", "time")] == [None] * 8


def test_texts_are_told_by_length_and_encoding(features: dict[str, Any]) -> None:
    """Most frequent values, their ranks, lengths in characters, and what is odd about white space and bytes."""
    each = features["text"]
    assert each["top"] == [[text, 30] for text in sorted(TEXTS)]
    assert (each["distinct"], each["ranks"]) == (8, [30] * 8)
    assert each["string"] == {
        "average_length": sum(map(len, TEXTS)) / 8,
        "shortest": 0,
        "longest": 50,
        "empty": 30,
        "blank": 30,
        "padded": 60,
        "non_ascii": 90,
        "damaged": 30,
        "invalid": 0,
    }
    raw = features["raw"]
    assert (raw["type"], raw["missing"], raw["string"]["invalid"]) == ("bytes", 60, 60)
    assert ["\\xff\\xfe", 60] in raw["top"]
    assert (features["constant"]["distinct"], features["constant"]["top"]) == (1, [["same", ROWS]])


def test_truth_values_are_counted(features: dict[str, Any]) -> None:
    """Both of them, among the rows that have one."""
    each = features["truth"]
    assert each["boolean"] == {"true": 72, "false": 144}
    assert each["top"] == [[False, 144], [True, 72]]
    assert each["mean"] == pytest.approx(1 / 3)


def test_times_have_a_range_gaps_and_a_future(features: dict[str, Any]) -> None:
    """The longest stretch without an event, and the events at or after the moment that was given."""
    each = features["moment"]
    assert (each["min"], each["max"]) == ("2024-01-01T00:00:00+00:00", "2024-01-05T15:50:00+00:00")
    first = each["time"]["gaps"][0]
    assert (first["start"], first["end"]) == ("2024-01-02T09:10:00+00:00", "2024-01-05T09:20:00+00:00")
    assert first["seconds"] == timedelta(days=3, minutes=10).total_seconds()
    assert each["time"]["future"] == 40
    assert sum(each["time"]["histogram"]) == ROWS
    assert len(each["quantiles"]) == 11
    day = features["day"]
    assert (day["type"], day["min"][:10], day["max"][:10]) == ("date", "2024-01-01", "2024-01-28")
    assert day["time"]["future"] == sum(value is not None and value.day >= 5 for value in columns()["day"].to_pylist())


def test_leakage_hints_tell_what_each_column_says_of_the_label(found: Any) -> None:
    """A column that nearly is the label is told, one that is different in every row is not; pairs missing together."""
    strengths = {each["feature"]: each["strength"] for each in found["associations"]}
    assert set(strengths) == set(columns()) - {"label"}
    assert strengths["truth"] > 0.8
    assert max(strengths[name] for name in ("weight", "real", "never", "constant", "moment", "text")) < 0.2
    pairs = {tuple(each["features"]): each for each in found["missing_together"]}
    assert pairs["never", "never_text"]["overlap"] == 1.0
    assert pairs["truth", "whole"]["rows"] == 24
    assert pairs["truth", "whole"]["overlap"] == 1.0
