"""A user's own metric: one function."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, cast

import numpy as np

from mlcore.core.digests import digest_bytes
from mlcore.errors import ComponentFailed, ConfigError, quoted
from mlcore.evaluation.metrics.base import Measured, Metric, Undefined
from mlcore.evaluation.sample import Floats, Sample
from mlcore.evaluation.task import Task


class MetricFunction(Protocol):
    """Labels, scores and weights of the same rows to a number; NaN where it has none."""

    def __call__(self, labels: Floats, scores: Floats, weights: Floats) -> float: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Declared:
    """What :func:`metric` knows of a function."""

    higher_is_better: bool | None
    tasks: frozenset[Task]


def metric(
    *, higher_is_better: bool | None, tasks: tuple[str, ...] = ("binary", "multiclass", "regression")
) -> Callable[[MetricFunction], MetricFunction]:
    """Declare a function a metric; its name is the function's, its interval comes from resampling.

    It gets weights, because the interval is found by weighting rows otherwise: a function that leaves them out of
    account has an interval of no width.

    >>> @metric(higher_is_better=False)
    ... def cost(labels, scores, weights):
    ...     return float((weights * (5.0 * labels * (scores <= 0.2) + (scores > 0.2))).sum() / weights.sum())
    """

    def declare(function: MetricFunction) -> MetricFunction:
        declared = Declared(higher_is_better=higher_is_better, tasks=frozenset(map(Task, tasks)))
        function.__mlcore_metric__ = declared  # type: ignore[attr-defined]
        return function

    return declare


def is_declared(value: object) -> bool:
    """Whether :func:`metric` declared it."""
    return isinstance(getattr(value, "__mlcore_metric__", None), Declared)


@dataclass(frozen=True)
class UserMetric(Metric):
    """A declared function as a metric; its own class for every function, since name and direction are of a class."""

    least = None
    most = None
    standard = False
    higher_is_better = None
    function: MetricFunction | None = field(default=None, repr=False, compare=False)

    @property
    def spec(self) -> str:
        return self.name

    @property
    def source_digest(self) -> str:
        """Of the source of the function's module: other code gives another evaluation."""
        try:
            source = inspect.getsource(sys.modules[getattr(self.function, "__module__", "")])
        except (KeyError, OSError, TypeError) as error:
            raise ConfigError(
                f"the source of the metric {self.name} cannot be read: {quoted(str(error))}",
                where="evaluation.metrics",
                next_step="write the function in a module of a package",
            ) from error
        return digest_bytes(source.encode())

    def measure(self, sample: Sample) -> Measured:
        assert self.function is not None
        weights = np.ones(sample.rows) if sample.weights is None else sample.weights
        try:
            value = float(self.function(sample.labels, sample.scores, weights))
        except Exception as error:
            raise ComponentFailed(
                f"the metric {self.name} raised {type(error).__name__}: {quoted(str(error))}",
                where=getattr(self.function, "__module__", ""),
                next_step="correct the function, or take it from evaluation.metrics",
            ) from error
        if np.isnan(value):
            raise Undefined("the function gave no number")
        return Measured(value)


def of_function(value: object) -> Metric:
    """The metric of a declared function.

    Raises:
        ConfigError: It was not declared.
    """
    if not is_declared(value):
        raise ConfigError(
            f"{quoted(value)} is no metric",
            where="evaluation.metrics",
            next_step="decorate the function: @metric(higher_is_better=...) of mlcore.evaluation.metrics",
        )
    function = cast(MetricFunction, value)
    declared: Declared = value.__mlcore_metric__  # type: ignore[attr-defined]
    name = str(getattr(function, "__name__", "metric"))
    attributes = {"name": name, "higher_is_better": declared.higher_is_better, "tasks": declared.tasks}
    return cast(Metric, type(name, (UserMetric,), attributes)(function=function))
