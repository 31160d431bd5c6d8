"""Permutation importance: what it finds, how sure it is, and that order and partition change nothing."""

import numpy as np
import pyarrow as pa
import pytest

from mlcore.config.evaluation import Importance
from mlcore.evaluation.card.charts import chart
from mlcore.evaluation.files import Judgement, read_judgement, write
from mlcore.evaluation.gates import Verdict
from mlcore.evaluation.importance import Importances, importances, with_warning
from mlcore.evaluation.task import Task
from mlcore.evaluation.values import SliceResult, Slices

ROWS = 3000
OUTPUTS = {"strong": [0, 1], "weak": [2], "noise": [3]}
NOTHING = Slices(confidence=0.95, results=(SliceResult(key=(), rows=0, positives=0),))


def logistic(weights):
    return lambda matrix: 1 / (1 + np.exp(-(matrix @ np.array(weights))))


def measured(weights=(1.0, 1.0, 0.5, 0.0), *, order=None, shared=None, metrics=("roc_auc",), outputs=None, **about):
    """Importances of a model that knows the chances; the features are normal, the labels drawn."""
    generator = np.random.default_rng(4)
    matrix = generator.normal(size=(ROWS, 4))
    labels = (generator.random(ROWS) < logistic((1.0, 1.0, 0.5, 0.0))(matrix)).astype(np.float64)
    days = np.arange(ROWS) // 300
    order = np.arange(ROWS) if order is None else order
    return importances(
        pa.chunked_array([pa.array(labels[order])]),
        matrix[order],
        outputs or OUTPUTS,
        shared or {},
        predict=logistic(weights),
        columns=pa.table({"id": order, "day": days[order]}),
        metrics=metrics,
        asked=Importance(rows=2000, repeats=4),
        key=("id",),
        clusters=pa.chunked_array([pa.array(days[order])]),
        **about,
    )


def test_what_a_model_rests_on_is_told_in_order():
    """Both columns of a feature are one; a feature that says nothing is worth nothing, and the interval holds that."""
    found = measured()
    assert [each.name for each in found.features] == ["strong", "weak", "noise"]
    strong, weak, noise = (each.value for each in found.features)
    assert strong.lower > weak.upper > weak.lower > 0
    assert (noise.value, noise.lower, noise.upper) == (0.0, 0.0, 0.0)
    assert (found.metric, found.rows, found.repeats) == ("roc_auc", 2000, 4)
    assert found.warning is None


def test_losses_are_worth_as_much_as_areas():
    """Of a metric of which less is better, what is lost is above 0, too."""
    assert [each.value.value > 0 for each in measured(metrics=("mean_label", "log_loss")).features[:2]] == [True, True]


def test_order_and_partition_change_nothing():
    """Rows in another order, in other pieces, give the same bits."""
    shuffled = np.random.default_rng(1).permutation(ROWS)
    assert measured(order=shuffled).to_document() == measured().to_document()


def test_features_of_one_column_are_permuted_together_too():
    """Features that read one column are worth more together than the better of them by itself."""
    twice = {"a": [0], "b": [1], "rest": [2, 3]}
    found = measured(outputs=twice, shared={"column": ["a", "b"]})
    (together,) = found.shared
    assert together.features == ("a", "b")
    assert together.value.lower > max(each.value.upper for each in found.features if each.name in "ab")


def test_a_feature_that_is_the_whole_model_is_warned_of():
    """The verdict says so and blocks nothing; of a model that spreads its trust nothing is said."""
    found = measured((1.0, 1.0, 0.02, 0.0))
    assert found.alone == pytest.approx(1.0, abs=0.02)
    verdict = with_warning(Verdict(blessed=True, reasons=("passed: x",)), found)
    assert verdict.blessed
    assert verdict.reasons[1].startswith("warned: feature strong alone gives ")
    assert measured().alone < 0.95


def test_classes_numbers_and_rankings_have_importances():
    """Of any task the first metric that has a direction is measured."""
    generator = np.random.default_rng(2)
    matrix = generator.normal(size=(ROWS, 2))
    plain = {"outputs": {"x": [0], "y": [1]}, "shared": {}, "asked": Importance(), "key": ("id",)}
    columns = pa.table({"id": np.arange(ROWS)})
    classes = np.where(matrix[:, 0] > 0, "b", "a")
    several = importances(
        pa.chunked_array([classes]),
        matrix,
        predict=lambda given: np.column_stack([given[:, 0] <= 0, given[:, 0] > 0]).astype(np.float64),
        columns=columns,
        metrics=("accuracy",),
        task=Task.MULTICLASS,
        classes=("a", "b"),
        **plain,
    )
    assert several.features[0].value.value == pytest.approx(0.5, abs=0.05)
    numbers = importances(
        pa.chunked_array([matrix[:, 0]]),
        matrix,
        predict=lambda given: given[:, 0],
        columns=columns,
        metrics=("r2",),
        task=Task.REGRESSION,
        **plain,
    )
    assert numbers.features[0].value.value == pytest.approx(2.0, abs=0.2)
    ranked = importances(
        pa.chunked_array([(matrix[:, 0] > 1).astype(np.float64)]),
        matrix,
        predict=lambda given: given[:, 0],
        columns=columns,
        metrics=("mrr",),
        task=Task.RANKING,
        queries=pa.chunked_array([np.arange(ROWS) // 10]),
        **plain,
    )
    assert ranked.features[0].value.lower > 0.1


def test_a_metric_without_a_value_is_no_importance():
    """Where all rows are of one class there is no area, and no importance."""
    found = importances(
        pa.chunked_array([np.ones(600)]),
        np.zeros((600, 1)),
        {"x": [0]},
        {},
        predict=lambda given: np.full(len(given), 0.5),
        columns=pa.table({"id": np.arange(600)}),
        metrics=("roc_auc",),
        asked=Importance(),
        key=("id",),
    )
    assert found is None


def test_they_are_kept_with_the_evaluation_and_drawn(tmp_path):
    """What is written is read; a bar has a feature's name as text, whatever it is."""
    found = measured()
    write(tmp_path, Judgement(evaluation=NOTHING, importances=found))
    assert read_judgement(tmp_path).importances == found
    hostile = Importances.from_document(found.to_document())
    object.__setattr__(hostile.features[0], "name", "<script>")
    drawn = chart("importance", Judgement(evaluation=NOTHING, importances=hostile))
    assert drawn.count('class="dot"') == 3
    assert "&lt;script&gt;" in drawn
    assert "<script" not in drawn
