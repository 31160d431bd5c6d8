"""The champion's quality on newly mature labels, against its evaluation when it was pushed."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A metric with its confidence interval.

    Attributes:
        value: The metric on the rows.
        low: Lower end of the interval.
        high: Upper end.
        rows: Rows it was computed on.
    """

    value: float
    low: float
    high: float
    rows: int

    def __post_init__(self) -> None:
        if not self.low <= self.value <= self.high:
            raise ValueError(f"{self.value} does not lie between {self.low} and {self.high}")

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}] on {self.rows} rows"


@dataclass(frozen=True, kw_only=True, slots=True)
class Answers:
    """Where the champion's answers on the labelled rows come from.

    Attributes:
        predicted: Rows with what it predicted of them before their outcome was known.
        scored: Rows of spans of which no predictions of its are stored: it was asked of them now.
        missing: Rows of spans with predictions that have none; they are not measured.
    """

    predicted: int
    scored: int
    missing: int

    def __str__(self) -> str:
        parts = [f"{self.predicted} as predicted"] * (self.predicted > 0 or self.missing > 0)
        parts += [f"{self.scored} scored again"] * (self.scored > 0)
        parts += [f"{self.missing} without a prediction left out"] * (self.missing > 0)
        return "rows: " + ", ".join(parts) if parts else "no rows"


@dataclass(frozen=True, kw_only=True, slots=True)
class Performance:
    """The champion now against the champion at push.

    Attributes:
        metric: Name of the metric.
        at_push: What the evaluation that released it measured.
        now: What the newest labelled rows show; ``None`` where they are too few to tell.
        worse_by: How much worse it is now, in the metric's unit; negative where it is better.
        worse_by_at_least: Lower end of the interval of that difference.
        decayed: Whether it is worse by more than is tolerated, and surely worse at all.
        answers: What it was measured on now; ``None`` where that is not known.
    """

    metric: str
    at_push: Estimate
    now: Estimate | None
    worse_by: float | None
    worse_by_at_least: float | None
    decayed: bool
    answers: Answers | None = None


def compare(
    metric: str,
    *,
    at_push: Estimate,
    now: Estimate | None,
    higher_is_better: bool,
    max_decay: float,
    answers: Answers | None = None,
) -> Performance:
    """Judge the champion's quality.

    The interval of the difference of two independent estimates is made of their own intervals by the method of
    variance estimates recovery: the distances from each value to its end on the side that matters, squared and added
    (Zou and Donner, 2008).

    Args:
        metric: Name of the metric.
        at_push: On the evaluation rows of the run that pushed it.
        now: On rows whose labels matured since.
        higher_is_better: Whether more of the metric is better.
        max_decay: How much worse it may be, in the metric's unit.
        answers: What it was measured on now.
    """
    if now is None:
        return Performance(
            metric=metric,
            at_push=at_push,
            now=None,
            worse_by=None,
            worse_by_at_least=None,
            decayed=False,
            answers=answers,
        )
    if higher_is_better:
        worse_by = at_push.value - now.value
        margin = math.hypot(at_push.value - at_push.low, now.high - now.value)
    else:
        worse_by = now.value - at_push.value
        margin = math.hypot(at_push.high - at_push.value, now.value - now.low)
    return Performance(
        metric=metric,
        at_push=at_push,
        now=now,
        worse_by=worse_by,
        worse_by_at_least=worse_by - margin,
        decayed=worse_by > max_decay and worse_by - margin > 0,
        answers=answers,
    )
