"""The anomalies of a dataset: in which ways it is not what its schema says."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from mlcore.errors import ConfigError, quoted
from mlcore.schema.anomalies import Anomaly, AnomalyType, Severity
from mlcore.schema.comparators import Controls, dataset_comparators, feature_comparators
from mlcore.schema.constraints import DatasetConstraints
from mlcore.schema.feature_checks import feature_anomalies, missing_column, new_column
from mlcore.schema.schema import Feature, Schema
from mlcore.schema.summary import DatasetSummary, FeatureSummary
from mlcore.schema.tolerance import STRICT, Tolerance

NO_CONTROLS = Controls()
_GAPS = (AnomalyType.FEATURE_TYPE_NOT_PRESENT, AnomalyType.FEATURE_TYPE_LOW_FRACTION_PRESENT)
SERVING = "SERVING"
RAW = "RAW"
"""Data as it is delivered: before the label and the columns of a row's past are made, and with columns that no pipeline
reads."""
"""The environment of what a served model is given: the features, without the label."""


def validate(
    summary: DatasetSummary,
    schema: Schema,
    *,
    environment: str | None = None,
    controls: Controls = NO_CONTROLS,
    spans: Sequence[DatasetSummary] = (),
    tolerance: Tolerance = STRICT,
) -> tuple[Anomaly, ...]:
    """Compare a dataset with its schema.

    The kinds, their conditions and, by default, their severities are TensorFlow Data Validation's; only an empty
    dataset, which it passes over in silence, is an ERROR.

    Args:
        summary: The whole dataset.
        schema: What it should look like.
        environment: Which features are expected, for instance ``SERVING`` without the label.
        controls: Datasets that the schema's comparators compare it with.
        spans: The spans the dataset consists of, in time order, to say since when.
        tolerance: What is a WARNING, where the schema does not say so itself.

    Returns:
        The anomalies, those of the dataset first, then by feature name; empty when all is well.

    Raises:
        ConfigError: The schema has no such environment.
    """
    _check_environment(schema, environment)
    found = tuple(_anomalies(summary, schema, environment, controls, tolerance))
    if found and spans:
        first: dict[tuple[AnomalyType, str | None], str] = {}
        for span in spans:
            for anomaly in _anomalies(span, schema, environment, controls, tolerance):
                first.setdefault(anomaly.key, span.name)
        found = tuple(replace(anomaly, since=first.get(anomaly.key)) for anomaly in found)
    return with_severities(found, schema)


def span_by_span(
    spans: Sequence[DatasetSummary], schema: Schema, *, before: DatasetSummary | None = None
) -> tuple[Anomaly, ...]:
    """What the schema's drift comparators find between each span and the one before it.

    Args:
        spans: In time order.
        schema: Whose comparators.
        before: The span before the first one.

    Returns:
        One anomaly of a kind and feature, with the first span that shows it.
    """
    found: dict[tuple[AnomalyType, str | None], Anomaly] = {}
    for span in spans:
        if before is not None and span.rows and before.rows:
            for anomaly in _drift(span, schema, Controls(previous=before)):
                found.setdefault(anomaly.key, replace(anomaly, since=span.name))
        before = span
    return with_severities(tuple(found.values()), schema)


def version_by_version(
    corrected: Sequence[tuple[DatasetSummary, DatasetSummary]], schema: Schema
) -> tuple[Anomaly, ...]:
    """What the schema's version comparators find in spans that were corrected.

    Args:
        corrected: Each such span as it is, and as it was before; in time order.
        schema: Whose comparators.

    Returns:
        One anomaly of a kind, with the first span that shows it.
    """
    found: dict[AnomalyType, Anomaly] = {}
    for now, before in corrected:
        if now.rows:
            for anomaly in dataset_comparators(now, schema, Controls(previous_version=before)):
                found.setdefault(anomaly.type, replace(anomaly, since=now.name))
    return with_severities(tuple(found.values()), schema)


def serving_anomalies(
    log: DatasetSummary,
    schema: Schema,
    *,
    spans: Sequence[DatasetSummary] = (),
    columns: Collection[str],
    tolerance: Tolerance = STRICT,
) -> tuple[Anomaly, ...]:
    """In which ways a serving log is not what the schema says of its environment SERVING.

    All are WARNINGs: nothing is learned from the log.

    Args:
        log: The whole log.
        schema: Of the training data; one without that environment asks for all ``columns``.
        spans: The spans the log consists of, in time order, to say since when.
        columns: Features that the log is to have; of others nothing is said.
        tolerance: As for :func:`validate`.
    """
    compared = replace(
        schema,
        features=tuple(feature for feature in schema.features if feature.name in columns),
        dataset_constraints=DatasetConstraints(),
    )
    shown = [_only(summary, columns) for summary in (log, *spans)]
    environment = SERVING if SERVING in environments(compared) else None
    found = validate(shown[0], compared, environment=environment, spans=shown[1:], tolerance=tolerance)
    return tuple(replace(anomaly, severity=Severity.WARNING, environment=SERVING) for anomaly in found)


def _only(summary: DatasetSummary, columns: Collection[str]) -> DatasetSummary:
    return replace(summary, features=tuple(feature for feature in summary.features if feature.name in columns))


def without_usual_gaps(anomalies: Iterable[Anomaly], earlier: Sequence[DatasetSummary]) -> tuple[Anomaly, ...]:
    """All but the WARNINGs of missing values where no fewer were missing from some earlier span.

    Args:
        anomalies: Of one span, or of several that may have one each.
        earlier: Spans that are taken to be good.
    """
    return tuple(anomaly for anomaly in anomalies if not _usual_gap(anomaly, earlier))


def _usual_gap(anomaly: Anomaly, earlier: Sequence[DatasetSummary]) -> bool:
    if anomaly.severity is not Severity.WARNING or anomaly.type not in _GAPS or anomaly.feature is None:
        return False
    seen = anomaly.observed if isinstance(anomaly.observed, int | float) else 0.0
    found = (span.feature(anomaly.feature) for span in earlier if span.rows)
    return any(feature is not None and feature.fraction <= seen for feature in found)


def _drift(span: DatasetSummary, schema: Schema, controls: Controls) -> Iterator[Anomaly]:
    yield from dataset_comparators(span, schema, controls)
    for feature in schema.features:
        observed = span.feature(feature.name)
        if feature.validated and observed is not None and observed.present:
            yield from feature_comparators(observed, feature, controls)


def with_severities(anomalies: Sequence[Anomaly], schema: Schema) -> tuple[Anomaly, ...]:
    """The same with the severities that the schema states for its kinds and features."""
    return tuple(
        replace(anomaly, severity=schema.severity_of(anomaly.type, anomaly.feature, anomaly.severity))
        for anomaly in anomalies
    )


def environments(schema: Schema) -> frozenset[str]:
    """All environments that a schema speaks of."""
    named = (name for feature in schema.features for name in (*feature.in_environment, *feature.not_in_environment))
    return frozenset((*named, *schema.default_environment))


def _check_environment(schema: Schema, environment: str | None) -> None:
    if environment is None:
        return
    known = environments(schema)
    if environment not in known:
        raise ConfigError(
            f"the schema has no environment {quoted(environment)}",
            where="environment",
            next_step=f"choose one of {', '.join(sorted(known))}" if known else "leave the environment out",
        )


def _anomalies(
    summary: DatasetSummary, schema: Schema, environment: str | None, controls: Controls, tolerance: Tolerance
) -> Iterator[Anomaly]:
    if not summary.rows:
        yield Anomaly(
            type=AnomalyType.DATASET_EMPTY,
            severity=Severity.ERROR,
            description=f"{summary.name} has no rows.",
            observed=0,
            expected=max(schema.dataset_constraints.min_examples_count or 1, 1),
        )
        return
    yield from dataset_comparators(summary, schema, controls)
    yield from _examples_count(summary, schema)
    columns = {feature.name: feature for feature in summary.features}
    features = {feature.name: feature for feature in schema.features}
    for name in sorted(columns.keys() | features.keys()):
        yield from _one(columns.get(name), features.get(name), schema, environment, controls, tolerance)


def _examples_count(summary: DatasetSummary, schema: Schema) -> Iterator[Anomaly]:
    least, most = schema.dataset_constraints.min_examples_count, schema.dataset_constraints.max_examples_count
    if least is not None and summary.rows < least:
        yield Anomaly(
            type=AnomalyType.DATASET_LOW_NUM_EXAMPLES,
            severity=Severity.ERROR,
            description=f"{summary.name} has {summary.rows} rows, fewer than {least}.",
            observed=summary.rows,
            expected=least,
        )
    if most is not None and summary.rows > most:
        yield Anomaly(
            type=AnomalyType.DATASET_HIGH_NUM_EXAMPLES,
            severity=Severity.ERROR,
            description=f"{summary.name} has {summary.rows} rows, more than {most}.",
            observed=summary.rows,
            expected=most,
        )


def _one(
    observed: FeatureSummary | None,
    expected: Feature | None,
    schema: Schema,
    environment: str | None,
    controls: Controls,
    tolerance: Tolerance,
) -> Iterator[Anomaly]:
    if observed is None:
        if expected is not None and schema.required(expected, environment):
            yield missing_column(expected)
        return
    if expected is None:
        if environment != RAW:
            yield new_column(observed, tolerance)
        return
    if not expected.validated:
        return
    yield from feature_anomalies(observed, expected, schema, environment, tolerance)
    if observed.present:
        yield from feature_comparators(observed, expected, controls)
