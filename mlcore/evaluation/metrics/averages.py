"""Metrics of two classes for more of them: the mean over classes, or all decisions in one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mlcore.errors import ConfigError, quoted
from mlcore.evaluation.metrics.base import CLASSES, Measured, Metric, Undefined, mean_of, ratio_of
from mlcore.evaluation.sample import Bools, Floats, Sample

AVERAGES = ("macro", "micro", "weighted")


@dataclass(frozen=True)
class Averaged(Metric):
    """A metric that several classes have each.

    Attributes:
        average: Of several classes: ``macro``, the mean over classes; ``weighted``, by the rows of each; ``micro``, of
            all decisions together.
    """

    tasks = CLASSES
    average: str = "macro"

    def __post_init__(self) -> None:
        if self.average not in AVERAGES:
            raise ConfigError(
                f"{self.name}: average {quoted(self.average)} is none", next_step=f"choose {', '.join(AVERAGES)}"
            )


@dataclass(frozen=True)
class Decided(Averaged):
    """A ratio of counts of decisions: yes where the score is above the threshold, or where the class is the likeliest.

    Attributes:
        threshold: Of two classes; a score must be greater.
    """

    interval: ClassVar[str] = "wilson"
    undefined: ClassVar[str] = "it divides by 0 here"
    threshold: float = 0.5

    @abstractmethod
    def counts(self, truth: Bools, said: Bools) -> tuple[Floats, Floats]:
        """For each row what it adds above and below the line."""

    def measure(self, sample: Sample) -> Measured:
        if not sample.classes:
            above, below = self.counts(sample.positive, sample.scores > self.threshold)
            return ratio_of(sample, above, below, undefined=self.undefined)
        counts = [self.counts(sample.labels == index, sample.decided == index) for index in range(sample.classes)]
        if self.average == "micro":
            above, below = (np.sum([count[side] for count in counts], axis=0) for side in (0, 1))
            return ratio_of(sample, above, below, undefined=self.undefined)
        seen = [
            index
            for index in range(sample.classes)
            if bool(np.any((sample.labels == index) | (sample.decided == index)))
        ]
        return averaged(sample, [(index, self._of(sample, *counts[index])) for index in seen], self.average)

    def _of(self, sample: Sample, above: Floats, below: Floats) -> Measured:
        """Of one class; 0 where it divides by 0, as in scikit-learn."""
        try:
            return ratio_of(sample, above, below, undefined=self.undefined)
        except Undefined:
            return Measured(0.0, np.zeros(sample.rows))


def averaged(sample: Sample, by_class: Sequence[tuple[int, Measured]], average: str) -> Measured:
    """The mean over classes, plain or by their rows; the rows of each class are themselves an estimate."""
    if not by_class:
        raise Undefined("no class can be told from the others on these rows")
    if average == "macro":
        influence = np.sum([_influence(measured) for _, measured in by_class], axis=0) / len(by_class)
        return Measured(float(np.mean([measured.value for _, measured in by_class])), influence)
    shares = [mean_of(sample, (sample.labels == index).astype(np.float64)) for index, _ in by_class]
    total = sum(share.value for share in shares)
    if not total:
        raise Undefined("no row is of a class that the metric has a value for")
    pairs = list(zip(shares, (measured for _, measured in by_class), strict=True))
    value = sum(share.value * measured.value for share, measured in pairs) / total
    influence = np.sum(
        [
            share.value * _influence(measured) + (measured.value - value) * _influence(share)
            for share, measured in pairs
        ],
        axis=0,
    )
    return Measured(value, influence / total)


def _influence(measured: Measured) -> Floats:
    assert measured.influence is not None
    return measured.influence
