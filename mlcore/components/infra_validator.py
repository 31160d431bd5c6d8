"""A model tried in a process of its own before anybody depends on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlcore.components.base import Component, Inputs, Outputs
from mlcore.core.types import ArtifactType, Json
from mlcore.errors import ModelError

if TYPE_CHECKING:
    import pyarrow as pa

    from mlcore.deployment.infra import InfraVerdict

GATE = "infra"
SAMPLE_ROWS = 500
LOGGED_ROWS = 2_000


class InfraValidator(Component):
    """Loads the model in a fresh process, predicts on sample and edge requests, and holds it to the limits.

    Inputs:
        examples: A sample of the first is asked.
        model: The candidate.
        serving_examples: Where the pipeline has a serving log: requests that were served before.
    """

    inputs = {
        "examples": ArtifactType.EXAMPLES,
        "model": ArtifactType.MODEL,
        "serving_examples": ArtifactType.SERVING_EXAMPLES,
    }
    outputs = {"blessing": ArtifactType.BLESSING}
    code = (
        "deployment.infra", "deployment.probe", "deployment.requests", "deployment.serving_only", "training",
        "transform", "components.scoring", "ingest.examples", "evaluation.blessing",
    )  # fmt: skip
    libraries = ("scikit-learn", "numpy", "skops", "pyarrow")

    @property
    def parameters(self) -> Mapping[str, Json]:
        infra: dict[str, Json] = self.config.push.infra.model_dump(mode="json")
        return infra

    def run(self, inputs: Inputs, outputs: Outputs) -> None:
        from mlcore.evaluation.blessing import Blessing, write_blessing

        model = inputs.one("model")
        try:
            verdict = self._validate(inputs)
        except ModelError as error:
            from mlcore.deployment.infra import InfraVerdict

            verdict = InfraVerdict(blessed=False, reasons=(f"blocked: the model refuses a request: {error.what}",))
        write_blessing(
            outputs["blessing"].path,
            Blessing(model_digest=model.artifact.digest, gate=GATE, blessed=verdict.blessed, reasons=verdict.reasons),
        )
        outputs["blessing"].properties.update(
            gate=GATE,
            blessed=verdict.blessed,
            reasons=list(verdict.reasons),
            measured={name: round(value, 6) for name, value in verdict.measurements.items()},
        )

    def _validate(self, inputs: Inputs) -> InfraVerdict:
        import pyarrow as pa

        from mlcore.components.scoring import score
        from mlcore.deployment.infra import Limits, Subject, validate_infra
        from mlcore.deployment.requests import build_requests, hard_requests
        from mlcore.deployment.serving_only import needed_by
        from mlcore.ingest.examples import read_examples
        from mlcore.training.model import distributions_of, read_metadata
        from mlcore.transform.graph import read_graph

        model, infra = inputs.one("model").path, self.config.push.infra
        columns = list(read_graph(model).contract)
        sample = read_examples(inputs.paths("examples")[:1], columns).slice(0, SAMPLE_ROWS)
        limits = Limits(
            latency_p99_seconds=infra.max_latency_p99.total_seconds(),
            latency_p50_seconds=None if infra.max_latency_p50 is None else infra.max_latency_p50.total_seconds(),
            memory_bytes=infra.max_memory,
            size_bytes=infra.max_size,
            timeout_seconds=infra.timeout.total_seconds(),
        )
        return validate_infra(
            Subject(folder=model, needs=needed_by(distributions_of(read_metadata(model).estimator))),
            pa.concat_tables([build_requests(sample), hard_requests(sample.schema)]),
            lambda rows: score(model, rows),
            limits,
            logged=_logged(inputs, columns),
        )

    def summary(self, outputs: Inputs) -> str:
        return "blessed" if outputs.one("blessing").artifact.properties["blessed"] else "not blessed"


def _logged(inputs: Inputs, columns: list[str]) -> pa.Table | None:
    """The newest requests of the log; none where it has none, or not all of the columns the model reads."""
    from mlcore.ingest.examples import read_examples

    if "serving_examples" not in inputs or not inputs["serving_examples"]:
        return None
    rows = read_examples(inputs.paths("serving_examples")[-1:])
    if not set(columns) <= set(rows.column_names) or not rows.num_rows:
        return None
    return rows.select(columns).slice(max(0, rows.num_rows - LOGGED_ROWS))
