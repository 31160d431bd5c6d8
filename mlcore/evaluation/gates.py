"""Criteria to a verdict, in words that say what was required, what was found and how sure it is.

A bound that must hold, holds at the interval's safe side. On several slices the level of each follows Holm's procedure.
Against a champion that was challenged before, the chance of error is spent over the challengers (`spending`). Without a
champion a model must surely beat a constant prediction.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from mlcore.config.evaluation import ChampionCriterion, Criterion, ValueCriterion
from mlcore.evaluation.claims import Claim, Worse, beats_constant, champion_claim, refuted, value_claim
from mlcore.evaluation.holm import holm, level
from mlcore.evaluation.metrics import Metric, find_metric
from mlcore.evaluation.spending import chance
from mlcore.evaluation.values import (
    OVERALL,
    Comparison,
    Evaluation,
    MetricValue,
    SliceKey,
    SliceResult,
    slice_name,
)

SHOWN_SLICES = 10
FALLBACKS = ("log_loss", "rmse", "ndcg")
"""Where a constant prediction has no value of a metric, such as precision: what it must be beaten in instead."""


class Outcome(StrEnum):
    """What became of a criterion on a slice."""

    PASSED = "passed"
    BLOCKED = "blocked"
    WARNED = "warned"
    DRY_RUN = "dry run, would be blocked"
    DISABLED = "disabled"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """A criterion's outcome on a slice, or on all those it passed on.

    Attributes:
        criterion: Which one, from 0; -1 is the choice among candidates.
    """

    criterion: int
    metric: str
    outcome: Outcome
    slice: SliceKey
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Whether all criteria hold, and a sentence on each."""

    blessed: bool
    reasons: tuple[str, ...]
    findings: tuple[Finding, ...] = ()


def decide(
    criteria: Sequence[ValueCriterion | ChampionCriterion],
    evaluation: Evaluation,
    comparison: Comparison | None,
    *,
    dummy: Comparison | None = None,
    earlier_tests: int = 0,
    share: float = 1.0,
) -> Verdict:
    """Judge one model by its evaluation and its comparison with the champion.

    A metric that is not there, or that had too few rows, is what its criterion says of insufficient data.

    Args:
        criteria: Of the pipeline file; with none, every model is blessed.
        evaluation: Of the model.
        comparison: Of the model with the champion on the same rows; ``None`` where there is no champion.
        dummy: Of the model with a constant prediction, for where there is no champion.
        earlier_tests: How many challengers, each with rows of its own, were tested against this champion before.
        share: Of the chance to promote a model wrongly, the part that this look at a growing comparison has.

    Raises:
        ConfigError: A criterion names an unknown metric, or one that is neither better nor worse.
    """
    if not criteria:
        return Verdict(blessed=True, reasons=("passed: no criteria are set",))
    findings: list[Finding] = []
    for index, criterion in enumerate(criteria):
        metric = find_metric(criterion.metric)
        if criterion.mode == "disabled":
            found = [(Outcome.DISABLED, OVERALL, f"the criterion on {metric.spec}")]
        elif isinstance(criterion, ValueCriterion):
            alpha = 1.0 - criterion.confidence
            found = list(_judged(criterion, metric, value_claim(criterion, metric), evaluation, alpha))
        elif comparison is not None:
            alpha = chance(criterion, earlier_tests) * (1.0 if criterion.block_on == "worse" else share)
            found = list(_judged(criterion, metric, champion_claim(criterion, metric), comparison, alpha))
            if criterion.spends:
                found = [(outcome, key, f"{text} (test {earlier_tests + 1})") for outcome, key, text in found]
        else:
            found = [_without_champion(criterion, metric, dummy)]
        findings += [
            Finding(criterion=index, metric=metric.spec, outcome=_in_mode(outcome, criterion), slice=key, text=text)
            for outcome, key, text in found
        ]
    return Verdict(
        blessed=all(finding.outcome is not Outcome.BLOCKED for finding in findings),
        reasons=tuple(f"{finding.outcome}: {finding.text}" for finding in findings),
        findings=tuple(findings),
    )


def hopeless(
    criteria: Sequence[ValueCriterion | ChampionCriterion],
    comparison: Comparison,
    *,
    earlier_tests: int = 0,
    share: float = 1.0,
) -> tuple[str, ...]:
    """What is surely not so of all that is to be proven against the champion: why to look no longer.

    Args:
        criteria: Those that block.
        comparison: Of the model with the champion.
        earlier_tests, share: As for :func:`decide`; so large is the chance to give up a model wrongly.
    """
    found = []
    for criterion in criteria:
        if not isinstance(criterion, ChampionCriterion) or criterion.mode != "enabled":
            continue
        metric, alpha = find_metric(criterion.metric), chance(criterion, earlier_tests) * share
        claim = refuted(criterion, metric)
        known, _ = _of_slices(criterion, metric, comparison)
        if not known:
            continue
        proven, confidence = _proven(claim, [value for _, value in known], alpha)
        found += [
            f"{claim.found(_named(metric, key), value.at(confidence))}, surely not within what is allowed"
            for (key, value), so in zip(known, proven, strict=True)
            if so
        ]
    return tuple(found)


_Found = tuple[Outcome, SliceKey, str]


def _in_mode(outcome: Outcome, criterion: Criterion) -> Outcome:
    return Outcome.DRY_RUN if outcome is Outcome.BLOCKED and criterion.mode == "dry_run" else outcome


def _judged(
    criterion: Criterion, metric: Metric, claim: Claim, results: Evaluation | Comparison, alpha: float
) -> Iterator[_Found]:
    """The outcome on each slice that did not pass, and one on all that did."""
    known, unknown = _of_slices(criterion, metric, results)
    for key, reason in unknown[:SHOWN_SLICES]:
        yield _insufficient(criterion), key, f"{_named(metric, key)} is not known: {reason}"
    if len(unknown) > SHOWN_SLICES:
        yield (
            _insufficient(criterion),
            OVERALL,
            f"{metric.spec} on {len(unknown) - SHOWN_SLICES} more slices is not known",
        )
    if not known:
        return
    proven, confidence = _proven(claim, [value for _, value in known], alpha)
    harm = isinstance(claim, Worse)
    passed = [(key, value) for (key, value), so in zip(known, proven, strict=True) if so is not harm]
    failed = [(key, value) for (key, value), so in zip(known, proven, strict=True) if so is harm]
    for key, value in failed[:SHOWN_SLICES]:
        text = claim.text(_named(metric, key), value.at(confidence))
        yield Outcome.BLOCKED, key, text if len(known) == 1 else f"{text} ({confidence:.4g} by Holm)"
    if len(failed) > SHOWN_SLICES:
        yield Outcome.BLOCKED, OVERALL, f"{metric.spec} on {len(failed) - SHOWN_SLICES} more slices"
    if len(known) == 1 and passed:
        key, value = passed[0]
        yield Outcome.PASSED, key, claim.text(_named(metric, key), value.at(confidence))
    elif passed:
        yield Outcome.PASSED, OVERALL, f"{metric.spec} on {len(passed)} of {len(known)} slices"


def _proven(claim: Claim, values: Sequence[MetricValue], alpha: float) -> tuple[list[bool], float]:
    """Whether the claim is proven of each, and the confidence of the intervals that say so."""
    if len(values) == 1:
        return [claim.proven(values[0].at(1.0 - alpha))], 1.0 - alpha
    levels = [level(lambda confidence, value=value: claim.proven(value.at(confidence))) for value in values]  # type: ignore[misc]
    proven, reached = holm(levels, alpha)
    return proven, 1.0 - reached


def _of_slices(
    criterion: Criterion, metric: Metric, results: Evaluation | Comparison
) -> tuple[list[tuple[SliceKey, MetricValue]], list[tuple[SliceKey, str]]]:
    known, unknown = [], []
    for result in _asked(criterion, results):
        value = result.metrics.get(metric.spec)
        if value is None:
            unknown.append((result.key, result.missing.get(metric.spec, "it is not among evaluation.metrics")))
        else:
            known.append((result.key, value))
    if not known and not unknown:
        unknown.append((OVERALL, "none of its slices is there"))
    return known, unknown


def _asked(criterion: Criterion, results: Evaluation | Comparison) -> tuple[SliceResult, ...]:
    if criterion.slices == "all":
        return results.results
    wanted = set(criterion.slices)
    return tuple(result for result in results.results if tuple(term for term, _ in result.key) in wanted)


def _insufficient(criterion: Criterion) -> Outcome:
    return {"block": Outcome.BLOCKED, "pass": Outcome.PASSED, "warn": Outcome.WARNED}[criterion.insufficient_data]


def _without_champion(criterion: ChampionCriterion, metric: Metric, dummy: Comparison | None) -> _Found:
    values = {} if dummy is None else dummy.overall.metrics
    name = next((name for name in (metric.spec, *FALLBACKS) if name in values), None)
    if name is None:
        text = f"no champion to compare {metric.spec} with, and no constant prediction"
        return _insufficient(criterion), OVERALL, text
    claim = beats_constant(metric if name == metric.spec else find_metric(name))
    value = values[name].at(criterion.confidence)
    outcome = Outcome.PASSED if claim.proven(value) else Outcome.BLOCKED
    return outcome, OVERALL, f"no champion yet; {claim.text(name, value)}"


def _named(metric: Metric, key: SliceKey) -> str:
    return f"{metric.spec} on {slice_name(key)}" if key else metric.spec
