"""Rows that show an anomaly, duplicates of a key, and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mlcore.core.window import parse_moment
from mlcore.schema.anomalies import Anomaly, AnomalyType, Severity
from mlcore.schema.constraints import BoolDomain, StringDomain
from mlcore.schema.remedies import remedy
from mlcore.schema.rows import SHOWN_ROWS, duplicate_keys, example_rows
from mlcore.schema.schema import Feature, Schema
from mlcore.schema.summary import FeatureType

SCHEMA = Schema(
    features=(
        Feature(name="x", type=FeatureType.STRING, string_domain=StringDomain(values=("a", "b"))),
        Feature(name="yes", type=FeatureType.STRING, bool_domain=BoolDomain(true_value="y", false_value="n")),
    )
)


def anomaly(type_: AnomalyType, feature: str | None = "x", **changes: Any) -> Anomaly:
    return Anomaly(type=type_, severity=Severity.ERROR, description=".", feature=feature, **changes)


@pytest.mark.parametrize(
    ("values", "found", "ids"),
    [
        (["a", "z", None, "b"], anomaly(AnomalyType.ENUM_TYPE_UNEXPECTED_STRING_VALUES), [1]),
        (["a", None, "b", None], anomaly(AnomalyType.FEATURE_TYPE_LOW_FRACTION_PRESENT), [1, 3]),
        ([5, 0, None, 13], anomaly(AnomalyType.INT_TYPE_SMALL_INT, expected=1), [1]),
        ([5, 0, None, 13], anomaly(AnomalyType.INT_TYPE_BIG_INT, expected=12), [3]),
        (["5", "0", "x", "13"], anomaly(AnomalyType.INT_TYPE_BIG_INT, expected=12), [3]),
        ([1.0, float("nan"), None, float("inf")], anomaly(AnomalyType.FLOAT_TYPE_HAS_NAN), [1]),
        ([1.0, float("nan"), None, float("-inf")], anomaly(AnomalyType.FLOAT_TYPE_HAS_INF), [3]),
        (["1.5", "$2", None, "3"], anomaly(AnomalyType.UNEXPECTED_DATA_TYPE), [1]),
        ([0, 1, None, 2], anomaly(AnomalyType.BOOL_TYPE_BIG_INT), [3]),
        (["ok", "S\u00c3\u00a3o", None, "b"], anomaly(AnomalyType.DAMAGED_ENCODING), [1]),
        (["A", "b", None, "A"], anomaly(AnomalyType.RENAMED_CATEGORY, observed=["A"]), [0, 3]),
    ],
)
def test_the_rows_that_show_it_are_found(values: list[Any], found: Anomaly, ids: list[int]) -> None:
    """Each kind shows its rows, with the columns that tell which they are."""
    table = pa.table({"id": range(4), "x": values})
    rows = example_rows(table.to_batches(), found, SCHEMA, show=["id"])
    assert [row["id"] for row in rows] == [str(number) for number in ids]
    assert all(list(row) == ["x", "id"] for row in rows)


def test_strings_that_are_no_truth_values_are_found() -> None:
    """What is neither the true nor the false value shows the anomaly."""
    table = pa.table({"yes": ["y", "n", "maybe"]})
    (row,) = example_rows(table.to_batches(), anomaly(AnomalyType.BOOL_TYPE_UNEXPECTED_STRING, "yes"), SCHEMA)
    assert row == {"yes": "maybe"}


def test_events_of_the_future_are_found() -> None:
    """They are at or after the end."""
    end = parse_moment("2024-01-02T00:00Z")
    table = pa.table({"at": pa.array([parse_moment("2024-01-01T23:59Z"), end], pa.timestamp("us", "UTC"))})
    (row,) = example_rows(table.to_batches(), anomaly(AnomalyType.FUTURE_EVENTS, "at"), SCHEMA, end=end)
    assert row == {"at": "2024-01-02 00:00:00+00:00"}


def test_examples_are_few_and_short() -> None:
    """Three rows at most, across batches, of bounded values and columns; a missing value stays one."""
    table = pa.table({"x": ["z" * 10_000] * 10, "other": [None] * 10, **{f"c{i}": range(10) for i in range(50)}})
    rows = example_rows(
        table.to_batches(max_chunksize=2), anomaly(AnomalyType.ENUM_TYPE_UNEXPECTED_STRING_VALUES), SCHEMA
    )
    assert len(rows) == SHOWN_ROWS
    assert all(len(row) == 8 and len(str(row["x"])) <= 60 and row["other"] is None for row in rows)


def test_what_no_row_shows_has_no_examples() -> None:
    """Of the dataset as a whole, and of a column that is not there."""
    table = pa.table({"id": [1]})
    for found in (anomaly(AnomalyType.DATASET_LOW_NUM_EXAMPLES, None), anomaly(AnomalyType.UNEXPECTED_DATA_TYPE)):
        assert example_rows(table.to_batches(), found, SCHEMA) == ()


def test_duplicates_are_the_rows_beyond_the_first() -> None:
    """Three rows of one key are two duplicates; without a key, or rows, there are none."""
    table = pa.table({"a": [1, 1, 1, 2], "b": [None, None, None, "x"]})
    assert duplicate_keys(table, ["a", "b"]) == 2
    assert duplicate_keys(table, []) == 0
    assert duplicate_keys(table.slice(0, 0), ["a"]) == 0


@pytest.mark.parametrize("type_", list(AnomalyType))
def test_every_kind_says_what_to_do(type_: AnomalyType) -> None:
    """One line, with the command that accepts it where people own the schema; shell words are quoted."""
    found = anomaly(type_, "two words")
    assert "\n" not in remedy(found, None)
    assert "mlcore schema accept" not in remedy(found, None)
    assert remedy(found, "flights").endswith(f"mlcore schema accept flights --feature 'two words' --reason {type_}")
    assert remedy(found, "s.yaml", data="d.csv").endswith(" --data d.csv")


def test_every_kind_is_documented() -> None:
    """The reference has a row for each, in the table of its source."""
    text = (Path(__file__).parents[3] / "docs" / "reference" / "anomalies.md").read_text(encoding="utf-8")
    schema, own = text.split("## What no schema states")
    for type_ in AnomalyType:
        assert f"`{type_}`" in (own if type_.source == "mlcore" else schema), type_
