"""One of several candidate models, chosen by rows that none of them was fitted on and no gate will see.

Whoever picks the best of several by the rows that a gate then tests it on finds one that was lucky there: with five
equal candidates a test at 5% passes up to 20% of the time. So the choice is made on held-back rows of the training
window, by fits that did not see them, and the gates' rows stay unseen: their level needs no correction, however many
candidates there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Unpack

import pyarrow as pa

from mlcore.config.candidates import DUMMY
from mlcore.config.evaluation import Evaluation as EvaluationConfig
from mlcore.errors import ConfigError, DataError
from mlcore.evaluation.evaluate import CONFIDENCE
from mlcore.evaluation.gates import FALLBACKS
from mlcore.evaluation.measure import measure_slices
from mlcore.evaluation.metrics import find_metric, metrics
from mlcore.evaluation.rows import About, Column, Rows, prepare
from mlcore.evaluation.sample import Floats
from mlcore.evaluation.values import SliceResult

SHOWN = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class CandidateResult:
    """How good a candidate is on some rows.

    Attributes:
        metrics: Over all rows.
        difference: Its metrics less those of the chosen one on the same rows; ``None`` of the chosen one.
    """

    name: str
    metrics: SliceResult
    difference: SliceResult | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """Which candidate goes to the gates, and why.

    Attributes:
        metric: What decided.
        chosen: Name of the candidate.
        beats_dummy: Whether it is better than a constant prediction; if not, none is, and none may be pushed.
        reason: A sentence on both.
        candidates: In the file's order, the constant prediction last.
    """

    metric: str
    chosen: str
    beats_dummy: bool
    reason: str
    candidates: tuple[CandidateResult, ...]


def select(
    labels: Column,
    scores: Mapping[str, Floats],
    dummy: Floats,
    *,
    metric: str | None,
    columns: pa.Table,
    config: EvaluationConfig,
    **about: Unpack[About],
) -> Choice:
    """The candidate with the best value of a metric; of equals the first.

    Args:
        labels: Of held-back rows; rows without a label are left out.
        scores: By candidate, for the same rows.
        dummy: Of the constant prediction.
        metric: What decides; by default the first of the evaluation's.
        columns: A table of the same rows that holds the columns of the key.
        config: The metrics to tell beside it.
        about: Task, clusters, weights and the like: :class:`~mlcore.evaluation.rows.About`.

    Raises:
        ConfigError: The metric is unknown, or more of it is neither better nor worse.
        DataError: The metric has no value on these rows for any candidate.
        ModelError: A score cannot be.
    """
    rows = prepare(labels, [*scores.values(), dummy], columns, (), about)
    names = config.metrics_of(rows.task.value)
    decides = find_metric(metric or names[0])
    fallback = next(name for name in FALLBACKS if rows.task in metrics()[name].tasks)
    measured = _measured(rows, (*scores, DUMMY), _asked(config, (*names, decides.spec, fallback)))
    higher = check_direction(metric or names[0])
    sign = -1.0 if higher else 1.0
    values = {name: measured[name].metrics.get(decides.spec) for name in scores}
    known = {name: sign * value.value for name, value in values.items() if value is not None}
    if not known:
        reason = measured[next(iter(scores))].missing.get(decides.spec, "")
        raise DataError(
            f"{decides.spec} has no value on the {rows.labels.size:,} rows held back to choose a model by: {reason}",
            where="selection",
            next_step="hold back more (selection.held_back), or choose another selection.metric",
        )
    chosen = min(known, key=lambda name: known[name])  # the first of equals
    beaten_in = decides.spec if decides.spec in measured[DUMMY].metrics else fallback
    beats = _beats(measured[chosen], measured[DUMMY], beaten_in)
    return Choice(
        metric=decides.spec,
        chosen=chosen,
        beats_dummy=beats,
        reason=_reason(measured, chosen, decides.spec, beaten_in, beats=beats),
        candidates=_told(rows, measured, chosen, _asked(config, (*names, decides.spec))),
    )


def measure_candidates(
    labels: Column,
    scores: Mapping[str, Floats],
    *,
    chosen: str,
    metric: str,
    columns: pa.Table,
    config: EvaluationConfig,
    **about: Unpack[About],
) -> tuple[CandidateResult, ...]:
    """Candidates on other rows than those that one of them was chosen by; with arguments and errors as above."""
    rows = prepare(labels, list(scores.values()), columns, (), about)
    asked = _asked(config, (*config.metrics_of(rows.task.value), metric))
    return _told(rows, _measured(rows, tuple(scores), asked), chosen, asked)


def check_direction(metric: str) -> bool:
    """Whether more of a metric is better.

    Raises:
        ConfigError: It is unknown, or more is neither better nor worse.
    """
    higher = find_metric(metric).higher_is_better
    if higher is None:
        raise ConfigError(
            f"more of {metric} is neither better nor worse: no model can be chosen by it",
            where="selection.metric",
            next_step="choose a metric of which more, or less, is better",
        )
    return higher


def _asked(config: EvaluationConfig, names: Sequence[str]) -> EvaluationConfig:
    """Those metrics over all rows."""
    specs = tuple(dict.fromkeys(find_metric(name).spec for name in names))
    alone = {"metrics": specs, "slices": ((),), "validation_criteria": (), "min_slice_rows": 1}
    return config.model_copy(update=alone)


def _measured(rows: Rows, names: Sequence[str], asked: EvaluationConfig) -> dict[str, SliceResult]:
    return {
        name: measure_slices(replace(rows, scores=(scores,)), asked, CONFIDENCE).overall
        for name, scores in zip(names, rows.scores, strict=True)
    }


def _told(
    rows: Rows, measured: Mapping[str, SliceResult], chosen: str, asked: EvaluationConfig
) -> tuple[CandidateResult, ...]:
    scores = dict(zip(measured, rows.scores, strict=True))
    return tuple(
        CandidateResult(
            name=name,
            metrics=_without_others(result, asked),
            difference=None
            if name == chosen
            else measure_slices(replace(rows, scores=(scores[name], scores[chosen])), asked, CONFIDENCE).overall,
        )
        for name, result in measured.items()
    )


def _without_others(result: SliceResult, asked: EvaluationConfig) -> SliceResult:
    return replace(result, metrics={name: value for name, value in result.metrics.items() if name in asked.metrics})


def _beats(one: SliceResult, dummy: SliceResult, metric: str) -> bool:
    if metric not in one.metrics or metric not in dummy.metrics:
        return False
    more = one.metrics[metric].value - dummy.metrics[metric].value
    return more > 0.0 if find_metric(metric).higher_is_better else more < 0.0


def _reason(measured: Mapping[str, SliceResult], chosen: str, metric: str, beaten_in: str, *, beats: bool) -> str:
    rows = f"{measured[chosen].rows:,} rows held back from training"
    if not beats:
        return (
            f"no model is better than a constant prediction in {beaten_in} on the {rows}:"
            f" {_listed(measured, beaten_in, (*measured,))}"
        )
    others = [name for name in measured if name != chosen]
    best = measured[chosen].metrics[metric]
    return f"{chosen} has the best {metric} on the {rows}: {best}; {_listed(measured, metric, others)}"


def _listed(measured: Mapping[str, SliceResult], metric: str, names: Sequence[str]) -> str:
    told = [
        f"{name} {found.value:.4f}" if (found := measured[name].metrics.get(metric)) else f"{name} unknown"
        for name in (*[name for name in names if name != DUMMY][:SHOWN], DUMMY)
    ]
    return ", ".join(told)
