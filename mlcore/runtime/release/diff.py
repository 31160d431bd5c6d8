"""Two versions of a pipeline's model side by side: what they were made from, and what they say of the same rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mlcore.config.data import TimeSplit
from mlcore.config.pipeline import PipelineConfig
from mlcore.core.types import Artifact, ArtifactType, Json, SplitName
from mlcore.core.window import Span, iso
from mlcore.errors import MlcoreError
from mlcore.registry.records import ModelVersion
from mlcore.runtime.environment import Environment, recorded_environment
from mlcore.runtime.fingerprint import MADE_BY
from mlcore.runtime.kept import verify_kept
from mlcore.runtime.release.provenance import Made, trace
from mlcore.runtime.session import Session

if TYPE_CHECKING:
    from mlcore.deployment.divergence import Divergence
    from mlcore.evaluation.values import Comparison, Evaluation

_ABSENT = "absent"


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """Something that both have, or one: ``first`` and ``second`` in words, or as they were written."""

    name: str
    first: Json
    second: Json


@dataclass(frozen=True, kw_only=True, slots=True)
class DataChange:
    """What the training rows were.

    Attributes:
        first_spans, second_spans: How many.
        only_first, only_second: Spans that one was trained on.
        corrected: Spans that both were trained on, in other versions.
    """

    first_rows: int
    second_rows: int
    first_spans: int
    second_spans: int
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    corrected: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Answers:
    """What both say of the same rows.

    Attributes:
        rows: Labelled rows that neither was trained on.
        spans: They are of these.
        paired: The second's metrics less the first's, with intervals, by slice; none without rows.
        divergence: Where the predictions differ most; none without rows.
        classes: What each number of an answer is the probability of, where there are more than two.
        reason: Why there are no rows; empty where there are.
    """

    rows: int = 0
    spans: tuple[str, ...] = ()
    paired: Comparison | None = None
    divergence: Divergence | None = None
    classes: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class VersionDiff:
    """Everything that differs.

    Attributes:
        data: Of the training rows; none where one of the versions was imported.
        features, parameters, settings, code, libraries: What was configured, what ran, and what was installed.
        first_metrics, second_metrics: Each version's own evaluation.
        answers: Both on the same rows.
    """

    first: ModelVersion
    second: ModelVersion
    data: DataChange | None
    features: tuple[Change, ...]
    parameters: tuple[Change, ...]
    settings: tuple[Change, ...]
    code: tuple[str, ...]
    libraries: tuple[str, ...]
    first_metrics: Evaluation
    second_metrics: Evaluation
    answers: Answers = field(default_factory=Answers)

    def to_document(self) -> dict[str, Json]:
        """For programs."""
        answers = self.answers
        return {
            "pipeline": self.first.pipeline,
            "first": _described(self.first),
            "second": _described(self.second),
            "data": None if self.data is None else {**asdict(self.data), **_lists(self.data)},
            "features": [asdict(one) for one in self.features],
            "parameters": [asdict(one) for one in self.parameters],
            "settings": [asdict(one) for one in self.settings],
            "code": list(self.code),
            "libraries": list(self.libraries),
            "metrics": {"first": self.first_metrics.to_document(), "second": self.second_metrics.to_document()},
            "same_rows": {
                "rows": answers.rows,
                "spans": list(answers.spans),
                "reason": answers.reason,
                "paired": None if answers.paired is None else answers.paired.to_document(),
                "predictions": None if answers.divergence is None else _listed(asdict(answers.divergence)),
            },
        }


def diff(session: Session, config: PipelineConfig, first: ModelVersion, second: ModelVersion) -> VersionDiff:
    """Compare two versions.

    Args:
        session: The stores; they are read.
        config: The pipeline, whose metrics and slices the common rows are measured by.
        first: The one that is compared with.
        second: The other.

    Raises:
        ArtifactError: Files of a version are gone.
    """
    from mlcore.evaluation.files import read

    evaluations = session.metadata.present([first.evaluation_id, second.evaluation_id])
    models = session.metadata.present([first.artifact_id, second.artifact_id])
    for artifact in (*models, *evaluations):
        verify_kept(session, artifact)
    made = [trace(session, model.id) for model in models]
    locks = [recorded_environment(session, model.id) for model in models]
    return VersionDiff(
        first=first,
        second=second,
        data=_data(made, models),
        features=_features(made),
        parameters=_parameters(session, models),
        settings=tuple(_changes("", first.config, second.config)),
        code=_code(made),
        libraries=_libraries(*locks),
        first_metrics=read(session.artifacts.path(evaluations[0].uri)),
        second_metrics=read(session.artifacts.path(evaluations[1].uri)),
        answers=_answers(session, config, (first, second), models),
    )


def _data(made: Sequence[Sequence[Made]], models: Sequence[Artifact]) -> DataChange | None:
    spans = [_trained_on(one) for one in made]
    if not all(spans):
        return None
    first, second = spans
    return DataChange(
        first_rows=_rows(models[0]),
        second_rows=_rows(models[1]),
        first_spans=len(first),
        second_spans=len(second),
        only_first=_labels(first.keys() - second.keys()),
        only_second=_labels(second.keys() - first.keys()),
        corrected=_labels(span for span in first.keys() & second.keys() if first[span] != second[span]),
    )


def _trained_on(made: Sequence[Made]) -> dict[Span, str]:
    """Of each span that the model's own making read, the digest."""
    read = made[-1].inputs if made else {}
    return {
        artifact.span: artifact.digest
        for found in read.values()
        for artifact in found
        if artifact.type is ArtifactType.EXAMPLES and artifact.span is not None
    }


def _rows(model: Artifact) -> int:
    rows = model.properties.get("rows")
    return rows if isinstance(rows, int) else 0


def _labels(spans: Iterator[Span] | set[Span]) -> tuple[str, ...]:
    return tuple(span.label for span in sorted(spans))


def _features(made: Sequence[Sequence[Made]]) -> tuple[Change, ...]:
    first, second = (_recorded(one, "features") for one in made)
    return tuple(_changes("", first, second))


def _recorded(made: Sequence[Made], key: str) -> Mapping[str, Json]:
    """A parameter of the last component that recorded it."""
    found: Mapping[str, Json] = {}
    for one in made:
        value = one.execution.parameters.get(key)
        if isinstance(value, dict):
            found = value
    return found


def _parameters(session: Session, models: Sequence[Artifact]) -> tuple[Change, ...]:
    from mlcore.training.model import read_metadata

    told: list[dict[str, Json]] = []
    for model in models:
        about = read_metadata(session.artifacts.path(model.uri))
        told.append({"estimator": about.estimator, "params": dict(about.params), "classes": list(about.classes)})
    return tuple(_changes("", told[0], told[1]))


def _changes(above: str, first: Mapping[str, Json], second: Mapping[str, Json]) -> Iterator[Change]:
    for key in sorted(first.keys() | second.keys()):
        name, was, is_ = f"{above}{key}", first.get(key, _ABSENT), second.get(key, _ABSENT)
        if isinstance(was, dict) and isinstance(is_, dict):
            yield from _changes(f"{name}.", was, is_)
        elif was != is_:
            yield Change(name=name, first=was, second=is_)


def _libraries(first: Environment | None, second: Environment | None) -> tuple[str, ...]:
    return () if first is None or second is None else first.differences(second, then="then")


def _code(made: Sequence[Sequence[Made]]) -> tuple[str, ...]:
    """Components whose code changed between the two."""
    first, second = ({one.node: _code_of(one) for one in lineage} for lineage in made)
    return tuple(sorted(node for node in first.keys() & second.keys() if first[node] != second[node]))


def _code_of(one: Made) -> Json:
    made_by = one.execution.origin.get(MADE_BY)
    return made_by.get("code") if isinstance(made_by, dict) else None


def _answers(
    session: Session, config: PipelineConfig, versions: Sequence[ModelVersion], models: Sequence[Artifact]
) -> Answers:
    examples = _common(session, config, versions)
    if not examples:
        return Answers(reason="neither was evaluated on rows, still stored, that both were not trained on")
    try:
        return _compared(session, config, models, examples)
    except MlcoreError as error:
        return Answers(reason=f"the two do not compare on the same rows: {error.what}")


def _common(session: Session, config: PipelineConfig, versions: Sequence[ModelVersion]) -> list[Artifact]:
    """Spans that one of them was evaluated on, and none trained: of the newer's evaluation, else of the older's."""
    by_time = isinstance(config.data.split, TimeSplit)
    trained_until = max(version.train_end for version in versions)
    for version in sorted(versions, key=lambda one: one.train_end, reverse=True):
        producer = session.metadata.producers([version.evaluation_id]).get(version.evaluation_id)
        read = {} if producer is None else session.metadata.inputs(producer.id)
        found = [
            artifact
            for artifact in read.get("examples", ())
            if artifact.span is not None and (not by_time or artifact.span.start >= trained_until)
        ]
        if found:
            return found
    return []


def _compared(
    session: Session, config: PipelineConfig, models: Sequence[Artifact], examples: Sequence[Artifact]
) -> Answers:
    from mlcore.components.scoring import about, read_judged, score
    from mlcore.deployment.divergence import diverge
    from mlcore.evaluation.compare import compare
    from mlcore.training.model import read_metadata

    split = None if isinstance(config.data.split, TimeSplit) else SplitName.EVALUATION
    for artifact in (*examples, *models):
        session.artifacts.verify(artifact)
    folders = [_part(session.artifacts.path(artifact.uri), split) for artifact in examples]
    first, second = (session.artifacts.path(model.uri) for model in models)
    judged = read_judged(config, folders)
    scores = [score(folder, judged.rows) for folder in (first, second)]
    paired = compare(
        judged.labels,
        scores[1],
        scores[0],
        columns=judged.rows,
        config=config.evaluation,
        **about(config, judged, second),
    )
    columns = [name for name in config.feature_columns if name in judged.rows.column_names]
    classes = tuple(map(str, read_metadata(second).classes))
    return Answers(
        rows=judged.rows.num_rows,
        spans=_labels({artifact.span for artifact in examples if artifact.span is not None}),
        paired=paired,
        divergence=diverge(scores[0], scores[1], judged.rows, key=config.data.key, features=columns),
        classes=classes if scores[1].ndim > 1 else (),
    )


def _part(folder: Path, split: SplitName | None) -> Path:
    return folder if split is None else folder / split


def _described(version: ModelVersion) -> dict[str, Json]:
    return {
        "version": version.version,
        "digest": version.digest,
        "train_start": iso(version.train_start),
        "train_end": iso(version.train_end),
        "window_end": iso(version.window_end),
        "run": version.run,
    }


def _lists(data: DataChange) -> dict[str, Json]:
    return {key: list(getattr(data, key)) for key in ("only_first", "only_second", "corrected")}


def _listed(value: Json) -> Json:
    """Tuples as lists: JSON knows no others."""
    if isinstance(value, dict):
        return {key: _listed(item) for key, item in value.items()}
    return [_listed(item) for item in value] if isinstance(value, list | tuple) else value
