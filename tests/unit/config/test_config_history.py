"""``data.history``: what may be declared, and what is said of what may not."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml

from mlcore.config.pipeline import PipelineConfig
from mlcore.errors import ConfigError
from mlcore.transform.history.columns import columns_of_past, history_columns
from mlcore.transform.specs import specs_of

ROOT = Path(__file__).parents[3]
MEAN = {"aggregate": "mean", "column": "arr_delay", "by": "tailnum", "over": "P7D"}


def flights(history: dict[str, Any], features: dict[str, Any] | None = None) -> PipelineConfig:
    document = yaml.safe_load((ROOT / "config/pipelines/flight_delays.yaml").read_text(encoding="utf-8"))
    document["data"]["history"] = history
    document["features"] |= features or {}
    return PipelineConfig.model_validate(document)


def test_the_example_of_the_how_to_is_a_pipeline() -> None:
    """What is written there for flights is accepted, types and all, and features are made of it."""
    text = (ROOT / "docs/how-to.md").read_text(encoding="utf-8").split("## Use what happened before")[1]
    found = re.search(r"\n\n(    data:\n.*?)\n\n", text, re.DOTALL)
    assert found is not None
    written = yaml.safe_load(dedent(found[1]))
    config = flights(written["data"]["history"], written["features"])
    assert {spec.name for spec in specs_of(config)} >= written["features"].keys() == written["data"]["history"].keys()
    types = {one.name: one.type for one in history_columns(config.data)}
    assert types == {
        "plane_delay_last_week": "float64",
        "plane_delay_before": "float64",
        "plane_flights_last_week": "int64",
        "route_wind_last_day": "float64",
    }


def test_the_outcome_is_known_after_the_delay_of_the_label() -> None:
    """Of other columns a row's value is known at once, unless a delay says otherwise."""
    data = flights({"late": MEAN, "wind": {**MEAN, "column": "wind_speed"}, "later": {**MEAN, "delay": "P2D"}}).data
    assert [one.delay.days for one in history_columns(data)] == [1, 0, 2]
    assert columns_of_past(history_columns(data), "time_hour") == {
        "time_hour": "timestamp", "tailnum": "string", "arr_delay": "float64", "wind_speed": "float64",
    }  # fmt: skip
    assert type(data).model_validate(data.model_dump(mode="json")) == data
    assert data.look_back.days == 7


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"column": "arrival"}, r"history\.made\.column: 'arrival' is not in data\.columns"),
        ({"by": "plane"}, r"history\.made\.by: 'plane' is not in data\.columns"),
        ({"by": ["tailnum", "tailnum"]}, "by: a column is there twice"),
        ({"by": "temp"}, r"history\.made\.by: column 'temp' is of type float64"),
        ({"by": "arr_delay"}, r"history\.made\.by: 'arr_delay' is the label's"),
        ({"column": "origin"}, r"history\.made\.column: there is no mean of 'origin'"),
        ({"aggregate": "median"}, "'lag', 'count', 'sum', 'mean', 'std', 'min' or 'max'"),
        ({"column": None}, "column: missing; write what the mean is of"),
        ({"periods": 2}, "periods: only a lag has any"),
        ({"delay": "PT1H"}, r"history\.made\.delay: 'arr_delay' is the label's, and known after data\.label\.delay"),
        ({"over": "P1D"}, r"history\.made\.over: nothing of the last 1 day"),
        ({"over": "P0D"}, "must be longer than zero"),
        ({"window": "P1D"}, "unknown key 'window'"),
    ],
)
def test_what_cannot_be_is_named(changed: dict[str, Any], said: str) -> None:
    """The key, and why."""
    with pytest.raises(ValueError, match=said):
        flights({"made": {**MEAN, **changed}})


@pytest.mark.parametrize("name", ["arr_delay", "arrived_late"])
def test_a_column_has_a_name_of_its_own(name: str) -> None:
    """Neither another column's nor the label's."""
    with pytest.raises(ValueError, match=f"history.{name}: there is a column of this name already"):
        flights({name: MEAN})


def test_a_feature_must_name_a_column_there_is() -> None:
    """Columns of the past are listed among those there are."""
    with pytest.raises(ValueError, match=r"column 'made' is not in data.columns \(.*, visib, arr_delay, lately\)"):
        flights({"lately": MEAN}, {"made": {"transform": "numeric"}})


def test_a_text_of_the_past_is_a_feature_by_its_type() -> None:
    """A lag keeps the type of its column: a step that reads numbers refuses a text."""
    last = {"aggregate": "lag", "column": "dest", "by": "tailnum", "over": "P2D"}
    assert specs_of(flights({"came_from": last}, {"came_from": {"transform": "vocabulary"}}))
    with pytest.raises(ConfigError, match="cannot read 'came_from' of type string"):
        specs_of(flights({"came_from": last}, {"came_from": {"transform": "numeric"}}))


def test_a_serving_log_has_the_columns_as_they_were_served() -> None:
    """They are ordinary columns there, and nothing is made anew."""
    document = flights({"lately": MEAN}, {"lately": {"transform": "numeric"}}).model_dump(mode="json")
    document["data"]["serving"] = {"source": {"type": "csv", "path": "log/{YYYY}-{MM}-{DD}.csv"}}
    serving = PipelineConfig.model_validate(document).serving
    assert serving is not None
    assert serving.data.columns["lately"] == "float64"
    assert not serving.data.history
    document["data"]["serving"]["columns"] = ["origin", "lately"]
    assert PipelineConfig.model_validate(document).data.serving is not None
