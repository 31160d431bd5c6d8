"""What model's keys do inside a whole pipeline: a start from the champion, streamed rows, quantiles with intervals."""

from __future__ import annotations

from datetime import date

import pytest
from support.project import LATER, Project, day_file

from mlcore.errors import ConfigError
from mlcore.runtime.session import Session
from mlcore.training.model import load_model, read_metadata

HIST = """  estimator: sklearn.ensemble.HistGradientBoostingClassifier
  params: {max_iter: 10, random_state: 7}
"""


def write_model(project: Project, text: str) -> None:
    project.replace(HIST, text)


def model_of(session: Session, execution: int):  # type: ignore[no-untyped-def]
    (artifact,) = session.metadata.outputs(execution)["model"]
    return artifact, read_metadata(session.artifacts.path(artifact.uri))


def test_a_run_starts_from_the_champion_of_its_time(project: Project) -> None:
    """The first run starts cold, also when repeated as the champion; the next goes on from it, as lineage shows."""
    write_model(project, "  estimator: lightgbm.LGBMClassifier\n  params: {n_estimators: 5}\n  warm_start: true\n")
    first = project.run()
    assert project.states(project.run(name="again", until="trainer"))["trainer"] == "CACHED"
    second = project.run(LATER, name="next", until="trainer")
    with project.session() as session:
        champion, cold = model_of(session, first["trainer"].execution_id)
        model, warm = model_of(session, second["trainer"].execution_id)
        upward = {node.artifact.id for node in session.metadata.lineage(model.id, "up")}
    assert (cold.started_from, cold.cold_because) == ("", "")
    assert (warm.started_from, warm.cold_because) == (champion.digest, "")
    assert champion.id in upward
    assert model.properties["started_from"] == champion.digest


def test_rows_that_do_not_fit_are_streamed(project: Project) -> None:
    """An estimator with partial_fit gets blocks in the order of time, and is stored; too little for one is an error."""
    for day in range(1, 5):
        project.data(day).write_text(day_file(date(2024, 1, day), rows=3000))
    project.replace("key: [id]", "key: [id, at]")
    project.replace("colour: {transform: vocabulary}", "colour: {transform: one_hot}")
    write_model(
        project,
        "  estimator: sklearn.linear_model.SGDClassifier\n"
        "  params: {loss: log_loss}\n"
        "  weights: {classes: balanced}\n"
        "  max_memory: 1500kB\n"
        "  epochs: 3\n",
    )
    results = project.run(until="trainer")
    with project.session() as session:
        _, metadata = model_of(session, results["trainer"].execution_id)
    assert (metadata.blocks_of, metadata.epochs, metadata.rows) == (8192, 3, 12_000)
    project.replace("max_memory: 1500kB", "max_memory: 8KiB")
    with pytest.raises(ConfigError, match="a block of 8,192 rows by 5 features needs about"):
        project.run(name="less", until="trainer")


def test_quantiles_have_their_metric_and_intervals(project: Project) -> None:
    """A pipeline of amounts is judged by pinball loss, passes its gates, and its model tells bounds."""
    project.replace("column: outcome, above: 0, delay", "column: outcome, delay")
    write_model(
        project,
        "  estimator: sklearn.ensemble.HistGradientBoostingRegressor\n"
        "  params: {loss: quantile, quantile: 0.5, max_iter: 10}\n"
        "  intervals: {share: 0.4}\n",
    )
    project.replace("metrics: [roc_auc, log_loss]", 'metrics: ["pinball(quantile=0.5)", mae]')
    project.replace("- {metric: roc_auc, threshold: 0.6}", '- {metric: "pinball(quantile=0.5)", threshold: 0.2}')
    project.replace("metric: log_loss, against: champion", "metric: mae, against: champion")
    results = project.run(until="evaluator")
    with project.session() as session:
        artifact, _ = model_of(session, results["trainer"].execution_id)
        (blessing,) = session.metadata.outputs(results["evaluator"].execution_id)["blessing"]
        margins = load_model(session.artifacts.path(artifact.uri))[-1].margins(0.9)
    assert blessing.properties["blessed"]
    assert -1.0 < margins[0] < 0 < margins[1] < 1.0
