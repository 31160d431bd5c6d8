"""The DAG that predicts: on schedule, backfilled with the champions of the days, done again, before there is one."""

import subprocess
import sys
from datetime import timedelta

import pytest
from support.postgres_source import run as run_sql

from mlcore.core.types import ArtifactType, ExecutionState
from mlcore.runtime.session import open_session

from .conftest import today

DAG = "scored_inference"
TABLE = (
    "SELECT date(predicted_as_of AT TIME ZONE 'UTC') - date(time_hour AT TIME ZONE 'UTC') AS later,"
    " date(time_hour AT TIME ZONE 'UTC')::text, model_version, count(*), sum(probability)"
    " FROM predicted GROUP BY 1, 2, 3 ORDER BY 2"
)


def run_of(day, kind="backfill"):
    """Airflow names interval runs after their end."""
    return f"{kind}__{day}T00:00:00+00:00"


def moves(platform):
    """The history of every alias."""
    with open_session(platform.settings) as session:
        return session.registry.history("scored")


@pytest.fixture(scope="module")
def predicted(platform, scored):
    """A scheduled run, and backfilled ones: of the day before the first champion, of its day, and of the second's."""
    before = moves(platform)
    platform.wait_for_dag(DAG)
    dates = ["--from-date", f"{scored.first - timedelta(days=2)}", "--to-date", f"{scored.second - timedelta(days=1)}"]
    command = [sys.executable, "-m", "airflow", "backfill", "create", "--dag-id", DAG, *dates]
    subprocess.run(command, env=platform.environment, capture_output=True, timeout=120, check=True)
    for number in range(-1, (scored.second - scored.first).days + 1):
        run = run_of(scored.first + timedelta(days=number))
        assert platform.finished(DAG, run, 400) == "success", platform.tasks(DAG, run)
    scheduled = platform.scheduled(DAG, 300)
    assert moves(platform) == before
    return scheduled


def table(platform):
    """Of each day in the table, the version that predicted it, for which run, how many rows and what they sum up to."""
    return run_sql(platform.environment["WAREHOUSE"], TABLE)


def test_a_scheduled_run_predicts_the_newest_day_and_backfilled_ones_with_the_champions_of_their_time(
    platform, scored, predicted
):
    """Each interval's day is there once, in table and file, and no alias has moved."""
    newest = predicted.removeprefix("scheduled__")[:10]
    expected = {str(scored.first - timedelta(days=1)): 1, str(scored.second - timedelta(days=1)): 2}
    last = [day for _, day, *_ in table(platform)][-1]
    assert [(later, day, version, rows) for later, day, version, rows, _ in table(platform)] == [
        *((1, day, version, 400) for day, version in expected.items()),
        (1, last, 2, 400),
    ]
    assert newest in (str(today()), str(today() - timedelta(days=1)))
    assert last < newest
    files = sorted(path.stem for path in (platform.settings.project / "predicted").glob("*.parquet"))
    assert files == [day for _, day, *_ in table(platform)]


def test_before_there_is_a_champion_a_run_skips_and_says_what_to_do(platform, scored, predicted):
    """Nothing is predicted, nothing fails, and the log has the command that trains a first model."""
    run = run_of(scored.first - timedelta(days=1))
    states = platform.tasks(DAG, run)
    assert states == {"example_gen": "success", "bulk_inferrer": "skipped", "predictions_pusher": "skipped"}
    log = platform.client.get(f"/api/v2/dags/{DAG}/dagRuns/{run}/taskInstances/bulk_inferrer/logs/1").text
    assert "there is nothing to predict with yet" in log
    assert "mlcore run scored --at" in log


def test_a_run_done_again_scores_nothing_and_leaves_the_same_rows(platform, scored, predicted):
    """Cleared, as a person does it: the predictions are reused, and delivered once more."""
    run, before = run_of(scored.first), table(platform)
    body = {"dry_run": False, "only_failed": False}
    platform.client.post(f"/api/v2/dags/{DAG}/dagRuns/{run}/clear", json=body).raise_for_status()
    platform.until(lambda: platform.run_state(DAG, run) != "success", 30, "the run's second life")
    assert platform.finished(DAG, run, 120) == "success"
    assert table(platform) == before
    with open_session(platform.settings) as session:
        executions = session.metadata.executions("scored", f"inference__{run}")
        found = session.metadata.find_artifacts(type=ArtifactType.PREDICTIONS, pipeline="scored")
    states = [execution.state for execution in executions if execution.origin["task_id"] == "bulk_inferrer"]
    assert states[-1] is ExecutionState.CACHED
    assert len(found) == len(before)
