"""The same bytes from a real Flink cluster as from this process, also when workers are killed."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support.beam_jobs import (
    PARTITIONINGS,
    Gated,
    digests,
    joined,
    make_rows,
    rows_read,
    state_of,
    within,
    write_shards,
)
from support.flink import TASK_MANAGERS, FlinkCluster, flink_cluster

from mlcore.beam.combine import Shard
from mlcore.beam.engine import prepared
from mlcore.config.beam import Beam
from mlcore.config.model import Feature
from mlcore.errors import ConfigError, EngineError
from mlcore.statistics.spans import StatisticsJob, span_statistics
from mlcore.transform.spans import analyze_spans
from mlcore.transform.specs import specs_from_config

pytestmark = pytest.mark.long
JOB_SECONDS = 240.0
SPECS = specs_from_config(
    {"carrier": Feature(transform="vocabulary"), "distance": Feature(transform="scale_to_z_score")},
    {"carrier": "string", "distance": "float64"},
)
NOTHING = Shard(key="k", path="no-such-file", target="/no/such/folder/state")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlinkCluster]:
    """Lives as long as this file's tests."""
    with flink_cluster(tmp_path_factory.mktemp("flink")) as running:
        yield running


@pytest.fixture(scope="module")
def engine(cluster: FlinkCluster) -> Iterator[Callable[[int], Beam]]:
    """A block for every parallelism; one job server takes all jobs."""
    from apache_beam.options.pipeline_options import PortableOptions

    with prepared(cluster.engine(1)) as options:
        view: Any = options.view_as(PortableOptions)
        yield partial(cluster.engine, job_endpoint=view.job_endpoint)


@pytest.fixture
def shards(tmp_path: Path) -> list[Shard]:
    return write_shards(tmp_path, make_rows(seed=1))


def kill_in_the_middle(gate: Path, job: Callable[[], list[str]], victim: Callable[[int], int]) -> list[str]:
    """Run a job whose workers wait at a gate, kill what ``victim`` says of the first that waits, open the gate."""

    def kill() -> None:
        end = time.monotonic() + JOB_SECONDS
        while time.monotonic() < end:
            waiting = sorted(gate.glob("*.waiting"))
            if waiting:
                os.kill(victim(int(waiting[0].stem)), signal.SIGKILL)
                (gate / "killed").touch()
                (gate / "open").touch()
                return
            time.sleep(0.05)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    result = within(JOB_SECONDS, job)
    killer.join()
    assert (gate / "killed").exists()
    return result


def test_statistics_and_analysis_are_those_of_this_process(
    cluster: FlinkCluster, engine: Callable[[int], Beam], tmp_path: Path
) -> None:
    """Both components' states are byte for byte the same; Flink ran a job for each, and they finished.

    The first brings a job server of its own, which ships Beam's jars and is gone afterwards.
    """
    before = len(cluster.jobs())
    files = []
    for day in range(4):
        files.append(tmp_path / f"{day}.parquet")
        pq.write_table(make_rows(seed=day), files[-1])

    def states(name: str, statistics: Beam | None, analysis: Beam | None) -> dict[str, bytes]:
        folders = [tmp_path / name / kind / str(day) for kind in ("statistics", "analysis") for day in range(4)]
        for folder in folders:
            folder.mkdir(parents=True)
        jobs = [StatisticsJob(key=f.stem, examples=f, folder=o) for f, o in zip(files, folders[:4], strict=True)]
        span_statistics(jobs, engine=statistics)
        analyze_spans(files, folders[4:], SPECS, engine=analysis)
        return {
            str(p.relative_to(tmp_path / name)): p.read_bytes() for p in (tmp_path / name).rglob("*") if p.is_file()
        }

    there = within(2 * JOB_SECONDS, lambda: states("flink", cluster.engine(1), engine(2)))
    assert len(there) == 8
    assert there == states("here", None, None)
    assert [job["state"] for job in cluster.jobs()[before:]] == ["FINISHED"] * 2


@pytest.mark.parametrize("parallelism", [1, 2, 3, 4])
def test_how_rows_are_divided_changes_nothing(
    engine: Callable[[int], Beam], shards: list[Shard], parallelism: int
) -> None:
    """Every partitioning of the same rows gives the one SHA-256 that this process computes, at any parallelism."""
    expected = set(digests(shards, None))
    assert len(expected) == 1
    found = within(JOB_SECONDS, lambda: digests(shards, engine(parallelism)))
    assert found == list(expected) * len(PARTITIONINGS)


def test_a_killed_python_worker_changes_nothing_in_bulk_reading(
    engine: Callable[[int], Beam], shards: list[Shard], tmp_path: Path
) -> None:
    """A worker killed while it reads is replaced: every row arrives as it was written, once, and in order."""
    gate = tmp_path / "gate"
    gate.mkdir()
    expected = digests(shards, None, make=rows_read, fold=joined)
    assert len(set(expected)) == 1
    job = partial(digests, shards, engine(3), make=Gated(rows_read, str(gate)), fold=joined)
    assert kill_in_the_middle(gate, job, victim=lambda worker: worker) == expected


def test_a_killed_task_manager_changes_nothing(
    cluster: FlinkCluster, engine: Callable[[int], Beam], shards: list[Shard], tmp_path: Path
) -> None:
    """The other one takes over, and every partitioning of the same rows still gives the one SHA-256.

    Its Python workers lose it in the middle, too.
    """
    gate = tmp_path / "gate"
    gate.mkdir()
    expected = digests(shards, None)
    assert len(set(expected)) == 1
    assert len(expected) == len(PARTITIONINGS)
    job = partial(digests, shards, engine(4), make=Gated(state_of, str(gate)))
    assert kill_in_the_middle(gate, job, victim=cluster.task_manager_of) == expected
    cluster.heal()
    assert cluster.task_managers() == TASK_MANAGERS


def test_a_cluster_of_another_version_is_refused_before_anything_starts(cluster: FlinkCluster) -> None:
    """The error names both versions, and that of a cluster that does not answer its address."""
    with pytest.raises(ConfigError, match=r"runs Flink '?1\.19.* made for 1\.20"):
        within(
            JOB_SECONDS,
            lambda: digests([NOTHING], cluster.engine(1, flink_version="1.20", flink_job_server_jar=__file__)),
        )
    with pytest.raises(EngineError, match="no Flink cluster answers") as caught:
        within(JOB_SECONDS, lambda: digests([NOTHING], cluster.engine(1, flink_master="127.0.0.1:1")))
    assert caught.value.where == "http://127.0.0.1:1"
