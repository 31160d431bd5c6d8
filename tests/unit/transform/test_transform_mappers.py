"""Each mapper by example: known values, missing values, odd values, options."""

from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mlcore.config.model import Feature
from mlcore.errors import ConfigError, DataError
from mlcore.transform.fitting import fit
from mlcore.transform.mappers import base, mappers
from mlcore.transform.specs import specs_from_config
from mlcore.transform.state import analyze

COLUMNS = {
    "text": "string",
    "number": "int64",
    "real": "float64",
    "flag": "bool",
    "day": "date",
    "moment": "timestamp",
}
NAN = float("nan")


def apply(training, rows, transform, column, **options):
    """The feature's values for some rows, fitted on others."""
    specs = specs_from_config({"f": Feature(transform=transform, column=column, **options)}, COLUMNS)
    graph = fit(specs, analyze(make(training), specs))
    return graph.apply(make(rows))[:, 0].tolist()


def make(columns):
    kinds = {
        "text": pa.string(),
        "number": pa.int64(),
        "real": pa.float64(),
        "flag": pa.bool_(),
        "day": pa.date32(),
        "moment": pa.timestamp("us", "UTC"),
    }
    return pa.table({name: pa.array(values, kinds[name]) for name, values in columns.items()})


def same(found, expected):
    return np.array_equal(found, expected, equal_nan=True)


def test_the_mappers_there_are():
    """Every file of the folder that is not shared code is a mapper under its own name."""
    folder = Path(base.__file__).parent
    files = {path.stem for path in folder.glob("*.py")} - {"__init__", "base", "by_key"}
    assert set(mappers()) == files
    assert {"vocabulary", "numeric", "one_hot", "target_encoding"} <= files


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("real", [1.5, None, NAN, -0.0], [1.5, NAN, NAN, 0.0]),
        ("number", [3, None, -7], [3, NAN, -7]),
        ("flag", [True, False, None], [1, 0, NAN]),
    ],
)
def test_numeric(column, values, expected):
    """Numbers pass as they are, truth is 1, what is missing is NaN."""
    assert same(apply({column: values}, {column: values}, "numeric", column), expected)


def test_missing_may_be_a_number():
    """The option missing puts a number where a value is not known."""
    assert apply({"real": [1.0]}, {"real": [None, NAN, 2.0]}, "numeric", "real", missing=-1) == [-1, -1, 2]


def test_vocabulary_is_by_frequency_then_value():
    """Codes go from the most frequent value down, ties by value; all others share the code after the last."""
    training = {"text": ["c", "b", "b", "a", None, "d"]}
    rows = {"text": ["b", "a", "c", "d", "never seen", None]}
    assert same(apply(training, rows, "vocabulary", "text"), [0, 1, 2, 3, 4, NAN])
    assert same(apply(training, rows, "vocabulary", "text", top_k=2), [0, 1, 2, 2, 2, NAN])
    assert same(apply(training, rows, "vocabulary", "text", min_count=2), [0, 1, 1, 1, 1, NAN])
    assert same(apply(training, rows, "vocabulary", "text", missing="code"), [0, 1, 2, 3, 4, 5])


def test_vocabulary_of_numbers_and_truth():
    """Integers and booleans have codes like strings."""
    assert same(apply({"number": [7, 7, 2]}, {"number": [2, 7, 9, None]}, "vocabulary", "number"), [1, 0, 2, NAN])
    assert same(apply({"flag": [True, True, False]}, {"flag": [False, True, None]}, "vocabulary", "flag"), [1, 0, NAN])


def test_vocabulary_never_has_too_many_codes():
    """However many values there are, codes stay below 255, which is what histogram boosting can hold."""
    values = [f"{number:04d}" for number in range(1000)]
    codes = apply({"text": values}, {"text": [*values, "new", None]}, "vocabulary", "text", missing="code")
    assert max(codes) == 254
    assert len(set(codes)) == 255


def test_vocabulary_of_nothing():
    """A column that held nothing in training has one code, for everything."""
    assert same(apply({"text": [None]}, {"text": ["a", None]}, "vocabulary", "text"), [0, NAN])


def test_z_score():
    """The training rows get mean 0 and standard deviation 1; infinite and missing values are not counted."""
    training = {"real": [1.0, 2.0, 3.0, None, NAN, float("inf")]}
    found = apply(training, {"real": [1.0, 2.0, 3.0, None]}, "scale_to_z_score", "real")
    assert same(found, [-(1.5**0.5), 0, 1.5**0.5, NAN])


def test_z_score_of_a_constant():
    """A column without spread is 0 everywhere."""
    assert same(apply({"real": [5.0, 5.0]}, {"real": [5.0, 9.0, None]}, "scale_to_z_score", "real"), [0, 0, NAN])


def test_z_score_keeps_its_digits_far_from_zero():
    """The standard deviation is exact also where a plain sum of squares would lose it."""
    training = {"real": [1e9 + 1, 1e9 + 2, 1e9 + 3]}
    assert apply(training, {"real": [1e9 + 3]}, "scale_to_z_score", "real") == [1.5**0.5]


def test_z_score_refuses_the_unsquarable():
    """Values whose squares overflow are an error of the data that names a way out."""
    with pytest.raises(DataError, match="cannot be scaled") as caught:
        apply({"real": [1e200]}, {"real": [1.0]}, "scale_to_z_score", "real")
    assert "numeric" in caught.value.next_step


def test_scale_to_0_1():
    """The training range becomes 0 to 1; what lies outside is cut."""
    found = apply({"number": [2, 4, 6]}, {"number": [1, 2, 3, 6, 9, None]}, "scale_to_0_1", "number")
    assert same(found, [0, 0, 0.25, 1, 1, NAN])


@pytest.mark.parametrize("training", [[5.0, 5.0], [None]])
def test_scale_to_0_1_of_a_constant_or_nothing(training):
    """Without a range every value is in the middle."""
    assert same(apply({"real": training}, {"real": [5.0, None]}, "scale_to_0_1", "real"), [0.5, NAN])


def test_scale_to_0_1_of_huge_numbers():
    """A range as wide as floats go does not overflow."""
    top = 1.7e308
    assert apply({"real": [-top, top]}, {"real": [-top, 0.0, top]}, "scale_to_0_1", "real") == [0, 0.5, 1]


def test_minute_of_day():
    """HHMM becomes minutes; 2400 is midnight; what is no time is not known."""
    values = [0, 59, 100, 1459, 2359, 2400, 2401, 1260, -5, None]
    expected = [0, 59, 60, 899, 1439, 0, NAN, NAN, NAN, NAN]
    assert same(apply({"number": values}, {"number": values}, "minute_of_day", "number"), expected)


MOMENTS = {"moment": [datetime(2013, 1, 6, 23, 59, 30, tzinfo=UTC), None]}


@pytest.mark.parametrize(
    ("transform", "expected"),
    [("minute_of_day", [1439, NAN]), ("hour_of_day", [23, NAN]), ("day_of_week", [6, NAN])],
)
def test_parts_of_a_moment(transform, expected):
    """Minute, hour and weekday of a timestamp are those of UTC."""
    assert same(apply(MOMENTS, MOMENTS, transform, "moment"), expected)


def test_day_of_week_of_a_date():
    """Monday is 0."""
    days = {"day": [date(2013, 1, 7), date(1969, 12, 28), None]}
    assert same(apply(days, days, "day_of_week", "day"), [0, 6, NAN])


def test_years_since():
    """A year gives whole years, a date and a moment give fractions; either missing gives NaN."""
    rows = {
        "number": [2003, None, 2014],
        "day": [date(2013, 7, 2), date(2013, 1, 1), date(2013, 1, 1)],
        "moment": [datetime(2012, 7, 2, 12, tzinfo=UTC), None, datetime(2013, 1, 1, tzinfo=UTC)],
    }
    assert same(apply(rows, rows, "years_since", "number", at="day"), [10, NAN, -1])
    assert same(apply(rows, rows, "years_since", "moment", at="day"), [364.5 / 365.2425, NAN, 0])


@pytest.mark.parametrize(
    ("feature", "words", "allowed"),
    [
        ({"transform": "vocabulry", "column": "text"}, "features.f.transform: .*did you mean vocabulary", "numeric"),
        ({"transform": "vocabulary", "column": "text", "topk": 3}, r"f\.topk: .*did you mean top_k", "min_count"),
        ({"transform": "vocabulary", "column": "text", "top_k": 254}, "features.f.top_k: ", "top_k"),
        ({"transform": "vocabulary", "column": "text", "missing": 3}, "features.f.missing: allowed: nan, code", ""),
        ({"transform": "numeric", "column": "real", "missing": "x"}, "features.f.missing: ", "missing"),
        ({"transform": "numeric", "column": "text"}, "features.f.transform: numeric cannot read 'text'", "int64"),
        ({"transform": "years_since", "column": "number"}, "features.f.at: ", "at"),
        ({"transform": "years_since", "column": "number", "at": "text"}, "cannot read 'text'", "date, timestamp"),
        ({"transform": "years_since", "column": "number", "at": "then"}, "column 'then' is not in", "text, number"),
    ],
)
def test_wrong_features_are_named(feature, words, allowed):
    """A wrong mapper, option, value or column is an error that names the key and what is allowed."""
    with pytest.raises(ConfigError, match=words) as caught:
        specs_from_config({"f": Feature.model_validate(feature)}, COLUMNS)
    assert allowed in str(caught.value)
