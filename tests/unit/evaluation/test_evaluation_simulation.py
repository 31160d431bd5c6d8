"""What intervals and gates promise, counted over simulated sets and years of retraining; the seeds are fixed."""

import numpy as np
import pyarrow as pa
import pytest

from mlcore.config.evaluation import ChampionCriterion
from mlcore.config.evaluation import Evaluation as EvaluationConfig
from mlcore.evaluation.compare import compare
from mlcore.evaluation.evaluate import evaluate
from mlcore.evaluation.gates import decide
from mlcore.evaluation.intervals import spread
from mlcore.evaluation.values import SliceResult, Slices, estimate

SETS = 500
RETRAININGS = 1000
COVERED = ("roc_auc", "log_loss", "brier", "accuracy", "calibration", "mae")
NOTHING = Slices(confidence=0.95, results=(SliceResult(key=(), rows=0, positives=0),))


def columns(rows):
    return pa.table({"x": pa.nulls(rows)})


def scored_rows(generator, rows, days, effect):
    """Labels, scores and days: the scores know each row's chance but for what all rows of its day have in common."""
    day = generator.integers(0, max(days, 1), rows)
    logit = generator.normal(-0.8, 1.0, rows)
    chance = 1 / (1 + np.exp(-(logit + effect * generator.normal(size=max(days, 1))[day])))
    labels = (generator.random(rows) < chance).astype(np.float64)
    return labels, 1 / (1 + np.exp(-logit)), pa.array(day) if days else None


@pytest.mark.parametrize(("rows", "days", "effect"), [(800, 0, 0.0), (1050, 7, 0.5)])
def test_intervals_hold_the_truth_as_often_as_they_say(rows, days, effect):
    """Of 500 sets, independent or with days that share their weather, 93 to 97 in 100 intervals hold the truth."""
    generator = np.random.default_rng(1)
    config = EvaluationConfig(metrics=COVERED, min_slice_rows=1)
    labels, scores, _ = scored_rows(generator, 300_000, 10_000 * bool(days), effect)
    whole = evaluate(pa.array(labels), scores, columns=columns(len(labels)), config=config).overall.metrics
    held = dict.fromkeys(COVERED, 0)
    for _ in range(SETS):
        labels, scores, day = scored_rows(generator, rows, days, effect)
        found = evaluate(pa.array(labels), scores, columns=columns(rows), config=config, clusters=day).overall.metrics
        for name, value in found.items():
            held[name] += value.lower <= whole[name].value <= value.upper
    assert {name: 0.93 <= count / SETS <= 0.97 for name, count in held.items()} == dict.fromkeys(COVERED, True), held


def differences(worse, retrainings, seed, *, days=7, rows=140, row_spread=0.25, day_spread=0.006):
    """Comparisons of log losses: each with days of their own, the rows of a day worse or better together.

    At the demo's 6,000 rows a week the standard error of such a difference is 0.003 to 0.006.
    """
    generator = np.random.default_rng(seed)
    for _ in range(retrainings):
        day = generator.integers(0, days, rows)
        scale = row_spread * np.sqrt(rows / 6000)  # fewer rows than the demo has, as sure as those
        losses = worse + day_spread * generator.normal(size=days)[day] + scale * generator.standard_t(5, rows)
        found = spread(losses - losses.mean(), clusters=day)
        value = estimate(float(losses.mean()), found, rows=rows, confidence=0.95, limits=(None, None))
        result = SliceResult(key=(), rows=rows, positives=None, metrics={"log_loss": value})
        yield Slices(confidence=0.95, results=(result,))


def promoted(criterion, comparisons, earlier=lambda index: 0):
    return np.array(
        [
            decide([criterion], NOTHING, comparison, earlier_tests=earlier(index)).blessed
            for index, comparison in enumerate(comparisons)
        ]
    )


BETTER = ChampionCriterion(metric="log_loss", against="champion", min_improvement=0.0, repeated_tests="ignore")
NOT_WORSE = ChampionCriterion(metric="log_loss", against="champion", max_regression=0.01)


def test_an_equal_challenger_is_rarely_promoted_as_better():
    """Of 1,000 retrainings whose challenger is no better than the champion at most 5 in 100 pass superiority."""
    assert promoted(BETTER, differences(0.0, RETRAININGS, seed=2)).mean() <= 0.05


def test_years_of_equal_challengers_rarely_hold_a_promotion():
    """Of 200 sequences of 50 retrainings at most 5 in 100 hold a promotion that chance made; unguarded most do."""
    guarded = BETTER.model_copy(update={"repeated_tests": "spend"})
    comparisons = list(differences(0.0, 200 * 50, seed=3))
    spending = promoted(guarded, comparisons, earlier=lambda index: index % 50).reshape(200, 50)
    ignoring = promoted(BETTER, comparisons[:2000]).reshape(40, 50)
    assert spending.any(axis=1).mean() <= 0.05
    assert ignoring.any(axis=1).mean() > 0.5


def test_a_challenger_worse_than_allowed_rarely_passes():
    """Of 1,000 retrainings whose challenger is just worse than allowed at most 5 in 100 pass non-inferiority."""
    assert promoted(NOT_WORSE, differences(0.0101, RETRAININGS, seed=4)).mean() <= 0.05


def test_a_better_challenger_passes():
    """Of 1,000 retrainings whose challenger is better by twice the margin at least 80 in 100 pass, also superiority."""
    comparisons = list(differences(-0.02, RETRAININGS, seed=5))
    assert promoted(NOT_WORSE, comparisons).mean() >= 0.99
    assert promoted(BETTER, comparisons).mean() >= 0.8
    assert promoted(BETTER.model_copy(update={"repeated_tests": "spend"}), comparisons).mean() >= 0.8


def test_the_whole_comparison_keeps_the_promise():
    """Two models of equal quality with errors of their own, compared on rows of seven days: 5 in 100 at most pass."""
    generator = np.random.default_rng(6)
    config = EvaluationConfig(metrics=("log_loss",), min_slice_rows=1)
    passed = 0
    for _ in range(300):
        labels, scores, day = scored_rows(generator, 700, 7, 0.3)
        logit = np.log(scores / (1 - scores))
        one, two = (1 / (1 + np.exp(-(logit + 0.4 * generator.normal(size=700)))) for _ in range(2))
        found = compare(pa.array(labels), one, two, columns=columns(700), config=config, clusters=day)
        passed += decide([BETTER], NOTHING, found).blessed
    assert passed <= 0.05 * 300
