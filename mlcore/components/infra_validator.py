"""A model tried in a process of its own before anybody depends on it."""

from __future__ import annotations

from collections.abc import Mapping

from mlcore.components.base import Component, Inputs, Outputs
from mlcore.core.types import ArtifactType, Json
from mlcore.errors import ModelError

GATE = "infra"
SAMPLE_ROWS = 500


class InfraValidator(Component):
    """Loads the model in a fresh process, predicts on sample and edge requests, and holds it to the limits."""

    inputs = {"examples": ArtifactType.EXAMPLES, "model": ArtifactType.MODEL}
    outputs = {"blessing": ArtifactType.BLESSING}
    code = ("deployment", "training", "transform", "components.scoring", "ingest.examples", "evaluation.blessing")
    libraries = ("scikit-learn", "numpy", "skops", "pyarrow")

    @property
    def parameters(self) -> Mapping[str, Json]:
        infra: dict[str, Json] = self.config.push.infra.model_dump(mode="json")
        return infra

    def run(self, inputs: Inputs, outputs: Outputs) -> None:
        from mlcore.components.scoring import score
        from mlcore.deployment.infra import InfraVerdict, Limits, Subject, validate_infra
        from mlcore.deployment.requests import build_requests
        from mlcore.evaluation.blessing import Blessing, write_blessing
        from mlcore.ingest.examples import read_examples
        from mlcore.transform.graph import read_graph

        model = inputs.one("model")
        columns = list(read_graph(model.path).contract)
        sample = read_examples(inputs.paths("examples")[:1], columns).slice(0, SAMPLE_ROWS)
        requests = build_requests(sample)
        infra = self.config.push.infra
        limits = Limits(latency_p99_seconds=infra.max_latency_p99.total_seconds(), memory_bytes=infra.max_memory)
        try:
            expected = score(model.path, requests)
        except ModelError as error:
            verdict = InfraVerdict(blessed=False, reasons=(f"blocked: the model refuses a request: {error.what}",))
        else:
            verdict = validate_infra(Subject(folder=model.path), requests, expected, limits)
        write_blessing(
            outputs["blessing"].path,
            Blessing(model_digest=model.artifact.digest, gate=GATE, blessed=verdict.blessed, reasons=verdict.reasons),
        )
        outputs["blessing"].properties.update(gate=GATE, blessed=verdict.blessed, reasons=list(verdict.reasons))

    def summary(self, outputs: Inputs) -> str:
        return "blessed" if outputs.one("blessing").artifact.properties["blessed"] else "not blessed"
