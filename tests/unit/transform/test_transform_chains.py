"""Chains of steps: what flows between them, what is fitted after what, and what is refused."""

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from mlcore.config.model import Feature
from mlcore.errors import ConfigError, DataError
from mlcore.transform.analysis import analyses
from mlcore.transform.fitting import fit
from mlcore.transform.specs import specs_from_config
from mlcore.transform.state import analyze, merge_states

COLUMNS = {"text": "string", "number": "int64", "real": "float64", "flag": "bool", "other": "float64"}
NAN = float("nan")


def table(**columns):
    kinds = {"text": pa.string(), "number": pa.int64(), "real": pa.float64(), "flag": pa.bool_(), "other": pa.float64()}
    return pa.table({name: pa.array(values, kinds[name]) for name, values in columns.items()})


def fitted(rows, **features):
    specs = specs_from_config({name: Feature.model_validate(one) for name, one in features.items()}, COLUMNS)
    return fit(specs, analyze(rows, specs))


def constants(graph, step):
    return dict(graph.features[0].constants[step])


def test_steps_follow_one_another():
    """Each step reads the result of the one before, with the options written beside its name."""
    rows = table(real=[1.0, 3.0, None, 100.0])
    graph = fitted(rows, real={"transform": [{"impute": {"value": 0}}, {"clip": {"high": 3}}, "log1p"]})
    assert graph.apply(rows)[:, 0].tolist() == np.log1p([1.0, 3.0, 0.0, 3.0]).tolist()


def test_fitted_steps_after_fixed_ones_learn_from_their_result():
    """A z-score after a logarithm has the mean and the deviation of the logarithms."""
    rows = table(real=[0.0, 1.0, 5.0, 9.0])
    graph = fitted(rows, real={"transform": ["log1p", "scale_to_z_score"]})
    logs = np.log1p([0.0, 1.0, 5.0, 9.0])
    assert constants(graph, 1)["mean"] == pytest.approx(logs.mean(), rel=1e-15)
    assert graph.apply(rows)[:, 0] == pytest.approx((logs - logs.mean()) / logs.std(), rel=1e-14)


def test_fitted_steps_after_fitted_ones_learn_what_a_second_pass_would_tell():
    """Impute, clip and z-score in one chain have the constants that each would have over the rows of the one before."""
    generator = np.random.default_rng(3)
    values = [None if generator.random() < 0.2 else float(value) for value in generator.normal(5, 3, 500)]
    chain = [{"impute": {"strategy": "median"}}, {"clip": {"quantiles": [0.1, 0.9]}}, "log1p", "scale_to_z_score"]
    graph = fitted(table(real=values), real={"transform": chain})
    by_hand = table(real=values)
    for step, name in enumerate(chain):
        alone = fitted(by_hand, real={"transform": [name]})
        assert constants(alone, 0) == constants(graph, step)
        by_hand = table(real=alone.apply(by_hand)[:, 0].tolist())
    assert graph.apply(table(real=values)).tobytes() == np.array(by_hand["real"].to_pylist()).tobytes()


def test_imputed_categories_are_counted():
    """A vocabulary after impute counts the rows that were filled."""
    rows = table(text=["b", "a", "a", None, None, None])
    chain = [{"impute": {"value": "z"}}, "vocabulary"]
    assert constants(fitted(rows, text={"transform": chain}), 1)["values"] == ["z", "a", "b"]
    chain = [{"impute": {"strategy": "most_frequent"}}, "vocabulary"]
    graph = fitted(rows, text={"transform": chain})
    assert constants(graph, 0)["value"] == "a"
    assert constants(graph, 1)["values"] == ["a", "b"]
    assert graph.apply(rows)[:, 0].tolist() == [1, 0, 0, 0, 0, 0]


def test_indicator_goes_past_later_steps():
    """The indicator of impute is a column of its own, that later steps do not touch."""
    rows = table(real=[1.0, None, 3.0])
    graph = fitted(rows, real={"transform": [{"impute": {"indicator": True}}, "scale_to_z_score"]})
    assert graph.feature_names == ("real", "real_missing")
    assert graph.categorical_mask == (False, False)
    assert graph.apply(rows).tolist() == [[-(1.5**0.5), 0], [0, 1], [1.5**0.5, 0]]


def test_buckets_may_be_columns():
    """What one step codes the next may spread over columns."""
    rows = table(real=[1.0, 2.0, 3.0, 4.0])
    graph = fitted(rows, real={"transform": [{"bucketize": {"buckets": 2}}, {"one_hot": {"other": False}}]})
    assert graph.feature_names == ("real=1", "real=0")
    assert graph.apply(rows).tolist() == [[0, 1], [1, 0], [1, 0], [1, 0]]


def test_equal_needs_are_met_once():
    """Features that need the same of a column share one analyzer; options that only fitting needs do not part them."""
    specs = specs_from_config(
        {
            "a": Feature(transform="vocabulary", column="text"),
            "b": Feature(transform="vocabulary", column="text", top_k=2),
            "c": Feature(transform="one_hot", column="text"),
            "d": Feature(transform="scale_to_z_score", column="real", missing=0),
            "e": Feature(transform=("log1p", "scale_to_z_score"), column="real"),
        },
        COLUMNS,
    )
    assert [kind for kind, _ in analyses(specs)] == ["frequencies", "moments", "moments"]


def test_chains_merge_over_spans():
    """Constants of a chain do not depend on how rows lie in spans."""
    generator = np.random.default_rng(5)
    rows = table(real=generator.normal(size=300).tolist(), text=["a", "b", None] * 100)
    specs = specs_from_config(
        {
            "real": Feature(transform=("impute", {"clip": {"quantiles": [0.2, 0.8]}}, "scale_to_gaussian")),
            "text": Feature(transform=({"impute": {"strategy": "most_frequent"}}, "one_hot")),
        },
        COLUMNS,
    )
    parts = [analyze(rows.slice(start, 45), specs) for start in range(0, 300, 45)]
    assert fit(specs, merge_states(parts[::-1])).digest == fit(specs, analyze(rows, specs)).digest


@pytest.mark.parametrize(
    ("feature", "words"),
    [
        ({"transform": ["impute", "pca"], "column": "real"}, "transform.1: pca reads 2 to 64 columns and is given 1"),
        ({"transform": ["vocabulary", "log2p"], "column": "text"}, "transform.1.transform: there is no mapper 'log2p'"),
        ({"transform": [{"clip": {"lo": 3}}], "column": "real"}, r"transform.0.lo: clip has no such option; .* low"),
        (
            {"transform": ["log1p", "ngrams"], "column": "real"},
            "ngrams cannot read 'the result of log1p' of type float64",
        ),
        ({"transform": ["ngrams"], "column": "text"}, "its last step, ngrams, gives tokens, and a model takes numbers"),
        (
            {"transform": ["one_hot", "log1p"], "column": "text"},
            "log1p cannot read 'the result of one_hot' of type matrix",
        ),
        (
            {"transform": ["impute", {"scale_to_z_score": {"by": "text"}}], "column": "real"},
            "scale_to_z_score cannot learn from the result of impute, which is itself fitted",
        ),
        ({"transform": "impute", "strategy": "mean", "column": "text"}, "there is no mean of strings"),
        ({"transform": "impute", "value": "x", "column": "real"}, "a value of float64 cannot be 'x'"),
        ({"transform": "difference", "columns": ["real", "missing"]}, "column 'missing' is not in data.columns"),
        ({"transform": "target_encoding", "column": "text"}, "learns from the label, and there is none here"),
    ],
)
def test_what_does_not_fit_is_named(feature, words):
    """Steps that do not fit together are an error that names the step and says why."""
    with pytest.raises(ConfigError, match=words):
        specs_from_config({"f": Feature.model_validate(feature)}, COLUMNS)


@pytest.mark.parametrize(
    ("feature", "words"),
    [
        ({"transform": []}, "name of a mapper, or a list of steps"),
        ({"transform": [{"clip": {}, "log1p": {}}]}, "one name with its options"),
        ({"transform": [{"clip": 3}]}, "options of 'clip' are no mapping"),
        ({"transform": ["clip"], "low": 3}, "'low' is no key of a feature with a list of steps"),
        ({"transform": "ratio", "column": "a", "columns": ["a", "b"]}, "column or columns, not both"),
    ],
)
def test_wrongly_written_steps_are_named(feature, words):
    """The pipeline file's own mistakes are told before any mapper is asked."""
    with pytest.raises(ValidationError, match=words):
        Feature.model_validate(feature)


def test_no_feature_reads_the_label():
    """The outcome's column is refused wherever a step could read it, by name."""
    columns = {**COLUMNS, "delay": "float64"}
    for feature in (
        {"transform": "numeric", "column": "delay"},
        {"transform": "ratio", "columns": ["real", "delay"]},
        {"transform": "scale_to_z_score", "column": "real", "by": "late"},
    ):
        with pytest.raises(ConfigError, match=r"column '(delay|late)' is the label's: a model must not see it"):
            specs_from_config({"f": Feature.model_validate(feature)}, columns, label="late", outcome="delay")


def test_too_many_or_equal_columns_are_named():
    """A matrix beyond its bounds, and two columns of one name, are errors that say which feature to change."""
    rows = table(text=[f"{number:05d}" for number in range(9_000)])
    wide = {"transform": "one_hot", "column": "text", "top_k": 9_000}
    with pytest.raises(ConfigError, match="make 18,002 columns, more than 16,384"):
        fitted(rows, a=wide, b=wide)
    rows = table(text=["x"], real=[1.0])
    with pytest.raises(ConfigError, match="two features make a column 'a=x'"):
        fitted(
            rows, a={"transform": "one_hot", "column": "text"}, **{"a=x": {"transform": "numeric", "column": "real"}}
        )


def test_matrix_larger_than_memory_is_refused(monkeypatch):
    """A matrix of more than the bound is an error before anything is computed."""
    rows = table(real=[1.0] * 100)
    graph = fitted(rows, real={"transform": "numeric"})
    monkeypatch.setattr("mlcore.transform.graph.MOST_BYTES", 100 * 8 - 1)
    with pytest.raises(DataError, match="100 rows by 1 features are more than"):
        graph.apply(rows)
