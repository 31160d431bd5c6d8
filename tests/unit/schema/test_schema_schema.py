from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlcore.errors import ArtifactCorrupt, ArtifactMissing
from mlcore.schema.anomalies import AnomalyType, Severity
from mlcore.schema.constraints import (
    BoolDomain,
    DatasetConstraints,
    FeatureComparator,
    FloatDomain,
    HistogramSource,
    IntDomain,
    IntegerTimeFormat,
    InvalidSchema,
    LifecycleStage,
    NumericValueComparator,
    Presence,
    StringDomain,
    TimeDomain,
    UniqueConstraints,
    ValueCount,
)
from mlcore.schema.infer import TFDV, TOLERANT, InferenceOptions, infer
from mlcore.schema.schema import FILE_NAME, Feature, Schema, read_schema, write_schema
from mlcore.schema.summary import DatasetSummary, FeatureSummary, FeatureType

AIRPORTS = StringDomain(name="airport", values=("EWR", "JFK"), min_domain_mass=0.9)
FULL = Schema(
    dataset_constraints=DatasetConstraints(
        min_examples_count=7,
        max_examples_count=10**9,
        num_examples_drift_comparator=NumericValueComparator(min_fraction_threshold=0.5, max_fraction_threshold=2.0),
        num_examples_version_comparator=NumericValueComparator(min_fraction_threshold=1.0),
    ),
    default_environment=("TRAINING", "SERVING"),
    severity={AnomalyType.SCHEMA_NEW_COLUMN: Severity.ERROR},
    features=(
        Feature(
            name="carrier",
            type=FeatureType.STRING,
            presence=Presence(min_fraction=0.9, min_count=1, warn_fraction=1.0),
            shape=(1,),
            string_domain=StringDomain(values=("UA", "AA", "UA"), min_domain_mass=0.99),
            unique_constraints=UniqueConstraints(min=1, max=30),
            drift_comparator=FeatureComparator(infinity_norm=0.1),
            skew_comparator=FeatureComparator(normalized_abs_difference=0.2),
            severity={AnomalyType.ENUM_TYPE_UNEXPECTED_STRING_VALUES: Severity.WARNING},
            owner="flights-ml",
            doc="Two letters.",
            tags=("a", "b"),
        ),
        Feature(
            name="age",
            type=FeatureType.INT,
            int_domain=IntDomain(min=0, max=80, is_categorical=True),
            lifecycle_stage=LifecycleStage.BETA,
            extra='sequence_metadata { joint_group: "g" }',
        ),
        Feature(
            name="delay",
            type=FeatureType.FLOAT,
            value_count=ValueCount(min=1),
            float_domain=FloatDomain(min=-1.5, max=2e300, disallow_nan=True, disallow_inf=True, is_categorical=True),
            drift_comparator=FeatureComparator(jensen_shannon_divergence=0.1, source=HistogramSource.QUANTILES),
            not_in_environment=("SERVING",),
            in_environment=("REPLAY",),
        ),
        Feature(name="flags", type=FeatureType.STRING, bool_domain=BoolDomain(true_value="y", false_value="n")),
        Feature(name="lists", type=FeatureType.INT, value_counts=(ValueCount(min=1, max=2), ValueCount())),
        Feature(name="origin", type=FeatureType.STRING, string_domain=AIRPORTS),
        Feature(name="dest", type=FeatureType.STRING, string_domain=AIRPORTS),
        Feature(
            name="time", type=FeatureType.INT, time_domain=TimeDomain(integer_format=IntegerTimeFormat.UNIX_SECONDS)
        ),
    ),
)


def string_feature(values: dict[str, int], *, complete: bool = True) -> FeatureSummary:
    present = sum(values.values())
    return FeatureSummary(
        name="s",
        type=FeatureType.STRING,
        rows=present,
        present=present,
        values=values,
        values_complete=complete,
    )


def inferred(feature: FeatureSummary, options: InferenceOptions = TOLERANT) -> Feature:
    (only,) = infer(DatasetSummary(name="train", rows=feature.rows, features=(feature,)), options).features
    return only


def test_a_schema_survives_its_file(tmp_path: Path) -> None:
    """Everything is written and read back; features and values are sorted."""
    write_schema(tmp_path, FULL)
    assert read_schema(tmp_path) == FULL
    assert [feature.name for feature in FULL.features][:3] == ["age", "carrier", "delay"]
    assert FULL.features[1].string_domain == StringDomain(values=("AA", "UA"), min_domain_mass=0.99)


def test_equal_schemas_have_equal_bytes(tmp_path: Path) -> None:
    """The order in which features were given does not change the digest."""
    contents = []
    for features in (FULL.features, tuple(reversed(FULL.features))):
        write_schema(tmp_path, Schema(features=features))
        contents.append((tmp_path / FILE_NAME).read_bytes())
    assert contents[0] == contents[1]


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"version":1,"features":{}}', b'{"version":2,"features":{"x":{}}}', b'{"version":2}']
)
def test_a_file_that_is_no_schema_is_corrupt(tmp_path: Path, content: bytes) -> None:
    """Other JSON is told with the file's place."""
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(ArtifactCorrupt) as caught:
        read_schema(tmp_path)
    assert caught.value.where.endswith(FILE_NAME)


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    """A lost schema is told apart from a damaged one."""
    with pytest.raises(ArtifactMissing):
        read_schema(tmp_path)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"string_domain": StringDomain(values=("x",))}, "does not go with"),
        ({"int_domain": IntDomain(), "bool_domain": BoolDomain()}, "both"),
        ({"shape": (1,), "value_count": ValueCount()}, "only one"),
        ({"shape": (-1,)}, "negative"),
        ({"in_environment": ("A",), "not_in_environment": ("A",)}, "environment 'A'"),
    ],
)
def test_features_that_contradict_themselves_are_refused(wrong: dict[str, Any], message: str) -> None:
    """Domains of other types, two domains, two shapes and a double environment cannot be written down."""
    with pytest.raises(InvalidSchema, match=message):
        Feature(name="a", type=FeatureType.INT, **wrong)


def test_constraints_that_nothing_can_meet_are_refused() -> None:
    """Shares outside 0 to 1, empty and infinite ranges, repeated features and a domain with two sets of values."""
    feature = Feature(name="a", type=FeatureType.INT)
    with pytest.raises(InvalidSchema, match="twice"):
        Schema(features=(feature, feature))
    for wrong in (
        lambda: Presence(min_fraction=1.5),
        lambda: Presence(min_count=-1),
        lambda: IntDomain(min=2, max=1),
        lambda: FloatDomain(max=float("inf")),
        lambda: BoolDomain(true_value="x", false_value="x"),
        lambda: TimeDomain(),
        lambda: FeatureComparator(infinity_norm=float("nan")),
        lambda: NumericValueComparator(min_fraction_threshold=-1),
    ):
        with pytest.raises(InvalidSchema):
            wrong()
    other = StringDomain(name="airport", values=("LAX",))
    with pytest.raises(InvalidSchema, match="two sets"):
        Schema(
            features=tuple(
                Feature(name=name, type=FeatureType.STRING, string_domain=domain)
                for name, domain in (("a", AIRPORTS), ("b", other))
            )
        )


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"features": {"fare": {"type": "float"}}}, r"features\.fare\.type.*'float64'.*given: 'float'"),
        ({"features": {"fare": {"typ": "float64"}}}, "unknown key 'typ'.*did you mean 'type'"),
        ({"features": {"fare": {"type": "float64", "presence": {"min": 1}}}}, r"features\.fare\.presence\.min"),
        (
            {"features": {"fare": {"type": "float64", "presence": {"min_fraction": 2.0}}}},
            r"features\.fare\.presence: .*share lies",
        ),
        ({"features": {"fare": {"type": "float64", "owner": 3}}}, r"features\.fare\.owner.*string"),
        ({"features": {"a": {"type": "string", "string_domain": {"name": "x"}}}}, "'x' is not in domains"),
        ({"features": {"a": 3}}, "features.a is 3"),
        ({"feature": {}}, "did you mean 'features'"),
    ],
)
def test_a_wrong_document_is_told_by_its_key(document: Any, message: str) -> None:
    """The error names the feature and the key, and what is allowed where that is a closed set."""
    with pytest.raises(InvalidSchema, match=message):
        Schema.from_json(document)


def test_environments_say_where_a_feature_is_expected() -> None:
    """The default environments hold for every feature that does not say otherwise."""
    delay, carrier = FULL.feature("delay"), FULL.feature("carrier")
    assert delay is not None
    assert carrier is not None
    asked = ("TRAINING", "SERVING", "REPLAY", "OTHER", None)
    assert [FULL.in_environment(delay, name) for name in asked] == [True, False, True, False, True]
    assert [FULL.required(carrier, name) for name in asked] == [True, True, False, False, True]


def test_stages_out_of_use_are_not_validated() -> None:
    """As in TensorFlow Metadata; a feature without a stage is in use."""
    validated = [stage.name for stage in LifecycleStage if stage.validated]
    assert validated == ["BETA", "PRODUCTION", "VALIDATION_DERIVED"]
    feature = Feature(name="a", type=FeatureType.INT, presence=Presence(min_count=1))
    planned = replace(feature, lifecycle_stage=LifecycleStage.PLANNED)
    assert (feature.validated, planned.validated) == (True, False)
    assert not Schema(features=(planned,)).required(planned)


def test_the_nearest_severity_holds() -> None:
    """A feature's word on a kind of anomaly comes before the schema's, and that before the kind's own."""
    kind = AnomalyType.ENUM_TYPE_UNEXPECTED_STRING_VALUES
    assert FULL.severity_of(kind, "carrier", Severity.ERROR) is Severity.WARNING
    assert FULL.severity_of(kind, "age", Severity.ERROR) is Severity.ERROR
    assert FULL.severity_of(AnomalyType.SCHEMA_NEW_COLUMN, "unknown", Severity.WARNING) is Severity.ERROR


def test_few_frequent_values_become_a_domain() -> None:
    """A domain holds the values seen."""
    assert inferred(string_feature({"b": 50, "a": 50})).string_domain == StringDomain(values=("a", "b"))


def test_identifiers_get_no_domain() -> None:
    """Too many values, values that hardly repeat, and values of which only the frequent ones are known: no domain."""
    assert inferred(string_feature({f"v{i}": 50 for i in range(101)})).string_domain is None
    assert inferred(string_feature({f"v{i}": 2 for i in range(50)})).string_domain is None
    assert inferred(string_feature({"a": 50}, complete=False)).string_domain is None


@pytest.mark.parametrize(("present", "should", "must"), [(100, 1.0, 0.9), (95, 0.75, 0.237), (99, 0.87, 0.58)])
def test_a_pipelines_own_presence_has_room_for_what_the_data_had(present: int, should: float, must: float) -> None:
    """What lacked values may lack more; a tenth and thrice as many are a WARNING, far more an ERROR."""
    feature = inferred(FeatureSummary(name="x", type=FeatureType.FLOAT, rows=100, present=present))
    assert (feature.presence.warn_fraction, feature.presence.min_count) == (should, 1)
    assert feature.presence.min_fraction == pytest.approx(must, abs=0.0011)
    assert feature.severity == {}


def test_a_sparse_feature_that_stays_away_is_a_warning() -> None:
    """Of what fewer than half of the rows have, a span may by chance have nothing; the column must be there."""
    feature = inferred(FeatureSummary(name="x", type=FeatureType.FLOAT, rows=100, present=30))
    assert feature.presence == Presence(min_count=1)
    assert feature.severity == {AnomalyType.FEATURE_TYPE_NOT_PRESENT: Severity.WARNING}


def test_where_rare_values_come_others_may() -> None:
    """A domain with a value that hardly occurred is open for a twentieth of the values, any other is closed."""
    closed = inferred(string_feature({"a": 500, "b": 5})).string_domain
    opened = inferred(string_feature({"a": 500, "b": 4})).string_domain
    assert closed is not None
    assert opened is not None
    assert (closed.min_domain_mass, opened.min_domain_mass) == (1.0, 0.95)
    base = inferred(string_feature({"a": 500, "b": 4}), TFDV).string_domain
    assert base is not None
    assert base.min_domain_mass == 1.0


def test_the_base_demands_what_the_data_had() -> None:
    """As TensorFlow Data Validation: always there stays always there, anything less must be there once."""
    complete = inferred(FeatureSummary(name="x", type=FeatureType.FLOAT, rows=100, present=100), TFDV)
    assert (complete.presence, complete.shape) == (Presence(min_fraction=1.0, min_count=1), (1,))
    partly = inferred(FeatureSummary(name="x", type=FeatureType.FLOAT, rows=100, present=95), TFDV)
    assert (partly.presence, partly.value_count) == (Presence(min_count=1), ValueCount(min=1, max=1))
    assert inferred(string_feature({f"v{i}": 1 for i in range(100)}), TFDV).string_domain is not None
    assert inferred(string_feature({f"v{i}": 1 for i in range(101)}), TFDV).string_domain is None


def test_a_feature_that_was_never_there_may_stay_away() -> None:
    """Nothing is demanded of what the training data did not have."""
    for options in (TFDV, TOLERANT):
        feature = inferred(FeatureSummary(name="x", type=FeatureType.FLOAT, rows=100, present=0), options)
        assert feature == Feature(name="x", type=FeatureType.FLOAT)


def test_ranges_bind_only_where_asked() -> None:
    """Bounds are the least and greatest number; NaN and infinity are disallowed where they were not seen."""
    summary = FeatureSummary(name="x", type=FeatureType.FLOAT, rows=9, present=9, nan=1, minimum=-1, maximum=2.5)
    assert inferred(summary, TFDV).float_domain is None
    assert inferred(summary).float_domain == FloatDomain(disallow_inf=True)
    enforced = InferenceOptions(enforce_ranges=True)
    assert inferred(summary, enforced).float_domain == FloatDomain(min=-1, max=2.5)
    ints = FeatureSummary(name="x", type=FeatureType.INT, rows=9, present=9, minimum=-1.0, maximum=2.0)
    assert inferred(ints, enforced).int_domain == IntDomain(min=-1, max=2)
