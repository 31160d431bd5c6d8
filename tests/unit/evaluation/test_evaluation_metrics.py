"""Metrics agree with scikit-learn and TensorFlow Model Analysis, and their influence with what removing rows does."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
from sklearn import metrics as reference

from mlcore.config.evaluation import Evaluation as EvaluationConfig
from mlcore.errors import ConfigError
from mlcore.evaluation.evaluate import evaluate
from mlcore.evaluation.intervals import standard_error
from mlcore.evaluation.metrics import find_metric, metrics
from mlcore.evaluation.sample import Sample

CONFORMANCE = Path(__file__).parents[4] / "shared" / "conformance" / "metrics"
TFMA_NAMES = {
    "roc_auc": "auc",
    "average_precision": "auc_precision_recall",
    "log_loss": "binary_crossentropy",
    "accuracy": "binary_accuracy",
}


def make_sample(rows: int = 2000, seed: int = 3, *, ties: bool = True) -> Sample:
    generator = np.random.default_rng(seed)
    scores = generator.beta(1, 3, rows)
    positive = generator.random(rows) < 0.1 + 0.7 * scores
    return Sample(positive=positive, scores=np.round(scores, 2) if ties else scores)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("roc_auc", reference.roc_auc_score),
        ("average_precision", reference.average_precision_score),
        ("log_loss", reference.log_loss),
        ("brier", reference.brier_score_loss),
        ("accuracy", lambda labels, scores: reference.accuracy_score(labels, scores > 0.5)),
    ],
)
@pytest.mark.parametrize("ties", [True, False])
def test_value_is_scikit_learns(name, expected, ties):
    """Each metric's value is the one scikit-learn computes, with and without tied scores."""
    sample = make_sample(ties=ties)
    value, _ = find_metric(name).measure(sample)
    assert value == pytest.approx(expected(sample.positive, sample.scores), rel=1e-12)


def test_calibration_error_of_known_bins():
    """Two bins that are off by 0.2 and 0.1 with three and one rows give 0.175."""
    sample = Sample(positive=np.array([True, False, False, True]), scores=np.array([0.11, 0.14, 0.15, 0.9]))
    value, _ = find_metric("calibration_error").measure(sample)
    assert value == pytest.approx((abs(0.4 - 1) + abs(0.9 - 1)) / 4)


@pytest.mark.parametrize("name", sorted(metrics()))
def test_influence_predicts_removal_of_rows(name):
    """Leaving one row out changes the metric by its influence over the rows, to first order."""
    sample = make_sample(1500)
    metric = find_metric(name)
    value, influence = metric.measure(sample)
    assert influence.mean() == pytest.approx(0, abs=1e-9)
    removed = range(0, sample.rows, 25)
    changes = []
    for row in removed:
        kept = np.arange(sample.rows) != row
        changes.append(value - metric.measure(Sample(positive=sample.positive[kept], scores=sample.scores[kept]))[0])
    expected = influence[list(removed)] / sample.rows
    assert np.corrcoef(changes, expected)[0, 1] > 0.999
    assert np.abs(np.array(changes) - expected).max() < 0.1 * np.abs(expected).max()


@pytest.mark.parametrize("name", sorted(metrics()))
def test_standard_error_is_that_of_repeated_samples(name):
    """The standard error from one sample is the spread of the metric over fresh samples."""
    metric = find_metric(name)
    spread = np.std([metric.measure(make_sample(1000, seed=seed))[0] for seed in range(200)])
    errors = [standard_error(metric.measure(make_sample(1000, seed=seed))[1], None)[0] for seed in range(20)]
    # A bin whose excess is near 0 folds over: the calibration error spreads a little less than its formula says.
    assert np.mean(errors) == pytest.approx(spread, rel=0.3 if name == "calibration_error" else 0.15)


def test_auc_error_is_delongs():
    """The standard error of the area under the curve is DeLong's, from its definition over all pairs."""
    sample = make_sample(400)
    positive, negative = sample.scores[sample.positive], sample.scores[~sample.positive]
    wins = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    variance = wins.mean(1).var(ddof=1) / len(positive) + wins.mean(0).var(ddof=1) / len(negative)
    _, influence = find_metric("roc_auc").measure(sample)
    error, clusters = standard_error(influence, None)
    assert clusters is None
    assert error == pytest.approx(np.sqrt(variance * sample.rows / (sample.rows - 1)), rel=1e-12)


@pytest.mark.parametrize("name", sorted(metrics()))
def test_rows_that_come_in_copies_are_no_more_certain(name):
    """Ten copies of every row, each set a cluster, give the interval of one copy."""
    sample = make_sample(500)
    copies = Sample(positive=np.repeat(sample.positive, 10), scores=np.repeat(sample.scores, 10))
    once, _ = standard_error(find_metric(name).measure(sample)[1], None)
    error, clusters = standard_error(find_metric(name).measure(copies)[1], np.repeat(np.arange(500), 10))
    assert clusters == 500
    assert error == pytest.approx(once, rel=0.02)


def test_unknown_metric_names_the_known_ones():
    """A misspelt metric is an error that guesses what was meant and lists what is allowed."""
    with pytest.raises(ConfigError, match=r"did you mean roc_auc\?") as caught:
        find_metric("rocauc")
    assert "calibration_error" in caught.value.next_step


@pytest.mark.skipif(not CONFORMANCE.is_dir(), reason="the conformance files are not here")
def test_tfma_gives_the_same_values():
    """Values agree with TensorFlow Model Analysis on every slice that both have."""
    table = pa.csv.read_csv(CONFORMANCE / "eval_cases.csv")
    slices = json.loads((CONFORMANCE / "tfma_metrics.json").read_text())["runs"]["none"]["slices"]
    config = EvaluationConfig(
        metrics=tuple(TFMA_NAMES),
        slices=(("origin",), ("carrier",), ("month",), ("month", "origin")),
        min_slice_rows=1,
    )
    evaluation = evaluate(table["label"], table["probability"].to_numpy(), columns=table, config=config)
    compared = 0
    for result in evaluation.results:
        name = ",".join(f"{column}={value}" for column, value in result.key)
        expected = slices.get(name or "overall")
        if expected is None:
            continue
        compared += 1
        assert result.rows == expected["example_count"]["value"]
        for ours, theirs in TFMA_NAMES.items():
            if ours in result.metrics:
                # TFMA sums both areas over 10,000 thresholds; between points of the precision-recall curve it
                # interpolates, which differs from the average precision where there are few rows.
                tolerance = {"roc_auc": 5e-4, "average_precision": 20 / result.rows}.get(ours, 1e-5)
                assert result.metrics[ours].value == pytest.approx(expected[theirs]["value"], abs=tolerance), name
    assert compared == len(slices)


@pytest.mark.skipif(not CONFORMANCE.is_dir(), reason="the conformance files are not here")
def test_intervals_are_as_wide_as_tfmas_jackknife():
    """Intervals of independent rows are as wide as those that TensorFlow Model Analysis gets by the jackknife."""
    table = pa.csv.read_csv(CONFORMANCE / "eval_cases.csv")
    slices = json.loads((CONFORMANCE / "tfma_metrics.json").read_text())["runs"]["JACKKNIFE"]["slices"]
    config = EvaluationConfig(metrics=("roc_auc", "log_loss", "accuracy"), slices=(("origin",),))
    evaluation = evaluate(table["label"], table["probability"].to_numpy(), columns=table, config=config)
    ratios = []
    for result in evaluation.results:
        expected = slices[",".join(f"{column}={value}" for column, value in result.key) or "overall"]
        for ours, value in result.metrics.items():
            theirs = expected[TFMA_NAMES[ours]]
            ratios.append((value.upper - value.lower) / (theirs["upper"] - theirs["lower"]))
    # A jackknife of 20 buckets has a standard error that is itself off by a sixth.
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.15)
    assert 0.5 < min(ratios) <= max(ratios) < 1.7
