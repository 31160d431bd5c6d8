"""Resampling of very many rows: as sure as all of them are, though not all are drawn from."""

import numpy as np
import pyarrow as pa
import pytest

from mlcore.config.evaluation import Evaluation as EvaluationConfig
from mlcore.evaluation.evaluate import evaluate
from mlcore.evaluation.metrics import metric
from mlcore.evaluation.resample import MANY_ROWS

ROWS = 8 * MANY_ROWS
GENERATOR = np.random.default_rng(12)
SCORES = GENERATOR.beta(2, 4, ROWS)
LABELS = (GENERATOR.random(ROWS) < SCORES).astype(np.float64)
DAYS = np.arange(ROWS) % 60


@metric(higher_is_better=None)
def own_mean(labels, scores, weights):
    """The mean prediction, of which nobody knows that its influence is known."""
    return float((weights * scores).sum() / weights.sum())


def measured(name, order=None, **about):
    order = np.arange(ROWS) if order is None else order
    config = EvaluationConfig(metrics=(name,), min_slice_rows=1)
    given = {key: pa.array(values[order]) for key, values in about.items()}
    found = evaluate(
        pa.array(LABELS[order]),
        SCORES[order],
        columns=pa.table({"id": order}),
        config=config,
        key=("id",),
        **given,
    )
    (value,) = found.overall.metrics.values()
    return value


@pytest.mark.parametrize(
    "about",
    [{}, {"weights": GENERATOR.exponential(1.0, ROWS)}, {"clusters": DAYS}],
    ids=["independent", "weighted", "of 60 days"],
)
def test_the_error_is_that_of_all_rows(about):
    """Beside a metric whose error is known: the same value, and an error within a third of it."""
    ours, known = measured(f"{__name__}.own_mean", **about), measured("mean_prediction", **about)
    assert ours.value == pytest.approx(known.value)
    assert ours.standard_error == pytest.approx(known.standard_error, rel=0.33)
    assert ours.clusters == known.clusters


def test_very_many_clustered_rows_are_thinned(monkeypatch):
    """Where days differ, half of the rows say nearly as much; the interval is no narrower than that of all."""
    shifts = np.random.default_rng(2).normal(0, 0.1, 60)[DAYS]
    moved = np.clip(SCORES + shifts, 0, 1)
    config = EvaluationConfig(metrics=(f"{__name__}.own_mean",), min_slice_rows=1)

    def error():
        table = pa.table({"id": np.arange(ROWS)})
        found = evaluate(pa.array(LABELS), moved, columns=table, config=config, key=("id",), clusters=pa.array(DAYS))
        return found.overall.metrics["own_mean"].standard_error

    of_all = error()
    monkeypatch.setattr("mlcore.evaluation.resample.MOST_CLUSTERED", ROWS // 2)
    assert of_all * 0.95 < error() < of_all * 1.1


def test_order_changes_nothing():
    """Which rows are drawn from is decided by their keys."""
    shuffled = np.random.default_rng(1).permutation(ROWS)
    assert measured("lift", shuffled) == measured("lift")


def test_rare_outcomes_are_drawn_from_all_rows():
    """Where a sample has no positive row most of the time, all rows are drawn from."""
    rare = np.zeros(ROWS)
    rare[:3] = 1.0
    config = EvaluationConfig(metrics=("lift",), min_slice_rows=1)
    table = pa.table({"id": np.arange(ROWS)})
    found = evaluate(pa.array(rare), SCORES, columns=table, config=config, key=("id",)).overall
    assert found.metrics["lift"].standard_error > 0
