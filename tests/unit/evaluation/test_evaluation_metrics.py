"""Metrics agree with scikit-learn and TensorFlow Model Analysis, and their influence with what removing rows does."""

import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
from scipy.stats import norm
from sklearn import metrics as reference

from mlcore.config.evaluation import Evaluation as EvaluationConfig
from mlcore.errors import ConfigError
from mlcore.evaluation.evaluate import evaluate
from mlcore.evaluation.intervals import spread
from mlcore.evaluation.metrics import Undefined, find_metric, metrics
from mlcore.evaluation.sample import Sample
from mlcore.evaluation.task import Task
from mlcore.evaluation.values import slice_id

CONFORMANCE = Path(__file__).parents[4] / "shared" / "conformance" / "metrics"
TFMA_NAMES = {
    "roc_auc": "auc",
    "log_loss": "binary_crossentropy",
    "accuracy": "binary_accuracy",
    "precision": "precision",
    "recall": "recall",
    "specificity": "specificity",
    "f_beta": "f1_score",
    "calibration": "calibration",
    "mean_label": "mean_label",
    "mean_prediction": "mean_prediction",
    "mae": "mean_absolute_error",
}
SMALL = Sample(labels=np.array([0.0, 1.0, 0.0, 1.0]), scores=np.array([0.2, 0.9, 0.6, 0.7]))
SMOOTH = sorted(
    name
    for name, metric in metrics().items()
    if Task.BINARY in metric.tasks and metric.measure(SMALL).influence is not None
)


def make_sample(rows: int = 2000, seed: int = 3, *, ties: bool = True) -> Sample:
    generator = np.random.default_rng(seed)
    scores = generator.beta(1, 3, rows)
    positive = generator.random(rows) < 0.1 + 0.7 * scores
    return Sample(labels=positive.astype(np.float64), scores=np.round(scores, 2) if ties else scores)


def measured(name, sample):
    """A metric with its interval, of independent rows."""
    config = EvaluationConfig(metrics=(name,), min_slice_rows=1)
    labels, columns = pa.array(sample.labels), pa.table({"x": pa.nulls(sample.rows)})
    return evaluate(labels, sample.scores, columns=columns, config=config).overall.metrics[name]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("roc_auc", reference.roc_auc_score),
        ("average_precision", reference.average_precision_score),
        ("log_loss", reference.log_loss),
        ("brier", reference.brier_score_loss),
        ("accuracy", lambda labels, scores: reference.accuracy_score(labels, scores > 0.5)),
        ("precision(threshold=0.3)", lambda labels, scores: reference.precision_score(labels, scores > 0.3)),
        ("recall(threshold=0.3)", lambda labels, scores: reference.recall_score(labels, scores > 0.3)),
        ("specificity", lambda labels, scores: reference.recall_score(1 - labels, scores <= 0.5)),
        ("f_beta(beta=2)", lambda labels, scores: reference.fbeta_score(labels, scores > 0.5, beta=2)),
        ("matthews", lambda labels, scores: reference.matthews_corrcoef(labels, scores > 0.5)),
        ("balanced_accuracy", lambda labels, scores: reference.balanced_accuracy_score(labels, scores > 0.5)),
    ],
)
@pytest.mark.parametrize("ties", [True, False])
def test_value_is_scikit_learns(name, expected, ties):
    """Each metric's value is the one scikit-learn computes, with and without tied scores."""
    sample = make_sample(ties=ties)
    value = find_metric(name).measure(sample).value
    assert value == pytest.approx(expected(sample.labels, sample.scores), rel=1e-12)


def test_calibration_error_of_known_bins():
    """Two bins that are off by 0.2 and 0.1 with three and one rows give 0.175."""
    sample = Sample(labels=np.array([1.0, 0.0, 0.0, 1.0]), scores=np.array([0.11, 0.14, 0.15, 0.9]))
    value = find_metric("calibration_error").measure(sample).value
    assert value == pytest.approx((abs(0.4 - 1) + abs(0.9 - 1)) / 4)


@pytest.mark.parametrize("name", SMOOTH)
def test_influence_predicts_removal_of_rows(name):
    """Leaving one row out changes the metric by its influence over the rows, to first order."""
    sample = make_sample(1500)
    metric = find_metric(name)
    measured = metric.measure(sample)
    value, influence = measured.value, measured.influence
    assert influence.mean() == pytest.approx(0, abs=1e-9)
    removed = range(0, sample.rows, 25)
    changes = []
    for row in removed:
        kept = np.arange(sample.rows) != row
        changes.append(value - metric.measure(Sample(labels=sample.labels[kept], scores=sample.scores[kept])).value)
    expected = influence[list(removed)] / sample.rows
    assert np.corrcoef(changes, expected)[0, 1] > 0.999
    assert np.abs(np.array(changes) - expected).max() < 0.1 * np.abs(expected).max()


@pytest.mark.parametrize("name", SMOOTH)
def test_standard_error_is_that_of_repeated_samples(name):
    """The standard error from one sample is the spread of the metric over fresh samples."""
    metric = find_metric(name)
    seen = np.std([metric.measure(make_sample(1000, seed=seed)).value for seed in range(200)])
    errors = [spread(metric.measure(make_sample(1000, seed=seed)).influence).error for seed in range(20)]
    # A bin whose excess is near 0 folds over: the calibration error spreads a little less than its formula says.
    assert np.mean(errors) == pytest.approx(seen, rel=0.3 if name == "calibration_error" else 0.15)


def test_auc_interval_is_delongs():
    """The interval of the area under the curve is DeLong's, from its definition over all pairs."""
    sample = make_sample(400)
    positive, negative = sample.scores[sample.positive], sample.scores[~sample.positive]
    wins = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    error = np.sqrt(wins.mean(1).var(ddof=1) / len(positive) + wins.mean(0).var(ddof=1) / len(negative))
    found = measured("roc_auc", sample)
    assert found.value == pytest.approx(wins.mean(), rel=1e-12)
    assert found.standard_error == pytest.approx(error, rel=1e-12)
    assert found.lower == pytest.approx(wins.mean() - norm.ppf(0.975) * error, rel=1e-12)


@pytest.mark.parametrize("name", SMOOTH)
def test_rows_that_come_in_copies_are_no_more_certain(name):
    """Ten copies of every row, each set a cluster, give the interval of one copy."""
    sample = make_sample(500)
    copies = Sample(labels=np.repeat(sample.labels, 10), scores=np.repeat(sample.scores, 10))
    once = spread(find_metric(name).measure(sample).influence)
    of_copies = spread(find_metric(name).measure(copies).influence, clusters=np.repeat(np.arange(500), 10))
    assert of_copies.clusters == 500
    assert of_copies.degrees == pytest.approx(499)
    assert of_copies.error == pytest.approx(once.error, rel=0.02)


def test_unknown_metric_names_the_known_ones():
    """A misspelt metric is an error that guesses what was meant and lists what is allowed."""
    with pytest.raises(ConfigError, match=r"did you mean roc_auc\?") as caught:
        find_metric("rocauc")
    assert "calibration_error" in caught.value.next_step


@pytest.mark.parametrize(
    ("spec", "canonical"),
    [
        ("precision(threshold=0.3)", "precision(threshold=0.3)"),
        ("precision( threshold = 0.50 )", "precision"),
        ("f_beta(beta=2, threshold=0.3)", "f_beta(threshold=0.3, beta=2)"),
        ("ndcg(k=5)", "ndcg(k=5)"),
        ("roc_auc(average=weighted)", "roc_auc(average=weighted)"),
    ],
)
def test_parameters_of_a_metric(spec, canonical):
    """A name may have parameters; those at their default are not part of the canonical name."""
    assert find_metric(spec).spec == canonical


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("precision(cut=0.3)", "parameters of precision: average, threshold"),
        ("ndcg(k=many)", "write a number"),
        ("roc_auc(average=all)", "macro, micro, weighted"),
        ("mape(floor=0)", "label's unit"),
    ],
)
def test_wrong_parameters_name_the_right_ones(spec, text):
    """A parameter that is none, or that cannot be, is an error that says what is allowed."""
    with pytest.raises(ConfigError) as caught:
        find_metric(spec)
    assert text in caught.value.next_step


def test_metric_without_a_value_says_why():
    """Precision where nothing is predicted positive, and an area of one class, have no value."""
    sample = Sample(labels=np.zeros(3), scores=np.array([0.1, 0.2, 0.3]))
    for name, text in (("precision", "no row is predicted positive"), ("roc_auc", "both labels are needed")):
        with pytest.raises(Undefined, match=text):
            find_metric(name).measure(sample)


def test_few_rows_have_honest_intervals():
    """A perfect precision of five rows, and a perfect area of two positive ones, are far from sure."""
    sample = Sample(labels=np.array([1.0] * 5 + [0.0] * 20), scores=np.array([0.9] * 5 + [0.1] * 20))
    precision, area = measured("precision", sample), measured("roc_auc", sample)
    assert (precision.value, precision.upper) == (1.0, 1.0)
    assert precision.lower == pytest.approx(0.5655, abs=1e-4)  # Wilson's for 5 of 5
    assert (area.value, area.upper) == (1.0, 1.0)
    assert area.lower < 0.6


def tfma(metrics, cut=lambda scores: scores):
    """Our values by slice and metric with those of TensorFlow Model Analysis, for all 56 slices."""
    table = pa.csv.read_csv(CONFORMANCE / "eval_cases.csv")
    slices = json.loads((CONFORMANCE / "tfma_metrics.json").read_text())["runs"]["none"]["slices"]
    config = EvaluationConfig(
        metrics=tuple(metrics), slices=(("origin",), ("carrier",), ("month", "origin")), min_slice_rows=1
    )
    evaluation = evaluate(table["label"], cut(table["probability"].to_numpy()), columns=table, config=config)
    assert {slice_id(result.key) for result in evaluation.results} == set(slices)
    assert len(slices) == 56
    for result in evaluation.results:
        expected = slices[slice_id(result.key)]
        assert result.rows == expected["example_count"]["value"]
        for ours in metrics:
            value = result.metrics[ours].value if ours in result.metrics else None
            yield (result.name, ours), value, float(expected[TFMA_NAMES[ours]]["value"])


@pytest.mark.skipif(not CONFORMANCE.is_dir(), reason="the conformance files are not here")
def test_tfma_gives_the_same_values():
    """Values agree with TensorFlow Model Analysis to a millionth on each of its 56 slices, where definitions do.

    Its areas under the ROC curve take scores of one of 10,000 buckets as equal: ours are within 0.0003 of them.
    """
    compared = 0
    for where, value, theirs in tfma(TFMA_NAMES):
        if value is None:  # it has a 0 for what divides by 0
            assert np.isnan(theirs) or (where[1] == "roc_auc" and theirs == 0), where
            continue
        assert value == pytest.approx(theirs, rel=0, abs=3e-4 if where[1] == "roc_auc" else 1e-6), where
        compared += 1
    assert compared >= 56 * len(TFMA_NAMES) - 16


def in_buckets(scores):
    """Scores as TensorFlow Model Analysis's areas see them: 10,000 buckets, by its 10,000 thresholds."""
    thresholds = np.concatenate([[-1e-7], np.arange(1, 9999) / 9999, [1 + 1e-7]])
    return (np.searchsorted(thresholds, np.floor(scores * 10_000) / 10_000, side="right") - 1) / 9999


@pytest.mark.skipif(not CONFORMANCE.is_dir(), reason="the conformance files are not here")
def test_areas_are_tfmas_where_ties_are():
    """With scores cut into its buckets our areas are its own to a millionth, on all slices that have both classes."""
    found = [(where, value, theirs) for where, value, theirs in tfma(["roc_auc"], in_buckets) if value is not None]
    assert len(found) == 55
    for where, value, theirs in found:
        assert value == pytest.approx(theirs, rel=0, abs=1e-6), where


@pytest.mark.skipif(not CONFORMANCE.is_dir(), reason="the conformance files are not here")
def test_intervals_overlap_tfmas_jackknife():
    """Each of our intervals overlaps TensorFlow Model Analysis's jackknife's by nine tenths of the shorter one.

    Of all of its slices and metrics; on average they share 85 in 100 of all that either of them holds.
    """
    table = pa.csv.read_csv(CONFORMANCE / "eval_cases.csv")
    slices = json.loads((CONFORMANCE / "tfma_metrics.json").read_text())["runs"]["JACKKNIFE"]["slices"]
    names = ("roc_auc", "log_loss", "accuracy", "precision", "recall", "calibration")
    config = EvaluationConfig(metrics=names, slices=(("origin",),))
    evaluation = evaluate(table["label"], table["probability"].to_numpy(), columns=table, config=config)
    ratios, shared = [], []
    for result in evaluation.results:
        expected = slices[slice_id(result.key)]
        for ours, value in result.metrics.items():
            lower, upper = (expected[TFMA_NAMES[ours]][side] for side in ("lower", "upper"))
            common = min(value.upper, upper) - max(value.lower, lower)
            assert common / min(value.upper - value.lower, upper - lower) >= 0.9, (result.name, ours)
            shared.append(common / (max(value.upper, upper) - min(value.lower, lower)))
            ratios.append((value.upper - value.lower) / (upper - lower))
    assert len(shared) == 4 * len(names)
    assert np.mean(shared) >= 0.85
    # A jackknife of 20 buckets has a standard error that is itself off by a sixth.
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.15)


def test_every_metric_is_in_the_reference():
    """The reference names every metric there is, with its parameters."""
    text = (Path(__file__).parents[3] / "docs" / "reference" / "evaluation.md").read_text(encoding="utf-8")
    rows = {line.split("`")[1]: line for line in text.splitlines() if line.startswith("| `")}
    for name, metric in metrics().items():
        assert all(f"`{field.name}=" in rows[name] for field in fields(metric)), name
