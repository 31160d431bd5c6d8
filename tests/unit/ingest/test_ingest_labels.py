from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from mlcore.config.data import Data
from mlcore.errors import ConfigError
from mlcore.ingest.labels import with_label

COLUMNS = {"at": "timestamp", "id": "int64", "delay": "float64", "ok": "bool", "name": "string"}


def data_with(label: dict[str, Any]) -> Data:
    return Data.model_validate(
        {
            "source": {"type": "csv", "path": "{YYYY}{MM}{DD}.csv"},
            "columns": COLUMNS,
            "event_timestamp": "at",
            "key": ["id"],
            "span": "P1D",
            "label": label,
        }
    )


def labels(values: list[Any], kind: pa.DataType, label: dict[str, Any]) -> pa.ChunkedArray:
    return with_label(pa.table({label["column"]: pa.array(values, kind)}), data_with(label))[label["name"]]


def test_above_is_strict_and_missing_outcomes_have_no_label() -> None:
    """Equal is not above; null and NaN outcomes have no label, infinity has one."""
    found = labels(
        [15.0, 15.5, None, float("nan"), float("inf")], pa.float64(), {"name": "y", "column": "delay", "above": 15}
    )
    assert found.type == pa.int8()
    assert found.to_pylist() == [0, 1, None, None, 1]


def test_an_amount_is_its_own_label() -> None:
    """Without above a number is the label, as float64."""
    found = labels([1, None], pa.int64(), {"name": "y", "column": "id"})
    assert found.type == pa.float64()
    assert found.to_pylist() == [1.0, None]


def test_a_boolean_outcome_becomes_a_class() -> None:
    """True is 1, false is 0."""
    assert labels([True, False, None], pa.bool_(), {"name": "y", "column": "ok"}).to_pylist() == [1, 0, None]


def test_a_category_is_its_own_label() -> None:
    """A string is a class, and a whole number where the file says so; each task is told by its label."""
    found = labels(["a", None], pa.string(), {"name": "y", "column": "name"})
    assert (found.type, found.to_pylist()) == (pa.string(), ["a", None])
    number = {"name": "y", "column": "id", "task": "multiclass"}
    assert labels([3, None], pa.int64(), number).to_pylist() == [3, None]
    tasks = [data_with(label).task for label in ({"name": "y", "column": column} for column in ("name", "ok", "id"))]
    assert tasks == ["multiclass", "binary", "regression"]
    assert data_with(number).task == "multiclass"


@pytest.mark.parametrize(
    "label",
    [
        {"name": "y", "column": "name", "above": 1},
        {"name": "id", "column": "delay"},
        {"name": "y", "column": "ok", "above": 1},
        {"name": "y", "column": "name", "task": "regression"},
    ],
)
def test_what_can_be_no_label_is_a_configuration_error(label: dict[str, Any]) -> None:
    """Text, a taken name and a threshold on a boolean are refused with the key that is wrong."""
    with pytest.raises(ConfigError) as caught:
        labels([None], pa.null(), label)
    assert caught.value.where.startswith("data.label.")


def test_whole_outcomes_beyond_what_floats_tell_apart_are_compared_exactly() -> None:
    """An integer of 64 bits is above or not, whatever its size; a threshold between two is between them."""
    data = data_with({"name": "y", "column": "id", "above": 15.5})
    values = pa.array([2**63 - 1, -(2**63), 15, 16, None], pa.int64())
    assert with_label(pa.record_batch({"id": values}), data)["y"].to_pylist() == [1, 0, 0, 1, None]
    for above, expected in ((1e30, [0, None]), (-1e30, [1, None])):
        data = data_with({"name": "y", "column": "id", "above": above})
        assert with_label(pa.record_batch({"id": values[3:]}), data)["y"].to_pylist() == expected
