"""A pipeline whose features are made of each row's past: its columns, what they cost, and what corrections reach."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.project import Project

from mlcore.config.loader import load_pipeline
from mlcore.core.types import ArtifactType
from mlcore.transform.history.columns import add_history, history_columns

HISTORY = """span: P1D
  history:
    outcome_before: {aggregate: lag, column: outcome, by: colour, over: P2D}
    outcome_lately: {aggregate: mean, column: outcome, by: [colour], over: P3D}
    size_spread: {aggregate: std, column: size, by: colour, over: P1D}
    how_often: {aggregate: count, by: colour, over: PT12H}"""
FEATURES = """size: {transform: scale_to_z_score}
  outcome_before: {transform: numeric}
  outcome_lately: {transform: [impute, scale_to_z_score]}
  size_spread: {transform: numeric}
  how_often: {transform: log1p}"""
NAMES = ["outcome_before", "outcome_lately", "size_spread", "how_often"]
AS_OF, LATER = "2024-01-12T06:00Z", "2024-01-13T06:00Z"
"""Trains on 3 to 6 January and evaluates on 7 to 10 January; three days before a row are looked at, two are there."""


@pytest.fixture
def past(project: Project) -> Project:
    """The pipeline with features of each colour's past."""
    project.replace("span: P1D", HISTORY)
    project.replace("size: {transform: scale_to_z_score}", FEATURES)
    return project


def newest(project: Project, component: str, folder: str = ".") -> dict[str, pa.Table]:
    """The newest rows of each span that a component made."""
    found: dict[str, pa.Table] = {}
    with project.session() as session:
        for artifact in session.metadata.find_artifacts(type=ArtifactType.EXAMPLES):
            if artifact.span is not None and f"/{component}/" in f"/{artifact.uri}":
                path = session.artifacts.path(artifact.uri) / folder / "data.parquet"
                found.setdefault(artifact.span.label, pq.read_table(path))
    return dict(sorted(found.items()))


def test_features_of_the_past_make_a_champion_day_by_day(past: Project) -> None:
    """As of all rows at once; a day more is one span's work, a correction four's; a version is what it is made from."""
    first = past.run(AS_OF)
    assert first["example_gen"].summary == "10 spans, 10 new"
    assert first["history_gen"].summary == "8 spans, 8 new"
    assert first["pusher"].summary == "blessed"
    later = past.run(LATER, name="later", until="statistics_gen")
    assert later["example_gen"].summary == "11 spans, 1 new"
    assert later["history_gen"].summary == "8 spans, 1 new"
    assert later["statistics_gen"].summary == "8 spans, 1 new"
    raw, made = newest(past, "ExampleGen"), newest(past, "HistoryGen")
    assert (min(raw), min(made), max(made)) == ("2024-01-01", "2024-01-03", "2024-01-11")
    data = load_pipeline(past.settings.pipelines / "tiny.yaml").data
    judged = pa.concat_tables([raw[label] for label in made])
    at_once = add_history(judged, pa.concat_tables(list(raw.values())), history_columns(data), event_timestamp="at")
    assert pa.concat_tables(list(made.values())).equals(at_once)

    shown = past.cli("data", "stats", "tiny", "--span", "2024-01-03..2024-01-07", "--json")
    assert "outcome_lately" in shown.stdout, shown.stderr
    predicted = past.folder / "predicted.parquet"
    asked = ("predict", "tiny", str(past.data(11)), "--out", str(predicted))
    done = past.cli(*asked, *(option for name in NAMES for option in ("--keep", name)))
    assert done.returncode == 0, done.stderr
    assert pq.read_table(predicted, columns=NAMES).equals(made["2024-01-11"].select(NAMES))

    past.replace("over: P3D", "over: P2D")
    done = past.cli("models", "reproduce", "tiny", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    past.replace("by: [colour], over: P2D", "by: [colour], over: P3D")

    corrected = past.data(5).read_text(encoding="utf-8").replace(",red,0.", ",red,0.9")
    past.data(5).write_text(corrected, encoding="utf-8")
    past.data(9).write_text(past.data(9).read_text(encoding="utf-8").replace("\n", "\r\n"), encoding="utf-8")
    third = past.run("2024-01-13T07:00Z", name="third", until="statistics_gen")
    assert third["example_gen"].summary == "11 spans, 2 new"
    assert third["history_gen"].summary == "8 spans, 4 new"  # 5 January, and the three days that look back on it


def test_what_is_not_there_to_look_back_on_is_said(past: Project, caplog: pytest.LogCaptureFixture) -> None:
    """The first spans of all data have no past: columns are empty, and the span's record says what is not there."""
    past.run("2024-01-10T06:00Z", until="history_gen")
    with past.session() as session:
        made = session.metadata.find_artifacts(type=ArtifactType.EXAMPLES)
    missing = [f"2023-12-{day}" for day in (29, 30, 31)]
    assert "2024-01-01: the history is incomplete: 3 spans to look back on are not there" in caplog.text
    first = next(one for one in made if one.properties.get("history_without") == missing)
    assert first.span is not None
    assert first.span.label == "2024-01-01"
    rows = newest(past, "HistoryGen")["2024-01-01"]
    assert first.properties["empty"] == ["outcome_before", "outcome_lately"]  # outcomes are known a day later
    assert rows["outcome_lately"].null_count == rows.num_rows
    assert rows["how_often"].null_count == 0
    assert rows["how_often"][0].as_py() == 0


def test_the_past_of_rows_that_a_hash_splits(past: Project) -> None:
    """Both splits look back on all rows, as a request does."""
    past.replace("span: P1D", "span: P1D\n  split: {by: hash, evaluation: 0.4}")
    past.replace("{train: P4D, eval: P4D}", "{train: P8D}")
    past.run(AS_OF, until="history_gen")
    data = load_pipeline(past.settings.pipelines / "tiny.yaml").data
    sides = {name: newest(past, "HistoryGen", name) for name in ("train", "evaluation")}
    raw = [table for name in sides for table in newest(past, "ExampleGen", name).values()]
    for found in sides.values():
        for table in found.values():
            bare = table.select([*data.columns, "big"])
            made = add_history(bare, pa.concat_tables(raw), history_columns(data), event_timestamp="at")
            assert made.equals(table)
