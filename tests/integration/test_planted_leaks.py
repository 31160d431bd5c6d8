"""What a model must not learn from is planted in good data, and each leak is named before a model is pushed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest
from support.project import AS_OF, Project, Silent

from mlcore.config.loader import load_pipeline
from mlcore.core.request import RunRequest
from mlcore.core.types import ArtifactType
from mlcore.core.window import parse_moment
from mlcore.errors import AnomaliesFound, DataError
from mlcore.runtime.graphs.graph import FromNode, Graph, Part
from mlcore.runtime.graphs.retraining import TRANSFORM, retraining_graph
from mlcore.runtime.local import run_graph
from mlcore.schema.anomalies import read_anomalies
from mlcore.schema.leaks.find import leaks
from mlcore.schema.leaks.future import not_in_the_log
from mlcore.schema.leaks.rows import LeakRows
from mlcore.schema.summary import DatasetSummary, FeatureSummary, FeatureType

ROWS, TRAINED = 4000, 3000
Columns = dict[str, np.ndarray]


def honest(seed: int = 0) -> Columns:
    """Rows every five minutes whose label depends on a city, a number and chance."""
    generator = np.random.default_rng(seed)
    city, x = generator.integers(0, 30, ROWS), np.round(generator.normal(size=ROWS), 2)
    label = generator.random(ROWS) < 1 / (1 + np.exp(-(x + 0.3 * (city % 7) - 1)))
    seconds = (np.arange(ROWS) * 300).astype("timedelta64[s]")
    return {
        "id": np.arange(ROWS),
        "at": (np.datetime64("2024-01-01") + seconds).astype("datetime64[us]"),
        "city": np.array([f"c{number}" for number in city]),
        "x": x,
        "late": label.astype(np.int64),
    }


def found(columns: Columns | pa.Table, *features: str, trained: int = TRAINED, delay: int = 1) -> dict[str, str]:
    """Kind by feature, or severity and kind where it is only a WARNING."""
    table = columns if isinstance(columns, pa.Table) else pa.table(columns)
    rows = LeakRows(
        train=table.slice(0, trained),
        evaluation=table.slice(trained),
        features=("city", "x", *features),
        label="late",
        key=("id",),
        event_timestamp="at",
        label_delay=timedelta(days=delay),
    )
    return {
        one.feature or "": one.type.value if one.severity == "ERROR" else f"{one.severity} {one.type.value}"
        for one in leaks(rows)
    }


def means(columns: Columns, rows: slice, smoothing: float = 0.0) -> np.ndarray:
    """The mean label of each row's city among some rows."""
    city, label = columns["city"][rows], columns["late"][rows]
    names, codes = np.unique(city, return_inverse=True)
    usual = label.mean() * smoothing
    sums, counts = np.bincount(codes, weights=label), np.bincount(codes)
    table = dict(zip(names, (sums + usual) / (counts + smoothing), strict=True))
    return np.array([table[one] for one in columns["city"]])


def without_own(columns: Columns) -> np.ndarray:
    """The mean label of the other rows of each row's city: with the mean it gives the label away."""
    count = np.array([(columns["city"] == one).sum() for one in columns["city"]])
    return (means(columns, slice(None)) * count - columns["late"]) / (count - 1)


def flipped(columns: Columns) -> np.ndarray:
    chance = np.random.default_rng(8).random(ROWS)
    return np.where(chance < 0.05, 1 - columns["late"], columns["late"]).astype(np.float64)


PLANTED: dict[str, tuple[Callable[[Columns], np.ndarray], str]] = {
    "a copy": (lambda c: c["late"].astype(np.float64), "LABEL_LEAKAGE"),
    "a copy, one row in twenty wrong": (flipped, "WARNING LABEL_LEAKAGE"),
    "a copy with noise": (lambda c: c["late"] + np.random.default_rng(8).normal(0, 0.1, ROWS), "LABEL_LEAKAGE"),
    "in a category": (lambda c: np.char.add(c["city"], np.where(c["late"], "-b", "-a")), "LABEL_LEAKAGE"),
    "in the last digit": (lambda c: np.arange(ROWS) * 7 % 911 + c["late"] / 100, "LABEL_LEAKAGE"),
    "of the row before": (lambda c: np.roll(c["late"], 1), "SHIFTED_LABEL"),
    "of the row after": (lambda c: np.roll(c["late"], -1), "SHIFTED_LABEL"),
    "mean over all rows": (lambda c: means(c, slice(None)), "TARGET_STATISTIC"),
    "mean over all rows, rounded": (lambda c: means(c, slice(None)).round(4), "TARGET_STATISTIC"),
    "mean over all rows, smoothed": (lambda c: means(c, slice(None), 10.0), "TARGET_STATISTIC"),
    "mean over training rows, own one and all": (lambda c: means(c, slice(TRAINED)), "WARNING TARGET_STATISTIC"),
    "mean over all other rows": (without_own, "WARNING LABEL_LEAKAGE"),
    "when it arrived": (
        lambda c: c["at"] + ((c["late"] * 40 + 20 + c["id"] % 30) * 60).astype("timedelta64[s]"),
        "FEATURE_FROM_THE_FUTURE",
    ),
    "when it is planned to": (
        lambda c: c["at"] + ((c["id"] * 7 % 100) * 60).astype("timedelta64[s]"),
        "WARNING FEATURE_FROM_THE_FUTURE",
    ),
}


@pytest.mark.parametrize("what", PLANTED)
def test_a_planted_column_is_named(what: str) -> None:
    """Of all features the planted one alone is named, by what it is."""
    columns = honest()
    plant, kind = PLANTED[what]
    assert found({**columns, "planted": plant(columns)}, "planted") == {"planted": kind}


@pytest.mark.parametrize(
    "plant",
    [
        lambda c: means(honest(seed=9), slice(None)),  # of as many rows that came before
        lambda c: 1 / (1 + np.exp(-c["x"])),
        lambda c: np.roll(c["late"], 288),  # of the day before, known by now
        lambda c: c["at"] - np.timedelta64(3600, "s"),
        lambda c: c["id"] % 24,
    ],
)
def test_an_honest_column_is_not_accused(plant: Callable[[Columns], np.ndarray]) -> None:
    """Statistics of earlier rows, scores, known labels and times before the event are features like others."""
    columns = honest()
    assert found({**columns, "honest": plant(columns)}, "honest") == {}


def test_the_label_of_an_earlier_row_that_was_known_is_no_leak() -> None:
    """The label of the row before is a leak only while it is not known: five minutes later it may be."""
    columns = honest()
    columns["before"] = np.roll(columns["late"], 1)
    assert found(columns, "before", delay=0) == {}


def test_a_column_that_comes_with_the_label_is_named() -> None:
    """What is missing just where there is no label became known with it."""
    columns = honest()
    lost = np.arange(ROWS) % 40 == 0
    table = pa.table({**columns, "landed": columns["x"] + 100})
    for name in ("late", "landed"):
        masked = pa.array(table[name].to_numpy(), mask=lost)
        table = table.set_column(table.column_names.index(name), name, masked)
    assert found(table, "landed") == {"landed": "FEATURE_FROM_THE_FUTURE"}


def test_a_column_that_requests_lack_is_named() -> None:
    """What training rows have and the serving log has not was written after the event; what both lack is no leak."""

    def summary(rows: int, present: dict[str, int]) -> DatasetSummary:
        features = tuple(
            FeatureSummary(name=name, type=FeatureType.FLOAT, rows=rows, present=count)
            for name, count in present.items()
        )
        return DatasetSummary(name="rows", rows=rows, features=features)

    training = summary(200, {"landed": 200, "known": 200, "sparse": 20})
    log = summary(100, {"landed": 1, "known": 99, "sparse": 1})
    (found,) = not_in_the_log(training, log, ("landed", "known", "sparse", "elsewhere"))
    assert (found.type, found.severity, found.feature) == ("FEATURE_FROM_THE_FUTURE", "ERROR", "landed")


@pytest.mark.parametrize(("share", "kind"), [(0.02, "WARNING TWINS_IN_BOTH_SPLITS"), (0.2, "TWINS_IN_BOTH_SPLITS")])
def test_twins_with_other_keys_are_named(share: float, kind: str) -> None:
    """Evaluation rows that are training rows with another key, and numbers a little different, are counted."""
    columns = honest()
    generator = np.random.default_rng(3)
    columns["weight"] = generator.normal(size=ROWS)
    assert found(columns, "weight") == {}
    copies = np.arange(TRAINED, TRAINED + int(share * (ROWS - TRAINED)))
    for name in ("city", "x", "late", "weight"):
        columns[name][copies] = columns[name][: len(copies)]
    columns["weight"][copies] += generator.normal(size=len(copies)) * 1e-5
    assert found(columns, "weight") == {"": kind}


def test_rows_that_recur_by_nature_are_no_twins() -> None:
    """The same flight every day, and a price seen twice, are what such data is like."""
    columns = honest()
    columns["x"] = columns["x"].round(0)
    assert found(columns) == {}
    columns["price"] = np.random.default_rng(3).integers(0, 50 * ROWS, ROWS) / 100
    assert found(columns, "price") == {}


def plant_column(project: Project, name: str, kind: str, value: Callable[[date, list[str], int], object]) -> None:
    """A further column in every day's file, and a feature of it."""
    for day in range(1, 15):
        lines = project.data(day).read_text(encoding="utf-8").splitlines()
        rows = [f"{line},{value(date(2024, 1, day), lines, place)}" for place, line in enumerate(lines) if place]
        project.data(day).write_text("\n".join([f"{lines[0]},{name}", *rows]) + "\n", encoding="utf-8")
    project.replace("outcome: float64}", f"outcome: float64, {name}: {kind}}}")
    project.replace("size: {transform: scale", f"{name}: {{transform: numeric}}\n  size: {{transform: scale")


def outcome(line: str) -> float:
    return float(line.split(",")[4])


def test_a_leak_stops_the_run_before_training(project: Project) -> None:
    """The label of the next row, made of the files as a join would: the run ends at the validator, which names it."""
    plant_column(
        project, "next", "int64", lambda _, lines, place: int(outcome(lines[min(place + 1, len(lines) - 1)]) > 0)
    )
    with pytest.raises(AnomaliesFound, match=r"ERROR SHIFTED_LABEL next: .* of the row after it"):
        project.run()
    with project.session() as session:
        assert session.metadata.find_artifacts(type=ArtifactType.MODEL) == ()
        (anomalies,) = session.metadata.find_artifacts(type=ArtifactType.ANOMALIES)
        (named,) = [one for one in read_anomalies(session.artifacts.path(anomalies.uri)) if one.severity == "ERROR"]
    assert named.examples
    assert "correct the join" in named.remedy
    assert "mlcore schema accept tiny --feature next --reason SHIFTED_LABEL" in named.remedy


@pytest.mark.parametrize(
    ("part", "words"),
    [(Part.ALL, "4 spans that are not trained on, the first of them 2024-01-05"), (Part.EVALUATION, "4 spans that")],
)
def test_an_analyzer_that_saw_evaluation_rows_is_named(project: Project, part: Part, words: str) -> None:
    """A graph that binds the states of other spans to the features ends there, before a model is trained."""
    config = load_pipeline(project.settings.pipelines / "tiny.yaml")
    wrong = {"states": FromNode("transform_analyzer", part=part)}
    nodes = tuple(
        replace(node, inputs={**node.inputs, **wrong})
        if node.name == TRANSFORM.name
        else replace(node, inputs={"source": FromNode("example_gen")})
        if node.name == "transform_analyzer"
        else node
        for node in retraining_graph(config).nodes
    )
    request = RunRequest(pipeline="tiny", run="r", as_of=parse_moment(AS_OF))
    with project.session() as session, pytest.raises(DataError, match=f"EVALUATION_ROWS_IN_ANALYZER: .* {words}"):
        run_graph(session, config, Graph(nodes=nodes), request=request, observer=Silent())


def test_honest_days_have_no_leaks(project: Project) -> None:
    """The small pipeline's own days: no anomaly at all."""
    project.run(until="example_validator")
    with project.session() as session:
        (anomalies,) = session.metadata.find_artifacts(type=ArtifactType.ANOMALIES)
        assert read_anomalies(session.artifacts.path(anomalies.uri)) == ()
