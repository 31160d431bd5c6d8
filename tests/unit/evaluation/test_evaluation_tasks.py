"""Metrics of several classes, numbers and rankings; weights; resampling; metrics of one's own; slices of all kinds."""

import numpy as np
import pyarrow as pa
import pytest
from sklearn import metrics as reference

from mlcore.config.evaluation import Evaluation as EvaluationConfig
from mlcore.config.evaluation import parse_slice_term
from mlcore.errors import ComponentFailed, ConfigError, DataError, ModelError
from mlcore.evaluation.dummy import dummy_scores
from mlcore.evaluation.evaluate import evaluate
from mlcore.evaluation.intervals import spread
from mlcore.evaluation.metrics import Undefined, find_metric, metric, metrics
from mlcore.evaluation.metrics.user import of_function
from mlcore.evaluation.resample import poisson_counts
from mlcore.evaluation.sample import Sample
from mlcore.evaluation.task import Task

GENERATOR = np.random.default_rng(8)
ROWS = 1200
CLASSES = GENERATOR.integers(0, 3, ROWS).astype(np.float64)
LOGITS = GENERATOR.normal(size=(ROWS, 3)) + 1.2 * (CLASSES[:, None] == np.arange(3))
MULTICLASS = Sample(labels=CLASSES, scores=np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True))
NUMBERS = GENERATOR.normal(10, 4, ROWS).round(1)
REGRESSION = Sample(labels=NUMBERS, scores=NUMBERS + GENERATOR.standard_t(4, ROWS))
CHANCES = GENERATOR.beta(2, 3, ROWS).round(2)
BINARY = Sample(labels=(GENERATOR.random(ROWS) < CHANCES).astype(np.float64), scores=CHANCES)
QUERIES = np.repeat(np.arange(ROWS // 10), 10)
RANKING = Sample(
    labels=GENERATOR.integers(0, 3, ROWS).astype(np.float64), scores=GENERATOR.random(ROWS), queries=QUERIES
)
SAMPLES = {Task.BINARY: BINARY, Task.MULTICLASS: MULTICLASS, Task.REGRESSION: REGRESSION, Task.RANKING: RANKING}
MEAN_SCORE = f"{__name__}.mean_score"
PAIRS = [(name, task) for name, each in sorted(metrics().items()) for task in sorted(each.tasks)]


def value(spec, sample):
    return find_metric(spec).measure(sample).value


@pytest.mark.parametrize("average", ["macro", "micro", "weighted"])
@pytest.mark.parametrize("name", ["precision", "recall", "f_beta"])
def test_decisions_among_classes_are_scikit_learns(name, average):
    """Precision, recall and F1 of several classes are scikit-learn's, for every way to average."""
    decided = MULTICLASS.scores.argmax(axis=1)
    expected = reference.precision_recall_fscore_support(CLASSES, decided, average=average, zero_division=0)
    spec = f"{name}(average={average})"
    assert value(spec, MULTICLASS) == pytest.approx(expected[["precision", "recall", "f_beta"].index(name)], rel=1e-12)


def test_probabilities_of_classes_are_scikit_learns():
    """Log loss, areas and accuracies of several classes are scikit-learn's."""
    scores = MULTICLASS.scores
    assert value("log_loss", MULTICLASS) == pytest.approx(reference.log_loss(CLASSES, scores))
    for average in ("macro", "weighted"):
        expected = reference.roc_auc_score(CLASSES, scores, multi_class="ovr", average=average)
        assert value(f"roc_auc(average={average})", MULTICLASS) == pytest.approx(expected)
    expected = reference.balanced_accuracy_score(CLASSES, scores.argmax(axis=1))
    assert value("balanced_accuracy", MULTICLASS) == pytest.approx(expected)
    assert value("top_k_accuracy", MULTICLASS) == pytest.approx(reference.top_k_accuracy_score(CLASSES, scores, k=2))
    one_hot = CLASSES[:, None] == np.arange(3)
    expected = reference.average_precision_score(one_hot, scores, average="macro")
    assert value("average_precision", MULTICLASS) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("mae", reference.mean_absolute_error),
        ("rmse", reference.root_mean_squared_error),
        ("r2", reference.r2_score),
        ("pinball(quantile=0.9)", lambda y, p: reference.mean_pinball_loss(y, p, alpha=0.9)),
        ("mape(floor=0.001)", reference.mean_absolute_percentage_error),
        ("mean_error", lambda y, p: np.mean(p - y)),
        ("wape", lambda y, p: np.abs(p - y).sum() / np.abs(y).sum()),
        ("residual_quantile(quantile=0.9)", lambda y, p: np.quantile(y - p, 0.9, method="inverted_cdf")),
    ],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_errors_are_scikit_learns(spec, expected, weighted):
    """Errors of predicted numbers are scikit-learn's; a row of weight 2 counts as two rows."""
    counts = GENERATOR.integers(1, 4, ROWS) if weighted else np.ones(ROWS, dtype=np.int64)
    weights = counts.astype(np.float64) if weighted else None
    sample = Sample(labels=REGRESSION.labels, scores=REGRESSION.scores, weights=weights)
    repeated = np.repeat(REGRESSION.labels, counts), np.repeat(REGRESSION.scores, counts)
    assert value(spec, sample) == pytest.approx(expected(*repeated), rel=1e-9)


def test_percentage_errors_survive_zeros():
    """Labels that are 0 leave every percentage error finite."""
    sample = Sample(labels=np.array([0.0, 0.0, 4.0]), scores=np.array([0.0, 1.0, 5.0]))
    assert value("smape", sample) == pytest.approx((0 + 2 + 2 / 9) / 3)
    assert value("mape", sample) == pytest.approx((0 + 1 + 0.25) / 3)
    assert value("wape", sample) == pytest.approx(0.5)


def test_rankings_are_scikit_learns():
    """The gain is scikit-learn's query by query; the other metrics follow their definitions."""
    labels, scores = RANKING.labels.reshape(-1, 10), RANKING.scores.reshape(-1, 10)
    known = labels.sum(axis=1) > 0
    expected = [reference.ndcg_score(labels[[i]], scores[[i]], k=5) for i in np.flatnonzero(known)]
    assert value("ndcg(k=5)", RANKING) == pytest.approx(np.mean(expected))
    precisions = [reference.average_precision_score(labels[i] > 0, scores[i]) for i in np.flatnonzero(known)]
    assert value("mean_average_precision", RANKING) == pytest.approx(np.mean(precisions))
    ordered = np.take_along_axis(labels, np.argsort(-scores, axis=1), axis=1) > 0
    assert value("mrr", RANKING) == pytest.approx(np.mean(1 / (ordered[known].argmax(axis=1) + 1)))
    assert value("precision_at_k(k=3)", RANKING) == pytest.approx(ordered[:, :3].mean())
    found = ordered[known, :3].sum(axis=1) / ordered[known].sum(axis=1)
    assert value("recall_at_k(k=3)", RANKING) == pytest.approx(found.mean())


@pytest.mark.parametrize(("name", "task"), PAIRS)
def test_weights_are_repetitions(name, task):
    """A row of weight 3 has the value of three rows, for every metric of every task."""
    sample, found = SAMPLES[task], find_metric(name)
    counts = np.repeat(GENERATOR.integers(1, 4, ROWS // 10), 10)  # a query's rows have one weight
    weighted = Sample(
        labels=sample.labels, scores=sample.scores, weights=counts.astype(np.float64), queries=sample.queries
    )
    rows = np.repeat(np.arange(ROWS), counts)
    if task is Task.RANKING:  # a repeated query is another query
        rows = np.concatenate([np.tile(np.flatnonzero(q == QUERIES), counts[10 * q]) for q in range(ROWS // 10)])
    repeated = Sample(
        labels=sample.labels[rows],
        scores=sample.scores[rows],
        queries=np.arange(len(rows)) // 10 if task is Task.RANKING else None,
    )
    assert found.measure(weighted).value == pytest.approx(found.measure(repeated).value, rel=1e-9)


SMOOTH = [
    (name, task)
    for name, task in PAIRS
    if task is not Task.RANKING and find_metric(name).measure(SAMPLES[task]).influence is not None
]


@pytest.mark.parametrize(("name", "task"), SMOOTH)
def test_influence_predicts_weights(name, task):
    """Counting a row a little more moves the metric by its influence, for every metric that has one."""
    sample, found = SAMPLES[task], find_metric(name)
    measured = found.measure(sample)
    assert measured.influence.mean() == pytest.approx(0, abs=1e-9)
    step, moved, expected = 1e-4, [], []
    for row in range(0, ROWS, 60):
        weights = np.ones(ROWS)
        weights[row] += step
        more = found.measure(Sample(labels=sample.labels, scores=sample.scores, weights=weights)).value
        moved.append((more - measured.value) / step)
        expected.append(measured.influence[row] / ROWS)
    # DeLong's is unbiased: larger by half a row in the count of each class.
    assert moved == pytest.approx(expected, rel=0.01, abs=1e-3 * np.abs(expected).max() + 1e-7)


@pytest.mark.parametrize("spec", ["residual_quantile(quantile=0.5)"])
def test_bootstrap_is_as_wide_as_repeated_samples(spec):
    """The error of a resampled metric is the spread of the metric over fresh samples."""

    def draw(seed):
        generator = np.random.default_rng(seed)
        return np.zeros(400), generator.gamma(2.0, 1.0, 400)

    spread_of_fresh = np.std([value(spec, Sample(labels=one, scores=two)) for one, two in map(draw, range(300))])
    errors = []
    for seed in range(12):
        labels, scores = draw(seed)
        errors.append(of_rows(labels, scores, spec).standard_error)
    assert np.mean(errors) == pytest.approx(spread_of_fresh, rel=0.2)


@metric(higher_is_better=None)
def mean_score(labels, scores, weights):
    return np.average(scores, weights=weights)


def of_rows(labels, scores, spec, **about):
    config = EvaluationConfig(metrics=(spec,), min_slice_rows=1)
    columns = pa.table({"id": np.arange(len(labels))})
    about = {"task": Task.REGRESSION, "key": ("id",), **about}
    found = evaluate(pa.array(labels), scores, columns=columns, config=config, **about)
    return found.overall.metrics[find_metric(spec).spec]


def test_few_clusters_are_left_out_one_at_a_time():
    """With seven days a resampled mean has the interval that the mean has by its influence."""
    days = np.arange(700) % 7
    generator = np.random.default_rng(3)
    labels, scores = np.zeros(700), generator.normal(size=7)[days] + generator.normal(size=700)
    resampled = of_rows(labels, scores, MEAN_SCORE, clusters=pa.array(days))
    known = of_rows(labels, scores, "mean_prediction", clusters=pa.array(days))
    assert (resampled.clusters, resampled.degrees) == (7, 6)
    assert (resampled.lower, resampled.upper) == pytest.approx((known.lower, known.upper), rel=1e-9)
    rows = of_rows(labels, scores, MEAN_SCORE)
    assert rows.standard_error == pytest.approx(of_rows(labels, scores, "mean_prediction").standard_error, rel=0.2)


def test_a_days_predictions_count_where_nothing_happened():
    """A ratio of sums moves with a day that has no positive row, and so does its interval."""
    days = np.repeat(np.arange(3), 100)
    labels = np.where((days < 2) & (np.arange(300) % 2 == 0), 1.0, 0.0)
    scores = np.where(days == 2, 0.6, 0.3)
    known = of_rows(labels, scores, "calibration", task=Task.BINARY, clusters=pa.array(days))
    calm = of_rows(labels, np.where(days == 2, 0.0, 0.45), "calibration", task=Task.BINARY, clusters=pa.array(days))
    assert known.standard_error > 2 * calm.standard_error


def test_metric_of_an_installed_package(tmp_path, monkeypatch):
    """A function that a package names as an entry point is a metric by that name."""
    (tmp_path / "costs.py").write_text(
        "from mlcore.evaluation.metrics import metric\n"
        "@metric(higher_is_better=False)\n"
        "def late_cost(labels, scores, weights):\n"
        "    return float((weights * abs(labels - scores)).sum() / weights.sum())\n"
    )
    info = tmp_path / "costs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: costs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[mlcore.metrics]\nlate_cost = costs:late_cost\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = of_rows(REGRESSION.labels, REGRESSION.scores, "late_cost")
    assert found.value == pytest.approx(value("mae", REGRESSION))
    assert found.lower < found.value < found.upper
    assert find_metric("late_cost").higher_is_better is False
    assert find_metric("costs.late_cost").source_digest.startswith("sha256:")
    with pytest.raises(ConfigError, match="cannot be imported"):
        find_metric("costs.early_cost")


def test_users_metric_that_raises_is_named():
    """A user's function that raises, or gives no number, is told by its name."""

    @metric(higher_is_better=True)
    def broken(labels, scores, weights):
        return 1 / 0

    with pytest.raises(ComponentFailed, match="the metric broken raised ZeroDivisionError"):
        of_function(broken).measure(REGRESSION)

    @metric(higher_is_better=True)
    def silent(labels, scores, weights):
        return float("nan")

    with pytest.raises(Undefined):
        of_function(silent).measure(REGRESSION)
    with pytest.raises(ConfigError, match="is no metric"):
        of_function(print)


def test_poisson_counts_are_of_the_key_alone():
    """A key counts as often wherever it stands, one time on average, with a variance of one."""
    keys = np.random.default_rng(0).integers(0, 2**63, 20_000).astype(np.uint64)
    whole = np.array(list(poisson_counts(keys, 8)))
    order = np.random.default_rng(1).permutation(20_000)
    assert (np.array(list(poisson_counts(keys[order], 8))) == whole[:, order]).all()
    assert whole.mean() == pytest.approx(1.0, abs=0.01)
    assert whole.var() == pytest.approx(1.0, abs=0.02)
    assert abs(np.corrcoef(whole)[0, 1:]).max() < 0.03


def test_unequal_clusters_have_fewer_degrees():
    """Seven equal days have six degrees of freedom; where one day holds most rows there are fewer."""
    generator = np.random.default_rng(2)
    influence = generator.normal(size=700)
    influence -= influence.mean()
    assert spread(influence, clusters=np.arange(700) % 7).degrees == pytest.approx(6)
    uneven = np.where(np.arange(700) < 490, 0, np.arange(700) % 6 + 1)
    assert spread(influence, clusters=uneven).degrees < 2.5


def test_dummy_is_scikit_learns():
    """The constant prediction is the training rate, mean, or the share of each class."""
    assert dummy_scores(pa.array([0, 1, None, 1, 0, 0]), 2).tolist() == [0.4, 0.4]
    assert dummy_scores(pa.array([1.0, 4.0]), 1, task=Task.REGRESSION).tolist() == [2.5]
    shares = dummy_scores(pa.array(["a", "c", "a", "a"]), 2, task=Task.MULTICLASS, classes=("a", "b", "c"))
    assert shares.tolist() == [[0.75, 0.0, 0.25]] * 2
    with pytest.raises(DataError, match="no training row"):
        dummy_scores(pa.array([None], pa.int8()), 2)


def test_slices_by_ranges_and_times():
    """Numbers are cut into ranges and times into buckets, in their order, missing ones last."""
    times = pa.array([0, 31 * 86400, 40 * 86400, None], pa.timestamp("s"))
    columns = pa.table({"x": [5.0, None, 10.0, 11.0], "t": times})
    config = EvaluationConfig(metrics=("brier",), slices=("x[10,20]", "t[month]", "t[hour_of_day]"), min_slice_rows=1)
    found = evaluate(pa.array([0, 1, 0, 1]), np.full(4, 0.5), columns=columns, config=config)
    assert [(result.name, result.rows) for result in found.results[1:]] == [
        ("x[10,20]=below 10", 1),
        ("x[10,20]=10 to 20", 2),
        ("x[10,20]=missing", 1),
        ("t[month]=1970-01", 1),
        ("t[month]=1970-02", 2),
        ("t[month]=missing", 1),
        ("t[hour_of_day]=0", 3),
        ("t[hour_of_day]=missing", 1),
    ]
    with pytest.raises(ConfigError, match="needs times"):
        evaluate(
            pa.array([0, 1, 0, 1]),
            np.full(4, 0.5),
            columns=columns,
            config=EvaluationConfig(metrics=("brier",), slices=("x[month]",)),
        )
    with pytest.raises(ValueError, match="is no slice"):
        parse_slice_term("x[many]")


@pytest.mark.parametrize(
    ("labels", "scores", "about", "error", "text"),
    [
        (["a", "d"], [[0.5, 0.5]] * 2, {"task": Task.MULTICLASS, "classes": ("a", "b")}, DataError, "'d'"),
        (["a", "b"], [[0.5, 0.3, 0.2]] * 2, {"task": Task.MULTICLASS, "classes": ("a", "b")}, ModelError, "2 classes"),
        ([1.0, float("inf")], [1.0, 1.0], {"task": Task.REGRESSION}, DataError, "infinite"),
        ([1.0, 2.0], [1.0, float("nan")], {"task": Task.REGRESSION}, ModelError, "predicted nan"),
        ([-1.0, 2.0], [1.0, 2.0], {"task": Task.RANKING}, DataError, "below 0"),
        ([0, 1], [0.1, 0.2], {"weights": pa.array([1.0, -1.0])}, DataError, "a weight"),
        (["no", "yes"], [0.1, 0.2], {}, DataError, "labels and weights are numbers"),
    ],
)
def test_rows_that_cannot_be(labels, scores, about, error, text):
    """Labels, scores and weights that cannot be are refused with the value."""
    config = EvaluationConfig(metrics=("log_loss",))
    with pytest.raises(error, match=text):
        evaluate(pa.array(labels), np.array(scores), columns=pa.table({"x": [1, 2]}), config=config, **about)
