from __future__ import annotations

import csv
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.postgres_source import run
from support.project import AS_OF, Project, make_project

from mlcore.config.loader import load_pipeline
from mlcore.core.request import RunRequest
from mlcore.core.types import ArtifactType
from mlcore.core.window import parse_moment
from mlcore.errors import ConfigError, SpanMissing
from mlcore.ingest.postgres import undated
from mlcore.ingest.quarantine import read_quarantine
from mlcore.runtime.graphs.retraining import retraining_graph
from mlcore.runtime.launch import launch
from mlcore.runtime.sources.extracts import undated_folder

SOURCE = 'source: {type: csv, path: "data/{YYYY}-{MM}-{DD}.csv"}'
DATABASE = 'source: {type: postgres, table: public.events, url: "${EVENTS_DB}"}'


@pytest.fixture
def events(postgres_url: str, tmp_path: Path, database_url: str) -> Iterator[tuple[Project, str]]:
    """The pipeline ``tiny`` with its fourteen days of data in a table, and the table's address."""
    run(postgres_url, "DROP DATABASE IF EXISTS events WITH (FORCE)", "CREATE DATABASE events")
    url = postgres_url.replace("/postgres?", "/events?")
    project = make_project(tmp_path / "project", database_url)
    project = Project(replace(project.settings, variables={"EVENTS_DB": url}))
    rows = [
        tuple(row)
        for path in sorted((project.folder / "data").glob("*.csv"))
        for row in list(csv.reader(path.read_text().splitlines()))[1:]
    ]
    values = ", ".join(f"({id}, '{at}', '{colour}', {size}, {outcome})" for id, at, colour, size, outcome in rows)
    run(
        url,
        "CREATE TABLE events (id int8, at timestamptz, colour text, size float8, outcome float8)",
        f"INSERT INTO events VALUES {values}",
    )
    yield project, url
    run(postgres_url, "DROP DATABASE events WITH (FORCE)")


def models(project: Project) -> list[str]:
    with project.session() as session:
        return [artifact.digest for artifact in session.metadata.find_artifacts(type=ArtifactType.MODEL)]


def test_a_table_trains_the_model_that_its_files_do(events: tuple[Project, str]) -> None:
    """The same rows from files and from a table give one model; a second run reads nothing again."""
    project, _ = events
    project.run(name="from files", until="trainer")
    project.replace(SOURCE, DATABASE)
    first = project.run(name="from the table", until="trainer")
    second = project.run(name="again", until="trainer")
    assert len(set(models(project))) == 1
    assert "8 new" in first["example_gen"].summary
    assert "none new" in second["example_gen"].summary


def ingest(project: Project, name: str) -> str:
    """Run the first node alone; what it says."""
    config = load_pipeline(project.settings.pipelines / "tiny.yaml")
    request = RunRequest(pipeline="tiny", run=name, as_of=parse_moment(AS_OF))
    with project.session() as session:
        graph = retraining_graph(config)
        return launch(session, config, graph, "example_gen", request=request, upstream={}).summary


def test_a_changed_row_makes_a_new_version_of_its_span_alone(events: tuple[Project, str]) -> None:
    """What a transaction corrected is read again, and so is nothing else; the change taken back is the old version."""
    project, url = events
    project.replace(SOURCE, DATABASE)
    change = "UPDATE events SET colour = {} WHERE id = (SELECT min(id) FROM events WHERE at >= '2024-01-03Z')"
    summaries = [ingest(project, "before")]
    run(url, change.format("colour || '!'"))
    summaries.append(ingest(project, "changed"))
    run(url, change.format("rtrim(colour, '!')"))
    summaries.append(ingest(project, "back"))
    run(url, "VACUUM FULL events")
    summaries.append(ingest(project, "moved"))
    assert summaries == ["8 spans, 8 new", "8 spans, 1 new", "8 spans, none new", "8 spans, none new"]


def test_undated_rows_are_kept_with_their_keys(events: tuple[Project, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """They are of no span: a quarantine of their own holds them, read anew only when they changed."""
    project, url = events
    project.replace(SOURCE, DATABASE)
    reads: list[Path] = []
    read = undated.extract_undated
    monkeypatch.setattr(undated, "extract_undated", lambda request, into: reads.append(into) or read(request, into))
    run(url, "INSERT INTO events VALUES (-1, NULL, 'red', 1, 2), (-2, NULL, NULL, 3, 4)")
    assert ingest(project, "first") == "8 spans, 8 new"
    with project.session() as session:
        folder = undated_folder(session, "tiny")
    bad = read_quarantine(folder)
    assert [(row.place, row.reason.value, row.column) for row in bad] == [
        ("id=-2", "missing_key", "at"),
        ("id=-1", "missing_key", "at"),
    ]
    assert "-1,,red,1.0,2.0" in bad[1].text
    ingest(project, "again")
    assert len(reads) == 1
    run(url, "UPDATE events SET colour = 'blue' WHERE id = -1")
    ingest(project, "changed")
    assert "blue" in read_quarantine(folder)[1].text
    run(url, "DELETE FROM events WHERE at IS NULL")
    assert ingest(project, "none") == "8 spans, none new"
    assert read_quarantine(folder) == ()


def test_lost_extracts_are_read_again(events: tuple[Project, str]) -> None:
    """The kept files are a cache: without them the same versions come from the database."""
    project, _ = events
    project.replace(SOURCE, DATABASE)
    ingest(project, "before")
    for path in (project.settings.home / "extracts" / "tiny").iterdir():
        path.unlink()
    assert ingest(project, "after") == "8 spans, none new"


def test_no_secret_is_recorded(events: tuple[Project, str]) -> None:
    """Neither artifacts, executions nor files name more than who, where and which database."""
    project, url = events
    project.replace(SOURCE, DATABASE)
    secret = "very-secret-word"
    project = Project(replace(project.settings, variables={"EVENTS_DB": f"{url}&password={secret}"}))
    ingest(project, "r")
    with project.session() as session:
        sources = session.metadata.find_artifacts(type=ArtifactType.SOURCE_FILE)
        with session.metadata.begun() as connection:
            dumped = connection.exec_driver_sql(
                "SELECT coalesce((SELECT string_agg(e::text, '') FROM execution e), '')"
                " || coalesce((SELECT string_agg(a::text, '') FROM artifact a), '')"
            ).scalar()
    assert {source.properties["source"] for source in sources} == {"postgres:public.events"}
    written = [path for path in project.settings.home.rglob("*") if path.is_file()]
    assert not any(secret.encode() in path.read_bytes() for path in written)
    assert secret not in str(dumped)
    assert secret not in repr(project.settings)
    assert secret not in json.dumps([dict(source.properties) for source in sources])


def test_what_is_missing_is_told(events: tuple[Project, str]) -> None:
    """Spans without rows, and a variable that is not set."""
    project, url = events
    project.replace(SOURCE, DATABASE)
    run(url, "DELETE FROM events WHERE at >= '2024-01-03Z' AND at < '2024-01-04Z'")
    with pytest.raises(SpanMissing, match="1 of 8 spans have no rows: 2024-01-03"):
        ingest(project, "r")
    with pytest.raises(ConfigError, match="EVENTS_DB is not set"):
        ingest(Project(replace(project.settings, variables={})), "r")


def test_runs_at_once_share_the_extracts(events: tuple[Project, str]) -> None:
    """Two runs that read the same spans for the first time read the same and leave no half-written file."""
    project, _ = events
    project.replace(SOURCE, DATABASE)
    failures: list[BaseException] = []

    def one(name: str) -> None:
        try:
            ingest(project, name)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=one, args=(name,)) for name in ("one", "other")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert ingest(project, "third") == "8 spans, none new"
    kept = sorted(path.name for path in (project.settings.home / "extracts" / "tiny").iterdir())
    assert [Path(name).suffix for name in kept] == [".arrow", ".json"] * 8
