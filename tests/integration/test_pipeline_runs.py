from __future__ import annotations

import gzip
import os
import re
import shutil
import signal
import time
from pathlib import Path
from typing import Literal

import pytest
from support.killed import killed_in
from support.project import AS_OF, LATER, Project

from mlcore.core.types import ArtifactState, ArtifactType, ExecutionState
from mlcore.errors import (
    AnomaliesFound,
    ArtifactMissing,
    ConfigError,
    DataError,
    MalformedData,
    ModelError,
    NoChampion,
    SpanMissing,
)
from mlcore.runtime.gc import collect
from mlcore.runtime.history import list_runs


def champion_digest(project: Project) -> str:
    with project.session() as session:
        champion = session.registry.champion("tiny")
    assert champion is not None
    return champion.digest


def model_digest(project: Project, run: str) -> str:
    with project.session() as session:
        (model,) = session.metadata.find_artifacts(type=ArtifactType.MODEL, pipeline="tiny", run=run)
    return model.digest


def test_a_run_ends_with_a_champion_whose_lineage_reaches_every_file(project: Project) -> None:
    """Every source file the model was trained on is found upward of it, and none of the evaluation's."""
    results = project.run()
    assert set(project.states(results).values()) == {"COMPLETE"}
    with project.session() as session:
        champion = session.registry.champion("tiny")
        assert champion is not None
        nodes = session.metadata.lineage(champion.artifact_id, "up")
    files = {Path(n.artifact.uri).name for n in nodes if n.artifact.type is ArtifactType.SOURCE_FILE}
    trained_on = {f"2024-01-{day:02}.csv" for day in range(1, 5)}
    assert trained_on <= files


def test_the_same_run_again_computes_nothing(ran: Project) -> None:
    """Equal code, parameters and inputs: every component is CACHED, and the champion stays."""
    before = champion_digest(ran)
    again = ran.run(name="again")
    assert set(ran.states(again).values()) == {"CACHED"}
    assert champion_digest(ran) == before
    with ran.session() as session:
        assert len(session.registry.history("tiny")) == 1


def test_a_changed_file_reruns_what_depends_on_it_and_nothing_else(ran: Project) -> None:
    """One value of one training day: that span is read again, the others are not, and the model is another."""
    path = ran.data(3)
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[1] = re.sub(r",[^,]*,([^,]*)$", r",0.5000,\1", lines[1])
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    results = ran.run("2024-01-10T07:00Z", name="an hour later", until="trainer")
    assert results["example_gen"].summary == "8 spans, 1 new"
    assert results["transform_analyzer"].summary == "4 spans, 1 new"
    assert ran.states(results)["trainer"] == "COMPLETE"


def test_a_change_that_is_no_change_of_the_rows_stops_at_the_examples(ran: Project) -> None:
    """The same rows in other bytes are read again, and everything after is reused."""
    path = ran.data(3)
    path.write_text(path.read_text(encoding="utf-8").replace("\n", "\r\n"), encoding="utf-8")
    states = ran.states(ran.run("2024-01-10T07:00Z", name="an hour later"))
    assert states.pop("example_gen") == "COMPLETE"
    assert set(states.values()) == {"CACHED"}


def test_the_next_day_reads_one_day(ran: Project) -> None:
    """Cost follows new data: a window that moves by a day works on one span, not on eight."""
    results = ran.run(LATER, name="next", until="statistics_gen")
    assert results["example_gen"].summary == "8 spans, 1 new"
    assert results["statistics_gen"].summary == "8 spans, 1 new"


def test_a_run_of_the_past_does_not_take_the_alias(project: Project) -> None:
    """A backfilled model is registered and not promoted over one that was trained on newer data."""
    project.run(LATER, name="newer")
    newer = champion_digest(project)
    project.run(AS_OF, name="older")
    assert champion_digest(project) == newer
    project.run(AS_OF, name="forced", force_push=True)
    assert champion_digest(project) != newer


def test_the_list_of_runs_says_what_became_of_their_models(ran_twice: Project) -> None:
    """Pushed, withheld because the champion is newer, and rolled back are told apart."""
    with ran_twice.session() as session:
        session.registry.rollback("tiny", 1, actor="me", reason="test")
        assert {row.run: row.verdict for row in list_runs(session, "tiny")} == {
            "r": "pushed",
            "later": "pushed, and rolled back",
        }


def test_models_are_rolled_back_pinned_and_promoted_on_the_command_line(ran_twice: Project) -> None:
    """Each says what it did; what is pinned stays, and a run's push is told as withheld."""
    done = ran_twice.cli("models", "rollback", "tiny")
    assert "champion of tiny: version 1" in done.stdout, done.stderr
    assert "version 1 of tiny stays champion" in ran_twice.cli("models", "pin", "tiny", "--reason", "audit").stdout
    ran_twice.run("2024-01-12T06:00Z", name="third")
    refused = ran_twice.cli("models", "promote", "tiny", "3", "--reason", "newest")
    assert refused.returncode == 1
    assert "is pinned by" in refused.stderr
    assert "mlcore models unpin tiny" in refused.stderr
    assert "withheld" in ran_twice.cli("models", "show", "tiny", "--version", "3").stdout
    assert ran_twice.cli("models", "unpin", "tiny").returncode == 0
    assert "was version 1" in ran_twice.cli("models", "promote", "tiny", "3", "--reason", "newest").stdout
    with ran_twice.session() as session:
        assert {row.run: row.verdict for row in list_runs(session, "tiny")}["third"] == "pushed"
        assert session.registry.champion("tiny").version == 3


def test_the_order_of_runs_does_not_change_their_models(project: Project, ran: Project) -> None:
    """Each window gives one model digest, whatever ran before it."""
    project.run(LATER, name="later", until="trainer")
    project.run(AS_OF, name="earlier", until="trainer")
    ran.run(LATER, name="later", until="trainer")
    assert model_digest(ran, "r") == model_digest(project, "earlier")
    assert model_digest(ran, "later") == model_digest(project, "later")
    assert model_digest(ran, "r") != model_digest(ran, "later")


def test_lost_files_are_made_again(ran: Project) -> None:
    """Deleting the artifact store costs a rerun, and the model comes out as it was."""
    before = champion_digest(ran)
    shutil.rmtree(ran.settings.artifacts)
    states = ran.states(ran.run(name="again", until="trainer"))
    assert states["trainer"] == "COMPLETE"
    assert model_digest(ran, "again") == before


def test_two_equal_runs_at_once_share_the_work(project: Project) -> None:
    """Both succeed, one computes, and there is one model version."""
    both = [project.start("run", "tiny", "--at", AS_OF) for _ in range(2)]
    ended = [process.wait() for process in both]
    assert [done.returncode for done in ended] == [0, 0], ended
    with project.session() as session:
        assert len(session.registry.versions("tiny")) == 1
        trained = [
            execution
            for summary in session.metadata.runs("tiny")
            for execution in session.metadata.executions("tiny", summary.run)
            if execution.component == "Trainer"
        ]
    assert sorted(execution.state.value for execution in trained) == ["CACHED", "COMPLETE"]


COMPONENTS = (
    "ExampleGen",
    "StatisticsGen",
    "SchemaGen",
    "ExampleValidator",
    "TransformAnalyzer",
    "Transform",
    "Trainer",
    "Evaluator",
    "InfraValidator",
    "Pusher",
)


def test_killed_in_every_component_a_retry_ends_in_the_same_state(project: Project, ran: Project) -> None:
    """Kill -9 with the files written, before and inside the publishing transaction of each component in turn.

    Afterwards nothing is RUNNING, everything published has its files, the collector removes what the killed runs
    wrote, and the one champion is the model that an undisturbed run makes.
    """
    for index, component in enumerate(COMPONENTS):
        moment: Literal["before", "inside"] = "inside" if index % 2 else "before"
        assert killed_in(project, component, moment, "run", "tiny", "--at", AS_OF) == -signal.SIGKILL
    states = project.states(project.run(name="retry"))
    assert states["pusher"] == "COMPLETE"
    with project.session() as session:
        history = session.registry.history("tiny")
        assert [(move.from_version, move.to_version) for move in history] == [(None, 1)]
        garbage = collect(session.artifacts, session.metadata, dry_run=False, min_age_seconds=0)
        assert garbage
        assert collect(session.artifacts, session.metadata, dry_run=False, min_age_seconds=0) == ()
        assert session.metadata.running() == frozenset()
        for type_ in ArtifactType:
            for artifact in session.metadata.find_artifacts(type=type_):
                assert artifact.state is ArtifactState.LIVE
                session.artifacts.verify(artifact, deep=True)
    assert champion_digest(project) == champion_digest(ran)


def test_a_missing_file_is_named(project: Project) -> None:
    """The message says which spans have no file and where the first was looked for."""
    project.data(4).unlink()
    project.data(5).unlink()
    with pytest.raises(SpanMissing, match="2 of 8 spans have no file: 2024-01-04, 2024-01-05") as error:
        project.run()
    assert error.value.where == str(project.data(4))


@pytest.mark.parametrize("content", [b"", b"id,at,colour,size,outcome\n"])
def test_an_empty_file_stops_the_run(project: Project, content: bytes) -> None:
    """A file without a row is not a quiet day."""
    project.data(4).write_bytes(content)
    with pytest.raises(DataError) as error:
        project.run()
    assert "2024-01-04.csv" in str(error.value)


def test_a_truncated_gzip_file_stops_the_run(project: Project) -> None:
    """Half a compressed file is malformed, not half a day."""
    project.replace("{DD}.csv", "{DD}.csv.gz")
    for day in range(1, 15):
        data = gzip.compress(project.data(day).read_bytes())
        Path(f"{project.data(day)}.gz").write_bytes(data if day != 4 else data[: len(data) // 2])
    with pytest.raises(MalformedData) as error:
        project.run()
    assert "2024-01-04.csv.gz" in str(error.value)


def test_a_missing_column_is_named(project: Project) -> None:
    """The message names the column that is not there."""
    path = project.data(4)
    path.write_text(path.read_text(encoding="utf-8").replace("colour", "color", 1), encoding="utf-8")
    with pytest.raises(MalformedData, match="colour"):
        project.run()


def test_a_wrong_key_and_an_unknown_estimator_are_named(project: Project) -> None:
    """Mistakes in the pipeline file stop a run before it starts, or where they are found."""
    project.replace("HistGradientBoostingClassifier", "HistGradientBoostinClassifier")
    with pytest.raises(ModelError, match="HistGradientBoostinClassifier"):
        project.run()
    project.replace("window:", "widow:")
    with pytest.raises(ConfigError, match="widow"):
        project.run()


def test_a_lost_champion_is_a_clear_error(ran: Project) -> None:
    """A comparison with a champion whose file was deleted fails and says what to do; restoring it cures."""
    with ran.session() as session:
        champion = session.registry.champion("tiny")
        assert champion is not None
        (artifact,) = session.metadata.artifacts([champion.artifact_id])
        place = session.artifacts.path(artifact.uri)
    backup = shutil.move(place, ran.folder / "backup")
    with pytest.raises(ArtifactMissing) as error:
        ran.run(LATER, name="next")
    assert str(place) in error.value.where
    assert error.value.next_step
    shutil.move(backup, place)
    assert ran.states(ran.run(LATER, name="next"))["pusher"] == "COMPLETE"


def test_errors_stop_a_run_before_training(project: Project) -> None:
    """A column that suddenly has no value is an anomaly of severity ERROR: recorded, and nothing is trained."""
    for day in (7, 8):
        path = project.data(day)
        text = re.sub(r",(red|green|blue),", ",,", path.read_text(encoding="utf-8"))
        path.write_text(text, encoding="utf-8")
    with pytest.raises(AnomaliesFound, match="colour"):
        project.run()
    with project.session() as session:
        assert len(session.metadata.find_artifacts(type=ArtifactType.ANOMALIES)) == 1
        assert session.metadata.find_artifacts(type=ArtifactType.MODEL) == ()
        (row,) = list_runs(session, "tiny")
    assert row.state is ExecutionState.FAILED
    assert row.verdict.endswith("of severity ERROR stopped it before training")


def test_the_command_line_says_what_where_and_what_next(project: Project) -> None:
    """Errors leave exit code 1 and three lines, never a traceback."""
    project.data(4).unlink()
    done = project.cli("run", "tiny", "--at", AS_OF)
    assert done.returncode == 1
    assert "1 of 8 spans have no file: 2024-01-04" in done.stderr
    assert "where:" in done.stderr
    assert "next:" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_that_stops_during_a_run_is_a_clear_error(project: Project) -> None:
    """With the connections cut in the middle, the run fails with the remedy; the next one succeeds."""
    from sqlalchemy import create_engine, make_url, text

    assert project.settings.database_url is not None
    url = make_url(project.settings.database_url)
    impatient = "import mlcore.runtime.publishing as publishing; publishing.PATIENCE_SECONDS = 0"
    process = project.start("run", "tiny", "--at", AS_OF, before=impatient)
    admin = create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    deadline = time.monotonic() + 60
    while "schema_gen" not in process.said():
        assert time.monotonic() < deadline, process.said()
        time.sleep(0.01)
    with admin.connect() as connection:
        connection.execute(text(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS false"))
        connection.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :n"), {"n": url.database}
        )
    ended = process.wait(60)
    with admin.connect() as connection:
        connection.execute(text(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS true"))
    admin.dispose()
    assert ended.returncode == 1
    assert "metadata database" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert project.states(project.run(name="again"))["pusher"] == "COMPLETE"


def test_an_interrupted_run_is_canceled(project: Project) -> None:
    """Ctrl-C closes what was running as CANCELED."""
    process = project.start("run", "tiny", "--at", AS_OF)
    with project.session() as session:
        deadline = time.monotonic() + 60
        while not session.metadata.running():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(60).returncode != 0
        assert session.metadata.running() == frozenset()


def test_without_a_champion_there_is_nothing_to_monitor(project: Project) -> None:
    """A monitoring run before any retraining is an error that says so."""
    with pytest.raises(NoChampion):
        project.run("2024-01-13T07:00Z", name="early", monitor=True)


def test_the_monitor_reports_and_decides(ran: Project) -> None:
    """With a champion the monitor leaves a report and a decision, once for equal data."""
    results = ran.run("2024-01-13T07:00Z", name="m", monitor=True)
    assert results["drift_monitor"].state is ExecutionState.COMPLETE
    with ran.session() as session:
        verdict = list_runs(session, "tiny", limit=1)[0].verdict
    assert verdict.startswith(("retrain: ", "no retraining: "))
    again = ran.run("2024-01-13T07:00Z", name="m2", monitor=True)
    assert again["drift_monitor"].state is ExecutionState.CACHED
    with ran.session() as session:
        (report,) = session.metadata.find_artifacts(type=ArtifactType.DRIFT_REPORT)
        names = {path.name for path in session.artifacts.path(report.uri).iterdir()}
    assert {"report.json", "snapshot.json.gz", "decision.json", "drift.json"} <= names
