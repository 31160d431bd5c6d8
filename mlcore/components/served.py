"""Models' answers on labelled rows: what they really predicted where that is stored, else what they say now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mlcore.components.base import Payload
from mlcore.components.bulk_inferrer import EXAMPLES_DIGEST
from mlcore.components.scoring import Judged, read_judged, score
from mlcore.config.pipeline import PipelineConfig
from mlcore.core.types import Json
from mlcore.core.window import Span
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Rival:
    """A model that is compared with another.

    Attributes:
        model: Its payload.
        predictions: What it predicted of some spans.
    """

    model: Path
    predictions: Sequence[Payload] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Paired:
    """Labelled rows with two models' answers to each.

    Attributes:
        predicted: Of so many rows both answers are those that were stored.
    """

    judged: Judged
    first: npt.NDArray[np.float64]
    second: npt.NDArray[np.float64]
    predicted: int


def paired(config: PipelineConfig, examples: Sequence[Path], first: Rival, second: Rival) -> Paired:
    """All labelled rows with what both models predicted of them; where either's is not stored, with what both say now.

    No row is left out, and none has one answer of then and another of now: which rows count is nobody's choice.
    """
    from mlcore.inference.predictions import read_predictions
    from mlcore.monitoring.served import match

    judged = read_judged(config, examples)
    on = tuple(dict.fromkeys((*config.data.key, config.data.event_timestamp)))
    both = {_of(one) for one in first.predictions} & {_of(one) for one in second.predictions}
    made, found = [], []
    for rival in (first, second) if both else ():
        made.append(pa.concat_tables([read_predictions(one.path) for one in rival.predictions if _of(one) in both]))
        found.append(match(judged.rows, made[-1], on))
    there = np.logical_and.reduce([places >= 0 for places in found] or [np.zeros(judged.rows.num_rows, dtype=bool)])
    scores = [
        _then_or_now(rival.model, judged, there, made[place].take(pa.array(found[place][there])) if both else None)
        for place, rival in enumerate((first, second))
    ]
    return Paired(judged=judged, first=scores[0], second=scores[1], predicted=int(there.sum()))


def _of(predictions: Payload) -> tuple[Span | None, Json]:
    """What was predicted: two models' predictions of other rows of a span, corrected in between, are no pair."""
    return predictions.artifact.span, predictions.artifact.properties.get(EXAMPLES_DIGEST)


def _then_or_now(
    model: Path, judged: Judged, there: npt.NDArray[np.bool_], predictions: pa.Table | None
) -> npt.NDArray[np.float64]:
    """Of each row the stored score where it is ``there``, in order, and a new one elsewhere."""
    from mlcore.inference.predictions import scores_of

    if predictions is None or not there.any():
        return score(model, judged.rows)
    then = scores_of(predictions, read_metadata(model).classes)
    if there.all():
        return then
    now = score(model, judged.rows.filter(pa.array(~there)))
    together = np.concatenate([then, now])
    scores = np.empty_like(together)
    scores[np.concatenate([np.flatnonzero(there), np.flatnonzero(~there)])] = together
    return scores


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
