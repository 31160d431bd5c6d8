from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
from support.project import Project

from mlcore.core.types import ArtifactType
from mlcore.schema.schema import read_schema
from mlcore.schema.summary import FeatureType


def test_a_decimal_column_is_a_feature_and_an_outcome(project: Project) -> None:
    """Exact in the Examples, a number in statistics and schema, the nearest float to the model: through to a push."""
    project.replace("size: float64, outcome: float64", "size: 'decimal(6, 4)', outcome: 'decimal(42,4)'")
    results = project.run()
    assert results["pusher"].summary == "blessed"
    with project.session() as session:
        examples = session.metadata.find_artifacts(type=ArtifactType.EXAMPLES)[-1]
        (schema,) = session.metadata.find_artifacts(type=ArtifactType.SCHEMA)
        table = pq.read_table(session.artifacts.path(examples.uri) / "data.parquet")
        feature = read_schema(session.artifacts.path(schema.uri)).feature("size")
    assert table.schema.field("size").type == pa.decimal128(6, 4)
    assert table.schema.field("outcome").type == pa.decimal256(42, 4)
    written = project.data(1).read_text(encoding="utf-8").splitlines()[1].split(",")
    assert table.select(["size", "outcome"]).to_pylist()[0] == {
        "size": Decimal(written[3]),
        "outcome": Decimal(written[4]),
    }
    assert feature is not None
    assert feature.type is FeatureType.FLOAT
