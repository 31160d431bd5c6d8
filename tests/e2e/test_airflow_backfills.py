"""Backfills under Airflow, against the same windows on the command line."""

import subprocess
import sys
from dataclasses import replace
from datetime import date, timedelta

import pytest

from mlcore.config.loader import load_pipeline
from mlcore.core.request import RunRequest
from mlcore.core.types import ArtifactType
from mlcore.core.window import parse_moment
from mlcore.runtime.graphs.retraining import retraining_graph
from mlcore.runtime.local import run_graph
from mlcore.runtime.session import open_session

FIRST, RUNS = date(2013, 1, 12), 3
MOMENTS = [f"{FIRST + timedelta(days=number + 1)}T06:00:00Z" for number in range(RUNS)]


class Silent:
    """An observer that observes nothing."""

    def started(self, node): ...

    def finished(self, result): ...


@pytest.fixture(scope="module")
def backfilled(platform):
    """A few intervals, newest first, two at once; each ends at one of the moments."""
    platform.wait_for_dag("backfilled")
    last = FIRST + timedelta(days=RUNS - 1)
    dates = ["--from-date", f"{FIRST}", "--to-date", f"{last}", "--max-active-runs", "2", "--run-backwards"]
    command = [sys.executable, "-m", "airflow", "backfill", "create", "--dag-id", "backfilled", *dates]
    subprocess.run(command, env=platform.environment, capture_output=True, timeout=120, check=True)
    runs = [f"backfill__{moment.removesuffix('Z')}+00:00" for moment in MOMENTS]
    for run in runs:
        assert platform.finished("backfilled", run, 600) == "success", platform.tasks("backfilled", run)
    return dict(zip(MOMENTS, runs, strict=True))


def digests(session, run):
    """Digest of what a run trained, from its own or from a reused execution."""
    (model,) = session.metadata.find_artifacts(type=ArtifactType.MODEL, pipeline="backfilled", run=run)
    return model.digest


def test_backfilled_models_are_those_of_the_command_line(platform, backfilled, tmp_path, database_url):
    """Whatever ran before or beside it: a window's model under Airflow is, byte for byte, that of ``mlcore run``."""
    config = load_pipeline(platform.settings.pipelines / "backfilled.yaml")
    alone = replace(platform.settings, database_url=database_url, artifacts=str(tmp_path / "artifacts"))
    expected = {}
    with open_session(alone) as session:
        for moment in MOMENTS:
            request = RunRequest(pipeline="backfilled", run=moment, as_of=parse_moment(moment))
            run_graph(session, config, retraining_graph(config), request=request, observer=Silent())
            expected[moment] = digests(session, moment)
    with open_session(platform.settings) as session:
        found = {moment: digests(session, run) for moment, run in backfilled.items()}
    assert found == expected
    assert len(set(found.values())) == RUNS


def test_a_backfill_never_puts_an_older_model_in_charge(platform, backfilled):
    """Every move of the alias went to a model trained on newer data, and the newest blessed one is champion."""
    with open_session(platform.settings) as session:
        versions = {version.version: version for version in session.registry.versions("backfilled")}
        moves = session.registry.history("backfilled")
        champion = session.registry.champion("backfilled")
    ends = [versions[move.to_version].train_end for move in moves]
    assert ends == sorted(set(ends))
    assert champion.train_end == max(version.train_end for version in versions.values())
