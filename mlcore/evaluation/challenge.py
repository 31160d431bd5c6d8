"""A challenger beside the champion, on rows that neither has seen: go on, promote, or refuse.

Looked at again whenever labels arrive, chance would promote any challenger some day; so each look has a share of the
chance of error only (`spending.share_left`), and the looks before enough rows and time have none.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Unpack

import pyarrow as pa

from mlcore.config.evaluation import AnyCriterion, ChampionCriterion
from mlcore.config.evaluation import Evaluation as EvaluationConfig
from mlcore.config.rollout import Rollout
from mlcore.evaluation.challenge_file import ChallengeOutcome, Difference
from mlcore.evaluation.files import Judgement
from mlcore.evaluation.gates import Outcome, hopeless
from mlcore.evaluation.judge import judge
from mlcore.evaluation.metrics import find_metric
from mlcore.evaluation.rows import About, Column
from mlcore.evaluation.sample import Floats
from mlcore.evaluation.spending import confidence_of, share_left
from mlcore.evaluation.values import Comparison


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far a comparison has come.

    Attributes:
        over: The part of the longest time of which there are labelled rows, 1 at its end.
        spent: The share of the chance of error that earlier looks had.
        long_enough: Whether there is as much time as a decision needs.
        earlier: How many other challengers were compared with this champion before.
    """

    over: float
    spent: float
    long_enough: bool
    earlier: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class ChallengeResult:
    """What a look came to.

    Attributes:
        spent: The share of the chance of error that this look and those before it had.
        judgement: ``None`` where there was nothing to compare.
        predicted: Of so many rows both models' stored predictions were compared, of the others what they say now.
        differences: In the metrics of the criteria.
    """

    outcome: ChallengeOutcome
    reasons: tuple[str, ...]
    rows: int = 0
    predicted: int = 0
    spent: float = 0.0
    judgement: Judgement | None = None
    differences: tuple[Difference, ...] = ()


def judge_challenger(
    labels: Column,
    challenger: Floats,
    champion: Floats,
    progress: Progress,
    *,
    columns: pa.Table,
    config: EvaluationConfig,
    rollout: Rollout,
    **about: Unpack[About],
) -> ChallengeResult:
    """Compare a challenger with the champion on the same rows.

    It passed where all criteria hold, and is refused where one surely does not, or time is over; before there is
    enough time and rows nothing is decided, and nothing of the chance of error is spent.

    Args:
        labels: Of each row; rows without a label are left out.
        challenger: Its scores.
        champion: The champion's for the same rows.
        progress: How far it has come.
        columns: A table of the same rows that holds the columns of the slices, and of the key.
        config: Metrics and slices, and the criteria where ``rollout`` has none.
        rollout: Rows that a decision needs, and criteria.
        about: Task, clusters, weights and the like: :class:`~mlcore.evaluation.rows.About`.

    Raises:
        ConfigError: A metric or a slice's column is unknown, or has no meaning for the task or the criterion.
        DataError: No row has a label, or one cannot be.
        ModelError: A score cannot be.
    """
    criteria = rollout.criteria_or(config.validation_criteria)
    known = config.metrics_of(about.get("task", "binary"))
    asked = config.model_copy(
        update={
            "metrics": tuple(dict.fromkeys((*known, *(criterion.metric for criterion in criteria)))),
            "validation_criteria": criteria,
            "fairness": None,
        }
    )
    share = share_left(progress.over, progress.spent)
    judgement = judge(
        labels, challenger, champion, columns=columns, config=asked, is_champion=True,
        earlier_tests=progress.earlier, share=share or 1.0, **about,
    )  # fmt: skip
    assert judgement.verdict is not None
    assert judgement.comparison is not None
    rows, over = judgement.comparison.overall.rows, progress.over >= 1.0
    differences = tuple(_differences(criteria, judgement.comparison, progress.earlier, share or 1.0))
    if rows < rollout.min_rows or not progress.long_enough or not share:
        short = f"{rows:,} rows with a label of {rollout.min_rows:,}" if rows < rollout.min_rows else "too little time"
        shown = _shown(judgement.comparison, [criterion.metric for criterion in criteria])
        outcome = ChallengeOutcome.REFUSED if over else ChallengeOutcome.CONTINUED
        reasons = (f"{'time is over: ' if over else 'too early to say: '}{short}", *shown)
        return ChallengeResult(
            outcome=outcome, reasons=reasons, rows=rows, spent=progress.spent, judgement=judgement,
            differences=differences,
        )  # fmt: skip
    outcome, reasons = ChallengeOutcome.PASSED, judgement.verdict.reasons
    if not judgement.verdict.blessed:
        lost = hopeless(criteria, judgement.comparison, earlier_tests=progress.earlier, share=share)
        open_ones = tuple(each.text for each in judgement.verdict.findings if each.outcome is Outcome.BLOCKED)
        outcome = ChallengeOutcome.REFUSED if lost or over else ChallengeOutcome.CONTINUED
        reasons = lost or tuple(f"{'time is over' if over else 'not yet sure'}: {text}" for text in open_ones)
    return ChallengeResult(
        outcome=outcome, reasons=reasons, rows=rows, spent=progress.spent + share, judgement=judgement,
        differences=differences,
    )  # fmt: skip


def _shown(comparison: Comparison, metrics: list[str]) -> tuple[str, ...]:
    found = comparison.overall.metrics
    return tuple(f"{name}: challenger less champion {found[name]}" for name in dict.fromkeys(metrics) if name in found)


def _differences(
    criteria: Sequence[AnyCriterion], comparison: Comparison, earlier: int, share: float
) -> Iterator[Difference]:
    found = comparison.overall.metrics
    for criterion in criteria:
        metric = find_metric(criterion.metric)
        if not isinstance(criterion, ChampionCriterion) or metric.spec not in found:
            continue
        value = found[metric.spec].at(confidence_of(criterion, earlier_tests=earlier, share=share))
        allowed = -(criterion.max_regression or 0.0) if criterion.min_improvement is None else criterion.min_improvement
        if not (math.isfinite(value.lower) and math.isfinite(value.upper)):
            continue
        higher = metric.higher_is_better is not False
        yield Difference(
            metric=metric.spec, value=value.value, lower=value.lower, upper=value.upper, confidence=value.confidence,
            bound=(allowed if higher else -allowed) + 0.0, higher=higher,
        )  # fmt: skip
