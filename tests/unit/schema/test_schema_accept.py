from __future__ import annotations

from typing import Any

import pytest

from mlcore.core.types import Json
from mlcore.errors import ConfigError
from mlcore.schema.accept import accept
from mlcore.schema.anomalies import Anomaly, AnomalyType, Severity
from mlcore.schema.constraints import (
    BoolDomain,
    DatasetConstraints,
    FeatureComparator,
    FloatDomain,
    IntDomain,
    LifecycleStage,
    NumericValueComparator,
    Presence,
    StringDomain,
    UniqueConstraints,
    ValueCount,
)
from mlcore.schema.schema import Feature, Schema
from mlcore.schema.summary import FeatureType

A = AnomalyType


def anomaly(type_: AnomalyType, observed: Json = None, expected: Json = None, feature: str | None = "f") -> Anomaly:
    return Anomaly(
        type=type_, severity=Severity.ERROR, description="", feature=feature, observed=observed, expected=expected
    )


def accepted(kind: FeatureType, found: Anomaly, environment: str | None = None, **keys: Any) -> dict[str, Any]:
    """The keys of the feature after accepting, of those that changed."""
    before = Schema(features=(Feature(name="f", type=kind, **keys), Feature(name="other", type=FeatureType.INT)))
    after = accept(before, found, environment=environment)
    assert after.features[1] == before.features[1]
    old, new = before.features[0], after.features[0]
    return {key: getattr(new, key) for key in Feature.__slots__ if getattr(new, key) != getattr(old, key)}


@pytest.mark.parametrize(
    ("kind", "keys", "found", "changed"),
    [
        (
            FeatureType.STRING,
            {"string_domain": StringDomain(values=("a",), min_domain_mass=0.9)},
            anomaly(A.ENUM_TYPE_UNEXPECTED_STRING_VALUES, {"b": 3, "c": 1}),
            {"string_domain": StringDomain(values=("a", "b", "c"), min_domain_mass=0.9)},
        ),
        (
            FeatureType.INT,
            {"int_domain": IntDomain(min=1, max=12)},
            anomaly(A.INT_TYPE_BIG_INT, 13),
            {"int_domain": IntDomain(min=1, max=13)},
        ),
        (
            FeatureType.FLOAT,
            {"float_domain": FloatDomain(min=0.0, disallow_nan=True)},
            anomaly(A.FLOAT_TYPE_SMALL_FLOAT, -2.5),
            {"float_domain": FloatDomain(min=-2.5, disallow_nan=True)},
        ),
        (
            FeatureType.FLOAT,
            {"float_domain": FloatDomain(disallow_nan=True)},
            anomaly(A.FLOAT_TYPE_HAS_NAN, 4),
            {"float_domain": None},
        ),
        (
            FeatureType.FLOAT,
            {"presence": Presence(min_fraction=1.0, min_count=1), "shape": (1,)},
            anomaly(A.FEATURE_TYPE_LOW_FRACTION_PRESENT, 0.79999, 1.0),
            {
                "presence": Presence(min_fraction=0.799, min_count=1),
                "shape": None,
                "value_count": ValueCount(min=1, max=1),
            },
        ),
        (
            FeatureType.FLOAT,
            {"presence": Presence(min_count=9)},
            anomaly(A.FEATURE_TYPE_LOW_NUMBER_PRESENT, 7),
            {"presence": Presence(min_count=7)},
        ),
        (FeatureType.INT, {}, anomaly(A.SCHEMA_MISSING_COLUMN), {"lifecycle_stage": LifecycleStage.DEPRECATED}),
        (
            FeatureType.INT,
            {"int_domain": IntDomain(min=1)},
            anomaly(A.UNEXPECTED_DATA_TYPE, "float64"),
            {"type": FeatureType.FLOAT, "int_domain": None},
        ),
        (
            FeatureType.STRING,
            {"unique_constraints": UniqueConstraints(min=1, max=3)},
            anomaly(A.FEATURE_TYPE_HIGH_UNIQUE, 5),
            {"unique_constraints": UniqueConstraints(min=1, max=5)},
        ),
        (
            FeatureType.STRING,
            {"drift_comparator": FeatureComparator(infinity_norm=0.1)},
            anomaly(A.COMPARATOR_L_INFTY_HIGH, 0.23401, 0.1),
            {"drift_comparator": FeatureComparator(infinity_norm=0.235)},
        ),
        (
            FeatureType.INT,
            {"bool_domain": BoolDomain()},
            anomaly(A.BOOL_TYPE_BIG_INT, 2),
            {"bool_domain": None},
        ),
        (FeatureType.INT, {}, anomaly(A.UNIT_CHANGE, 1000.0), {"severity": {A.UNIT_CHANGE: Severity.WARNING}}),
    ],
)
def test_only_what_the_anomaly_is_about_changes(
    kind: FeatureType, keys: dict[str, Any], found: Anomaly, changed: dict[str, Any]
) -> None:
    """Bounds move to what was observed; what no key speaks of becomes a warning."""
    assert accepted(kind, found, **keys) == changed


def test_a_column_that_is_missing_in_one_environment_stays_in_the_others() -> None:
    """With an environment, it is not expected there."""
    assert accepted(FeatureType.INT, anomaly(A.SCHEMA_MISSING_COLUMN), "SERVING") == {
        "not_in_environment": ("SERVING",)
    }


def test_a_new_column_is_described_by_its_type() -> None:
    """Nothing is asked of it yet."""
    schema = accept(Schema(features=()), anomaly(A.SCHEMA_NEW_COLUMN, "string"))
    assert schema.features == (Feature(name="f", type=FeatureType.STRING),)


def test_a_shared_domain_is_extended_for_all_who_share_it() -> None:
    """Two features, one list of values."""
    shared = StringDomain(name="airport", values=("EWR",))
    features = tuple(Feature(name=name, type=FeatureType.STRING, string_domain=shared) for name in ("f", "g"))
    after = accept(Schema(features=features), anomaly(A.ENUM_TYPE_UNEXPECTED_STRING_VALUES, {"JFK": 1}))
    domains = [feature.string_domain.values for feature in after.features if feature.string_domain]
    assert domains == [("EWR", "JFK"), ("EWR", "JFK")]


def test_constraints_of_the_dataset_move_too() -> None:
    """Counts to what was counted, ratios a little further out."""
    schema = Schema(
        features=(),
        dataset_constraints=DatasetConstraints(
            min_examples_count=100,
            num_examples_drift_comparator=NumericValueComparator(min_fraction_threshold=0.5, max_fraction_threshold=2),
        ),
    )
    fewer = accept(schema, anomaly(A.DATASET_LOW_NUM_EXAMPLES, 60, 100, None))
    assert fewer.dataset_constraints.min_examples_count == 60
    shrunk = accept(schema, anomaly(A.COMPARATOR_LOW_NUM_EXAMPLES, 0.41239, 0.5, None))
    assert shrunk.dataset_constraints.num_examples_drift_comparator == NumericValueComparator(
        min_fraction_threshold=0.412, max_fraction_threshold=2
    )
    empty = accept(schema, anomaly(A.UNUSUAL_VOLUME, 3, 9, None))
    assert empty.severity == {A.UNUSUAL_VOLUME: Severity.WARNING}


def test_what_was_observed_must_be_known() -> None:
    """Without it, and for a feature that the schema lacks, the error says what to give."""
    schema = Schema(features=(Feature(name="f", type=FeatureType.INT, int_domain=IntDomain(max=1)),))
    with pytest.raises(ConfigError, match="what was observed"):
        accept(schema, anomaly(A.INT_TYPE_BIG_INT))
    with pytest.raises(ConfigError, match="no feature 'g'"):
        accept(schema, anomaly(A.INT_TYPE_BIG_INT, 3, feature="g"))
