"""A released model that is ready to be asked: which columns it wants, and its answers as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mlcore.core.types import Json
from mlcore.training.intervals import Intervals, margins_of
from mlcore.training.model import load_model, read_metadata
from mlcore.training.predict import predict_intervals, predict_scores

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

PREDICTION = "prediction"
PROBABILITY = "probability"
VERSION = "model_version"
LOW, HIGH = "prediction_low", "prediction_high"


@dataclass(frozen=True, kw_only=True)
class Scorer:
    """A model and what its answers mean.

    Attributes:
        pipeline: The exported pipeline: the transform and the estimator.
        classes: The label's values in the order of the probabilities; none where it is a number.
        version: The model's number in the registry, told with every prediction.
        confidence: Of a regressor that was trained with intervals: that of the bounds told; none are by default.
    """

    pipeline: Pipeline
    classes: tuple[Json, ...]
    version: int
    confidence: float | None = None

    @classmethod
    def load(cls, folder: Path, *, version: int, confidence: float | None = None) -> Scorer:
        """The model of a payload folder, audited before it is built.

        Raises:
            ArtifactMissing: A file is not there.
            UntrustedModel: The file holds what is not on the allow-list.
            ModelError: The file cannot be read, or bounds are asked of a model without intervals.
            DataError: Too few rows were held back in training for such a confidence.
        """
        pipeline, classes = load_model(folder), read_metadata(folder).classes
        if confidence is not None:
            margins_of(pipeline[-1], confidence)
        return cls(pipeline=pipeline, classes=classes, version=version, confidence=confidence)

    @cached_property
    def columns(self) -> Mapping[str, str]:
        """The columns it reads, with the names of their types; whatever else a row has is left alone."""
        contract: Mapping[str, str] = self.pipeline[0].graph.contract
        return contract

    @cached_property
    def answers(self) -> pa.Schema:
        """The columns of its answers.

        ``prediction``, of a regressor the number and of a classifier the most probable class; ``probability`` where
        the classes are 0 and 1, or ``probability_<class>`` for every class there is; ``prediction_low`` and
        ``prediction_high`` where bounds are asked for; and ``model_version``.
        """
        kind = pa.float64() if not self.classes else pa.array(list(self.classes)).type
        chances = [pa.field(name, pa.float64()) for name in (*self._chances, *self._bounds)]
        return pa.schema([pa.field(PREDICTION, kind), *chances, pa.field(VERSION, pa.int64())])

    def answer(self, rows: pa.Table | pa.RecordBatch) -> pa.RecordBatch:
        """What the model says of each row, bit for bit what it says of that row alone.

        Raises:
            DataError: A column that it reads is missing or of another type.
            ModelError: The estimator refuses the rows.
        """
        table = rows if isinstance(rows, pa.Table) else pa.Table.from_batches([rows])
        if self.confidence is not None and table.num_rows:
            return self._bounded(predict_intervals(self.pipeline, table, self.confidence))
        scores = predict_scores(self.pipeline, table) if table.num_rows else self._nothing
        version = np.full(len(scores), self.version, dtype=np.int64)
        if not self.classes:
            bounds = [pa.array(scores)] * len(self._bounds)  # which is of no rows, where there are any
            return pa.record_batch([pa.array(scores), *bounds, pa.array(version)], self.answers)
        chances = [scores] if scores.ndim == 1 else list(scores.T)
        arrays = [pa.array(np.ascontiguousarray(chance)) for chance in chances]
        return pa.record_batch([self._likeliest(scores), *arrays, pa.array(version)], self.answers)

    @cached_property
    def _chances(self) -> tuple[str, ...]:
        if not self.classes:
            return ()
        if self._is_binary:
            return (PROBABILITY,)
        return tuple(f"{PROBABILITY}_{name}" for name in self.classes)

    @property
    def _bounds(self) -> tuple[str, ...]:
        return () if self.confidence is None else (LOW, HIGH)

    def _bounded(self, found: Intervals) -> pa.RecordBatch:
        version = np.full(len(found.prediction), self.version, dtype=np.int64)
        columns = (found.prediction, found.low, found.high, version)
        return pa.record_batch([pa.array(column) for column in columns], self.answers)

    @cached_property
    def _is_binary(self) -> bool:
        return is_binary(self.classes)

    @property
    def _nothing(self) -> npt.NDArray[np.float64]:
        return np.empty(0 if not self.classes or self._is_binary else (0, len(self.classes)))

    def _likeliest(self, scores: npt.NDArray[np.float64]) -> pa.Array:
        """The class of the highest probability, of equal ones the first; of two classes 1 from one half on."""
        chosen = (scores >= 0.5).astype(np.int64) if scores.ndim == 1 else scores.argmax(axis=1)
        return pa.array(list(self.classes)).take(pa.array(chosen))


def is_binary(classes: Sequence[Json]) -> bool:
    """Whether scores are the probability of 1: the same question that ``predict_scores`` asks."""
    return np.array_equal(np.asarray(classes, dtype=object), [0, 1])
