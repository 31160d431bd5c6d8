from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlcore.errors import ArtifactCorrupt, ArtifactMissing
from mlcore.schema.anomalies import FILE_NAME, Anomaly, AnomalyType, Severity, read_anomalies, write_anomalies
from mlcore.schema.constraints import (
    DatasetConstraints,
    FloatDomain,
    NumericValueComparator,
    Presence,
    StringDomain,
)
from mlcore.schema.schema import Feature, Schema
from mlcore.schema.summary import DatasetSummary, FeatureSummary, FeatureType
from mlcore.schema.tolerance import LENIENT, STRICT, Tolerance
from mlcore.schema.validate import serving_anomalies, validate, version_by_version, without_usual_gaps

CARRIER = Feature(
    name="carrier",
    type=FeatureType.STRING,
    presence=Presence(min_count=1, min_fraction=0.9, warn_fraction=1.0),
    string_domain=StringDomain(values=("AA", "UA")),
)
TEMP = Feature(
    name="temp",
    type=FeatureType.FLOAT,
    presence=Presence(min_count=1, min_fraction=0.5),
    float_domain=FloatDomain(min=-50, max=150, disallow_nan=True, disallow_inf=True),
)
SCHEMA = Schema(features=(CARRIER, TEMP))


def carrier(**changes: Any) -> FeatureSummary:
    summary = FeatureSummary(
        name="carrier", type=FeatureType.STRING, rows=1000, present=1000, values={"AA": 600, "UA": 400}
    )
    return replace(summary, **changes)


def temp(**changes: Any) -> FeatureSummary:
    summary = FeatureSummary(name="temp", type=FeatureType.FLOAT, rows=1000, present=900, minimum=-3.5, maximum=99.0)
    return replace(summary, **changes)


def dataset(*features: FeatureSummary, name: str = "evaluation", rows: int = 1000) -> DatasetSummary:
    return DatasetSummary(name=name, rows=rows, features=features)


def only(*features: FeatureSummary, schema: Schema = SCHEMA, tolerance: Tolerance = LENIENT) -> Anomaly:
    (anomaly,) = validate(dataset(*features), schema, tolerance=tolerance)
    return anomaly


def test_good_data_has_no_anomalies() -> None:
    """What meets the schema gives an empty result."""
    assert validate(dataset(carrier(), temp()), SCHEMA) == ()


@pytest.mark.parametrize(
    ("features", "type_", "severity", "feature"),
    [
        ((carrier(),), AnomalyType.SCHEMA_MISSING_COLUMN, Severity.ERROR, "temp"),
        (
            (carrier(), temp(), temp(name="new")),
            AnomalyType.SCHEMA_NEW_COLUMN,
            Severity.WARNING,
            "new",
        ),
        ((carrier(), temp(type=FeatureType.STRING)), AnomalyType.UNEXPECTED_DATA_TYPE, Severity.ERROR, "temp"),
        ((carrier(), temp(present=0)), AnomalyType.FEATURE_TYPE_NOT_PRESENT, Severity.ERROR, "temp"),
        ((carrier(), temp(present=499)), AnomalyType.FEATURE_TYPE_LOW_FRACTION_PRESENT, Severity.ERROR, "temp"),
        ((carrier(present=999), temp()), AnomalyType.FEATURE_TYPE_LOW_FRACTION_PRESENT, Severity.WARNING, "carrier"),
        ((carrier(), temp(nan=9)), AnomalyType.FLOAT_TYPE_HAS_NAN, Severity.WARNING, "temp"),
        ((carrier(), temp(nan=10)), AnomalyType.FLOAT_TYPE_HAS_NAN, Severity.ERROR, "temp"),
        ((carrier(), temp(minimum=-51.0)), AnomalyType.FLOAT_TYPE_SMALL_FLOAT, Severity.ERROR, "temp"),
        ((carrier(), temp(maximum=1e9)), AnomalyType.FLOAT_TYPE_BIG_FLOAT, Severity.ERROR, "temp"),
    ],
)
def test_each_fault_is_named_as_tfdv_names_it(
    features: tuple[FeatureSummary, ...], type_: AnomalyType, severity: Severity, feature: str
) -> None:
    """One fault gives one anomaly of its kind, in its feature, of its severity."""
    anomaly = only(*features)
    assert (anomaly.type, anomaly.severity, anomaly.feature) == (type_, severity, feature)
    assert anomaly.description
    if feature != "carrier":
        assert only(*features, tolerance=STRICT).severity is Severity.ERROR


@pytest.mark.parametrize(("mass", "severity"), [(10, Severity.WARNING), (11, Severity.ERROR)])
def test_new_categories_stop_the_run_only_in_numbers(mass: int, severity: Severity) -> None:
    """Up to a hundredth of the values is a warning, more an error; the new values are named with their share."""
    values = {"AA": 1000 - mass, "ZZ": mass - 1, "YY": 1}
    anomaly = only(carrier(values=values), temp())
    assert (anomaly.type, anomaly.severity) == (AnomalyType.ENUM_TYPE_UNEXPECTED_STRING_VALUES, severity)
    assert "'ZZ'" in anomaly.description
    assert anomaly.observed == {"ZZ": mass - 1, "YY": 1}
    assert only(carrier(values=values), temp(), tolerance=STRICT).severity is Severity.ERROR


def test_a_domain_may_tolerate_a_share_of_other_values() -> None:
    """With min_domain_mass below 1, that share may lie outside."""
    tolerant = replace(CARRIER, string_domain=StringDomain(values=("AA", "UA"), min_domain_mass=0.85))
    summary = dataset(carrier(values={"AA": 900, "ZZ": 100}), temp())
    assert validate(summary, Schema(features=(tolerant, TEMP))) == ()


def test_what_the_schema_allows_is_no_anomaly() -> None:
    """NaN and infinity where not disallowed, any number without bounds, an optional feature that is away."""
    open_ = Feature(name="temp", type=FeatureType.FLOAT)
    schema = Schema(features=(CARRIER, open_))
    assert validate(dataset(carrier(), temp(nan=500, infinite=100)), schema) == ()
    assert validate(dataset(carrier(), temp(present=0)), schema) == ()
    assert validate(dataset(carrier()), schema) == ()


def test_an_empty_split_is_an_error() -> None:
    """A split without rows is named, and nothing else is said of it."""
    empty = dataset(carrier(rows=0, present=0, values={}), rows=0)
    (anomaly,) = validate(empty, SCHEMA)
    assert (anomaly.type, anomaly.severity) == (AnomalyType.DATASET_EMPTY, Severity.ERROR)
    assert "evaluation" in anomaly.description
    assert anomaly.feature is None


def test_the_first_span_with_the_fault_is_named() -> None:
    """Since when is the first span that shows the same kind of fault in the same feature."""
    days = [
        dataset(carrier(), temp(), name="2013-03-03"),
        dataset(carrier(values={"AA": 500, "ZZ": 500}), temp(), name="2013-03-04"),
        dataset(carrier(values={"AA": 500, "ZZ": 500}), temp(), name="2013-03-05"),
    ]
    whole = dataset(carrier(rows=3000, present=3000, values={"AA": 2000, "ZZ": 1000}), temp(rows=3000, present=2700))
    (anomaly,) = validate(whole, SCHEMA, spans=days)
    assert anomaly.since == "2013-03-04"
    assert "since 2013-03-04" in str(anomaly)


def test_hostile_values_are_bounded() -> None:
    """A huge category does not make a huge description."""
    values = {"<script>" + "x" * 10_000 + str(i): 10 for i in range(100)}
    anomaly = only(carrier(values=values), temp())
    assert len(anomaly.description) < 600
    assert anomaly.observed == {}


def test_all_unexpected_values_can_be_accepted() -> None:
    """The description names five, what was observed has a thousand with their counts, most frequent first."""
    values = {f"new {number}": 2000 - number for number in range(1500)}
    observed = only(carrier(values=values, rows=10**7, present=10**7), temp(), tolerance=STRICT).observed
    assert observed == {f"new {number}": 2000 - number for number in range(1000)}


def test_anomalies_survive_their_file(tmp_path: Path) -> None:
    """Lists are read back as written, the empty one too; silence and rubbish are errors."""
    with pytest.raises(ArtifactMissing):
        read_anomalies(tmp_path)
    anomalies = validate(dataset(carrier(values={"AA": 1}, present=1), temp(nan=3)), SCHEMA)
    assert anomalies
    for expected in (anomalies, ()):
        write_anomalies(tmp_path, expected)
        assert read_anomalies(tmp_path) == expected
    (tmp_path / FILE_NAME).write_text('{"anomalies": [{"reason": "X"}]}')
    with pytest.raises(ArtifactCorrupt):
        read_anomalies(tmp_path)


def test_a_gap_that_earlier_spans_had_too_is_usual() -> None:
    """A WARNING of missing values is told once; a worse gap is told again, and an ERROR always."""

    def span(name: str, present: int) -> DatasetSummary:
        feature = FeatureSummary(name="gust", type=FeatureType.FLOAT, rows=100, present=present)
        return DatasetSummary(name=name, rows=100, features=(feature,))

    def left(present: int, presence: Presence, **stated: Any) -> list[tuple[AnomalyType, Severity]]:
        schema = Schema(features=(Feature(name="gust", type=FeatureType.FLOAT, presence=presence, **stated),))
        found = without_usual_gaps(validate(span("now", present), schema), earlier)
        return [(anomaly.type, anomaly.severity) for anomaly in found]

    earlier = [span("a", 80), span("b", 40)]
    should = Presence(min_count=1, warn_fraction=0.5)
    gap = (AnomalyType.FEATURE_TYPE_LOW_FRACTION_PRESENT, Severity.WARNING)
    assert [left(present, should) for present in (45, 40, 39)] == [[], [], [gap]]
    assert left(45, Presence(min_fraction=0.5)) == [(gap[0], Severity.ERROR)]
    never = {"severity": {AnomalyType.FEATURE_TYPE_NOT_PRESENT: Severity.WARNING}}
    assert left(0, should, **never) == [(AnomalyType.FEATURE_TYPE_NOT_PRESENT, Severity.WARNING)]
    earlier.append(span("c", 0))
    assert left(0, should, **never) == []
    assert left(0, should) == [(AnomalyType.FEATURE_TYPE_NOT_PRESENT, Severity.ERROR)]


def test_the_serving_log_is_checked_without_the_label() -> None:
    """Only the log's own columns, in the environment SERVING; all that is found is a WARNING that says so."""
    schema = Schema(
        default_environment=("TRAINING", "SERVING"),
        dataset_constraints=DatasetConstraints(min_examples_count=1000),
        features=(
            Feature(name="late", type=FeatureType.INT, presence=Presence(min_count=1), not_in_environment=("SERVING",)),
            Feature(name="origin", type=FeatureType.STRING, presence=Presence(min_count=1)),
            Feature(name="not logged", type=FeatureType.STRING, presence=Presence(min_count=1)),
        ),
    )
    request = FeatureSummary(name="request", type=FeatureType.STRING, rows=10, present=10)
    log = DatasetSummary(name="log", rows=10, features=(request,))
    (found,) = serving_anomalies(log, schema, spans=[log], columns=("origin", "late"))
    assert (found.type, found.feature, found.since) == (AnomalyType.SCHEMA_MISSING_COLUMN, "origin", "log")
    assert (found.severity, found.environment) == (Severity.WARNING, "SERVING")
    assert str(found).startswith("WARNING SCHEMA_MISSING_COLUMN origin in SERVING: ")


def test_a_version_comparator_names_the_first_span_that_was_cut() -> None:
    """Each corrected span against what it was before; one anomaly of a kind."""
    comparator = NumericValueComparator(min_fraction_threshold=0.9)
    schema = Schema(features=(), dataset_constraints=DatasetConstraints(num_examples_version_comparator=comparator))
    corrected = [
        (DatasetSummary(name=f"day {day}", rows=rows, features=()), DatasetSummary(name="", rows=100, features=()))
        for day, rows in ((1, 100), (2, 80), (3, 70))
    ]
    (found,) = version_by_version(corrected, schema)
    assert (found.type, found.since) == (AnomalyType.COMPARATOR_LOW_NUM_EXAMPLES, "day 2")
    assert (found.observed, found.expected) == (0.8, 0.9)
