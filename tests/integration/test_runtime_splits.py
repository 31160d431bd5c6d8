"""Files that hold many spans, hourly spans, and rows that something else than time splits."""

from __future__ import annotations

from datetime import date

import pyarrow.parquet as pq
import pytest
from support.project import AS_OF, Project, day_file

from mlcore.config.loader import load_pipeline
from mlcore.core.request import RunRequest
from mlcore.core.types import ArtifactType
from mlcore.core.window import parse_moment
from mlcore.errors import AnomaliesFound
from mlcore.ingest import sources, spans
from mlcore.runtime.graphs.retraining import retraining_graph
from mlcore.runtime.launch import launch

LATER = "2024-01-11T06:00Z"


def one_file(project: Project, days: range) -> None:
    """The days of January as one file."""
    texts = [day_file(date(2024, 1, day)).splitlines() for day in days]
    lines = [texts[0][0], *(line for text in texts for line in text[1:])]
    (project.folder / "data" / "2024-01.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are read from now on, in order."""
    names: list[str] = []
    read = sources.read_blocks

    def counted(data, path, span):  # type: ignore[no-untyped-def]
        names.append(path.name)
        return read(data, path, span)

    for module in (sources, spans):  # files of many spans, and of one
        monkeypatch.setattr(module, "read_blocks", counted)
    return names


def test_a_monthly_file_of_daily_spans_is_read_once(project: Project, reads: list[str]) -> None:
    """Eight spans of one file: one reading, none when nothing changed, and the models of eight daily files."""
    daily = project.run(name="daily", until="trainer")
    reads.clear()
    project.replace("{YYYY}-{MM}-{DD}.csv", "{YYYY}-{MM}.csv")
    one_file(project, range(1, 9))
    monthly = project.run(name="monthly", until="trainer")
    assert reads == ["2024-01.csv"]
    assert monthly["trainer"].summary == daily["trainer"].summary
    assert project.states(monthly)["statistics_gen"] == "CACHED"
    assert set(project.states(project.run(name="again", until="trainer")).values()) == {"CACHED"}
    assert reads == ["2024-01.csv"]
    one_file(project, range(1, 10))
    later = project.run(LATER, name="later", until="statistics_gen")
    assert reads == ["2024-01.csv", "2024-01.csv"]
    assert later["statistics_gen"].summary == "8 spans, 1 new"


def test_a_file_is_read_once_however_few_spans_are_worked_on_at_a_time(
    project: Project, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight spans in portions of three: one reading, and the Examples of a single portion."""
    project.replace("{YYYY}-{MM}-{DD}.csv", "{YYYY}-{MM}.csv")
    one_file(project, range(1, 9))
    monkeypatch.setattr("mlcore.runtime.spans.PORTION_SPANS", 3)
    config = load_pipeline(project.settings.pipelines / "tiny.yaml")
    request = RunRequest(pipeline="tiny", run="r", as_of=parse_moment(AS_OF))
    with project.session() as session:
        launch(session, config, retraining_graph(config), "example_gen", request=request, upstream={})
        examples = session.metadata.find_artifacts(type=ArtifactType.EXAMPLES)
    assert reads == ["2024-01.csv"]
    assert [artifact.properties["rows"] for artifact in examples] == [120] * 8


def test_hourly_spans_train_and_evaluate(project: Project, reads: list[str]) -> None:
    """A day of hours from daily files: each hour is a span, each file is read once."""
    project.replace("span: P1D", "span: PT1H")
    project.replace("{train: P4D, eval: P4D}", "{train: PT24H, eval: PT24H}")
    results = project.run(until="evaluator")
    assert results["example_gen"].summary == "48 spans, 48 new"
    assert reads == ["2024-01-07.csv", "2024-01-08.csv", "2024-01-09.csv"]


def split_rows_of(project: Project, type_: ArtifactType) -> dict[str, list[list[int]]]:
    """The ids of every Examples artifact, by split."""
    found: dict[str, list[list[int]]] = {"train": [], "evaluation": []}
    with project.session() as session:
        for artifact in session.metadata.find_artifacts(type=type_):
            for name, ids in found.items():
                path = session.artifacts.path(artifact.uri) / name / "data.parquet"
                ids.append(pq.read_table(path)["id"].to_pylist())
    return found


def test_a_keyed_hash_splits_the_rows_of_the_same_spans(project: Project) -> None:
    """Training and evaluation read the same days and no row in common; a later model is compared with the champion."""
    project.replace("span: P1D", "span: P1D\n  split: {by: hash, evaluation: 0.4}")
    project.replace("{train: P4D, eval: P4D}", "{train: P8D}")
    project.replace("min_slice_rows: 20", "min_slice_rows: 10")
    results = project.run()
    assert results["example_gen"].summary == "8 spans, 8 new"
    assert results["pusher"].summary == "blessed"
    rows = split_rows_of(project, ArtifactType.EXAMPLES)
    train, judged = ([id_ for ids in found for id_ in ids] for found in rows.values())
    assert len(train) + len(judged) == 8 * 120
    assert not set(train) & set(judged)
    with project.session() as session:
        (model,) = session.metadata.find_artifacts(type=ArtifactType.MODEL)
        (evaluation,) = session.metadata.find_artifacts(type=ArtifactType.EVALUATION)
        (examples, *_) = session.metadata.find_artifacts(type=ArtifactType.EXAMPLES)
    assert (model.properties["rows"], evaluation.properties["rows"]) == (len(train), len(judged))
    assert sum(examples.properties["splits"].values()) == examples.properties["rows"]  # type: ignore[union-attr]
    project.run(LATER, name="later", until="evaluator")
    with project.session() as session:
        newest = session.metadata.find_artifacts(type=ArtifactType.EVALUATION)[0]
    assert newest.properties["baseline"] == model.id
    report = project.run("2024-01-13T07:00Z", name="m", monitor=True)
    assert report["drift_monitor"].state.value == "COMPLETE"


def split_by_column(project: Project) -> None:
    """Of four rows two are for training, one for evaluation, and one for neither."""
    sides = ("train", "train", "test", "holdout")
    for day in range(1, 9):
        lines = project.data(day).read_text(encoding="utf-8").splitlines()
        marked = [f"{line},{sides[number % 4]}" for number, line in enumerate(lines[1:])]
        project.data(day).write_text("\n".join([lines[0] + ",side", *marked]) + "\n", encoding="utf-8")
    project.replace("outcome: float64}", "outcome: float64, side: string}")
    project.replace("span: P1D", "span: P1D\n  split: {by: column, column: side}")
    project.replace("{train: P4D, eval: P4D}", "{train: P8D}")
    project.replace("min_slice_rows: 20", "min_slice_rows: 10")


@pytest.mark.parametrize("split", ["time", "column"])
def test_a_key_for_training_and_evaluation_stops_the_run(project: Project, split: str) -> None:
    """A row of another day with a key that was trained on: an anomaly with its name, the key and since when."""
    if split == "column":
        split_by_column(project)
    learnt = project.data(2).read_text(encoding="utf-8").splitlines()[1].split(",")[0]
    lines = project.data(7).read_text(encoding="utf-8").splitlines()
    lines[3] = ",".join([learnt, *lines[3].split(",")[1:]])
    project.data(7).write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(AnomaliesFound) as stopped:
        project.run()
    assert "1 anomaly stops the run" in stopped.value.what
    assert "ERROR KEYS_IN_BOTH_SPLITS" in stopped.value.what
    assert f"id='{learnt}'. (since 2024-01-07)" in stopped.value.what


def test_a_column_splits_the_rows(project: Project) -> None:
    """Two kinds of rows are used and a third is neither: the numbers say so."""
    split_by_column(project)
    results = project.run(until="evaluator")
    assert results["evaluator"].state.value == "COMPLETE"
    with project.session() as session:
        (model,) = session.metadata.find_artifacts(type=ArtifactType.MODEL)
        (evaluation,) = session.metadata.find_artifacts(type=ArtifactType.EVALUATION)
    assert (model.properties["rows"], evaluation.properties["rows"]) == (8 * 60, 8 * 30)
