"""A released model's answers as columns."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from sklearn.pipeline import Pipeline

from mlcore.config.model import Feature
from mlcore.errors import DataError, ModelError
from mlcore.inference.bulk import with_answers
from mlcore.inference.scorer import Scorer
from mlcore.training.intervals import ConformalRegressor
from mlcore.training.predict import predict_intervals, predict_scores
from mlcore.training.train import train
from mlcore.transform.fitting import fit
from mlcore.transform.specs import specs_from_config
from mlcore.transform.state import analyze
from mlcore.transform.transformer import GraphTransformer

SPECS = specs_from_config({"a": Feature(transform="numeric")}, {"a": "float64"})


def make_rows(rows=300):
    generator = np.random.default_rng(5)
    a = generator.normal(size=rows)
    noisy = a + generator.normal(size=rows)
    return pa.record_batch(
        {
            "id": pa.array(np.arange(rows)),
            "a": a,
            "late": (noisy > 0).astype(np.int8),
            "kind": np.where(noisy > 0.7, "high", np.where(noisy < -0.7, "low", "middle")),
            "amount": noisy,
        }
    )


def make_scorer(label, estimator):
    rows = make_rows()
    transformer = GraphTransformer.of(fit(SPECS, analyze(rows, SPECS)))
    trained = train(pa.Table.from_batches([rows]), transformer, label=label, estimator=estimator, params={})
    return Scorer(pipeline=trained.pipeline, classes=trained.classes, version=7)


LOGISTIC = "sklearn.linear_model.LogisticRegression"


def test_a_binary_answer_is_a_class_and_the_probability_of_one():
    """1 is predicted from one half on, and the probability is the model's own, bit for bit."""
    scorer, rows = make_scorer("late", LOGISTIC), make_rows()
    answers = scorer.answer(rows)
    assert answers.schema.names == ["prediction", "probability", "model_version"]
    expected = predict_scores(scorer.pipeline, pa.Table.from_batches([rows]))
    assert answers["probability"].to_numpy().tobytes() == expected.tobytes()
    assert answers["prediction"].to_pylist() == [int(score >= 0.5) for score in expected]
    assert set(answers["model_version"].to_pylist()) == {7}


def test_an_answer_of_many_classes_has_a_probability_for_each():
    """The class of the highest is predicted, under the label's own values."""
    answers = make_scorer("kind", LOGISTIC).answer(make_rows())
    chances = ["probability_high", "probability_low", "probability_middle"]
    assert answers.schema.names == ["prediction", *chances, "model_version"]
    matrix = np.column_stack([answers[name].to_numpy() for name in chances])
    np.testing.assert_allclose(matrix.sum(axis=1), 1)
    names = np.array(["high", "low", "middle"])[matrix.argmax(axis=1)]
    assert answers["prediction"].to_pylist() == names.tolist()


def test_a_regressor_answers_with_its_number():
    """There are no probabilities."""
    answers = make_scorer("amount", "sklearn.linear_model.LinearRegression").answer(make_rows())
    assert answers.schema.names == ["prediction", "model_version"]
    assert answers["prediction"].type == pa.float64()


@pytest.mark.parametrize(("label", "estimator"), [("late", LOGISTIC), ("kind", LOGISTIC)])
def test_no_rows_have_no_answers_of_the_same_columns(label, estimator):
    """An empty file is predicted as any other."""
    scorer = make_scorer(label, estimator)
    nothing = scorer.answer(make_rows().slice(0, 0))
    assert nothing.num_rows == 0
    assert nothing.schema == scorer.answer(make_rows()).schema


def test_a_row_is_answered_alike_alone_and_among_others():
    """However rows are cut into batches, the bits are the same."""
    scorer, rows = make_scorer("late", LOGISTIC), make_rows()
    whole = with_answers(scorer, rows, ["id"])
    pieces = [with_answers(scorer, rows.slice(start, 7), ["id"]) for start in range(0, rows.num_rows, 7)]
    assert pa.Table.from_batches(pieces).combine_chunks().equals(pa.Table.from_batches([whole]))


@pytest.mark.parametrize(
    ("keep", "names", "said"),
    [("nobody", {}, "lack the column 'nobody'"), ("prediction", {"id": "prediction"}, "a name that the predictions")],
)
def test_columns_to_keep_must_be_there_and_leave_the_answers_their_names(keep, names, said):
    """Nothing is left out or written over in silence."""
    rows = make_rows()
    renamed = pa.record_batch(rows.columns, names=[names.get(name, name) for name in rows.schema.names])
    with pytest.raises(DataError, match=said):
        with_answers(make_scorer("late", LOGISTIC), renamed, [keep])


def test_bounds_are_told_of_a_regressor_that_has_them():
    """They are those of the model's own intervals; asked of another model, they are refused."""
    rows = make_rows()
    plain = make_scorer("amount", "sklearn.linear_model.LinearRegression")
    with pytest.raises(ModelError, match="without prediction intervals"):
        replace(plain, confidence=0.9).answer(rows)
    table = pa.Table.from_batches([rows])
    transform, regressor = plain.pipeline[:-1], plain.pipeline[-1]
    held = ConformalRegressor.of(regressor, transform.transform(table), rows["amount"].to_numpy())
    pipeline = Pipeline([("transform", plain.pipeline[0]), ("estimator", held)])
    answers = replace(plain, pipeline=pipeline, confidence=0.9).answer(rows)
    assert answers.schema.names == ["prediction", "prediction_low", "prediction_high", "model_version"]
    found = predict_intervals(pipeline, table, 0.9)
    assert answers["prediction_low"].to_numpy().tobytes() == found.low.tobytes()
    assert answers["prediction_high"].to_numpy().tobytes() == found.high.tobytes()
