"""What features learn they learn from training rows alone: evaluation rows are poisoned, and nothing moves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from support.project import Project

from mlcore.config.loader import load_pipeline
from mlcore.core.types import ArtifactType
from mlcore.errors import ConfigError
from mlcore.ingest.examples import read_examples
from mlcore.training.model import load_model
from mlcore.training.predict import predict_scores
from mlcore.transform.fitting import fit
from mlcore.transform.graph import read_graph
from mlcore.transform.specs import specs_of
from mlcore.transform.state import analyze

LEARNING = """\
  colour: {transform: vocabulary}
  size: {transform: scale_to_z_score}
  filled: {column: size, transform: [{impute: {strategy: median}}, {clip: {quantiles: [0.1, 0.9]}}, scale_to_0_1]}
  normal: {column: size, transform: scale_to_gaussian}
  ranked: {column: size, transform: bucketize, by: colour, buckets: 4}
  usual: {column: size, transform: scale_to_z_score, by: colour}
  likely: {column: colour, transform: target_encoding}
  both: {columns: [colour, id], transform: [cross, {one_hot: {top_k: 3}}]}
  words: {column: colour, transform: tf_idf}
  parts: {columns: [size, id], transform: pca}
"""


def learn_much(project: Project) -> None:
    """Features with every kind of analyzer, in place of the two of the small pipeline."""
    project.replace(
        "  colour: {transform: vocabulary}\n  size: {transform: scale_to_z_score}\n",
        LEARNING,
    )


def poison(project: Project, days: range, poisoned: Callable[[int], bool]) -> None:
    """Sizes, colours and outcomes of some rows become others, which would move every constant."""
    for day in days:
        lines = project.data(day).read_text(encoding="utf-8").splitlines()
        for place, line in enumerate(lines[1:], start=1):
            id_, at, colour, size, outcome = line.split(",")
            if poisoned(int(id_)):
                other = {"red": "green", "green": "blue"}.get(colour, colour)
                lines[place] = f"{id_},{at},{other},{0.999 - float(size) / 9:.4f},{-float(outcome):.4f}"
        project.data(day).write_text("\n".join(lines) + "\n", encoding="utf-8")


def graph_digest(project: Project) -> str:
    with project.session() as session:
        (graph,) = session.metadata.find_artifacts(type=ArtifactType.TRANSFORM_GRAPH)
        return read_graph(session.artifacts.path(graph.uri)).digest


def examples_of(project: Project, side: str = ".") -> pa.Table:
    """All rows that were made into Examples, or those of one side."""
    with project.session() as session:
        artifacts = session.metadata.find_artifacts(type=ArtifactType.EXAMPLES)
        return read_examples([session.artifacts.path(artifact.uri) / side for artifact in artifacts])


def digest_over(project: Project, rows: pa.Table) -> str:
    """Of the graph that would be fitted on these rows."""
    specs = specs_of(load_pipeline(project.settings.pipelines / "tiny.yaml"))
    return fit(specs, analyze(rows, specs)).digest


def test_no_analyzer_sees_later_rows(project: Project) -> None:
    """Rows of the evaluation days are poisoned, and the graph is that of the training rows alone, bit for bit.

    It would be another if the poisoned rows had been seen. A row through the exported model is that row among all.
    """
    learn_much(project)
    poison(project, range(5, 9), lambda _: True)
    project.run(until="trainer")
    rows = examples_of(project)
    train = rows.filter(pc.less(rows["at"], pa.scalar(datetime(2024, 1, 5, tzinfo=UTC))))
    assert (train.num_rows, rows.num_rows) == (4 * 120, 8 * 120)
    assert graph_digest(project) == digest_over(project, train)
    assert graph_digest(project) != digest_over(project, rows)
    with project.session() as session:
        (model,) = session.metadata.find_artifacts(type=ArtifactType.MODEL)
        folder = session.artifacts.path(model.uri)
        pipeline, graph = load_model(folder), read_graph(folder)
    some = rows.slice(300, 40)
    scores = predict_scores(pipeline, some)
    assert scores.tolist() == [predict_scores(pipeline, some.slice(place, 1))[0] for place in range(some.num_rows)]
    assert pipeline["transform"].transform(some).tobytes() == graph.apply(some).tobytes()


def test_no_analyzer_sees_rows_of_the_other_side(project: Project) -> None:
    """Where a hash splits the rows of the same days, the graph is that of one side's rows, bit for bit."""
    learn_much(project)
    project.replace("span: P1D", "span: P1D\n  split: {by: hash, evaluation: 0.4}")
    project.replace("{train: P4D, eval: P4D}", "{train: P4D}")
    project.run(until="transform")
    train, other = (examples_of(project, side) for side in ("train", "evaluation"))
    assert train.num_rows + other.num_rows == 4 * 120
    assert graph_digest(project) == digest_over(project, train)
    assert graph_digest(project) != digest_over(project, pa.concat_tables([train, other]))


@pytest.mark.parametrize(
    ("feature", "words"),
    [
        ("size: {transform: numeric, column: outcome}", "features.size: column 'outcome' is the label's"),
        ("size: {transform: ratio, columns: [size, outcome]}", "features.size: column 'outcome' is the label's"),
        ("size: {transform: scale_to_z_score, by: big}", "features.size.by: column 'big' is the label's"),
        ("size: {transform: [{scale_to_0_1: {by: outcome}}]}", "features.size.transform.0.by: column 'outcome' is the"),
    ],
)
def test_features_of_the_label_are_refused_by_name(project: Project, feature: str, words: str) -> None:
    """However a feature would read the label or its outcome, the run stops before it reads a row."""
    project.replace("size: {transform: scale_to_z_score}", feature)
    with pytest.raises(ConfigError, match=words):
        project.run(until="transform")
