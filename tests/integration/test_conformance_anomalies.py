"""TensorFlow Data Validation's own verdicts, case by case: a sample, an inferred schema, edits, a fault."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlcore.cli.data.validate import check_file
from mlcore.schema.accept import accept
from mlcore.schema.anomalies import Anomaly, Severity
from mlcore.schema.files import format_schema, read_schema_file

CASES = Path(__file__).parents[3] / "shared" / "conformance" / "anomalies"
DISTANCE = 0.01
"""Relative: TensorFlow Data Validation cuts its histograms from a thousand quantiles, not from the values."""

pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the conformance cases are not beside the repository")


def cases() -> list[Any]:
    if not CASES.is_dir():
        return []
    return [
        pytest.param(case, id=case["name"])
        for case in json.loads((CASES / "cases.json").read_text(encoding="utf-8"))["cases"]
    ]


def check(case: dict[str, Any], schema: Path | None = None) -> tuple[Anomaly, ...]:
    train, changed = CASES / case["train"], CASES / case["changed"]
    comparison: dict[str | None, tuple[Path, dict[str, Path | None]]] = {
        None: (changed, {}),
        "drift": (changed, {"previous": train}),
        "skew": (train, {"serving": changed}),
    }
    file, others = comparison[case["compare"]]
    return check_file(file, schema or CASES / case["schema"], others, environment=case["environment"])


@pytest.mark.parametrize("case", cases())
def test_the_reasons_are_tfdvs(case: dict[str, Any]) -> None:
    """Each feature has exactly the reasons, in their order; what is ours beyond them says so."""
    reasons: dict[str, list[str]] = {}
    for anomaly in check(case):
        if anomaly.feature is not None and anomaly.type.source == "tfdv":
            assert anomaly.severity.value == case["anomalies"].get(anomaly.feature, {}).get("severity", "none expected")
            reasons.setdefault(anomaly.feature, []).append(anomaly.type.value)
    assert reasons == {
        feature: [reason["type"] for reason in found["reasons"]] for feature, found in case["anomalies"].items()
    }


@pytest.mark.parametrize("case", [case for case in cases() if case.values[0]["measures"]])
def test_the_distances_are_tfdvs(case: dict[str, Any]) -> None:
    """What a comparator measured is within one hundredth of what TensorFlow Data Validation measured."""
    observed = {anomaly.feature: anomaly.observed for anomaly in check(case) if anomaly.type.source == "tfdv"}
    for measure in case["measures"]:
        if measure["value"] > measure["threshold"]:
            assert observed[measure["feature"]] == pytest.approx(measure["value"], rel=DISTANCE)


@pytest.mark.parametrize("case", [case for case in cases() if not case.values[0]["anomalies"]])
def test_what_tfdv_finds_clean_is_clean(case: dict[str, Any]) -> None:
    """Where TensorFlow Data Validation has nothing to say of a feature, neither have we."""
    assert [str(anomaly) for anomaly in check(case) if anomaly.feature is not None] == []


@pytest.mark.parametrize("case", [case for case in cases() if case.values[0]["anomalies"]])
def test_what_is_accepted_is_no_error_any_more(case: dict[str, Any], tmp_path: Path) -> None:
    """Each anomaly says enough for the smallest change of the schema that lets the data pass."""
    schema = read_schema_file(CASES / case["schema"])
    file = tmp_path / "schema.pbtxt"
    for _ in range(5):
        file.write_text(format_schema(schema, file), encoding="utf-8")
        errors = [anomaly for anomaly in check(case, file) if anomaly.severity is Severity.ERROR]
        if not errors:
            break
        schema = accept(schema, errors[0])
    assert [str(anomaly) for anomaly in errors] == []
