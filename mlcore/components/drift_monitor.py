"""The newest days against the days the champion was trained on, and a decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mlcore.components.base import Component, Inputs, Outputs, Payload
from mlcore.config.pipeline import Monitor
from mlcore.core.types import ArtifactType, Json
from mlcore.core.window import iso, parse_moment
from mlcore.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa

    from mlcore.monitoring.decay import Performance


class DriftMonitor(Component):
    """Judges drift on all rows by whole days, decay on newly labelled rows, age; draws the picture on a sample."""

    inputs = {
        "reference_examples": ArtifactType.EXAMPLES,
        "current_examples": ArtifactType.EXAMPLES,
        "labelled_examples": ArtifactType.EXAMPLES,
        "model": ArtifactType.MODEL,
        "evaluation": ArtifactType.EVALUATION,
    }
    outputs = {"report": ArtifactType.DRIFT_REPORT}
    code = ("monitoring", "evaluation", "training", "transform", "components.scoring", "ingest.examples")
    libraries = ("evidently", "pyarrow", "numpy", "scikit-learn")

    @property
    def parameters(self) -> Mapping[str, Json]:
        return {
            "as_of": iso(self.request.as_of),
            "monitor": self._monitor.model_dump(mode="json", exclude={"schedule"}),
            "features": {name: feature.model_dump(mode="json") for name, feature in self.config.features.items()},
            "key": list(self.config.data.key),
            "label": self.config.data.label.model_dump(mode="json"),
        }

    @property
    def _monitor(self) -> Monitor:
        if self.config.monitor is None:
            raise ConfigError(f"pipeline {self.config.name} has no monitor block")
        return self.config.monitor

    def run(self, inputs: Inputs, outputs: Outputs) -> None:
        from mlcore.monitoring.decision import decide, write_decision
        from mlcore.monitoring.drift import detect, write_drift
        from mlcore.monitoring.histograms import count_days
        from mlcore.monitoring.report import report_columns, write_report

        columns = report_columns(self.config)
        reference, current = _days(inputs["reference_examples"], columns), _days(inputs["current_examples"], columns)
        drift = detect(count_days(reference, current, columns), min_distance=self._monitor.drift.min_distance)
        performance = self._performance(inputs)
        train_end = parse_moment(str(inputs.one("model").artifact.properties["train_end"]))
        decision = decide(drift, performance, self.request.as_of - train_end, self._monitor)
        output = outputs["report"]
        write_drift(output.path, drift)
        write_decision(output.path, decision, performance)
        write_report(
            output.path,
            reference=self._sample(inputs["reference_examples"], columns),
            current=self._sample(inputs["current_examples"], columns),
            columns=columns,
            at=self.request.as_of,
        )
        output.properties.update(
            as_of=iso(self.request.as_of),
            retrain=decision.retrain,
            reasons=list(decision.reasons),
            drifted=[feature.feature for feature in drift if feature.drifted],
            champion=inputs.one("model").artifact.id,
        )

    def _sample(self, examples: Sequence[Payload], columns: Sequence[str]) -> pa.Table:
        from mlcore.ingest.examples import iter_batches
        from mlcore.monitoring.sampling import sample

        read = list(dict.fromkeys([*columns, *self.config.data.key]))
        batches = iter_batches([payload.path for payload in examples], read)
        return sample(batches, key=self.config.data.key, columns=columns, rows=self._monitor.report_rows)

    def _performance(self, inputs: Inputs) -> Performance | None:
        from mlcore.components.scoring import measure, score_examples
        from mlcore.evaluation.evaluate import higher_is_better, overall_metric
        from mlcore.evaluation.files import read_evaluation
        from mlcore.monitoring.decay import Estimate, compare

        metric = self._monitor.performance.metric
        at_push = overall_metric(read_evaluation(inputs.one("evaluation").path), metric)
        if at_push is None:
            return None
        scored = score_examples(self.config, inputs.one("model").path, inputs.paths("labelled_examples"))
        now = overall_metric(measure(self.config, scored, metrics=(metric,)), metric)
        return compare(
            metric,
            at_push=Estimate(value=at_push.value, low=at_push.lower, high=at_push.upper, rows=at_push.rows),
            now=None if now is None else Estimate(value=now.value, low=now.lower, high=now.upper, rows=now.rows),
            higher_is_better=higher_is_better(metric),
            max_decay=self._monitor.performance.max_decay,
        )

    def summary(self, outputs: Inputs) -> str:
        properties = outputs.one("report").artifact.properties
        reasons = properties["reasons"]
        first = reasons[0] if isinstance(reasons, list) and reasons else ""
        return f"{'retrain' if properties['retrain'] else 'no retraining'}: {first}"


def _days(examples: Sequence[Payload], columns: Sequence[str]) -> list[pa.Table]:
    from mlcore.ingest.examples import read_examples

    return [read_examples([payload.path], columns) for payload in examples]
