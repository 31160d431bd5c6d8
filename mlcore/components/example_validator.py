"""Statistics against the schema and against earlier spans: anomalies are recorded, and ERRORs stop the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from mlcore.components.base import Component, Inputs, Outputs, Payload
from mlcore.components.merging import merged_statistics
from mlcore.config.pipeline import PipelineConfig
from mlcore.core.request import RunRequest
from mlcore.core.types import ArtifactType, Json
from mlcore.errors import AnomaliesFound, quoted

if TYPE_CHECKING:
    from mlcore.schema.anomalies import Anomaly, AnomalyType
    from mlcore.schema.history import Expectations, History
    from mlcore.schema.rows import Row
    from mlcore.schema.schema import Schema
    from mlcore.schema.summary import DatasetSummary

_SHOWN = 10
_HISTORY_SPANS = 56
"""So many of the newest training spans show what is usual: eight weeks of days, whatever the window."""


class ExampleValidator(Component):
    """Compares the evaluation spans with the schema and with the training spans, and says since when they differ.

    Inputs:
        statistics: Of the evaluation spans: what is judged.
        reference: Of the training spans: what is taken to be good. The newest 56 are read.
        examples: Of the evaluation spans; the key alone is read, and more only where an anomaly is to be shown.
        train_examples: Of the training spans. Rows of the newest are searched for leaks; where a key might be in both
            splits, the hashes of all keys are read.
        statistics_before, reference_before: Of the spans that were corrected, as they were before.
        serving, serving_examples: Of the serving log's spans, where the pipeline names one: what is judged is compared
            with them, and they are themselves checked in the schema's environment SERVING.
    """

    inputs = {
        "statistics": ArtifactType.STATISTICS,
        "reference": ArtifactType.STATISTICS,
        "examples": ArtifactType.EXAMPLES,
        "train_examples": ArtifactType.EXAMPLES,
        "schema": ArtifactType.SCHEMA,
        "statistics_before": ArtifactType.STATISTICS,
        "reference_before": ArtifactType.STATISTICS,
        "serving": ArtifactType.SERVING_STATISTICS,
        "serving_examples": ArtifactType.SERVING_EXAMPLES,
    }
    outputs = {"anomalies": ArtifactType.ANOMALIES}
    code = (
        "schema",
        "statistics",
        "accumulators",
        "components.leak_rows",
        "components.merging",
        "components.summaries",
        "ingest.examples",
        "ingest.apart",
        "ingest.keys",
    )

    def __init__(self, config: PipelineConfig, request: RunRequest) -> None:
        super().__init__(config, request)
        self._keys: dict[AnomalyType, tuple[Row, ...]] = {}  # rows whose keys are at fault, by the fault

    @property
    def parameters(self) -> Mapping[str, Json]:
        data = self.config.data
        return {
            "event_timestamp": data.event_timestamp,
            "key": [*data.key],
            "kept_apart": [*data.kept_apart],
            "label": data.label.name,
            "label_delay": data.label.delay.total_seconds(),
            "features": [*sorted(self.config.feature_columns)],
            "logged": [*self._logged],
        }

    def run(self, inputs: Inputs, outputs: Outputs) -> None:
        from mlcore.schema.anomalies import write_anomalies
        from mlcore.schema.comparators import Controls
        from mlcore.schema.findings import findings
        from mlcore.schema.leaks.find import with_leaks
        from mlcore.schema.schema import read_schema
        from mlcore.schema.tolerance import LENIENT
        from mlcore.schema.validate import (
            serving_anomalies,
            span_by_span,
            validate,
            version_by_version,
            without_usual_gaps,
        )

        schema = read_schema(inputs.one("schema").path)
        whole, spans = self._summaries("evaluation", inputs, inputs["statistics"])
        history, expected = self._history(inputs), self._expectations(inputs)
        log = self._summaries("the serving log", inputs, inputs["serving"]) if inputs.get("serving") else None
        controls = Controls(serving=log[0] if log else None)
        breaches = validate(whole, schema, spans=spans, controls=controls, tolerance=LENIENT)
        found = [
            *without_usual_gaps(breaches, history.spans),
            *span_by_span(spans, schema, before=history.spans[-1]),
            *version_by_version(_corrected(inputs, schema), schema),
            *findings(whole, schema, spans=spans, history=history, expected=expected),
        ]
        found = with_leaks(found, self._leaks(inputs, schema, history.reference, log[0] if log else None))
        begun = spans[0].name if spans else None  # since when there is what every row shows
        found = [replace(anomaly, since=anomaly.since or begun) for anomaly in found]
        anomalies = [self._explained(anomaly, schema, whole, inputs["examples"], self._keys) for anomaly in found]
        if log:
            wrong = serving_anomalies(log[0], schema, spans=log[1], columns=self._logged, tolerance=LENIENT)
            rows = inputs.get("serving_examples", ())
            anomalies += [self._explained(anomaly, schema, log[0], rows, {}) for anomaly in wrong]
        write_anomalies(outputs["anomalies"].path, anomalies)
        counts = Counter(anomaly.severity.value for anomaly in anomalies)
        outputs["anomalies"].properties.update(errors=counts["ERROR"], warnings=counts["WARNING"])

    def check(self, outputs: Inputs) -> None:
        payload = outputs.one("anomalies")
        if not payload.artifact.properties["errors"]:
            return
        from mlcore.schema.anomalies import Severity, read_anomalies

        errors = [found for found in read_anomalies(payload.path) if found.severity is Severity.ERROR]
        lines = [str(found) for found in errors[:_SHOWN]]
        more = [f"and {len(errors) - _SHOWN} more"] if len(errors) > _SHOWN else []
        raise AnomaliesFound(
            f"{len(errors)} {'anomaly stops' if len(errors) == 1 else 'anomalies stop'} the run before training:\n  "
            + "\n  ".join([*lines, *more]),
            where=f"pipeline {self.config.name}, artifact {payload.artifact.id}",
            next_step=errors[0].remedy,
        )

    def summary(self, outputs: Inputs) -> str:
        properties = outputs.one("anomalies").artifact.properties
        return f"{properties['errors']} errors, {properties['warnings']} warnings"

    @property
    def _logged(self) -> tuple[str, ...]:
        """The columns of the serving log that are features; what tells requests apart is not compared."""
        serving = self.config.serving
        kept = serving.data.columns if serving is not None else {}
        return tuple(name for name in self.config.feature_columns if name in kept)

    def _leaks(
        self, inputs: Inputs, schema: Schema, training: DatasetSummary, log: DatasetSummary | None
    ) -> tuple[Anomaly, ...]:
        from mlcore.components.leak_rows import leak_rows
        from mlcore.schema.leaks.find import leaks
        from mlcore.schema.leaks.future import not_in_the_log
        from mlcore.schema.validate import with_severities

        found = leaks(leak_rows(self.config, inputs["train_examples"], inputs["examples"]))
        missing = () if log is None else not_in_the_log(training, log, self._logged)
        return with_severities([*found, *missing], schema)

    def _expectations(self, inputs: Inputs) -> Expectations:
        from mlcore.ingest.apart import common_keys
        from mlcore.schema.anomalies import AnomalyType
        from mlcore.schema.history import Expectations
        from mlcore.schema.rows import as_texts

        data = self.config.data
        judged = inputs["examples"]
        duplicates, since = self._duplicates(judged)
        judged_paths, train = inputs.paths("examples"), inputs.paths("train_examples")
        common = common_keys(train, judged_paths, data.kept_apart) if data.kept_apart else None
        if common:
            rows = [dict(zip(data.kept_apart, key, strict=True)) for key in common.shown]
            self._keys[AnomalyType.KEYS_IN_BOTH_SPLITS] = tuple(as_texts(row) for row in rows)
        return Expectations(
            event_timestamp=data.event_timestamp,
            features=frozenset(self.config.feature_columns),
            label=data.label.name,
            key=tuple(data.key),
            duplicates=duplicates,
            duplicates_since=since,
            in_both=common.count if common else 0,
            in_both_shown=tuple(_key_text(data.kept_apart, key) for key in common.shown) if common else (),
            in_both_since=_label(judged[common.spans[0]]) if common else None,
        )

    def _duplicates(self, judged: Sequence[Payload]) -> tuple[int, str | None]:
        """Rows that repeat an earlier key, and the first span that has one; in bounded memory."""
        from mlcore.ingest.examples import iter_batches
        from mlcore.ingest.keys import Keys
        from mlcore.schema.anomalies import AnomalyType
        from mlcore.schema.rows import SHOWN_ROWS, as_texts

        key = list(self.config.data.key)
        with Keys() as keys:
            for batch in iter_batches([payload.path for payload in judged], key):
                keys.add(batch, key)
            again, _ = keys.repeats()
        if not len(again):
            return 0, None
        rows, since, start = [], None, 0
        wanted = again[:SHOWN_ROWS].tolist()
        for payload in judged:
            for batch in iter_batches([payload.path], key):
                here = [number - start for number in wanted if start <= number < start + batch.num_rows]
                since = since or (_label(payload) if here else None)
                rows += [as_texts(batch.slice(number, 1).to_pylist()[0]) for number in here]
                start += batch.num_rows
        self._keys[AnomalyType.DUPLICATE_KEYS] = tuple(rows)
        return len(again), since

    def _summaries(
        self, name: str, inputs: Inputs, payloads: Sequence[Payload]
    ) -> tuple[DatasetSummary, tuple[DatasetSummary, ...]]:
        """All spans together, and each by itself."""
        from mlcore.components.summaries import dataset_summary
        from mlcore.statistics.files import read

        last = payloads[-1].artifact.span
        merged = merged_statistics(Inputs({name: payloads}, inputs.blocks), name, self.config.data.span)
        whole = dataset_summary(name, merged, end=last.end if last else None)
        spans = (
            dataset_summary(_label(payload), read(payload.path, slices=False), span=payload.artifact.span)
            for payload in payloads
        )
        return whole, tuple(spans)

    def _history(self, inputs: Inputs) -> History:
        from mlcore.schema.history import History

        reference, spans = self._summaries("training", inputs, inputs["reference"][-_HISTORY_SPANS:])
        return History(reference=reference, spans=spans)

    def _explained(
        self,
        anomaly: Anomaly,
        schema: Schema,
        whole: DatasetSummary,
        examples: Sequence[Payload],
        keys: Mapping[AnomalyType, tuple[Row, ...]],
    ) -> Anomaly:
        """With rows that show it, of the first spans that have any, and what to do."""
        from mlcore.ingest.examples import iter_batches
        from mlcore.schema.remedies import remedy
        from mlcore.schema.rows import example_rows

        rows = keys.get(anomaly.type, ())
        if anomaly.feature is not None and whole.feature(anomaly.feature) is not None:
            data = (self.config.serving or self.config).data if anomaly.environment else self.config.data
            show = list(dict.fromkeys([anomaly.feature, *data.key, data.event_timestamp]))
            first = [payload for payload in examples if not anomaly.since or _label(payload) >= anomaly.since]
            batches = iter_batches([payload.path for payload in first], show)
            rows = example_rows(batches, anomaly, schema, show=show, end=whole.end)
        return replace(anomaly, examples=rows, remedy=remedy(anomaly, self.config.name))


def _key_text(columns: Sequence[str], key: Sequence[object]) -> str:
    return ", ".join(f"{name}={quoted(str(value), 40)}" for name, value in zip(columns, key, strict=True))


def _label(payload: Payload) -> str:
    return payload.artifact.span.label if payload.artifact.span else ""


def _corrected(inputs: Inputs, schema: Schema) -> list[tuple[DatasetSummary, DatasetSummary]]:
    """Spans that were corrected, each with what it was before; read only where the schema compares them."""
    from mlcore.components.summaries import dataset_summary
    from mlcore.statistics.files import read

    if schema.dataset_constraints.num_examples_version_comparator is None:
        return []
    pairs = []
    for now, before in (("reference", "reference_before"), ("statistics", "statistics_before")):
        current = {payload.artifact.span: payload for payload in inputs[now]}
        for payload in inputs.get(before, ()):
            both = (current[payload.artifact.span], payload) if payload.artifact.span in current else ()
            read_both = [dataset_summary(_label(one), read(one.path, slices=False)) for one in both]
            pairs += [(read_both[0], read_both[1])] if read_both else []
    return pairs
