"""How much worse a model is when a feature says nothing: permutation importance (Breiman, 2001; Fisher et al., 2019).

A feature's columns of the model's matrix are given to other rows, all of them by one permutation, and the model is
asked again. Another feature made of the same source column still says what it says: so those that share a column are
also permuted together. Rows are sampled and permuted by the hash of their key: the same for every order and partition.

A feature *alone* is what is left when all others are permuted. One that alone gives nearly all of what the model gains
over knowing nothing is worth a warning: such a feature often is not known in time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Unpack

import numpy as np
import pyarrow as pa

from mlcore.accumulators.hashing import of_numbers
from mlcore.config.evaluation import Importance as ImportanceConfig
from mlcore.core.types import Json
from mlcore.evaluation.evaluate import CONFIDENCE
from mlcore.evaluation.gates import FALLBACKS, Finding, Outcome, Verdict
from mlcore.evaluation.intervals import Spread, spread
from mlcore.evaluation.metrics import Measured, Metric, Undefined, find_metric
from mlcore.evaluation.rows import About, Column, prepare, row_hashes
from mlcore.evaluation.sample import Codes, Floats
from mlcore.evaluation.values import OVERALL, MetricValue, estimate

MOST_PREDICTIONS = 2_000_000
"""Rows times permutations; more features get fewer rows each, but never fewer than 500."""
FEWEST_ROWS = 500
DOMINANT = 0.95
"""A feature alone with such a share of what the model gains is warned of, where there are three features and more."""
FEWEST_FEATURES = 3
OF_IMPORTANCE = -2
"""In the place of a criterion's number."""

Predict = Callable[[Floats], Floats]


@dataclass(frozen=True, kw_only=True, slots=True)
class Importance:
    """Of a feature, or of features that share a source column and are permuted together.

    Attributes:
        name: The feature; of several the source column.
        features: What was permuted.
        value: How much worse the model is without, in the metric; its interval is of the rows and the permutations.
    """

    name: str
    features: tuple[str, ...]
    value: MetricValue


@dataclass(frozen=True, kw_only=True, slots=True)
class Importances:
    """Of all features of a model.

    Attributes:
        metric: What is worse.
        rows: Rows it was measured on.
        repeats: Permutations of each feature.
        features: The most important first.
        shared: Of features that share a source column, together.
        alone: Of the most important feature: its share of what the model gains over knowing nothing, all others
            permuted; ``None`` where the model gains nothing for sure, or of too few features.
    """

    metric: str
    rows: int
    repeats: int
    features: tuple[Importance, ...]
    shared: tuple[Importance, ...] = ()
    alone: float | None = None

    @property
    def warning(self) -> str | None:
        """What to think of a feature that is nearly the whole model."""
        if self.alone is None or self.alone < DOMINANT:
            return None
        return (
            f"feature {self.features[0].name} alone gives {self.alone:.0%} of what the model gains in {self.metric}: "
            "see that it is known when the model is asked"
        )

    def to_document(self) -> dict[str, Json]:
        return {
            "metric": self.metric,
            "rows": self.rows,
            "repeats": self.repeats,
            "features": [asdict(each) for each in self.features],
            "shared": [asdict(each) for each in self.shared],
            "alone": self.alone,
        }

    @classmethod
    def from_document(cls, document: Any) -> Importances:
        """What :meth:`to_document` made.

        Raises:
            KeyError, TypeError: It is something else.
        """
        parsed = {name: tuple(map(_load, document[name])) for name in ("features", "shared")}
        return cls(**{**document, **parsed})


def with_warning(verdict: Verdict, found: Importances) -> Verdict:
    """The verdict, and a warning where one feature is nearly the whole model; it blocks nothing."""
    if found.warning is None:
        return verdict
    finding = Finding(
        criterion=OF_IMPORTANCE, metric=found.metric, outcome=Outcome.WARNED, slice=OVERALL, text=found.warning
    )
    return replace(
        verdict,
        reasons=(*verdict.reasons, f"{Outcome.WARNED}: {found.warning}"),
        findings=(*verdict.findings, finding),
    )


def importances(
    labels: Column,
    features: Floats,
    outputs: Mapping[str, Sequence[int]],
    shared: Mapping[str, Sequence[str]],
    *,
    predict: Predict,
    columns: pa.Table,
    metrics: Sequence[str],
    asked: ImportanceConfig,
    **about: Unpack[About],
) -> Importances | None:
    """Permutation importance of every feature.

    Args:
        labels: Of each row; every row has one.
        features: The model's matrix.
        outputs: Its columns by feature.
        shared: By source column the features, two at least, that read it.
        predict: Scores of a matrix.
        columns: A table of the same rows that holds the columns of the key.
        metrics: The first of which more, or less, is better is measured.
        asked: How many rows, how many permutations.
        about: Task, clusters, weights and the like: :class:`~mlcore.evaluation.rows.About`.

    Returns:
        ``None`` where the metric has no value on the rows, or there is no feature.
    """
    metric = _directed(metrics, about)
    if metric is None or not outputs:
        return None
    units = len(outputs) + len(shared) + 2
    most = max(min(asked.rows, MOST_PREDICTIONS // (units * asked.repeats)), FEWEST_ROWS)
    asking = _Asking.of(labels, features, predict, columns, metric, most, asked.repeats, about)
    try:
        found = [_measured(asking, name, (name,), picked) for name, picked in outputs.items()]
        together = [
            _measured(asking, column, tuple(names), [place for name in names for place in outputs[name]])
            for column, names in shared.items()
        ]
        ordered = sorted(found, key=lambda one: (-one.value.value, one.name))
        alone = _alone(asking, ordered[0], outputs) if len(outputs) >= FEWEST_FEATURES else None
    except Undefined:
        return None
    return Importances(
        metric=metric.spec,
        rows=len(asking.matrix),
        repeats=asked.repeats,
        features=tuple(ordered),
        shared=tuple(sorted(together, key=lambda one: (-one.value.value, one.name))),
        alone=alone,
    )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Asking:
    """A sample of the rows, in the order of their keys' hashes, and the model to ask."""

    labels: Column
    matrix: Floats
    hashes: Codes
    predict: Predict
    scores: Floats
    columns: pa.Table
    metric: Metric
    repeats: int
    about: About

    @classmethod
    def of(
        cls,
        labels: Column,
        features: Floats,
        predict: Predict,
        columns: pa.Table,
        metric: Metric,
        most: int,
        repeats: int,
        about: About,
    ) -> _Asking:
        hashes = row_hashes(columns, about.get("key", ())).view(np.int64)
        taken = np.argsort(_of_whole_queries(hashes, about), kind="stable")[:most]
        rows = pa.array(taken)
        kept: About = {
            **about,
            "clusters": _taken(about.get("clusters"), rows),
            "weights": _taken(about.get("weights"), rows),
            "queries": _taken(about.get("queries"), rows),
        }
        matrix = np.ascontiguousarray(features[taken])
        return cls(
            labels=labels.take(rows),
            matrix=matrix,
            hashes=hashes[taken],
            predict=predict,
            scores=predict(matrix),
            columns=columns.select(list(about.get("key", ()))).take(rows),
            metric=metric,
            repeats=repeats,
            about=kept,
        )

    def permuted(self, picked: Sequence[int], number: int) -> Iterator[Floats]:
        """Scores with some columns of the matrix permuted, once for each repeat."""
        work = self.matrix.copy()
        for repeat in range(self.repeats):
            salt = of_numbers(np.array([number * 1_000 + repeat + 1], dtype=np.int64)).view(np.int64)
            order = np.argsort(of_numbers(self.hashes ^ salt), kind="stable")
            work[:, picked] = self.matrix[order][:, picked]
            yield self.predict(work)

    def differences(self, picked: Sequence[int], number: int = 0) -> tuple[Measured, list[Measured], Codes | None]:
        """The metric of the model, and with columns permuted; the clusters of the rows in the same order."""
        rows = prepare(self.labels, [self.scores, *self.permuted(picked, number)], self.columns, (), self.about)
        first, *rest = (self.metric.measure(rows.sample(model, None)) for model in range(len(rows.scores)))
        return first, rest, rows.clusters


def _measured(asking: _Asking, name: str, features: tuple[str, ...], picked: Sequence[int]) -> Importance:
    first, rest, clusters = asking.differences(picked)
    sign = 1.0 if asking.metric.higher_is_better else -1.0
    worse = np.array([sign * (first.value - one.value) for one in rest])
    of_permutations = float(worse.var(ddof=1)) / len(worse) if len(worse) > 1 else 0.0
    found = None
    influences = [one.influence for one in rest]
    if first.influence is not None and all(one is not None for one in influences):
        mean = np.mean(np.array(influences), axis=0)
        found = spread(sign * (first.influence - mean), clusters=clusters)
    error = math.hypot(0.0 if found is None else found.error, math.sqrt(of_permutations))
    sure = Spread(error=error) if found is None else replace(found, error=error)
    value = estimate(float(worse.mean()), sure, rows=len(asking.matrix), confidence=CONFIDENCE, limits=(None, None))
    return Importance(name=name, features=features, value=value)


def _alone(asking: _Asking, top: Importance, outputs: Mapping[str, Sequence[int]]) -> float | None:
    """The share of what the model gains over permuted scores that is left when all other features are permuted."""
    everything = [place for picked in outputs.values() for place in picked]
    others = [place for name, picked in outputs.items() if name != top.name for place in picked]
    if top.value.lower <= 0.0:
        return None
    first, nothing, _ = asking.differences(everything, number=1)
    _, alone, _ = asking.differences(others, number=2)
    none = float(np.mean([one.value for one in nothing]))
    gained = first.value - none
    return float(np.mean([one.value for one in alone]) - none) / gained if gained else None


def _directed(names: Sequence[str], about: About) -> Metric | None:
    from mlcore.evaluation.task import Task

    task = about.get("task", Task.BINARY)
    known = (find_metric(name) for name in (*names, *FALLBACKS))
    return next((metric for metric in known if metric.higher_is_better is not None and task in metric.tasks), None)


def _taken(column: Column | None, rows: pa.Array) -> Column | None:
    return None if column is None else column.take(rows)


def _of_whole_queries(hashes: Codes, about: About) -> Codes:
    """What rows are chosen by: of a ranking the query, so that no query loses rows but the last."""
    queries = about.get("queries")
    if queries is None:
        return hashes
    return row_hashes(pa.table({"query": queries}), ("query",)).view(np.int64)


def _load(entry: Any) -> Importance:
    value = MetricValue(**entry["value"])
    return Importance(name=entry["name"], features=tuple(entry["features"]), value=value)
