"""Each of TensorFlow Data Validation's reasons, by the conditions its sources state."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mlcore.errors import ConfigError
from mlcore.schema.anomalies import AnomalyType as Kind
from mlcore.schema.anomalies import Severity
from mlcore.schema.comparators import Controls
from mlcore.schema.constraints import (
    BoolDomain,
    DatasetConstraints,
    FeatureComparator,
    FloatDomain,
    HistogramSource,
    IntDomain,
    LifecycleStage,
    NumericValueComparator,
    Presence,
    StringDomain,
    UniqueConstraints,
    ValueCount,
)
from mlcore.schema.schema import Feature, Schema
from mlcore.schema.summary import Bucket, DatasetSummary, FeatureSummary, FeatureType
from mlcore.schema.validate import span_by_span, validate


def column(type_: FeatureType, **changes: Any) -> FeatureSummary:
    return replace(FeatureSummary(name="x", type=type_, rows=100, present=100), **changes)


def table(*columns: FeatureSummary, rows: int = 100) -> DatasetSummary:
    return DatasetSummary(name="data", rows=rows, features=columns)


def kinds(observed: FeatureSummary, feature: Feature, **options: Any) -> list[Kind]:
    return [found.type for found in validate(table(observed), Schema(features=(feature,)), **options)]


STRING, INT, FLOAT, BOOL = FeatureType.STRING, FeatureType.INT, FeatureType.FLOAT, FeatureType.BOOL
AB = {"a": 90, "b": 10}


@pytest.mark.parametrize(
    ("observed", "constraints", "expected"),
    [
        ({"present": 99}, {"shape": (1,)}, [Kind.INVALID_FEATURE_SHAPE]),
        ({}, {"shape": (2,)}, [Kind.INVALID_FEATURE_SHAPE]),
        ({}, {"shape": ()}, []),
        ({"present": 99}, {"presence": Presence(min_fraction=1.0)}, [Kind.FEATURE_TYPE_LOW_FRACTION_PRESENT]),
        ({"present": 90}, {"presence": Presence(min_fraction=0.9)}, []),
        (
            {"present": 5},
            {"presence": Presence(min_fraction=0.1, min_count=6)},
            [Kind.FEATURE_TYPE_LOW_NUMBER_PRESENT, Kind.FEATURE_TYPE_LOW_FRACTION_PRESENT],
        ),
        ({"present": 0}, {"presence": Presence(min_count=1)}, [Kind.FEATURE_TYPE_NOT_PRESENT]),
        ({"present": 0, "type": STRING}, {"shape": (1,)}, []),
        ({}, {"value_count": ValueCount(min=2)}, [Kind.FEATURE_TYPE_LOW_NUMBER_VALUES]),
        ({}, {"value_count": ValueCount(min=0, max=0)}, [Kind.FEATURE_TYPE_HIGH_NUMBER_VALUES]),
        ({}, {"value_counts": (ValueCount(), ValueCount())}, [Kind.VALUE_NESTEDNESS_MISMATCH]),
        ({}, {"unique_constraints": UniqueConstraints(max=5)}, [Kind.FEATURE_TYPE_NO_UNIQUE]),
        ({"type": FLOAT}, {}, [Kind.UNEXPECTED_DATA_TYPE]),
        ({"minimum": 0, "maximum": 12}, {"int_domain": IntDomain(min=1, max=12)}, [Kind.INT_TYPE_SMALL_INT]),
        ({"minimum": 1, "maximum": 13}, {"int_domain": IntDomain(min=1, max=12)}, [Kind.INT_TYPE_BIG_INT]),
        (
            {"minimum": 0, "maximum": 13},
            {"int_domain": IntDomain(min=1, max=12)},
            [Kind.INT_TYPE_SMALL_INT, Kind.INT_TYPE_BIG_INT],
        ),
        (
            {"type": STRING, "values": {"7": 50, "seven": 50}},
            {"int_domain": IntDomain(min=1, max=12)},
            [Kind.UNEXPECTED_DATA_TYPE, Kind.INT_TYPE_NOT_INT_STRING],
        ),
        ({"minimum": -1, "maximum": 5}, {"bool_domain": BoolDomain()}, [Kind.BOOL_TYPE_SMALL_INT]),
        ({"minimum": 0, "maximum": 2}, {"bool_domain": BoolDomain()}, [Kind.BOOL_TYPE_BIG_INT]),
        ({"minimum": 0, "maximum": 1}, {"bool_domain": BoolDomain()}, []),
        ({"minimum": 0, "maximum": 99}, {"lifecycle_stage": LifecycleStage.ALPHA, "shape": (7,)}, []),
    ],
)
def test_of_a_whole_number(observed: dict[str, Any], constraints: dict[str, Any], expected: list[Kind]) -> None:
    """Presence, shape, valency, uniqueness, type and the domains of integers."""
    assert kinds(column(INT, **observed), Feature(name="x", type=INT, **constraints)) == expected


@pytest.mark.parametrize(
    ("observed", "domain", "expected"),
    [
        ({"minimum": 0.5, "maximum": 2.0}, {"min": 1.0}, [Kind.FLOAT_TYPE_SMALL_FLOAT]),
        ({"minimum": 0.5, "maximum": 2.0}, {"max": 1.0}, [Kind.FLOAT_TYPE_BIG_FLOAT]),
        ({"nan": 1, "minimum": 0.0, "maximum": 1.0}, {"disallow_nan": True}, [Kind.FLOAT_TYPE_HAS_NAN]),
        ({"nan": 1, "infinite": 1, "minimum": 0.0, "maximum": 1.0}, {}, []),
        (
            {"infinite": 1, "minimum": 0.0, "maximum": 1.0},
            {"disallow_inf": True, "min": 0.0, "max": 1.0},
            [Kind.FLOAT_TYPE_BIG_FLOAT, Kind.FLOAT_TYPE_HAS_INF],
        ),
        (
            {"infinite": 1, "negative_infinite": 1, "minimum": 0.0, "maximum": 1.0},
            {"min": 0.0, "max": 1.0},
            [Kind.FLOAT_TYPE_SMALL_FLOAT],
        ),
        ({"type": INT, "minimum": 5, "maximum": 9}, {"max": 1.0}, [Kind.UNEXPECTED_DATA_TYPE]),
        (
            {"type": STRING, "values": {"1.5": 50, "$2": 50}},
            {"max": 1.0},
            [Kind.UNEXPECTED_DATA_TYPE, Kind.FLOAT_TYPE_STRING_NOT_FLOAT],
        ),
    ],
)
def test_of_a_float(observed: dict[str, Any], domain: dict[str, Any], expected: list[Kind]) -> None:
    """Ranges bind infinity too; NaN and infinity are anomalies only where disallowed."""
    feature = Feature(name="x", type=FLOAT, float_domain=FloatDomain(**domain))
    assert kinds(column(FLOAT, **observed), feature) == expected


@pytest.mark.parametrize(
    ("observed", "constraints", "expected"),
    [
        ({}, {"string_domain": StringDomain(values=("a",))}, [Kind.ENUM_TYPE_UNEXPECTED_STRING_VALUES]),
        ({}, {"string_domain": StringDomain(values=("a",), min_domain_mass=0.85)}, []),
        (
            {},
            {"string_domain": StringDomain(values=("a",), min_domain_mass=0.9)},
            [Kind.ENUM_TYPE_UNEXPECTED_STRING_VALUES],  # 1 - 0.9 < 0.1 in floats, and so it is in TFDV
        ),
        ({"invalid": 1}, {"string_domain": StringDomain(values=("a",))}, [Kind.ENUM_TYPE_INVALID_UTF8]),
        ({"type": INT, "values": {}}, {"string_domain": StringDomain(values=("a",))}, [Kind.UNEXPECTED_DATA_TYPE]),
        ({}, {"unique_constraints": UniqueConstraints(min=3)}, [Kind.FEATURE_TYPE_LOW_UNIQUE]),
        ({}, {"unique_constraints": UniqueConstraints(max=1)}, [Kind.FEATURE_TYPE_HIGH_UNIQUE]),
        ({}, {"unique_constraints": UniqueConstraints(min=2, max=2)}, []),
        ({}, {"bool_domain": BoolDomain(true_value="a", false_value="c")}, [Kind.BOOL_TYPE_UNEXPECTED_STRING]),
        ({}, {"bool_domain": BoolDomain(true_value="a", false_value="b")}, []),
        ({"values": {"1": 50, "13": 50}}, {"int_domain": IntDomain(min=1, max=12)}, [Kind.INT_TYPE_BIG_INT]),
        ({"values": {"-0.5": 50, "1": 50}}, {"float_domain": FloatDomain(min=0.0)}, [Kind.FLOAT_TYPE_SMALL_FLOAT]),
    ],
)
def test_of_a_string(observed: dict[str, Any], constraints: dict[str, Any], expected: list[Kind]) -> None:
    """Domains with their mass, encodings, uniqueness, and numbers and truth values stored as strings."""
    summary = column(STRING, **{"values": AB, "distinct": 2, **observed})
    assert kinds(summary, Feature(name="x", type=STRING, **constraints)) == expected


@pytest.mark.parametrize(
    ("observed", "wrong"),
    [
        ({"minimum": 0.0, "maximum": 1.0}, False),
        ({"minimum": -1.0, "maximum": 1.0}, True),
        ({"minimum": 0.0, "maximum": 1.0, "nan": 1}, True),
        ({"minimum": 0.0, "maximum": 1.0, "infinite": 1}, True),
        ({"minimum": 0.0, "maximum": 1.0, "histogram": (Bucket(low=0.5, high=0.6, count=1),)}, True),
    ],
)
def test_of_a_truth_value_stored_as_a_float(observed: dict[str, Any], wrong: bool) -> None:
    """Only 0 and 1 are truth values."""
    feature = Feature(name="x", type=FLOAT, bool_domain=BoolDomain())
    assert kinds(column(FLOAT, **observed), feature) == ([Kind.BOOL_TYPE_UNEXPECTED_FLOAT] if wrong else [])


def compared(comparator: FeatureComparator, observed: FeatureSummary, control: FeatureSummary | None) -> list[Kind]:
    feature = Feature(name="x", type=observed.type, drift_comparator=comparator)
    controls = Controls(previous=table(*([control] if control else [])))
    assert kinds(observed, feature, controls=Controls(serving=controls.previous)) == []
    skew = replace(feature, drift_comparator=None, skew_comparator=comparator)
    found = kinds(observed, feature, controls=controls)
    assert kinds(observed, skew, controls=Controls(serving=controls.previous)) == found
    return found


@pytest.mark.parametrize(
    ("threshold", "kind"),
    [
        ("infinity_norm", Kind.COMPARATOR_L_INFTY_HIGH),
        ("jensen_shannon_divergence", Kind.COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH),
        ("normalized_abs_difference", Kind.COMPARATOR_NORMALIZED_ABSOLUTE_DIFFERENCE_HIGH),
    ],
)
def test_comparators_of_strings(threshold: str, kind: Kind) -> None:
    """A distance above the threshold is named; equal data has none; without the column there is nothing to compare."""
    now, before = column(STRING, values=AB), column(STRING, values={"a": 10, "b": 90})
    thresholds: dict[str, Any] = {threshold: 0.3}
    comparator = FeatureComparator(**thresholds)
    assert compared(comparator, now, before) == [kind]
    assert compared(comparator, now, now) == []
    assert compared(comparator, now, None) == [Kind.COMPARATOR_CONTROL_DATA_MISSING]
    assert compared(FeatureComparator(), now, None) == []
    assert compared(comparator, now, column(STRING, present=0)) == (
        [] if threshold == "jensen_shannon_divergence" else [kind]
    )


def test_comparators_of_numbers() -> None:
    """Numbers are compared by the divergence of the histogram that is asked for; shares of values say nothing."""

    def numbers(low: float) -> FeatureSummary:
        return column(
            FLOAT,
            minimum=low,
            maximum=low + 1,
            histogram=(Bucket(low=low, high=low + 1, count=100),),
            quantile_histogram=(Bucket(low=0, high=1, count=100),),
        )

    js = FeatureComparator(jensen_shannon_divergence=0.5)
    assert compared(js, numbers(5), numbers(0)) == [Kind.COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH]
    assert compared(js, numbers(0.1), numbers(0)) == []
    assert compared(replace(js, source=HistogramSource.QUANTILES), numbers(5), numbers(0)) == []
    assert compared(FeatureComparator(infinity_norm=0.01), numbers(5), numbers(0)) == []
    assert compared(js, numbers(0), column(STRING, values=AB)) == []


def test_spans_are_compared_each_with_the_one_before() -> None:
    """Drift is found where it happens, once, since its first span; slow change is no drift."""
    feature = Feature(name="x", type=STRING, drift_comparator=FeatureComparator(infinity_norm=0.3))
    schema = Schema(features=(feature,))

    def spans(*shares: int) -> list[DatasetSummary]:
        return [
            replace(table(column(STRING, values={"a": share, "b": 100 - share})), name=f"day {number}")
            for number, share in enumerate(shares)
        ]

    assert span_by_span(spans(10, 30, 50, 70, 90), schema) == ()
    (found,) = span_by_span(spans(10, 10, 90, 10), schema)
    assert (found.type, found.since) == (Kind.COMPARATOR_L_INFTY_HIGH, "day 2")
    (found,) = span_by_span(spans(10), schema, before=spans(90)[0])
    assert found.since == "day 0"
    assert span_by_span([table(rows=0), *spans(90)], schema, before=spans(10)[0]) == ()


@pytest.mark.parametrize(
    ("rows", "before", "expected"),
    [
        (100, 300, [Kind.COMPARATOR_LOW_NUM_EXAMPLES]),
        (100, 40, [Kind.COMPARATOR_HIGH_NUM_EXAMPLES]),
        (100, 0, [Kind.COMPARATOR_HIGH_NUM_EXAMPLES]),
        (100, 200, []),
        (100, 50, []),
    ],
)
def test_rows_against_those_before(rows: int, before: int, expected: list[Kind]) -> None:
    """Fewer or more rows than the allowed multiples of the span, and of the version, before."""
    comparator = NumericValueComparator(min_fraction_threshold=0.5, max_fraction_threshold=2.0)
    drift = DatasetConstraints(num_examples_drift_comparator=comparator)
    version = DatasetConstraints(num_examples_version_comparator=comparator)
    for constraints, controls in (
        (drift, Controls(previous=table(rows=before))),
        (version, Controls(previous_version=table(rows=before))),
    ):
        found = validate(table(rows=rows), Schema(features=(), dataset_constraints=constraints), controls=controls)
        assert [anomaly.type for anomaly in found] == expected
        assert validate(table(rows=rows), Schema(features=(), dataset_constraints=constraints)) == ()


def test_bounds_of_the_number_of_rows() -> None:
    """Fewer and more rows than the schema allows are named, with the bound."""
    constraints = DatasetConstraints(min_examples_count=101, max_examples_count=200)
    schema = Schema(features=(), dataset_constraints=constraints)
    assert [found.expected for found in validate(table(rows=100), schema)] == [101]
    assert validate(table(rows=101), schema) == ()
    assert [found.type for found in validate(table(rows=201), schema)] == [Kind.DATASET_HIGH_NUM_EXAMPLES]


def test_environments() -> None:
    """A feature is required only in its environments, new in the others, and an unknown environment is refused."""
    label = Feature(name="x", type=INT, presence=Presence(min_count=1), not_in_environment=("SERVING",))
    schema = Schema(features=(label,), default_environment=("TRAINING", "SERVING"))
    assert validate(table(), schema, environment="SERVING") == ()
    assert [found.type for found in validate(table(), schema, environment="TRAINING")] == [Kind.SCHEMA_MISSING_COLUMN]
    assert [found.type for found in validate(table(column(INT)), schema, environment="SERVING")] == [
        Kind.SCHEMA_NEW_COLUMN
    ]
    with pytest.raises(ConfigError, match="SERVNG"):
        validate(table(), schema, environment="SERVNG")


def test_severities_are_the_schemas_to_say() -> None:
    """A feature's own severity for a kind wins over the schema's, which wins over the kind's own."""
    feature = Feature(name="x", type=INT, severity={Kind.UNEXPECTED_DATA_TYPE: Severity.ERROR})
    schema = Schema(
        features=(feature, replace(feature, name="y", severity={})),
        severity={Kind.UNEXPECTED_DATA_TYPE: Severity.WARNING},
    )
    found = validate(table(column(STRING), replace(column(STRING), name="y")), schema)
    assert [(anomaly.feature, anomaly.severity) for anomaly in found] == [
        ("x", Severity.ERROR),
        ("y", Severity.WARNING),
    ]


def test_several_reasons_of_one_feature_are_all_named() -> None:
    """One faulty column may have several reasons, in the order TensorFlow Data Validation gives them."""
    feature = Feature(
        name="x",
        type=STRING,
        shape=(1,),
        presence=Presence(min_fraction=1.0),
        string_domain=StringDomain(values=("a",)),
    )
    assert kinds(column(STRING, present=90, values={"a": 80, "b": 10}), feature) == [
        Kind.INVALID_FEATURE_SHAPE,
        Kind.FEATURE_TYPE_LOW_FRACTION_PRESENT,
        Kind.ENUM_TYPE_UNEXPECTED_STRING_VALUES,
    ]
