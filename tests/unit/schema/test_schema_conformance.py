"""The schema inferred from TensorFlow Data Validation's own samples is the one it infers."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlcore.cli.main import app
from mlcore.schema.files import read_schema_file

CONFORMANCE = Path(__file__).parents[4] / "shared" / "conformance"
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
