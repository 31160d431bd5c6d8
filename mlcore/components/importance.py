"""Permutation importance of a stored model's features on the rows it is judged by."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlcore.config.pipeline import PipelineConfig

if TYPE_CHECKING:
    from mlcore.components.scoring import Judged
    from mlcore.evaluation.importance import Importances
    from mlcore.evaluation.rows import About
    from mlcore.transform.graph import TransformGraph


def measured_importances(config: PipelineConfig, judged: Judged, known: About, model: Path) -> Importances | None:
    """Of every feature of the model; ``None`` where ``evaluation.importance`` is none, or it cannot be measured."""
    from mlcore.evaluation.importance import importances
    from mlcore.training.model import load_model
    from mlcore.training.predict import predict_features

    asked = config.evaluation.importance
    if asked is None:
        return None
    pipeline = load_model(model)
    graph: TransformGraph = pipeline[0].graph
    places = {name: place for place, name in enumerate(graph.feature_names)}
    return importances(
        judged.labels,
        pipeline[:-1].transform(judged.rows),
        {feature: [places[name] for name in names] for feature, names in graph.outputs.items()},
        _shared(graph),
        predict=lambda matrix: np.asarray(predict_features(pipeline, matrix)),
        columns=judged.rows,
        metrics=config.evaluation.metrics_of(config.data.task),
        asked=asked,
        **known,
    )


def _shared(graph: TransformGraph) -> dict[str, list[str]]:
    """By source column the features that read it, where these are several."""
    read: dict[str, list[str]] = {}
    for feature in graph.features:
        for name, _ in feature.spec.columns:
            if feature.spec.name not in read.setdefault(name, []):
                read[name].append(feature.spec.name)
    return {name: features for name, features in read.items() if len(features) > 1}
