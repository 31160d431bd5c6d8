"""The schema inferred from TensorFlow Data Validation's own samples is the one it infers."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlcore.cli.main import app
from mlcore.schema.files import read_schema_file

CONFORMANCE = Path(__file__).parents[4] / "shared" / "conformance"
EDITED = {
    "13_domain_mass_bad": ("payment_type", {"string_domain"}),
    "15_int_below_domain": ("trip_start_month", {"int_domain"}),
    "17_float_above_domain": ("fare", {"float_domain"}),
    "19_missing_20pct_min_fraction_0.9": ("trip_miles", {"presence", "shape", "value_count"}),
    "23_drift_linf_over": ("payment_type", {"drift_comparator"}),
    "25_drift_js_numeric_over": ("fare", {"drift_comparator"}),
    "27_drift_js_categorical_over": ("payment_type", {"drift_comparator"}),
    "29_skew_linf_over": ("origin", {"skew_comparator"}),
    "31_skew_js_numeric_over": ("dep_delay", {"skew_comparator"}),
    "33_label_absent_serving_env": ("arr_delay", {"not_in_environment"}),
    "35_inf_disallowed": ("fare", {"float_domain"}),
}
"""What was edited by hand in the schemas of the cases, after they were inferred."""
CASES = [
    ("statistics/taxi.csv", "statistics/tfdv_schema_taxi.pbtxt", 18),
    ("anomalies/taxi_train.csv", "anomalies/schema_taxi_inferred.pbtxt", 11),
]


@pytest.mark.skipif(not CONFORMANCE.is_dir(), reason="the conformance files are not here")
@pytest.mark.parametrize(("data", "expected", "features"), CASES)
def test_every_feature_is_inferred_as_tfdv_infers_it(data: str, expected: str, features: int, tmp_path: Path) -> None:
    """Type, presence, shape or number of values, and domain are equal, feature by feature."""
    out = tmp_path / "schema.yaml"
    result = CliRunner().invoke(app, ["schema", "infer", str(CONFORMANCE / data), "--out", str(out)])
    assert result.exit_code == 0, result.output
    ours, theirs = read_schema_file(out), read_schema_file(CONFORMANCE / expected)
    assert [feature.name for feature in ours.features] == [feature.name for feature in theirs.features]
    assert len(ours.features) == features
    for mine, other in zip(ours.features, theirs.features, strict=True):
        assert mine == other


@pytest.mark.skipif(not CONFORMANCE.is_dir(), reason="the conformance files are not here")
@pytest.mark.parametrize("train", ["taxi_train.csv", "flights_train.csv"])
def test_every_case_s_schema_is_ours_but_for_what_was_edited(train: str, tmp_path: Path) -> None:
    """Of twenty schemas of two samples, every feature's type, presence and domain are those that we infer."""
    out = tmp_path / "schema.yaml"
    result = CliRunner().invoke(app, ["schema", "infer", str(CONFORMANCE / "anomalies" / train), "--out", str(out)])
    assert result.exit_code == 0, result.output
    ours = read_schema_file(out)
    cases = json.loads((CONFORMANCE / "anomalies" / "cases.json").read_text(encoding="utf-8"))["cases"]
    cases = [case for case in cases if case["train"] == train]
    assert len(cases) == {"taxi_train.csv": 17, "flights_train.csv": 3}[train]
    for case in cases:
        theirs = read_schema_file(CONFORMANCE / "anomalies" / case["schema"])
        assert [feature.name for feature in ours.features] == [feature.name for feature in theirs.features]
        different = {
            mine.name: {field.name for field in fields(mine) if getattr(mine, field.name) != getattr(other, field.name)}
            for mine, other in zip(ours.features, theirs.features, strict=True)
            if mine != other
        }
        assert different == dict([EDITED[case["name"]]] if case["name"] in EDITED else []), case["name"]
