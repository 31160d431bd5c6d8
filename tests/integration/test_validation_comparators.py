"""What a run compares its newest data with: the serving log, and what corrected spans were before."""

from __future__ import annotations

import pytest
from support.project import AS_OF, Project, Silent

from mlcore.config.loader import load_pipeline
from mlcore.core.request import RunRequest
from mlcore.core.types import ArtifactType
from mlcore.core.window import parse_moment
from mlcore.errors import AnomaliesFound
from mlcore.runtime.graphs.graph import Graph
from mlcore.runtime.graphs.retraining import retraining_graph
from mlcore.runtime.launch import LaunchResult
from mlcore.runtime.local import run_graph
from mlcore.schema.anomalies import Anomaly, AnomalyType, Severity, read_anomalies

SERVING = '  serving: {source: {type: csv, path: "log/{YYYY}-{MM}-{DD}.csv"}}\n'
COLUMNS = {"id": "int64", "at": "timestamp", "size": "float64", "outcome": "float64", "big": "int64"}
LATER = "2024-01-10T07:00Z"


def check(project: Project, as_of: str = AS_OF) -> dict[str, LaunchResult]:
    """A run as far as the validator."""
    config = load_pipeline(project.settings.pipelines / "tiny.yaml")
    nodes = retraining_graph(config).nodes
    last = next(index for index, node in enumerate(nodes) if node.name == "example_validator")
    request = RunRequest(pipeline="tiny", run=as_of, as_of=parse_moment(as_of))
    with project.session() as session:
        done = run_graph(session, config, Graph(nodes=nodes[: last + 1]), request=request, observer=Silent())
    return {result.node: result for result in done}


def anomalies(project: Project) -> list[Anomaly]:
    """Of the newest run."""
    with project.session() as session:
        newest = session.metadata.find_artifacts(type=ArtifactType.ANOMALIES, pipeline="tiny", limit=1)[0]
        return list(read_anomalies(session.artifacts.path(newest.uri)))


def own_schema(project: Project, *, top: str = "", colour: str = "") -> None:
    """A schema that the data meets, with more keys at its top, or of the feature ``colour``."""
    lines = [
        *([top] if top else []),
        "features:",
        *(f"  {name}: {{type: {kind}}}" for name, kind in COLUMNS.items()),
        "  colour:",
        "    type: string",
        "    string_domain: {values: [blue, green, red]}",
        *([f"    {colour}"] if colour else []),
    ]
    path = project.folder / "config" / "schemas" / "tiny.yaml"
    path.parent.mkdir()
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def log(project: Project, day: int, *, colour: str | None = None, repeat: bool = False) -> None:
    """The requests of a day: what the data has of them, without the outcome."""
    (project.folder / "log").mkdir(exist_ok=True)
    lines = project.data(day).read_text(encoding="utf-8").splitlines()
    rows = [line.rpartition(",")[0].split(",") for line in lines]
    if colour is not None:
        rows[1:] = [[row[0], row[1], colour, row[3]] for row in rows[1:]]
    rows += rows[1:2] * repeat
    text = "\n".join(",".join(row) for row in rows) + "\n"
    (project.folder / "log" / f"2024-01-{day:02}.csv").write_text(text, encoding="utf-8")


def serving(project: Project) -> None:
    project.replace("  event_timestamp: at\n", "  event_timestamp: at\n" + SERVING)


def test_training_data_is_compared_with_the_serving_log(project: Project) -> None:
    """Equal rows pass; a log in which every colour is one is skew, and its own anomaly; the log is read once."""
    serving(project)
    own_schema(project, colour="skew_comparator: {infinity_norm: 0.2}")
    for day in (5, 6, 7, 8):
        log(project, day, repeat=day == 5)
    first = check(project)
    assert first["serving_example_gen"].summary == "4 spans, 4 new"
    assert first["serving_statistics_gen"].summary == "4 spans, 4 new"
    assert anomalies(project) == []

    for day in (5, 6, 7, 8):
        log(project, day, colour="crimson")
    with pytest.raises(AnomaliesFound, match="the serving data"):
        check(project, LATER)
    found = {(one.type, one.environment): one for one in anomalies(project)}
    skew = found[AnomalyType.COMPARATOR_L_INFTY_HIGH, None]
    assert (skew.feature, skew.severity) == ("colour", Severity.ERROR)
    assert skew.since == "2024-01-05"
    strange = found[AnomalyType.ENUM_TYPE_UNEXPECTED_STRING_VALUES, "SERVING"]
    assert strange.severity is Severity.WARNING
    assert strange.examples[0]["colour"] == "crimson"
    assert strange.remedy.endswith("--environment SERVING")


def test_a_serving_log_that_has_not_begun_stops_nothing(project: Project) -> None:
    """Before the first push nobody is served: the run goes on, and the log's spans come in when they are there."""
    serving(project)
    first = check(project)
    assert first["serving_example_gen"].summary == "0 spans, none new"
    log(project, 8)
    second = check(project, LATER)
    assert second["serving_statistics_gen"].summary == "1 spans, 1 new"
    assert second["example_gen"].summary == "8 spans, none new"
    with project.session() as session:
        kept = session.metadata.find_artifacts(type=ArtifactType.SERVING_EXAMPLES, pipeline="tiny")
        assert [artifact.properties["labelled"] for artifact in kept] == [0]


@pytest.mark.parametrize("day", [3, 7])
def test_a_corrected_span_is_compared_with_what_it_was(project: Project, day: int) -> None:
    """A span that lost half its rows to a correction, of training or of evaluation, is named, with both counts."""
    own_schema(project, top="dataset_constraints: {num_examples_version_comparator: {min_fraction_threshold: 0.9}}")
    check(project)
    lines = project.data(day).read_text(encoding="utf-8").splitlines()
    project.data(day).write_text("\n".join(lines[:73]) + "\n", encoding="utf-8")
    with pytest.raises(AnomaliesFound, match="72 rows against 120 of the previous version"):
        check(project, LATER)
    (lost,) = (one for one in anomalies(project) if one.type is AnomalyType.COMPARATOR_LOW_NUM_EXAMPLES)
    assert (lost.observed, lost.expected, lost.since) == (0.6, 0.9, f"2024-01-{day:02}")
