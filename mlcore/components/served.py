"""The champion's answers on labelled rows: what it really predicted where that is stored, else what it says now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mlcore.components.base import Payload
from mlcore.components.scoring import Judged, read_judged, score
from mlcore.config.pipeline import PipelineConfig
from mlcore.training.model import read_metadata

if TYPE_CHECKING:
    from mlcore.monitoring.decay import Answers


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """Labelled rows with the model's answer to each, and where the answers come from."""

    judged: Judged
    scores: npt.NDArray[np.float64]
    answers: Answers


def answered(
    config: PipelineConfig, examples: Sequence[Payload], predictions: Sequence[Payload], model: Path
) -> Answered:
    """The labelled rows of some spans with what a model predicted of them.

    Of a span with stored predictions each row has its own, found by key and moment; a row without one is left out and
    counted, since nothing was predicted of it. Rows of other spans are scored now.

    Args:
        config: The pipeline.
        examples: The spans.
        predictions: What the model predicted of some of them.
        model: The model's payload.
    """
    from mlcore.monitoring.decay import Answers

    stored = {payload.artifact.span: payload.path for payload in predictions}
    served = [payload.path for payload in examples if payload.artifact.span in stored]
    others = [payload.path for payload in examples if payload.artifact.span not in stored]
    parts, missing = [], 0
    if served:
        judged, scores, missing = _as_predicted(config, served, list(stored.values()), model)
        parts.append((judged, scores))
    if others:
        judged = read_judged(config, others)
        parts.append((judged, score(model, judged.rows)))
    together = Judged(
        rows=pa.concat_tables([judged.rows for judged, _ in parts]),
        labels=pa.chunked_array([chunk for judged, _ in parts for chunk in judged.labels.chunks]),
        days=pa.chunked_array([chunk for judged, _ in parts for chunk in judged.days.chunks]),
    )
    scored = parts[-1][0].rows.num_rows if others else 0
    counted = Answers(predicted=together.rows.num_rows - scored, scored=scored, missing=missing)
    return Answered(judged=together, scores=np.concatenate([scores for _, scores in parts]), answers=counted)


def _as_predicted(
    config: PipelineConfig, examples: Sequence[Path], predictions: Sequence[Path], model: Path
) -> tuple[Judged, npt.NDArray[np.float64], int]:
    """The rows that have a prediction, the scores those were made from, and how many rows have none."""
    from mlcore.inference.predictions import read_predictions, scores_of
    from mlcore.monitoring.served import match

    judged = read_judged(config, examples)
    made = pa.concat_tables([read_predictions(folder) for folder in predictions])
    on = tuple(dict.fromkeys((*config.data.key, config.data.event_timestamp)))
    found = match(judged.rows, made, on)
    there = pa.array(found >= 0)
    scores = scores_of(made.take(pa.array(found[found >= 0])), read_metadata(model).classes)
    kept = Judged(rows=judged.rows.filter(there), labels=judged.labels.filter(there), days=judged.days.filter(there))
    return kept, scores, int((found < 0).sum())
