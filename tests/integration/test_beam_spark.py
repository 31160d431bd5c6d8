"""The same bytes from Spark, embedded in its job server, as from this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.beam_jobs import PARTITIONINGS, digests, joined, make_rows, rows_read, within, write_shards
from support.flink import java_jars

from mlcore.beam.engine import prepared
from mlcore.config.beam import Beam
from mlcore.config.model import Feature
from mlcore.transform.spans import analyze_spans
from mlcore.transform.specs import specs_from_config

pytestmark = [
    pytest.mark.long,
    # Spark hangs up on the workers in this process when a job is done, and their threads say so as they end.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]

JOB_SECONDS = 240.0
SPECS = specs_from_config({"carrier": Feature(transform="vocabulary")}, {"carrier": "string"})


@pytest.fixture(scope="module")
def spark() -> Iterator[Beam]:
    """A block whose jobs share one job server: most of a job's time would be its start."""
    from apache_beam.options.pipeline_options import PortableOptions

    java_jars("spark-3")
    options: dict[str, Any] = {"spark_master_url": "local[2]"}
    with prepared(Beam(runner="SparkRunner", options=options)) as prepared_options:
        view: Any = prepared_options.view_as(PortableOptions)
        yield Beam(runner="SparkRunner", options=options | {"job_endpoint": view.job_endpoint})


def test_statistics_and_bulk_reading_are_those_of_this_process(spark: Beam, tmp_path: Path) -> None:
    """Every partitioning of the same rows gives the same states and the same rows as here."""
    shards = write_shards(tmp_path, make_rows(seed=2))
    assert within(JOB_SECONDS, lambda: digests(shards, spark)) == digests(shards, None)
    expected = digests(shards, None, make=rows_read, fold=joined)
    assert len(set(expected)) == 1
    assert len(expected) == len(PARTITIONINGS)
    assert within(JOB_SECONDS, lambda: digests(shards, spark, make=rows_read, fold=joined)) == expected


def test_analysis_is_that_of_this_process(spark: Beam, tmp_path: Path) -> None:
    """The transform's states are byte for byte the same."""
    import pyarrow.parquet as pq

    files = [tmp_path / f"{day}.parquet" for day in range(3)]
    for day, file in enumerate(files):
        pq.write_table(make_rows(seed=day), file)
    states = []
    for name, engine in (("spark", spark), ("here", None)):
        folders = [tmp_path / name / str(day) for day in range(3)]
        for folder in folders:
            folder.mkdir(parents=True)
        within(JOB_SECONDS, lambda folders=folders, engine=engine: analyze_spans(files, folders, SPECS, engine=engine))
        states.append([next(folder.iterdir()).read_bytes() for folder in folders])
    assert states[0] == states[1]
