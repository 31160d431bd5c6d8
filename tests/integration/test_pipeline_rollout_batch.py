"""A challenger asked in batch beside the champion: stored, compared, never delivered, and no harm to who is."""

from __future__ import annotations

import signal

import pyarrow as pa
import pyarrow.csv
import pytest
from sklearn.metrics import log_loss
from support.looks import FIRST_LOOK, look, trying
from support.postgres_source import run as run_sql
from support.project import AS_OF, LATER, Project

from mlcore.config.loader import load_pipeline
from mlcore.core.types import Artifact, ArtifactType
from mlcore.evaluation.challenge_file import ChallengeOutcome, read_challenge
from mlcore.evaluation.files import read
from mlcore.inference.predictions import read_predictions
from mlcore.registry.challenge import LookVerdict
from mlcore.runtime.gc import collect
from mlcore.runtime.graphs.inference import inference_graph
from mlcore.training.model import load_model
from mlcore.training.predict import predict_scores

IN_TIME = "2024-01-11T00:00Z"
"""Before the labels of 10 January are known, which is the first day that neither model has seen."""

KILL_AMID = """
import os, signal
from mlcore.components.challenger_inferrer import ChallengerInferrer
run = ChallengerInferrer.run
def killed(self, tasks):
    {whole}
    (tasks[0].output.path / "half").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
ChallengerInferrer.run = killed
"""


def trying_in_batch(project: Project) -> None:
    """A challenger in shadow, and inference of two days into a table."""
    trying(project)
    url = str(project.settings.database_url).replace("+psycopg2", "")
    lines = ["inference:", '  schedule: "0 6 * * *"', "  window: P2D", "  destinations:"]
    lines.append(f'    - {{type: postgres, url: "{url}", table: predicted}}')
    project.replace("monitor:", "\n".join([*lines, "monitor:"]))


def delivered(project: Project) -> list[tuple[object, ...]]:
    """Of each day in the table the version and how many rows."""
    sql = "SELECT extract(day from at)::int, model_version, count(*) FROM predicted GROUP BY 1, 2 ORDER BY 1, 2"
    return run_sql(str(project.settings.database_url), sql)


def found(project: Project, type_: ArtifactType) -> list[Artifact]:
    with project.session() as session:
        return list(session.metadata.find_artifacts(type=type_, pipeline="tiny"))


def test_both_predict_the_champion_is_delivered_and_both_are_compared_by_it(ran: Project) -> None:
    """Of days that neither has seen the challenger's predictions are kept, marked, linked, and made once.

    The destination has the champion's rows alone. The look compares what both predicted, though the rows were corrected
    since; of rows that came later what both say now.
    """
    trying_in_batch(ran)
    ran.run(LATER, name="later")
    graph = inference_graph(load_pipeline(ran.settings.pipelines / "tiny.yaml"))
    assert graph["challenger_inferrer"].upstream == ("example_gen", "predictions_pusher")  # nobody waits for it
    done = ran.run(IN_TIME, name="in time", infer=True)
    assert done["challenger_inferrer"].summary == "1 spans, 1 new"
    assert delivered(ran) == [(9, 1, 120), (10, 1, 120)]
    (made,) = found(ran, ArtifactType.CHALLENGER_PREDICTIONS)
    assert made.span is not None
    assert (made.span.label, made.properties["model_version"]) == ("2024-01-10", 2)
    with ran.session() as session:
        (model,) = session.metadata.artifacts([session.registry.find("tiny", 2).artifact_id])
        assert model.id in {node.artifact.id for node in session.metadata.lineage(made.id, "up")}
        pipeline = load_model(session.artifacts.path(model.uri))
        scores = read_predictions(session.artifacts.path(made.uri))["probability"].to_pylist()
    rows = pa.csv.read_csv(ran.data(10))
    assert scores == predict_scores(pipeline, rows).tolist()
    again = ran.run(IN_TIME, name="again", infer=True)
    assert again["challenger_inferrer"].state.value == "CACHED"
    past = ran.run(AS_OF, name="past", infer=True)
    assert past["challenger_inferrer"].summary == "0 spans, none new"

    text = ran.data(10).read_text(encoding="utf-8").replace(",red,", ",blue,")
    late = "".join(f"{10**9 + number},2024-01-10T23:59:00Z,red,0.5,{number % 2}.0\n" for number in range(6))
    ran.data(10).write_text(text + late, encoding="utf-8")
    look(ran, FIRST_LOOK, "look")
    with ran.session() as session:
        (seen,) = session.registry.looks("tiny")
        (challenge,) = session.metadata.artifacts([seen.artifact_id])
        folder = session.artifacts.path(challenge.uri)
        document, evaluation = read_challenge(folder), read(folder)
    assert (document.rows, document.predicted) == (126, 120)
    outcomes = [outcome > 0 for outcome in rows["outcome"].to_pylist()] + [number % 2 > 0 for number in range(6)]
    now = predict_scores(pipeline, pa.table({"colour": ["red"] * 6, "size": [0.5] * 6})).tolist()
    measured = evaluation.overall.metrics["log_loss"].value
    assert measured == pytest.approx(log_loss(outcomes, scores + now), rel=1e-9)
    assert [one.metric for one in document.differences] == ["log_loss"]


def test_a_challenger_that_cannot_predict_is_refused_and_fails_nobody(ran: Project) -> None:
    """A column that it reads is no longer there: the champion is delivered, the run is well, the next look refuses."""
    trying_in_batch(ran)
    for day in range(1, 14):
        rows = pa.csv.read_csv(ran.data(day))
        pa.csv.write_csv(rows.append_column("shade", rows["size"]), ran.data(day))
    column, feature = "outcome: float64}", "  size: {transform: scale_to_z_score}\n"
    ran.replace(column, "shade: float64, outcome: float64}")
    ran.replace(feature, f"{feature}  shade: {{transform: numeric}}\n")
    ran.run(LATER, name="later")
    with ran.session() as session:
        assert session.registry.aliases("tiny") == {"challenger": 2, "champion": 1}
    ran.replace("shade: float64, ", "")
    ran.replace("  shade: {transform: numeric}\n", "")
    ran.run(IN_TIME, name="in time", infer=True)
    assert delivered(ran) == [(9, 1, 120), (10, 1, 120)]
    (made,) = found(ran, ArtifactType.CHALLENGER_PREDICTIONS)
    assert made.properties["problem"] == "the rows lack the column 'shade' that version 2 reads"
    look(ran, FIRST_LOOK, "look")
    with ran.session() as session:
        assert session.registry.aliases("tiny") == {"champion": 1}
        (seen,) = session.registry.looks("tiny")
        assert (seen.verdict, seen.rows, seen.spent) == (LookVerdict.REFUSED, 0, 0.0)
        assert seen.reason == f"the challenger could not predict 2024-01-10: {made.properties['problem']}"
        (challenge,) = session.metadata.artifacts([seen.artifact_id])
        assert read_challenge(session.artifacts.path(challenge.uri)).outcome is ChallengeOutcome.REFUSED


@pytest.mark.parametrize("whole", ["pass", "run(self, tasks)"], ids=["before", "after"])
def test_killed_while_the_challenger_predicts_the_retry_ends_it(ran: Project, whole: str) -> None:
    """The champion's rows are delivered already; a retry scores for the challenger alone, and no half file is left."""
    trying_in_batch(ran)
    ran.run(LATER, name="later")
    killed = ran.start("infer", "tiny", "--at", IN_TIME, before=KILL_AMID.format(whole=whole)).wait()
    assert killed.returncode == -signal.SIGKILL
    assert delivered(ran) == [(9, 1, 120), (10, 1, 120)]
    assert found(ran, ArtifactType.CHALLENGER_PREDICTIONS) == []
    done = ran.run(IN_TIME, name="again", infer=True)
    assert done["bulk_inferrer"].state.value == "CACHED"
    assert done["challenger_inferrer"].summary == "1 spans, 1 new"
    assert delivered(ran) == [(9, 1, 120), (10, 1, 120)]
    (made,) = found(ran, ArtifactType.CHALLENGER_PREDICTIONS)
    assert made.properties["rows"] == 120
    with ran.session() as session:
        session.artifacts.verify(made, deep=True)
        collect(session.artifacts, session.metadata, dry_run=False, min_age_seconds=0)
        assert list(session.artifacts.path("tiny/ChallengerInferrer").rglob("half")) == []
        assert session.metadata.running() == frozenset()
