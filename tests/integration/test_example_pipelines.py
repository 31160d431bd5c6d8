"""The pipelines of ``config/examples`` as they are: a regression, three classes, text and numbers."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.examples import write_diabetes, write_tickets, write_wine
from support.project import Silent

from mlcore.components.scoring import score
from mlcore.config.loader import load_pipeline
from mlcore.config.settings import Settings
from mlcore.core.request import RunRequest
from mlcore.core.window import parse_moment
from mlcore.ingest.examples import read_examples
from mlcore.runtime.graphs.monitoring import monitoring_graph
from mlcore.runtime.graphs.retraining import retraining_graph
from mlcore.runtime.local import run_graph
from mlcore.runtime.session import open_session
from mlcore.schema.anomalies import AnomalyType, read_anomalies

LEAKS = {
    kind
    for kind in AnomalyType
    if "LEAKAGE" in kind
    or kind in ("SHIFTED_LABEL", "TARGET_STATISTIC", "TWINS_IN_BOTH_SPLITS", "FEATURE_FROM_THE_FUTURE")
}
EXAMPLES = Path(__file__).parents[2] / "config" / "examples"


@pytest.mark.parametrize(
    ("name", "write", "as_of", "shape"),
    [
        ("diabetes", write_diabetes, "2024-03-01T06:00Z", ()),
        ("wine", write_wine, "2024-03-01T06:00Z", (3,)),
        ("tickets", write_tickets, "2024-01-24T06:00Z", ()),
    ],
)
def test_an_example_ends_with_a_champion(
    name: str,
    write: Callable[[Path], None],
    as_of: str,
    shape: tuple[int, ...],
    tmp_path: Path,
    database_url: str,
) -> None:
    """Its file is short, its gates pass, a row has the same bits alone and among all, and its monitor is calm."""
    lines = (EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    assert len(lines) < 60
    project = tmp_path / "project"
    (project / "config" / "pipelines").mkdir(parents=True)
    shutil.copy(EXAMPLES / f"{name}.yaml", project / "config" / "pipelines")
    write(project / "data" / name)
    settings = Settings(
        project=project, home=tmp_path / "home", artifacts=str(tmp_path / "artifacts"), database_url=database_url
    )
    config = load_pipeline(settings.pipelines / f"{name}.yaml")
    request = RunRequest(pipeline=name, run="r", as_of=parse_moment(as_of))
    with open_session(settings) as session:
        results = {
            result.node: result
            for result in run_graph(session, config, retraining_graph(config), request=request, observer=Silent())
        }
        gates = [
            session.metadata.outputs(results[node].execution_id)["blessing"][0].properties["reasons"]
            for node in ("evaluator", "infra_validator")
        ]
        (anomalies,) = session.metadata.outputs(results["example_validator"].execution_id)["anomalies"]
        accused = {anomaly.type for anomaly in read_anomalies(session.artifacts.path(anomalies.uri))} & LEAKS
        champion = session.registry.champion(name)
        assert champion is not None, gates
        (model,) = session.metadata.artifacts([champion.artifact_id])
        spans = session.metadata.outputs(results["example_gen"].execution_id)["spans"]
        rows = read_examples([session.artifacts.path(span.uri) for span in spans])
        together = score(session.artifacts.path(model.uri), rows)
        alone = [score(session.artifacts.path(model.uri), rows.slice(index, 1))[0] for index in range(0, 60, 20)]
        watched = run_graph(session, config, monitoring_graph(config), request=request, observer=Silent())
        (report,) = session.metadata.outputs(watched[-1].execution_id)["report"]
    assert accused == set()
    assert report.properties["retrain"] is False, report.properties["reasons"]
    assert together.shape == (rows.num_rows, *shape)
    assert np.array(alone).tobytes() == together[:60:20].tobytes()
