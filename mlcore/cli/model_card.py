"""The evaluated models of a pipeline, and their cards: what ``mlcore evaluate show`` reads and writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlcore.cli.output import write_page
from mlcore.core.types import Artifact, ArtifactType
from mlcore.errors import MetadataError, NoChampion, quoted

if TYPE_CHECKING:
    from mlcore.config.pipeline import PipelineConfig
    from mlcore.evaluation.card.content import Subject
    from mlcore.evaluation.files import Judgement
    from mlcore.runtime.session import Session


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluatedModel:
    """A model with its evaluation.

    Attributes:
        name: Its version, or the run that made it.
    """

    name: str
    model: Artifact
    evaluation: Artifact


def find_evaluated(stores: Session, pipeline: str, version: int | None, run: str | None) -> EvaluatedModel:
    """The model of a run or a version; the champion where neither is named.

    Raises:
        NoChampion: There is none.
        MetadataError: There is no such version, or the run evaluated no model.
    """
    if run is not None:
        return _of_run(stores, pipeline, run)
    registered = stores.registry.versions(pipeline) if version is not None else (stores.registry.champion(pipeline),)
    for found in registered:
        if found is not None and version in (None, found.version):
            model, evaluation = stores.metadata.present([found.artifact_id, found.evaluation_id])
            return EvaluatedModel(name=f"version {found.version}", model=model, evaluation=evaluation)
    if version is None:
        raise NoChampion(f"{pipeline} has no champion", next_step=f"train one: mlcore run {pipeline} --at <moment>")
    raise MetadataError(f"there is no version {version} of {pipeline}", next_step=f"see: mlcore models list {pipeline}")


def _of_run(stores: Session, pipeline: str, run: str) -> EvaluatedModel:
    executions = stores.metadata.executions(pipeline, run)
    made = stores.metadata.outputs_of([execution.id for execution in executions])
    artifacts = {
        artifact.type: artifact
        for execution in executions
        for group in made[execution.id].values()
        for artifact in group
    }
    if ArtifactType.MODEL not in artifacts or ArtifactType.EVALUATION not in artifacts:
        raise MetadataError(
            f"run {quoted(run)} of {pipeline} evaluated no model", next_step=f"see: mlcore runs list {pipeline}"
        )
    found = artifacts[ArtifactType.MODEL], artifacts[ArtifactType.EVALUATION]
    return EvaluatedModel(name=f"run {run}", model=found[0], evaluation=found[1])


def write_card(path: Path, config: PipelineConfig, found: EvaluatedModel, judgement: Judgement) -> None:
    """Write the model's card, as Markdown or HTML by the file's name.

    Raises:
        DataError: It cannot be written.
    """
    from mlcore.evaluation.card.html import to_html
    from mlcore.evaluation.card.markdown import to_markdown

    subject = card_of(config, found, judgement)
    write_page(path, to_html(subject) if path.suffix == ".html" else to_markdown(subject))


def card_of(config: PipelineConfig, found: EvaluatedModel, judgement: Judgement) -> Subject:
    """What the model's card says."""
    from mlcore.evaluation.card.content import Subject

    model, evaluation = found.model.properties, found.evaluation.properties
    candidate = str(evaluation.get("candidate") or "")
    alone = config.alternatives.get(candidate)
    facts = {
        "pipeline": config.name,
        "model": found.name,
        "owner": config.owner,
        "estimator": alone.model.estimator if alone else "of a model that the pipeline's file no longer has",
        "label": f"{config.data.label.name} ({config.data.task}), from {config.data.label.column}",
        "trained on": f"{model.get('train_start')} to {model.get('train_end')}, {model.get('rows')} rows",
        "evaluated on": f"{evaluation.get('start')} to {evaluation.get('end')}, {evaluation.get('rows')} rows",
        "without": ", ".join(map(str, _listed(evaluation.get("without")))) or "nothing: every span was there",
        "model digest": found.model.digest,
        "evaluation digest": found.evaluation.digest,
        "lineage": f"mlcore models lineage {config.name}, artifact {found.model.id}",
    }
    features = {
        name: feature.doc or f"made of {', '.join(feature.columns) or feature.column or name}"
        for name, feature in (alone or config).features.items()
    }
    return Subject(
        title=f"Model card: {config.name}, {found.name}",
        description=config.description,
        facts=facts,
        features=features,
        judgement=judgement,
    )


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else []
