"""The newest days against the days the champion was trained on, and a decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mlcore.components.base import Component, Inputs, Outputs, Payload
from mlcore.components.merging import merged_sample, merged_statistics
from mlcore.config.monitor import Monitor
from mlcore.core.types import ArtifactType, Json
from mlcore.core.window import iso, parse_moment
from mlcore.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa

    from mlcore.evaluation.values import Evaluation
    from mlcore.monitoring.decay import Estimate, Performance
    from mlcore.monitoring.histograms import Day, DayColumn
    from mlcore.statistics.accumulate import ColumnAccumulator


class DriftMonitor(Component):
    """Judges drift on all rows by whole days, decay on newly labelled rows, age; draws the picture on a sample.

    Decay is judged by what the champion predicted of those rows, where that is stored.
    """

    inputs = {
        "reference_examples": ArtifactType.EXAMPLES,
        "current_examples": ArtifactType.EXAMPLES,
        "labelled_examples": ArtifactType.EXAMPLES,
        "predictions": ArtifactType.PREDICTIONS,
        "reference_statistics": ArtifactType.STATISTICS,
        "current_statistics": ArtifactType.STATISTICS,
        "model": ArtifactType.MODEL,
        "evaluation": ArtifactType.EVALUATION,
    }
    outputs = {"report": ArtifactType.DRIFT_REPORT}
    code = (
        "monitoring",
        "statistics",
        "accumulators",
        "evaluation",
        "training",
        "transform",
        "components.merging",
        "components.scoring",
        "components.served",
        "inference.predictions",
        "inference.scorer",
        "ingest.examples",
    )
    libraries = ("evidently", "pandas", "pyarrow", "numpy", "scikit-learn")

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
        from mlcore.monitoring.histograms import count_values
        from mlcore.monitoring.report import report_columns, write_report

        columns = report_columns(self.config)
        reference, current = _days(inputs["reference_statistics"]), _days(inputs["current_statistics"])
        whole = merged_statistics(inputs, "reference_statistics", self.config.data.span)
        pooled = {name: column.values for name, column in whole.columns.items()}
        counted = count_values(reference, current, columns, pooled=pooled)
        judged = set(report_columns(self.config, without=self._monitor.drift.without))
        judging = [feature for feature in counted if feature.feature in judged]
        drift = detect(judging, min_distance=self._monitor.drift.min_distance)
        performance = self._performance(inputs)
        train_end = parse_moment(str(inputs.one("model").artifact.properties["train_end"]))
        decision = decide(drift, performance, self.request.as_of - train_end, self._monitor)
        output = outputs["report"]
        write_drift(output.path, drift)
        write_decision(output.path, decision, performance)
        write_report(
            output.path,
            reference=self._sample(inputs, "reference_examples", columns),
            current=self._sample(inputs, "current_examples", columns),
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

    def _sample(self, inputs: Inputs, name: str, columns: Sequence[str]) -> pa.Table:
        data, rows = self.config.data, self._monitor.report_rows
        return merged_sample(inputs, name, data.span, key=data.key, columns=columns, rows=rows)

    def _performance(self, inputs: Inputs) -> Performance | None:
        """The champion's metric at push and now; ``None`` where it was not measured at push."""
        from mlcore.components.scoring import about
        from mlcore.components.served import answered
        from mlcore.evaluation.evaluate import evaluate
        from mlcore.evaluation.files import read
        from mlcore.evaluation.metrics import find_metric
        from mlcore.monitoring.decay import compare

        metric, max_decay = self._monitor.performance.metric, self._monitor.performance.max_decay
        better = find_metric(metric).higher_is_better
        if better is None:
            raise ConfigError(
                f"monitor.performance.metric: {metric} is neither better when higher nor when lower",
                where="monitor.performance.metric",
                next_step="choose another of evaluation.metrics",
            )
        at_push = _estimate(read(inputs.one("evaluation").path), metric)
        if at_push is None:
            return None
        model = inputs.one("model").path
        found = answered(self.config, inputs["labelled_examples"], inputs["predictions"], model)
        only = {"metrics": (metric,), "slices": ((),), "validation_criteria": ()}
        config, known = self.config.evaluation.model_copy(update=only), about(self.config, found.judged, model)
        now = evaluate(found.judged.labels, found.scores, columns=found.judged.rows, config=config, **known)
        return compare(
            metric,
            at_push=at_push,
            now=_estimate(now, metric),
            higher_is_better=better,
            max_decay=max_decay,
            answers=found.answers,
        )

    def summary(self, outputs: Inputs) -> str:
        properties = outputs.one("report").artifact.properties
        reasons = properties["reasons"]
        said = "; ".join(map(str, reasons)) if isinstance(reasons, list) else ""
        return f"{'retrain' if properties['retrain'] else 'no retraining'}: {said}"


def _days(statistics: Sequence[Payload]) -> list[Day]:
    """Every column's counted values, a day at a time: what is stored of a span, so that no row is read again."""
    from mlcore.statistics.files import read

    return [
        {name: _day_column(column) for name, column in read(payload.path, slices=False).columns.items()}
        for payload in statistics
    ]


def _day_column(column: ColumnAccumulator) -> DayColumn:
    from mlcore.monitoring.histograms import DayColumn

    present = column.rows - column.missing - column.nan - column.infinite
    return DayColumn(values=column.values, present=present, rows=column.rows)


def _estimate(evaluation: Evaluation, metric: str) -> Estimate | None:
    from mlcore.monitoring.decay import Estimate

    value = evaluation.overall.metrics.get(metric)
    if value is None:
        return None
    return Estimate(value=value.value, low=value.lower, high=value.upper, rows=value.rows)
