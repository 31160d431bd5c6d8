"""Gaps between the groups of a column: how differently a model's decisions fall, and how sure that is.

Demographic parity compares the shares predicted positive; equal opportunity the recall (Hardt, Price and Srebro, 2016);
equalised odds recall and false positive rate, whichever differs more. A gap is that of the two groups that differ most,
and its interval holds for all pairs at once (Bonferroni): the largest of many differences is large by chance.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from mlcore.config.evaluation import Fairness
from mlcore.core.types import Json
from mlcore.errors import ConfigError
from mlcore.evaluation.intervals import spread
from mlcore.evaluation.metrics import Measured, Metric, Undefined
from mlcore.evaluation.metrics.positive_rate import PositiveRate
from mlcore.evaluation.metrics.recall import Recall
from mlcore.evaluation.metrics.specificity import Specificity
from mlcore.evaluation.rows import Rows
from mlcore.evaluation.slices import members
from mlcore.evaluation.task import Task
from mlcore.evaluation.values import MetricValue, SliceValue, estimate


class Notion(StrEnum):
    """What fair means."""

    DEMOGRAPHIC_PARITY = "demographic_parity"
    EQUAL_OPPORTUNITY = "equal_opportunity"
    EQUALISED_ODDS = "equalised_odds"


_RATES: Mapping[Notion, tuple[str, ...]] = {
    Notion.DEMOGRAPHIC_PARITY: ("positive_rate",),
    Notion.EQUAL_OPPORTUNITY: ("recall",),
    Notion.EQUALISED_ODDS: ("recall", "false_positive_rate"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """The greatest difference between two groups.

    Attributes:
        rate: What differs: ``positive_rate``, ``recall`` or ``false_positive_rate``.
        more: The group where it is greater.
        less: The group where it is smaller.
        value: The difference; its interval holds for all pairs of groups at once.
        groups: How many groups were large enough to be compared.
    """

    column: str
    notion: Notion
    rate: str
    more: SliceValue
    less: SliceValue
    value: MetricValue
    groups: int

    def to_document(self) -> Json:
        return {**asdict(self), "notion": self.notion.value}

    @classmethod
    def from_document(cls, document: Any) -> Gap:
        """The gap of what :meth:`to_document` made.

        Raises:
            KeyError, TypeError, ValueError: It is something else.
        """
        parsed = {"notion": Notion(document["notion"]), "value": MetricValue(**document["value"])}
        return cls(**{**document, **parsed})


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    value: SliceValue
    rows: npt.NDArray[np.int64]
    measured: Measured


def check_task(task: Task) -> None:
    """Check that there are decisions to compare.

    Raises:
        ConfigError: There are not two classes.
    """
    if task is not Task.BINARY:
        raise ConfigError(
            f"fairness compares yes-or-no decisions, and the predictions are {task.value}",
            where="evaluation.fairness",
            next_step="leave it out",
        )


def gaps(rows: Rows, asked: Fairness, min_rows: int, confidence: float) -> tuple[Gap, ...]:
    """The gaps of every column and notion; none where fewer than two groups can be compared.

    Args:
        rows: With the scores of one model.
        asked: The columns, coded among the rows, and the threshold of a positive decision.
        min_rows: Smaller groups are left out.
        confidence: Of the intervals.

    Raises:
        ConfigError: There are not two classes.
    """
    check_task(rows.task)
    return tuple(_of_columns(rows, asked, min_rows, confidence))


def _of_columns(rows: Rows, asked: Fairness, min_rows: int, confidence: float) -> Iterator[Gap]:
    rates: dict[str, Metric] = {
        "positive_rate": PositiveRate(asked.threshold),
        "recall": Recall(threshold=asked.threshold),
        "false_positive_rate": Specificity(threshold=asked.threshold),
    }
    for column in asked.columns:
        parts = [(key[0][1], kept) for key, kept in members(rows.coded, [(column,)]) if len(kept) >= min_rows]
        measured = {name: list(_measured(rows, metric, parts)) for name, metric in rates.items()}
        for notion, names in _RATES.items():
            pairs = sum(len(measured[name]) * (len(measured[name]) - 1) // 2 for name in names)
            found = [
                gap
                for name in names
                if (gap := _largest(rows, column, notion, name, measured[name], 1 - (1 - confidence) / max(pairs, 1)))
            ]
            if found:
                yield max(found, key=lambda gap: gap.value.value)


def _measured(rows: Rows, metric: Metric, parts: list[tuple[SliceValue, npt.NDArray[np.int64]]]) -> Iterator[_Group]:
    for value, kept in parts:
        try:
            yield _Group(value, kept, metric.measure(rows.sample(0, kept)))
        except Undefined:
            continue


def _largest(rows: Rows, column: str, notion: Notion, rate: str, groups: list[_Group], confidence: float) -> Gap | None:
    pairs = list(combinations(groups, 2))
    if not pairs:
        return None
    one, two = max(pairs, key=lambda pair: abs(pair[0].measured.value - pair[1].measured.value))
    if one.measured.value < two.measured.value:
        one, two = two, one
    count = len(rows.labels)
    influence = np.zeros(count)
    for sign, group in ((1.0, one), (-1.0, two)):
        assert group.measured.influence is not None
        influence[group.rows] = sign * group.measured.influence * (count / len(group.rows))
    base = np.zeros(count)
    base[one.rows], base[two.rows] = 1.0, 1.0
    found = spread(influence, base=base, clusters=rows.clusters)
    if found is None:
        return None
    difference = one.measured.value - two.measured.value
    value = estimate(difference, found, rows=len(one.rows) + len(two.rows), confidence=confidence, limits=(-1.0, 1.0))
    more, less = (two, one) if rate == "false_positive_rate" else (one, two)  # measured as the specificity
    return Gap(
        column=column,
        notion=notion,
        rate=rate,
        more=more.value,
        less=less.value,
        value=value,
        groups=len(groups),
    )
