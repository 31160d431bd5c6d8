"""The same bytes from every way the local runner can work, and a choice of runner that caches nothing anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.beam_jobs import PARTITIONINGS, digests, make_rows, write_shards

from mlcore.components.statistics_gen import StatisticsGen
from mlcore.components.transform_analyzer import TransformAnalyzer
from mlcore.config.beam import Beam
from mlcore.config.loader import load_pipeline
from mlcore.runtime.fingerprint import fingerprint

EXAMPLE = Path(__file__).parents[2] / "config" / "pipelines" / "flight_delays.yaml"


@pytest.mark.parametrize(
    "options",
    [
        {"direct_running_mode": "in_memory"},
        *({"direct_running_mode": "multi_threading", "direct_num_workers": workers} for workers in (1, 2, 3, 4)),
        *(
            pytest.param(
                {"direct_running_mode": "multi_processing", "direct_num_workers": workers},
                marks=[] if workers == 2 else [pytest.mark.long],  # each starts interpreters
            )
            for workers in (1, 2, 3, 4)
        ),
    ],
    ids=lambda options: "-".join(map(str, options.values())),
)
def test_no_mode_and_no_number_of_workers_changes_a_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    """Every partitioning of the same rows gives the SHA-256 of the default."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))  # worker processes import this test's functions
    shards = write_shards(tmp_path, make_rows(seed=3))
    expected = digests(shards, None)
    assert expected == [expected[0]] * len(PARTITIONINGS)
    assert digests(shards, Beam(options=options)) == expected


@pytest.mark.parametrize("component", [StatisticsGen, TransformAnalyzer])
def test_where_a_job_runs_is_no_part_of_a_fingerprint(component: type[StatisticsGen | TransformAnalyzer]) -> None:
    """A pipeline that moves to Flink finds its spans in the cache."""
    config = load_pipeline(EXAMPLE)
    there = config.model_copy(update={"beam": Beam(runner="FlinkRunner", options={"flink_master": "jm:8081"})})
    assert fingerprint(component(config), {"source": []}) == fingerprint(component(there), {"source": []})
    assert not any("beam.options" in module or "beam.engine" in module for module in component.code)
    assert "beam" not in component.code
