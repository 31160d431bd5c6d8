"""The training spans' analyzer states to one TransformGraph."""

from __future__ import annotations

from collections.abc import Mapping

from mlcore.components.base import Component, Inputs, Outputs
from mlcore.components.merging import merged_states
from mlcore.core.types import ArtifactType, Json


class Transform(Component):
    """Merges the training window's analyzer states in span order and fits every feature's constants.

    Inputs:
        states: Of the training spans.
        examples: Of the training spans; they are counted, so that no state can be of other rows.
    """

    inputs = {"states": ArtifactType.ANALYZER_STATE, "examples": ArtifactType.EXAMPLES}
    outputs = {"transform_graph": ArtifactType.TRANSFORM_GRAPH}
    code = ("transform", "accumulators", "components.merging", "components.fitted_on", "ingest.examples")
    libraries = ("numpy",)

    @property
    def parameters(self) -> Mapping[str, Json]:
        from mlcore.transform.specs import specs_of

        code: dict[str, Json] = {spec.name: [step.code for step in spec.steps] for spec in specs_of(self.config)}
        features: dict[str, Json] = {
            name: feature.model_dump(mode="json", exclude={"doc", "owner"})
            for name, feature in self.config.features.items()
        }
        return {"features": features, "order": list(features), "code": code}  # JSON keeps no order of keys

    def run(self, inputs: Inputs, outputs: Outputs) -> None:
        from mlcore.components.fitted_on import check_states
        from mlcore.transform.fitting import fit
        from mlcore.transform.graph import write_graph
        from mlcore.transform.specs import specs_of

        specs = specs_of(self.config)
        state = merged_states(inputs, "states", self.config.data.span)
        check_states(inputs["states"], inputs["examples"], rows=state.rows, label=self.config.data.label.name)
        graph = fit(specs, state)
        write_graph(outputs["transform_graph"].path, graph)
        outputs["transform_graph"].properties.update(features=len(graph.features))

    def summary(self, outputs: Inputs) -> str:
        return f"{outputs.one('transform_graph').artifact.properties['features']} features"
