"""What a criterion claims of a metric: whether an interval proves it, and a sentence on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from mlcore.config.evaluation import ChampionCriterion, ValueCriterion
from mlcore.errors import ConfigError
from mlcore.evaluation.metrics import Metric
from mlcore.evaluation.values import MetricValue

CHAMPION = "the champion"
CONSTANT = "a constant prediction"


class Claim(Protocol):
    """A statement on a metric's true value, or on its true difference from another model's."""

    def proven(self, value: MetricValue) -> bool:
        """Whether the interval, as it is, leaves no other possibility."""

    def text(self, name: str, value: MetricValue) -> str:
        """What was found, how sure it is, and what is asked."""


def value_claim(criterion: ValueCriterion, metric: Metric) -> Claim:
    """Of a criterion on one model.

    Raises:
        ConfigError: More is neither better nor worse, and the criterion has one threshold.
    """
    if criterion.between is not None:
        return Within(*criterion.between)
    assert criterion.threshold is not None
    return Reaches(
        criterion.threshold, higher=_direction(metric, "write between: [least, most] instead of a threshold")
    )


def champion_claim(criterion: ChampionCriterion, metric: Metric) -> Claim:
    """Of a criterion on two models.

    Raises:
        ConfigError: More is neither better nor worse.
    """
    higher = _direction(metric, "choose a metric of which more, or less, is better")
    if criterion.min_improvement is not None:
        return Better(criterion.min_improvement, higher=higher)
    allowed = criterion.max_regression or 0.0
    return Worse(allowed, higher=higher) if criterion.block_on == "worse" else NotWorse(allowed, higher=higher)


def refuted(criterion: ChampionCriterion, metric: Metric) -> Worse:
    """The contrary of what is to be proven: surely worse than allowed, or surely not better by as much as asked.

    Raises:
        ConfigError: More is neither better nor worse.
    """
    higher = _direction(metric, "choose a metric of which more, or less, is better")
    margin = criterion.max_regression or 0.0
    return Worse(margin if criterion.min_improvement is None else -criterion.min_improvement, higher=higher)


def check_claim(criterion: ValueCriterion | ChampionCriterion, metric: Metric) -> None:
    """Check that a criterion can be said of a metric.

    Raises:
        ConfigError: More of it is neither better nor worse.
    """
    if isinstance(criterion, ValueCriterion):
        value_claim(criterion, metric)
    else:
        champion_claim(criterion, metric)


def beats_constant(metric: Metric) -> Claim:
    """Better than a prediction that is the same for every row."""
    return Better(0.0, higher=_direction(metric, "choose another metric"), other=CONSTANT)


def _direction(metric: Metric, next_step: str) -> bool:
    if metric.higher_is_better is None:
        raise ConfigError(
            f"more of {metric.spec} is neither better nor worse",
            where="evaluation.validation_criteria",
            next_step=next_step,
        )
    return metric.higher_is_better


@dataclass(frozen=True, slots=True)
class Reaches:
    """The bound on the safe side reaches a threshold."""

    threshold: float
    higher: bool

    def proven(self, value: MetricValue) -> bool:
        return value.lower >= self.threshold if self.higher else value.upper <= self.threshold

    def text(self, name: str, value: MetricValue) -> str:
        bound, side = (value.lower, "at least") if self.higher else (value.upper, "at most")
        return f"{name} {value} needs {bound:.4f} to be {side} {self.threshold:g}"


@dataclass(frozen=True, slots=True)
class Within:
    """The whole interval lies between two numbers."""

    least: float
    most: float

    def proven(self, value: MetricValue) -> bool:
        return self.least <= value.lower and value.upper <= self.most

    def text(self, name: str, value: MetricValue) -> str:
        return f"{name} {value} needs to lie between {self.least:g} and {self.most:g}"


@dataclass(frozen=True, slots=True)
class _Difference:
    margin: float
    higher: bool
    other: str = CHAMPION

    def worse(self, value: MetricValue) -> tuple[float, float, float]:
        """How much worse, at least and at most; below 0 where it is better."""
        if self.higher:
            return -value.value, -value.upper, -value.lower
        return value.value, value.lower, value.upper

    def found(self, name: str, value: MetricValue) -> str:
        worse, low, high = self.worse(value)
        word, amount, first, last = ("worse", worse, low, high) if worse > 0 else ("better", -worse, -high, -low)
        return f"{name} {word} by {_number(amount)} [{_number(first)}, {_number(last)}] than {self.other}'s"


@dataclass(frozen=True, slots=True)
class NotWorse(_Difference):
    """Non-inferiority: surely not worse by more than is allowed."""

    def proven(self, value: MetricValue) -> bool:
        return self.worse(value)[2] <= self.margin

    def text(self, name: str, value: MetricValue) -> str:
        return f"{self.found(name, value)}, allowed to be worse by {self.margin:g}"


@dataclass(frozen=True, slots=True)
class Worse(_Difference):
    """Harm: surely worse by more than is allowed."""

    def proven(self, value: MetricValue) -> bool:
        return self.worse(value)[1] > self.margin

    def text(self, name: str, value: MetricValue) -> str:
        return f"{self.found(name, value)}, blocked where it is surely worse by {self.margin:g}"


@dataclass(frozen=True, slots=True)
class Better(_Difference):
    """Superiority: surely better by more than a margin."""

    def proven(self, value: MetricValue) -> bool:
        return -self.worse(value)[2] > self.margin

    def text(self, name: str, value: MetricValue) -> str:
        return f"{self.found(name, value)}, needs to be better by more than {self.margin:g}"


def _number(value: float) -> str:
    return f"{round(value, 4) + 0.0:.4f}"  # + 0.0: no "-0.0000"
