"""What is drawn of a model: calibration, the trade of recall against precision, residuals."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mlcore.core.types import Json
from mlcore.evaluation.intervals import Spread, bounds
from mlcore.evaluation.rows import Rows
from mlcore.evaluation.sample import Floats, Sample
from mlcore.evaluation.task import Task

BINS = 10
POINTS = 101
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, kw_only=True, slots=True)
class CalibrationBin:
    """Rows whose score lies in one bin of equal width.

    Attributes:
        score: Their mean score.
        rate: The share of them that is positive, with its interval as of independent rows.
    """

    rows: int
    score: float
    rate: float
    lower: float
    upper: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """What predicting positive from a score on gives."""

    threshold: float
    precision: float
    recall: float
    false_positive_rate: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Curves:
    """Everything drawn; empty where it has no meaning.

    Attributes:
        residuals: Quantiles of ``label - prediction``, by their share.
    """

    calibration: tuple[CalibrationBin, ...] = ()
    points: tuple[Point, ...] = ()
    residuals: tuple[tuple[float, float], ...] = ()

    def to_document(self) -> dict[str, Json]:
        return {
            "calibration": [asdict(each) for each in self.calibration],
            "points": [asdict(each) for each in self.points],
            "residuals": [list(each) for each in self.residuals],
        }

    @classmethod
    def from_document(cls, document: Any) -> Curves:
        """The curves of what :meth:`to_document` made.

        Raises:
            KeyError, TypeError: It is something else.
        """
        return cls(
            calibration=tuple(CalibrationBin(**each) for each in document["calibration"]),
            points=tuple(Point(**each) for each in document["points"]),
            residuals=tuple((share, value) for share, value in document["residuals"]),
        )


def curves_of(rows: Rows, confidence: float) -> Curves:
    """Of the first model's scores of all rows."""
    match rows.task:
        case Task.BINARY:
            return binary_curves(rows.sample(0, None), confidence)
        case Task.REGRESSION:
            return regression_curves(rows.sample(0, None))
        case _:
            return Curves()


def binary_curves(sample: Sample, confidence: float) -> Curves:
    """Of probabilities."""
    return Curves(calibration=_calibration(sample, confidence), points=_points(sample))


def regression_curves(sample: Sample) -> Curves:
    """Of predicted numbers."""
    values = np.quantile(sample.labels - sample.scores, QUANTILES)
    return Curves(residuals=tuple(zip(QUANTILES, map(float, values), strict=True)))


def _calibration(sample: Sample, confidence: float) -> tuple[CalibrationBin, ...]:
    bins = np.minimum((sample.scores * BINS).astype(np.int64), BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    weights = np.bincount(bins, weights=sample.weights, minlength=BINS)
    scores = np.bincount(bins, weights=sample.weighted(sample.scores), minlength=BINS)
    found = np.bincount(bins, weights=sample.weighted(sample.labels), minlength=BINS)
    made = []
    for index in np.flatnonzero(counts).tolist():
        rate = float(min(found[index] / weights[index], 1.0))
        lower, upper = bounds(rate, Spread(error=0.0, trials=float(counts[index])), confidence, (0.0, 1.0))
        score = float(scores[index] / weights[index])
        made.append(CalibrationBin(rows=int(counts[index]), score=score, rate=rate, lower=lower, upper=upper))
    return tuple(made)


def _points(sample: Sample) -> tuple[Point, ...]:
    if not (sample.positives and sample.negatives):
        return ()
    ranking = sample.ranking
    thresholds: Floats = np.sort(np.unique(sample.scores))[::-1]
    true, false = np.cumsum(ranking.positives[::-1]), np.cumsum(ranking.negatives[::-1])
    picked = np.unique(np.linspace(0, len(thresholds) - 1, POINTS).round().astype(np.int64))
    return tuple(
        Point(
            threshold=float(thresholds[index]),
            precision=float(true[index] / (true[index] + false[index])),
            recall=float(true[index] / true[-1]),
            false_positive_rate=float(false[index] / false[-1]),
        )
        for index in picked.tolist()
    )
