"""A pipeline whose features are made of each row's past: its columns, what they cost, and what corrections reach."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.project import LATER, Project

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


@pytest.fixture
def past(project: Project) -> Project:
    """The pipeline with features of each colour's past; two days of data lie before its window."""
    project.replace("span: P1D", HISTORY)
    project.replace("size: {transform: scale_to_z_score}", FEATURES)
    for day in range(14, 2, -1):
        text = project.data(day - 2).read_text(encoding="utf-8")
        project.data(day).write_text(moved(text, day - 2, day), encoding="utf-8")
    return project


def moved(text: str, before: int, day: int) -> str:
    """A day's rows as another day's."""
    return text.replace(f"2024-01-{before:02}T", f"2024-01-{day:02}T")


def examples(project: Project, component: str) -> dict[str, pa.Table]:
    """The newest rows of each span that a component made."""
    found: dict[str, pa.Table] = {}
    with project.session() as session:
        for artifact in session.metadata.find_artifacts(type=ArtifactType.EXAMPLES):
            if artifact.span is not None and f"/{component}/" in f"/{artifact.uri}":
                path = session.artifacts.path(artifact.uri) / "data.parquet"
                found.setdefault(artifact.span.label, pq.read_table(path))
    return found


def test_features_of_the_past(past: Project) -> None:
    """A champion of them; their columns are those of all rows at once, and rows before all data have none."""
    results = past.run()
    print({k: v.summary for k, v in results.items()})
    raw, made = examples(past, "ExampleGen"), examples(past, "HistoryGen")
    print(sorted(raw), sorted(made))
    data = load_pipeline(past.settings.pipelines / "tiny.yaml").data
    rows = pa.concat_tables([raw[label] for label in sorted(raw)])
    at_once = add_history(rows, rows, history_columns(data), event_timestamp="at")
    assert pa.concat_tables([made[label] for label in sorted(made)]).equals(at_once)
