"""Criteria to a verdict, in words that say what was required, what was found and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlcore.config.evaluation import ChampionCriterion, ValueCriterion
from mlcore.evaluation.metrics import find_metric
from mlcore.evaluation.values import Comparison, Evaluation, MetricValue, SliceResult


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Whether all criteria hold, and a sentence on each."""

    blessed: bool
    reasons: tuple[str, ...]


def decide(
    criteria: Sequence[ValueCriterion | ChampionCriterion], evaluation: Evaluation, comparison: Comparison | None
) -> Verdict:
    """Judge one model by its evaluation and its comparison with the champion.

    A threshold must be reached by the bound of the interval on the safe side, not by the estimate. The champion may be
    beaten by as much as its criterion allows, again at the bound. A metric that is not there, or that had too few
    rows, blesses nothing.

    Args:
        criteria: Of the pipeline file; with none, every model is blessed.
        evaluation: Of the model.
        comparison: Of the model with the champion on the same rows; ``None`` where there is no champion.

    Raises:
        ConfigError: A criterion names an unknown metric.
    """
    findings = [
        _threshold(criterion, evaluation) if isinstance(criterion, ValueCriterion) else _champion(criterion, comparison)
        for criterion in criteria
    ]
    if not findings:
        return Verdict(blessed=True, reasons=("passed: no criteria are set",))
    return Verdict(
        blessed=all(passed for passed, _ in findings),
        reasons=tuple(f"{'passed' if passed else 'blocked'}: {text}" for passed, text in findings),
    )


Finding = tuple[bool, str]


def _threshold(criterion: ValueCriterion, evaluation: Evaluation) -> Finding:
    metric = find_metric(criterion.metric)
    found = _overall(evaluation.overall, criterion.metric)
    if isinstance(found, str):
        return False, found
    value = found.at(criterion.confidence)
    if metric.higher_is_better:
        passed, bound, side = value.lower >= criterion.threshold, value.lower, "at least"
    else:
        passed, bound, side = value.upper <= criterion.threshold, value.upper, "at most"
    return passed, f"{metric.name} {value} needs {bound:.4f} to be {side} {criterion.threshold:g}"


def _champion(criterion: ChampionCriterion, comparison: Comparison | None) -> Finding:
    metric = find_metric(criterion.metric)
    if comparison is None:
        return True, f"no champion to compare {metric.name} with"
    found = _overall(comparison.overall, criterion.metric)
    if isinstance(found, str):
        return False, found
    value = found.at(criterion.confidence)
    worse, low, high = value.value, value.lower, value.upper
    if metric.higher_is_better:
        worse, low, high = -value.value, -value.upper, -value.lower
    word, amount, first, last = ("worse", worse, low, high) if worse > 0 else ("better", -worse, -high, -low)
    text = f"{metric.name} {word} by {_number(amount)} [{_number(first)}, {_number(last)}] than the champion's"
    return high <= criterion.max_regression, f"{text}, allowed to be worse by {criterion.max_regression:g}"


def _overall(result: SliceResult, name: str) -> MetricValue | str:
    if name in result.metrics:
        return result.metrics[name]
    return f"{name} is not known: {result.missing.get(name, 'it is not among evaluation.metrics')}"


def _number(value: float) -> str:
    return f"{round(value, 4) + 0.0:.4f}"  # + 0.0: no "-0.0000"
