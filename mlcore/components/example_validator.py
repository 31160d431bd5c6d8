"""Statistics against the schema: anomalies are recorded, and ERRORs stop the run."""

from __future__ import annotations

from collections import Counter

from mlcore.components.base import Component, Inputs, Outputs
from mlcore.core.types import ArtifactType
from mlcore.errors import AnomaliesFound

_SHOWN = 10


class ExampleValidator(Component):
    """Compares the evaluation days with the schema of the training days, and says since when they differ."""

    inputs = {"statistics": ArtifactType.STATISTICS, "schema": ArtifactType.SCHEMA}
    outputs = {"anomalies": ArtifactType.ANOMALIES}
    code = ("schema", "statistics", "accumulators", "components.summaries")

    def run(self, inputs: Inputs, outputs: Outputs) -> None:
        from mlcore.components.summaries import dataset_summary
        from mlcore.schema.anomalies import write_anomalies
        from mlcore.schema.schema import read_schema
        from mlcore.schema.tolerance import LENIENT
        from mlcore.schema.validate import validate
        from mlcore.statistics.accumulate import DatasetAccumulator
        from mlcore.statistics.files import read

        spans = [(payload.artifact.span, read(payload.path)) for payload in inputs["statistics"]]
        anomalies = validate(
            dataset_summary("evaluation", DatasetAccumulator.merge([dataset for _, dataset in spans])),
            read_schema(inputs.one("schema").path),
            spans=[dataset_summary(span.label if span else "", dataset, span=span) for span, dataset in spans],
            tolerance=LENIENT,
        )
        write_anomalies(outputs["anomalies"].path, anomalies)
        counts = Counter(anomaly.severity.value for anomaly in anomalies)
        outputs["anomalies"].properties.update(errors=counts["ERROR"], warnings=counts["WARNING"])

    def check(self, outputs: Inputs) -> None:
        payload = outputs.one("anomalies")
        if not payload.artifact.properties["errors"]:
            return
        from mlcore.schema.anomalies import Severity, read_anomalies

        errors = [str(found) for found in read_anomalies(payload.path) if found.severity is Severity.ERROR]
        more = [f"and {len(errors) - _SHOWN} more"] if len(errors) > _SHOWN else []
        raise AnomaliesFound(
            f"{len(errors)} anomalies stop the run before training:\n  " + "\n  ".join([*errors[:_SHOWN], *more]),
            where=f"pipeline {self.config.name}, artifact {payload.artifact.id}",
            next_step="correct the data at its source and deliver it again: only the spans that changed are read again",
        )

    def summary(self, outputs: Inputs) -> str:
        properties = outputs.one("anomalies").artifact.properties
        return f"{properties['errors']} errors, {properties['warnings']} warnings"
