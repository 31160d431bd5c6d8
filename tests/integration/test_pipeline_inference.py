"""The graph that predicts: a span once a content and model, delivered whole; none of the past over the present."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from support.postgres_source import run as run_sql
from support.project import AS_OF, LATER, Project

from mlcore.core.types import Artifact, ArtifactType
from mlcore.core.window import parse_moment
from mlcore.inference.destinations import file
from mlcore.inference.predictions import read_predictions
from mlcore.registry.moments import champion_at
from mlcore.runtime.history import list_runs
from mlcore.training.model import load_model
from mlcore.training.predict import predict_scores

NEXT = "2024-01-12T06:00Z"
KILL_BEFORE_DELIVERY = """
import os, signal
import mlcore.inference.destinations.delivery as delivery
delivery.deliver = lambda *given: os.kill(os.getpid(), signal.SIGKILL)
"""


def ask(project: Project, rest: str = "") -> None:
    """An inference block of two days, a table and files."""
    url = str(project.settings.database_url).replace("+psycopg2", "")
    lines = ["inference:", '  schedule: "0 6 * * *"', "  window: P2D", "  keep: [colour]", "  destinations:"]
    lines += [f'    - {{type: postgres, url: "{url}", table: predicted}}']
    lines += ['    - {type: parquet, path: "out/{YYYY}/{MM}-{DD}.parquet"}', *rest.splitlines(), "monitor:"]
    project.replace("monitor:", "\n".join(lines))


def predictions(project: Project) -> list[Artifact]:
    with project.session() as stores:
        found = stores.metadata.find_artifacts(type=ArtifactType.PREDICTIONS, pipeline="tiny")
    return sorted(found, key=lambda one: one.id)


def table(project: Project) -> list[tuple[object, ...]]:
    """Of each day in the table the version, the day of the run and how many rows."""
    sql = "SELECT extract(day from at)::int, model_version, extract(day from predicted_as_of)::int, count(*)"
    return run_sql(str(project.settings.database_url), f"{sql} FROM predicted GROUP BY 1, 2, 3 ORDER BY 1, 2, 3")


def summary(project: Project, as_of: str, name: str) -> str:
    return project.run(as_of, name=name, infer=True)["bulk_inferrer"].summary


def test_a_past_run_has_its_champion_and_leaves_what_is_newer(ran_twice: Project) -> None:
    """Spans are scored once a model and content, a rerun leaves equal rows and bytes, and a rollback is followed."""
    project = ran_twice
    ask(project)
    assert summary(project, LATER, "later") == "2 spans, 2 new"
    assert table(project) == [(9, 2, 11, 120), (10, 2, 11, 120)]
    assert summary(project, AS_OF, "past") == "2 spans, 2 new"
    assert table(project) == [(8, 1, 10, 120), (9, 2, 11, 120), (10, 2, 11, 120)]
    files = sorted((project.folder / "out").rglob("*.parquet"))
    assert [file.name for file in files] == ["01-08.parquet", "01-09.parquet", "01-10.parquet"]
    before, rows = [file.read_bytes() for file in files], "SELECT * FROM predicted ORDER BY id"
    held = run_sql(str(project.settings.database_url), rows)
    again = project.run(AS_OF, name="again", infer=True)
    assert again["bulk_inferrer"].state.value == "CACHED"
    assert "1 spans have newer ones" in again["predictions_pusher"].summary
    assert [file.read_bytes() for file in files] == before
    assert run_sql(str(project.settings.database_url), rows) == held
    check_scores_and_lineage(project, files[1])
    content = project.data(10).read_text(encoding="utf-8")
    project.data(10).write_text(content.replace(",red,", ",blue,", 3), encoding="utf-8")
    assert summary(project, NEXT, "corrected") == "2 spans, 2 new"
    assert table(project)[2:] == [(10, 2, 12, 120), (11, 2, 12, 120)]
    with project.session() as stores:
        stores.registry.rollback("tiny", actor="me", reason="test")
    assert summary(project, NEXT, "back") == "2 spans, 2 new"
    assert table(project)[2:] == [(10, 1, 12, 120), (11, 1, 12, 120)]
    with project.session() as stores:
        newest = list_runs(stores, "tiny", limit=1)[0]
    assert (newest.run, newest.version, newest.rows) == ("back", 1, 240)


def test_of_two_deliveries_at_once_the_newer_ends_on_top(ran_twice: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of the past that is slow to write keeps the newer one waiting: nobody writes over what it has not seen."""
    project = ran_twice
    ask(project)
    for as_of, name in ((AS_OF, "past"), (LATER, "later")):
        assert summary(project, as_of, name) == "2 spans, 2 new"
    shared = project.folder / "out" / "2024" / "01-09.parquet"
    shared.unlink()
    begun, go, whole = Event(), Event(), file.write_file

    def slow(path: str, schema: pa.Schema, rows: Iterable[pa.RecordBatch]) -> str:
        if not begun.is_set():
            begun.set()
            assert go.wait(60)
        return whole(path, schema, rows)

    monkeypatch.setattr(file, "write_file", slow)
    waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with ThreadPoolExecutor(2) as pool:
        past = pool.submit(project.run, AS_OF, name="past again", infer=True)
        assert begun.wait(60)
        later = pool.submit(project.run, LATER, name="later again", infer=True)
        while not later.done() and run_sql(str(project.settings.database_url), waits) == [(0,)]:
            time.sleep(0.01)
        go.set()
        assert "240 rows in out/" in past.result()["predictions_pusher"].summary
        later.result()
    assert set(pq.read_table(shared)["predicted_as_of"].to_pylist()) == {parse_moment(LATER)}


def check_scores_and_lineage(project: Project, file: Path) -> None:
    """What is delivered is what the exported pipeline says, and leads to the model and the source, and back."""
    with project.session() as stores:
        version = stores.registry.find("tiny", 2)
        (model,) = stores.metadata.artifacts([version.artifact_id])
        scores = predict_scores(load_model(stores.artifacts.path(model.uri)), pa.csv.read_csv(project.data(9)))
        made = predictions(project)
        up = [node.artifact.type for node in stores.metadata.lineage(made[0].id, "up")]
        down = [node.artifact.id for node in stores.metadata.lineage(model.id, "down")]
    assert pq.read_table(file)["probability"].to_pylist() == scores.tolist()
    assert {ArtifactType.MODEL, ArtifactType.EXAMPLES, ArtifactType.SOURCE_FILE} <= set(up)
    assert {one.id for one in made if one.properties["model_version"] == 2} <= set(down)


def test_a_run_that_was_killed_before_it_delivered_is_ended_by_the_next(ran: Project) -> None:
    """The scored spans are there, nothing is delivered; the next run scores nothing and delivers."""
    ask(ran)
    killed = ran.start("infer", "tiny", "--at", AS_OF, before=KILL_BEFORE_DELIVERY).wait()
    assert killed.returncode != 0
    assert len(predictions(ran)) == 2
    assert not (ran.folder / "out").exists()
    done = ran.cli("infer", "tiny", "--at", AS_OF)
    assert done.returncode == 0, done.stderr
    assert "2 spans, none new" in done.stdout
    assert table(ran) == [(8, 1, 10, 120), (9, 1, 10, 120)]
    with ran.session() as stores:
        (delivery,) = stores.metadata.find_artifacts(type=ArtifactType.PUSHED_PREDICTIONS, pipeline="tiny")
        up = {node.artifact.id for node in stores.metadata.lineage(delivery.id, "up")}
    assert {one.id for one in predictions(ran)} <= up


def test_rows_of_another_source_need_no_outcome(ran: Project) -> None:
    """Its files lack the label's column, and are predicted as those with it; before a champion there is nothing."""
    (ran.folder / "fresh").mkdir()
    for day in (7, 8, 9):
        rows = pa.csv.read_csv(ran.data(day))
        pa.csv.write_csv(rows.drop_columns(["outcome"]), ran.folder / "fresh" / f"{day:02}.csv")
    ask(ran, '  source: {type: csv, path: "fresh/{DD}.csv"}')
    assert summary(ran, AS_OF, "fresh") == "2 spans, 2 new"
    with ran.session() as stores:
        (one, _) = predictions(ran)
        assert stores.metadata.find_artifacts(type=ArtifactType.INFERENCE_EXAMPLES, pipeline="tiny")
        found = read_predictions(stores.artifacts.path(one.uri))
    assert found["id"].to_pylist() == pa.csv.read_csv(ran.data(8))["id"].to_pylist()
    early = ran.cli("infer", "tiny", "--at", "2024-01-09T23:00Z")
    assert early.returncode == 1
    assert "nothing to predict with yet" in " ".join(early.stderr.split())


def test_decay_is_measured_on_what_was_predicted(ran_twice: Project) -> None:
    """Predictions of before the outcomes count, rows that came later are left out and counted, others scored again."""
    project = ran_twice
    ask(project)
    assert "(rows: 240 scored again)" in reasons(project, LATER, "unpredicted")
    summary(project, "2024-01-11T00:00Z", "in_time")
    assert "(rows: 120 as predicted, 120 scored again)" in reasons(project, LATER, "half")
    summary(project, "2024-01-12T00:00Z", "in_time_too")
    more = "".join(f"{10**9 + number},2024-01-09T23:59:00Z,red,0.5,1.0\n" for number in range(5))
    content = project.data(9).read_text(encoding="utf-8")
    project.data(9).write_text(content + more, encoding="utf-8")
    assert "(rows: 240 as predicted, 5 without a prediction left out)" in reasons(project, NEXT, "corrected")


def reasons(project: Project, as_of: str, name: str) -> str:
    result = project.run(as_of, name=name, monitor=True)["drift_monitor"]
    with project.session() as stores:
        (report,) = stores.metadata.outputs(result.execution_id)["report"]
    return str(report.properties["reasons"])


def test_the_champion_of_a_moment_is_who_it_was_then(ran_twice: Project) -> None:
    """By the alias's history where it goes back so far; else the last of those whose labels were known."""
    far = datetime(2024, 2, 1, tzinfo=UTC)
    with ran_twice.session() as stores:
        first, second = (move.moved_at for move in stores.registry.history("tiny", "champion"))
        with stores.metadata.begun() as connection:
            cases = [(first, far), (second, far), (first - timedelta(days=1), far), (second, far - timedelta(days=22))]
            found = [champion_at(connection, "tiny", as_of=as_of, mature=mature) for as_of, mature in cases]
            nobody = champion_at(connection, "tiny", as_of=second, mature=far - timedelta(days=40))
    assert [one.version for one in found if one] == [1, 2, 2, 2]
    assert nobody is None
