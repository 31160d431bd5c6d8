"""What the data should look like: the schema that people own, or one inferred from the training window's statistics."""

from __future__ import annotations

from collections.abc import Mapping

from mlcore.components.base import Component, Inputs, Outputs
from mlcore.components.merging import merged_statistics
from mlcore.core.digests import digest_bytes
from mlcore.core.types import ArtifactType, Json


class SchemaGen(Component):
    """Gives ``config/schemas/<pipeline>.yaml`` where it exists, and infers a tolerant schema where it does not.

    The file's content is a parameter: a changed file is another schema, and the data is checked against it again.
    """

    inputs = {"statistics": ArtifactType.STATISTICS}
    outputs = {"schema": ArtifactType.SCHEMA}
    code = ("schema", "statistics", "accumulators", "components.summaries", "components.merging")
    libraries = ("ruamel.yaml", "pydantic")

    @property
    def parameters(self) -> Mapping[str, Json]:
        owned = self.config.owned_schema
        return {"schema": None if owned is None else digest_bytes(owned.encode())}

    def run(self, inputs: Inputs, outputs: Outputs) -> None:
        from mlcore.components.summaries import dataset_summary
        from mlcore.schema.infer import TOLERANT, infer
        from mlcore.schema.schema import write_schema
        from mlcore.schema.yaml_file import parse_yaml

        owned = self.config.owned_schema
        if owned is None:
            statistics = merged_statistics(inputs, "statistics", self.config.data.span)
            schema = infer(dataset_summary("train", statistics), TOLERANT)
        else:
            schema = parse_yaml(owned, where=f"config/schemas/{self.config.name}.yaml")
        write_schema(outputs["schema"].path, schema)
        outputs["schema"].properties.update(features=len(schema.features), owned=owned is not None)

    def summary(self, outputs: Inputs) -> str:
        properties = outputs.one("schema").artifact.properties
        return f"{properties['features']} features, {'owned' if properties['owned'] else 'inferred'}"
