"""The training window's statistics to a schema."""

from __future__ import annotations

from mlcore.components.base import Component, Inputs, Outputs
from mlcore.core.types import ArtifactType


class SchemaGen(Component):
    """Infers what the data should look like from the days the model is trained on."""

    inputs = {"statistics": ArtifactType.STATISTICS}
    outputs = {"schema": ArtifactType.SCHEMA}
    code = ("schema", "statistics", "accumulators", "components.summaries")

    def run(self, inputs: Inputs, outputs: Outputs) -> None:
        from mlcore.components.summaries import dataset_summary
        from mlcore.schema.infer import TOLERANT, infer
        from mlcore.schema.schema import write_schema
        from mlcore.statistics.files import read_merged

        schema = infer(dataset_summary("train", read_merged(inputs.paths("statistics"))), TOLERANT)
        write_schema(outputs["schema"].path, schema)
        outputs["schema"].properties.update(features=len(schema.features))

    def summary(self, outputs: Inputs) -> str:
        return f"{outputs.one('schema').artifact.properties['features']} features"
