"""Evaluations and comparisons: slices, clusters, too few rows, wrong input, JSON."""

from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest

from mlcore.config.evaluation import Evaluation as EvaluationConfig
from mlcore.errors import ArtifactCorrupt, ArtifactMissing, ConfigError, DataError, ModelError
from mlcore.evaluation import files
from mlcore.evaluation.compare import compare
from mlcore.evaluation.evaluate import evaluate
from mlcore.evaluation.values import Slices

CONFIG = EvaluationConfig(
    metrics=("roc_auc", "log_loss", "brier"), slices=((), ("carrier",), ("origin", "carrier")), min_slice_rows=50
)


def make_rows(rows=4000, days=14, seed=1, day_effect=0.0):
    """A table with a label, its day, and the probability it was drawn from."""
    generator = np.random.default_rng(seed)
    day = generator.integers(0, days, rows)
    probability = generator.beta(2, 5, rows)
    shifted = np.clip(probability + day_effect * generator.normal(size=days)[day], 0, 1)
    table = pa.table(
        {
            "label": pa.array((generator.random(rows) < shifted).astype(np.int8)),
            "day": pa.array([date(2013, 1, 1) + timedelta(days=int(number)) for number in day]),
            "carrier": pa.array(np.array(["AA", "B6", "<b>", None], dtype=object)[generator.integers(0, 4, rows)]),
            "origin": pa.array(generator.integers(0, 3, rows)),
        }
    )
    return table, probability


def test_slices_are_all_rows_then_values_in_order():
    """All rows come first, then every combination there is, sorted, missing values last."""
    table, scores = make_rows()
    evaluation = evaluate(table["label"], scores, columns=table, config=CONFIG)
    keys = [result.key for result in evaluation.results]
    assert keys[:5] == [(), *(((("carrier", value)),) for value in ("<b>", "AA", "B6", None))]
    assert keys[5] == (("origin", 0), ("carrier", "<b>"))
    assert len(keys) == 1 + 4 + 12
    assert sum(result.rows for result in evaluation.results[1:5]) == table.num_rows


def test_slice_is_what_its_rows_alone_would_give():
    """A slice's metrics are those of an evaluation of its rows alone."""
    table, scores = make_rows()
    evaluation = evaluate(table["label"], scores, columns=table, config=CONFIG, clusters=table["day"])
    picked = np.array([value == "B6" for value in table["carrier"].to_pylist()])
    alone = table.filter(pa.array(picked))
    expected = evaluate(alone["label"], scores[picked], columns=alone, config=CONFIG, clusters=alone["day"])
    assert evaluation[(("carrier", "B6"),)].metrics == expected.overall.metrics


def test_rows_without_label_are_left_out():
    """A null label takes its row out of every metric, whatever its score."""
    table, scores = make_rows(500)
    mask = np.arange(500) % 5 == 0
    labels = pa.array(table["label"].to_numpy(), mask=mask)
    evaluation = evaluate(labels, np.where(mask, 0.999, scores), columns=table, config=CONFIG)
    kept = table.filter(pa.array(~mask))
    assert evaluation == evaluate(kept["label"], scores[~mask], columns=kept, config=CONFIG)


def test_few_rows_are_insufficient_data():
    """A slice with fewer rows than asked for has no metric, and says why."""
    table, scores = make_rows(120)
    result = evaluate(table["label"], scores, columns=table, config=CONFIG)[(("carrier", "AA"),)]
    assert not result.metrics
    assert set(result.missing) == {"roc_auc", "log_loss", "brier"}
    assert "insufficient data" in result.missing["roc_auc"]
    assert "min_slice_rows is 50" in result.missing["roc_auc"]


def test_one_class_has_no_area_but_a_loss():
    """Where all rows are of one class only the metrics that need both are missing."""
    table, scores = make_rows(200)
    result = evaluate(pa.array(np.zeros(200)), scores, columns=table, config=CONFIG).overall
    assert set(result.metrics) == {"log_loss", "brier"}
    assert "0 of 200 rows have the label 1" in result.missing["roc_auc"]


def test_days_with_weather_of_their_own_widen_intervals():
    """Where days differ, the interval by days is much wider than that of independent rows, and holds the truth."""
    inside, ratios, only = 0, [], EvaluationConfig(metrics=("brier",))
    for seed in range(60):
        table, scores = make_rows(1400, days=14, seed=seed, day_effect=0.15)
        rows = evaluate(table["label"], scores, columns=table, config=only).overall.metrics["brier"]
        days = evaluate(table["label"], scores, columns=table, config=only, clusters=table["day"])
        value = days.overall.metrics["brier"]
        assert value.clusters == 14
        assert value.value == rows.value
        inside += value.lower <= 0.1846 <= value.upper  # the mean over 2,000 draws of other seeds
        ratios.append((value.upper - value.lower) / (rows.upper - rows.lower))
    assert np.mean(ratios) > 1.5
    assert inside >= 53


def test_one_day_falls_back_to_rows():
    """With a single cluster there is nothing to compare between: rows are taken as independent."""
    table, scores = make_rows(300, days=1)
    value = evaluate(table["label"], scores, columns=table, config=CONFIG, clusters=table["day"]).overall
    assert value.metrics["brier"].clusters is None


def test_order_of_slices_does_not_depend_on_order_of_rows():
    """Shuffled rows give the same slices and the same numbers, to the last bit."""
    table, scores = make_rows(1000)
    order = np.random.default_rng(0).permutation(1000)
    one = evaluate(table["label"], scores, columns=table, config=CONFIG)
    two = evaluate(table["label"].take(pa.array(order)), scores[order], columns=table.take(order), config=CONFIG)
    assert one == two


def test_comparison_is_difference_with_narrow_interval():
    """A comparison's value is the difference of both evaluations; its interval is narrower than that of either."""
    table, scores = make_rows(3000)
    other = np.clip(scores + np.random.default_rng(5).normal(0, 0.05, 3000), 0.001, 0.999)
    clusters = table["day"]
    difference = compare(table["label"], other, scores, columns=table, config=CONFIG, clusters=clusters)
    mine = evaluate(table["label"], other, columns=table, config=CONFIG, clusters=clusters)
    theirs = evaluate(table["label"], scores, columns=table, config=CONFIG, clusters=clusters)
    for name, value in difference.overall.metrics.items():
        one, two = mine.overall.metrics[name], theirs.overall.metrics[name]
        assert value.value == pytest.approx(one.value - two.value, abs=1e-15)
        assert value.upper - value.lower < 0.5 * (one.upper - one.lower)
    assert difference.overall.metrics["log_loss"].lower > 0  # noise made it worse, beyond doubt


def test_paired_auc_is_delongs():
    """The standard error of a difference of areas is DeLong's for correlated curves, from its definition."""
    table, scores = make_rows(300)
    other = np.clip(scores + np.random.default_rng(5).normal(0, 0.1, 300), 0, 1)
    positive = table["label"].to_numpy() == 1

    def placements(of):
        wins = (of[positive][:, None] > of[~positive]) + 0.5 * (of[positive][:, None] == of[~positive])
        return wins.mean(1), wins.mean(0)

    (p1, n1), (p2, n2) = placements(other), placements(scores)
    variance = (p1 - p2).var(ddof=1) / len(p1) + (n1 - n2).var(ddof=1) / len(n1)
    found = compare(table["label"], other, scores, columns=table, config=CONFIG).overall.metrics["roc_auc"]
    assert found.standard_error == pytest.approx(np.sqrt(variance), rel=1e-10)


def test_same_model_differs_by_nothing():
    """A model compared with itself differs by exactly 0, surely."""
    table, scores = make_rows(300)
    for value in compare(table["label"], scores, scores, columns=table, config=CONFIG).overall.metrics.values():
        assert (value.value, value.lower, value.upper) == (0, 0, 0)


def test_json_round_trip(tmp_path):
    """What was written is read back equal, and written again gives the same bytes."""
    table, scores = make_rows(400)
    evaluation = evaluate(table["label"], scores, columns=table, config=CONFIG, clusters=table["day"])
    files.write(tmp_path, files.Judgement(evaluation=evaluation, comparison=evaluation))
    assert files.read(tmp_path) == evaluation
    assert files.read_comparison(tmp_path) == evaluation
    assert Slices.from_json(evaluation.to_json()).to_json() == evaluation.to_json()


def test_missing_and_damaged_files(tmp_path):
    """A folder without its file, and one with something else in it, are told apart; no comparison is no error."""
    assert files.read_comparison(tmp_path) is None
    with pytest.raises(ArtifactMissing):
        files.read(tmp_path)
    (tmp_path / files.EVALUATION_FILE).write_text('{"format": 2}')
    with pytest.raises(ArtifactCorrupt):
        files.read(tmp_path)


def test_interval_at_another_confidence():
    """A value's interval can be asked for at any confidence; a higher one is wider."""
    table, scores = make_rows(400)
    value = evaluate(table["label"], scores, columns=table, config=CONFIG).overall.metrics["brier"]
    assert value.at(0.95) == value
    wider = value.at(0.99)
    assert wider.lower < value.lower
    assert wider.upper > value.upper


@pytest.mark.parametrize(
    ("labels", "scores", "error", "text"),
    [
        ([0.0, 1.0, 2.0], [0.1, 0.2, 0.3], DataError, "a label is 2"),
        ([None, None, None], [0.1, 0.2, 0.3], DataError, "no row"),
        ([0, 1, 1], [0.1, 0.2, 1.5], ModelError, "score of 1.5"),
        ([0, 1, 1], [0.1, 0.2, float("nan")], ModelError, "score of nan"),
        ([0, 1, 1], [0.1, 0.2], ModelError, "2 scores for 3 rows"),
    ],
)
def test_wrong_labels_and_scores(labels, scores, error, text):
    """Labels that are neither 0 nor 1, and scores that are no probabilities, are refused with the value."""
    columns = pa.table({"x": pa.array([1, 2, 3])})
    config = EvaluationConfig(metrics=("brier",))
    with pytest.raises(error, match=text):
        evaluate(pa.array(labels, pa.float64()), np.array(scores), columns=columns, config=config)


def test_unknown_slice_column():
    """A slice by a column that is not there is an error that lists those there are."""
    with pytest.raises(ConfigError, match="'town'") as caught:
        evaluate(
            pa.array([0, 1]),
            np.array([0.1, 0.2]),
            columns=pa.table({"x": [1, 2]}),
            config=EvaluationConfig(metrics=("brier",), slices=(("town",),)),
        )
    assert "choose of x" in caught.value.next_step
