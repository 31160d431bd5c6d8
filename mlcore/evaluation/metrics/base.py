"""What a metric is, and what it says."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np

from mlcore.errors import MlcoreError
from mlcore.evaluation.sample import Floats, Sample
from mlcore.evaluation.task import Task

BINARY = frozenset({Task.BINARY})
CLASSES = frozenset({Task.BINARY, Task.MULTICLASS})
NUMBERS = frozenset({Task.BINARY, Task.REGRESSION})
REGRESSION = frozenset({Task.REGRESSION})
RANKING = frozenset({Task.RANKING})


class Undefined(MlcoreError):
    """A metric has no value on some rows, such as the precision where nothing is predicted positive."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A metric on some rows.

    Attributes:
        value: The estimate.
        influence: How much each row moves it: an array whose mean is 0 (Hampel, 1974). ``None``: it is not known, and
            the interval comes from resampling.
        base: How much of what the metric rests on each row is, such as 1 for the rows predicted positive in a
            precision; ``None``: its weight.
        trials: Of an area under a curve: the rows of its rarer class, which decide where the influence says nothing.
    """

    value: float
    influence: Floats | None = None
    base: Floats | None = None
    trials: int | None = None


@dataclass(frozen=True)
class Metric(ABC):
    """A number that says how good scores are. Its fields are its parameters.

    Attributes:
        name: What the pipeline file calls it.
        higher_is_better: Which way is better; ``None`` where neither is.
        tasks: What it has a meaning for.
        least: Smallest possible value; ``None`` where there is none.
        most: Largest possible value; ``None`` where there is none.
        interval: ``wald``: the estimate and so many standard errors; ``wilson``: that of a proportion; ``delong``: as
            ``wald``, of the normal distribution and with influence that is unbiased already.
        standard: Whether it is among those computed when none are named.
    """

    name: ClassVar[str]
    higher_is_better: ClassVar[bool | None]
    tasks: ClassVar[frozenset[Task]] = BINARY
    least: ClassVar[float | None] = 0.0
    most: ClassVar[float | None] = 1.0
    interval: ClassVar[str] = "wald"
    standard: ClassVar[bool] = True

    @abstractmethod
    def measure(self, sample: Sample) -> Measured:
        """The value, and each row's influence on it.

        Raises:
            Undefined: It has no value on these rows.
        """

    @property
    def spec(self) -> str:
        """The name with the parameters that are not the default: ``precision(threshold=0.3)``."""
        chosen = [
            f"{each.name}={_text(getattr(self, each.name))}"
            for each in fields(self)
            if getattr(self, each.name) != each.default
        ]
        return f"{self.name}({', '.join(chosen)})" if chosen else self.name


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def mean_of(sample: Sample, values: Floats) -> Measured:
    """A weighted mean over rows."""
    mean = sample.mean(values)
    return Measured(mean, sample.weighted(values - mean) * (sample.rows / sample.total))


def ratio_of(sample: Sample, numerator: Floats, denominator: Floats, *, undefined: str) -> Measured:
    """A ratio of two weighted sums; its influence is that of the numerator less the ratio times the denominator's.

    Raises:
        Undefined: The denominator is 0.
    """
    base = sample.weighted(denominator)
    below = float(base.sum())
    if below == 0.0:
        raise Undefined(undefined)
    value = float(sample.weighted(numerator).sum()) / below
    return Measured(value, sample.weighted(numerator - value * denominator) * (sample.rows / below), np.abs(base))


def both_classes(sample: Sample) -> None:
    """Check that there is a positive and a negative row.

    Raises:
        Undefined: There is not.
    """
    if not (sample.positives and sample.negatives):
        raise Undefined(f"{sample.positives} of {sample.rows} rows have the label 1: both labels are needed")
