from __future__ import annotations

import gzip
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from support.project import AS_OF, Project

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

LATER = "2024-01-11T06:00Z"


def champion_digest(project: Project) -> str:
    with project.session() as session:
        champion = session.registry.champion("tiny")
    assert champion is not None
    return champion.digest


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


def test_the_same_run_again_computes_nothing(project: Project) -> None:
    """Equal code, parameters and inputs: every component is CACHED, and the champion stays."""
    project.run()
    before = champion_digest(project)
    again = project.run(name="again")
    assert set(project.states(again).values()) == {"CACHED"}
    assert champion_digest(project) == before
    with project.session() as session:
        assert len(session.registry.history("tiny")) == 1


def test_a_changed_file_reruns_what_depends_on_it_and_nothing_else(project: Project) -> None:
    """One value of one training day: that span is read again, the others are not, and the model is another."""
    project.run()
    path = project.data(3)
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[1] = re.sub(r",[^,]*,([^,]*)$", r",0.5000,\1", lines[1])
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    results = project.run("2024-01-10T07:00Z", name="an hour later")
    assert results["example_gen"].summary == "8 spans, 1 new"
    assert results["transform_analyzer"].summary == "4 spans, 1 new"
    assert project.states(results)["trainer"] == "COMPLETE"


def test_a_change_that_is_no_change_of_the_rows_stops_at_the_examples(project: Project) -> None:
    """The same rows in other bytes are read again, and everything after is reused."""
    project.run()
    path = project.data(3)
    path.write_text(path.read_text(encoding="utf-8").replace("\n", "\r\n"), encoding="utf-8")
    states = project.states(project.run("2024-01-10T07:00Z", name="an hour later"))
    assert states.pop("example_gen") == "COMPLETE"
    assert set(states.values()) == {"CACHED"}


def test_the_next_day_reads_one_day(project: Project) -> None:
    """Cost follows new data: a window that moves by a day works on one span, not on eight."""
    project.run()
    results = project.run(LATER, name="next")
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


def test_the_list_of_runs_says_what_became_of_their_models(project: Project) -> None:
    """Pushed, withheld because the champion is newer, and rolled back are told apart."""
    project.run(name="first")
    project.run(LATER, name="second")
    with project.session() as session:
        session.registry.rollback("tiny", 1, actor="me", reason="test")
        assert {row.run: row.verdict for row in list_runs(session, "tiny")} == {
            "first": "pushed",
            "second": "pushed, and rolled back",
        }


def test_models_are_rolled_back_pinned_and_promoted_on_the_command_line(project: Project) -> None:
    """Each says what it did; what is pinned stays, and a run's push is told as withheld."""
    project.run(name="first")
    project.run(LATER, name="second")
    done = project.cli("models", "rollback", "tiny")
    assert "champion of tiny: version 1" in done.stdout, done.stderr
    assert "version 1 of tiny stays champion" in project.cli("models", "pin", "tiny", "--reason", "audit").stdout
    project.run("2024-01-12T06:00Z", name="third")
    refused = project.cli("models", "promote", "tiny", "3", "--reason", "newest")
    assert refused.returncode == 1
    assert "is pinned by" in refused.stderr
    assert "mlcore models unpin tiny" in refused.stderr
    assert "withheld" in project.cli("models", "show", "tiny", "--version", "3").stdout
    assert project.cli("models", "unpin", "tiny").returncode == 0
    assert "was version 1" in project.cli("models", "promote", "tiny", "3", "--reason", "newest").stdout
    with project.session() as session:
        assert {row.run: row.verdict for row in list_runs(session, "tiny")}["third"] == "pushed"
        assert session.registry.champion("tiny").version == 3


def test_the_order_of_runs_does_not_change_their_models(project: Project) -> None:
    """Each window gives one model digest, whatever ran before it."""
    project.run(LATER, name="a")
    project.run(AS_OF, name="b")
    with project.session() as session:
        backwards = {version.train_end: version.digest for version in session.registry.versions("tiny")}
    shutil.rmtree(project.settings.artifacts)
    project.run(AS_OF, name="c")
    project.run(LATER, name="d")
    with project.session() as session:
        forwards = {version.train_end: version.digest for version in session.registry.versions("tiny")}
    assert forwards == backwards


def test_lost_files_are_made_again(project: Project) -> None:
    """Deleting the artifact store costs a rerun, and the model comes out as it was."""
    project.run()
    before = champion_digest(project)
    shutil.rmtree(project.settings.artifacts)
    states = project.states(project.run(name="again"))
    assert states["trainer"] == "COMPLETE"
    assert champion_digest(project) == before


def test_two_equal_runs_at_once_share_the_work(project: Project) -> None:
    """Both succeed, one computes, and there is one model version."""
    command = project.command("run", "tiny", "--at", AS_OF)
    both = [
        subprocess.Popen(
            command,
            env=project.environ,
            cwd=project.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    with project.session() as session:
        assert len(session.registry.versions("tiny")) == 1
        trained = [
            execution
            for summary in session.metadata.runs("tiny")
            for execution in session.metadata.executions("tiny", summary.run)
            if execution.component == "Trainer"
        ]
    assert sorted(execution.state.value for execution in trained) == ["CACHED", "COMPLETE"]


KILLER = """
    import os, signal, sys
    import mlcore.runtime.launch as launch, mlcore.runtime.spans as spans
    from mlcore.metadata.store import MetadataStore
    target, moment = sys.argv[1], sys.argv[2]
    sys.argv = ["mlcore", *sys.argv[3:]]
    publish = MetadataStore.publish
    def killing(self, results, on_commit=None):
        component = self.execution(results[0].execution_id).component
        if component == target and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        def commit(connection):
            if on_commit is not None:
                on_commit(connection)
            if component == target and moment == "inside":
                os.kill(os.getpid(), signal.SIGKILL)
        return publish(self, results, commit)
    MetadataStore.publish = killing
    from mlcore.cli.main import run
    run()
"""
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


def killed_run(project: Project, component: str, moment: str) -> int:
    import sys
    from textwrap import dedent

    command = [sys.executable, "-c", dedent(KILLER), component, moment, "run", "tiny", "--at", AS_OF]
    return subprocess.run(command, env=project.environ, cwd=project.folder, capture_output=True, check=False).returncode


def test_killed_in_every_component_a_retry_ends_in_the_same_state(project: Project) -> None:
    """Kill -9 with the files written, before and inside the publishing transaction of each component in turn.

    Afterwards nothing is RUNNING, everything published has its files, the collector removes what the killed runs
    wrote, and the one champion is the model that an undisturbed run makes.
    """
    for index, component in enumerate(COMPONENTS):
        assert killed_run(project, component, ("before", "inside")[index % 2]) == -signal.SIGKILL
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
    digest = champion_digest(project)
    shutil.rmtree(project.settings.artifacts)
    project.run(name="undisturbed")
    assert champion_digest(project) == digest


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


def test_a_lost_champion_is_a_clear_error(project: Project) -> None:
    """A comparison with a champion whose file was deleted fails and says what to do; restoring it cures."""
    project.run()
    with project.session() as session:
        champion = session.registry.champion("tiny")
        assert champion is not None
        (artifact,) = session.metadata.artifacts([champion.artifact_id])
        place = session.artifacts.path(artifact.uri)
    backup = shutil.move(place, project.folder / "backup")
    with pytest.raises(ArtifactMissing) as error:
        project.run(LATER, name="next")
    assert str(place) in error.value.where
    assert error.value.next_step
    shutil.move(backup, place)
    assert project.states(project.run(LATER, name="next"))["pusher"] == "COMPLETE"


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
    process = subprocess.Popen(
        project.command("run", "tiny", "--at", AS_OF),
        env=project.environ,
        cwd=project.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    admin = create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    assert process.stdout is not None
    while "schema_gen" not in (line := process.stdout.readline()):
        assert line, "the run ended before its third component"
    with admin.connect() as connection:
        connection.execute(text(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS false"))
        connection.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :n"), {"n": url.database}
        )
    _, errors = process.communicate(timeout=60)
    with admin.connect() as connection:
        connection.execute(text(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS true"))
    admin.dispose()
    assert process.returncode == 1
    assert "metadata database" in errors
    assert "Traceback" not in errors
    assert project.states(project.run(name="again"))["pusher"] == "COMPLETE"


def test_an_interrupted_run_is_canceled(project: Project) -> None:
    """Ctrl-C closes what was running as CANCELED."""
    process = subprocess.Popen(
        project.command("run", "tiny", "--at", AS_OF),
        env=project.environ,
        cwd=project.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with project.session() as session:
        deadline = time.monotonic() + 60
        while not session.metadata.running():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGINT)
        process.communicate(timeout=60)
        assert process.returncode != 0
        assert session.metadata.running() == frozenset()


def test_the_monitor_reports_and_decides(project: Project) -> None:
    """With a champion the monitor leaves a report and a decision; without one there is nothing to monitor."""
    with pytest.raises(NoChampion):
        project.run("2024-01-13T07:00Z", name="early", monitor=True)
    project.run()
    results = project.run("2024-01-13T07:00Z", name="m", monitor=True)
    assert results["drift_monitor"].state is ExecutionState.COMPLETE
    again = project.run("2024-01-13T07:00Z", name="m2", monitor=True)
    assert again["drift_monitor"].state is ExecutionState.CACHED
    with project.session() as session:
        (report,) = session.metadata.find_artifacts(type=ArtifactType.DRIFT_REPORT)
        names = {path.name for path in session.artifacts.path(report.uri).iterdir()}
    assert {"report.json", "snapshot.json.gz", "decision.json", "drift.json"} <= names
