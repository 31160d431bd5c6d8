"""Laws of metrics: what order, scale, and swapping of classes or models must not change."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlcore.config.evaluation import Evaluation as EvaluationConfig
from mlcore.evaluation.compare import compare
from mlcore.evaluation.evaluate import evaluate
from mlcore.evaluation.metrics import Undefined, metrics
from mlcore.evaluation.sample import Sample
from mlcore.evaluation.task import Task
from mlcore.evaluation.values import Slices

SCORED = st.lists(
    st.tuples(st.booleans(), st.integers(0, 20).map(lambda n: n / 20) | st.floats(0, 1), st.floats(0, 1)),
    min_size=4,
    max_size=60,
).filter(lambda rows: 2 <= sum(label for label, *_ in rows) <= len(rows) - 2)
BINARY = {name: metric for name, metric in sorted(metrics().items()) if Task.BINARY in metric.tasks}
RESAMPLED = ("lift", "precision_at_recall", "recall_at_precision", "recall_at_specificity", "specificity_at_recall")
"""Two hundred replicates each: there are tests of their own."""
CONFIG = EvaluationConfig(metrics=tuple(name for name in BINARY if name not in RESAMPLED), min_slice_rows=1)


def arrays(rows):
    labels, one, two = zip(*rows, strict=True)
    return pa.array(labels), np.array(one), np.array(two)


def nothing(count):
    return pa.table({"x": pa.nulls(count)})


@given(SCORED, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=40)
def test_values_stay_in_range_and_do_not_depend_on_order(rows, random):
    """Every value and interval lies where it must, and shuffling rows moves neither by a bit."""
    shuffled = random.sample(rows, len(rows))
    results = []
    for given_rows in (rows, shuffled):
        labels, scores, _ = arrays(given_rows)
        results.append(evaluate(labels, scores, columns=nothing(len(rows)), config=CONFIG).overall.metrics)
    assert set(results[0]) == set(results[1]) > {"roc_auc", "log_loss", "brier", "recall"}
    for name, value in results[0].items():
        metric = BINARY[name]
        other = results[1][name]
        assert value.lower <= value.value <= value.upper
        assert metric.least is None or value.lower >= metric.least - 1e-12
        assert metric.most is None or value.upper <= metric.most + 1e-12
        assert value == other


@given(SCORED)
@settings(deadline=None, max_examples=40)
def test_influence_has_mean_zero(rows):
    """The influence of all rows together is nothing."""
    labels, scores, _ = arrays(rows)
    sample = Sample(labels=np.array(labels.to_pylist(), dtype=np.float64), scores=scores)
    for metric in BINARY.values():
        try:
            influence = metric.measure(sample).influence
        except Undefined:
            continue
        if influence is None:
            continue
        assert len(influence) == len(rows)
        assert influence.mean() == pytest.approx(0, abs=1e-9 * max(1.0, float(np.abs(influence).max())))


@given(SCORED)
@settings(deadline=None, max_examples=40)
def test_area_depends_on_order_of_scores_alone(rows):
    """A monotonic change of all scores leaves the area under the curve and its interval."""
    labels, scores, _ = arrays(rows)
    config = EvaluationConfig(metrics=("roc_auc",), min_slice_rows=1)
    ranks = np.unique(scores, return_inverse=True)[1] / (len(scores) + 1.0)
    one, two = (
        evaluate(labels, given_scores, columns=nothing(len(rows)), config=config).overall.metrics["roc_auc"]
        for given_scores in (scores, ranks)
    )
    assert (one.value, one.lower, one.upper) == pytest.approx((two.value, two.lower, two.upper), abs=1e-12)


@given(SCORED)
@settings(deadline=None, max_examples=40)
def test_comparison_is_antisymmetric(rows):
    """Swapping challenger and champion swaps the signs, and nothing else."""
    labels, one, two = arrays(rows)
    forth = compare(labels, one, two, columns=nothing(len(rows)), config=CONFIG).overall.metrics
    back = compare(labels, two, one, columns=nothing(len(rows)), config=CONFIG).overall.metrics
    for name, value in forth.items():
        other = back[name]
        assert (value.value, value.lower, value.upper) == pytest.approx(
            (-other.value, -other.upper, -other.lower), rel=1e-9, abs=1e-9
        )


@given(SCORED, st.integers(2, 5))
@settings(deadline=None, max_examples=40)
def test_json_keeps_every_bit(rows, days):
    """Writing and reading an evaluation changes nothing."""
    labels, scores, _ = arrays(rows)
    clusters = pa.array([index % days for index in range(len(rows))])
    columns = pa.table({"c": pa.array([str(index % 3) for index in range(len(rows))])})
    config = EvaluationConfig(metrics=CONFIG.metrics, slices=(("c",),), min_slice_rows=1)
    evaluation = evaluate(labels, scores, columns=columns, config=config, clusters=clusters)
    assert Slices.from_json(evaluation.to_json()) == evaluation
