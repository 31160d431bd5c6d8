"""The ``inference`` block, and what inference runs read."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml
from pydantic import ValidationError
from support.project import PIPELINE

from mlcore.config.loader import load_pipeline
from mlcore.config.pipeline import PipelineConfig
from mlcore.config.sources import CsvSource
from mlcore.errors import ConfigError
from mlcore.runtime.graphs.graph import FromNode, Sources
from mlcore.runtime.graphs.inference import inference_graph

FRESH = {"type": "csv", "path": "fresh/{YYYY}-{MM}-{DD}.csv"}


def made(data: dict[str, Any] | None = None, **block: Any) -> PipelineConfig:
    document = yaml.safe_load(dedent(PIPELINE))
    document["data"] |= data or {}
    return PipelineConfig.model_validate({**document, "inference": {"schedule": "@daily", **block}})


def test_runs_read_the_data_without_waiting_for_outcomes() -> None:
    """A span whose label is not there yet is complete; everything else of the data is as it was."""
    config = made({"complete": {"columns": ["outcome", "size"], "min_rows": 3}})
    read = config.inferring.data
    assert read.complete.columns == ("size",)
    assert read.model_copy(update={"complete": config.data.complete}) == config.data
    assert config.inferring.window.min_spans.eval == 1.0
    assert made(min_spans=1).inferring.window.min_spans.eval == 1


def test_another_source_lacks_the_outcome_and_what_splits_rows() -> None:
    """Its columns are the data's but for those two; its spans are marked complete by nothing of the data's."""
    split = {"by": "column", "column": "colour"}
    document = yaml.safe_load(dedent(PIPELINE))
    del document["window"]["eval"], document["features"]["colour"]
    document["evaluation"]["slices"] = [[]]
    document["data"] |= {"split": split, "complete": {"marker": "data/{YYYY}-{MM}-{DD}.ok"}}
    config = PipelineConfig.model_validate({**document, "inference": {"schedule": "@daily", "source": FRESH}})
    read = config.inferring.data
    assert list(read.columns) == ["id", "at", "size"]
    assert isinstance(read.source, CsvSource)
    assert read.source.path == FRESH["path"]
    assert (read.complete.marker, read.split.by) == (None, "time")


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ({"window": "PT36H"}, "window"),
        ({"source": {"type": "csv", "path": "data/{YYYY}-{MM}-{DD}.csv"}}, "it is data.source"),
        ({"keep": ["outcome"]}, "not known yet"),
        ({"keep": ["nothing"]}, "nothing"),
        ({"confidence": 0.9}, "no amount"),
        ({"destinations": [{"type": "parquet", "path": "out/{YYYY}-{MM}.parquet"}]}, "two spans"),
        ({"destinations": [{"type": "parquet", "path": "out/{DD}/*.parquet"}]}, "no one file"),
        ({"destinations": [{"type": "postgres", "table": "t"}]}, "url or connection"),
        ({"destinations": [{"type": "postgres", "table": "t", "url": "postgresql://a:pw@h/d"}]}, "password"),
        ({"destinations": [{"type": "kafka"}]}, "postgres"),
    ],
)
def test_what_cannot_be_meant_is_refused(block: dict[str, Any], said: str) -> None:
    """The message names what is wrong, and no secret."""
    with pytest.raises(ValidationError, match=said) as caught:
        made(**block)
    assert "pw@" not in "".join(problem["msg"] for problem in caught.value.errors())


def test_the_graph_delivers_where_there_is_a_destination() -> None:
    """Without one the artifacts are all; with a past the rows with a past are scored; no block is an error."""
    assert [node.name for node in inference_graph(made()).nodes] == ["example_gen", "bulk_inferrer"]
    place = {"type": "parquet", "path": "out/{SPAN}.parquet"}
    history = {"history": {"lately": {"aggregate": "mean", "column": "outcome", "by": "colour", "over": "P3D"}}}
    graph = inference_graph(made(history, destinations=[place]))
    names = ["example_gen", "history_gen", "bulk_inferrer", "predictions_pusher"]
    assert [node.name for node in graph.nodes] == names
    assert graph["bulk_inferrer"].inputs["source"] == FromNode("history_gen")
    own = inference_graph(made(history, source=FRESH, destinations=[place]))
    assert own["example_gen"].inputs == {"source": Sources()}
    assert own["bulk_inferrer"].upstream == ("example_gen",)
    with pytest.raises(ConfigError, match="no inference block"):
        inference_graph(PipelineConfig.model_validate(yaml.safe_load(dedent(PIPELINE))))


def test_a_key_of_a_destination_is_named_as_it_is_written(tmp_path: Path) -> None:
    """The place in the list and the key: not the type, which Pydantic puts between them."""
    document = yaml.safe_load(dedent(PIPELINE))
    document["inference"] = {"schedule": "@daily", "destinations": [{"type": "parquet", "path": "{XX}"}]}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"inference\.destinations\.0\.path: unknown placeholder"):
        load_pipeline(tmp_path / "tiny.yaml")
