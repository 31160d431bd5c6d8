"""What no schema states and earlier data tells: our own kinds of anomalies.

Each is found in a span by comparison with spans that are taken to be good, so that what is usual from one span to the
next is no anomaly. Rows of one span resemble each other; the number of rows makes nothing certain.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from mlcore.schema.anomalies import Anomaly, AnomalyType, Severity
from mlcore.schema.column_findings import constant, rounded
from mlcore.schema.dataset_findings import duplicates, freshness, in_both_splits, leakage, volume
from mlcore.schema.history import Expectations, History
from mlcore.schema.schema import Schema
from mlcore.schema.shift_findings import shifted
from mlcore.schema.summary import DatasetSummary
from mlcore.schema.text_findings import damaged, renamed
from mlcore.schema.unit_findings import unit_change
from mlcore.schema.validate import with_severities

NOTHING_EXPECTED = Expectations()


def findings(
    summary: DatasetSummary,
    schema: Schema,
    *,
    spans: Sequence[DatasetSummary] = (),
    history: History | None = None,
    expected: Expectations = NOTHING_EXPECTED,
) -> tuple[Anomaly, ...]:
    """What is wrong with a dataset that meets its schema.

    Args:
        summary: The whole dataset.
        schema: Its schema: features that are not validated are passed over, severities are the schema's where it has
            any.
        spans: The spans the dataset consists of, in time order; each is judged by itself.
        history: Earlier data that is taken to be good.
        expected: What else is known of it.

    Returns:
        One anomaly of a kind and feature, the worst of its spans, with the first span that shows it; those of the
        dataset first, then by feature and kind.
    """
    found: dict[tuple[AnomalyType, str | None], Anomaly] = {}
    for anomaly in _found(summary, schema, spans, history, expected):
        earlier = found.setdefault(anomaly.key, anomaly)
        if anomaly.severity is Severity.ERROR and earlier.severity is Severity.WARNING:
            found[anomaly.key] = replace(anomaly, since=earlier.since)
    ordered = sorted(found.values(), key=lambda anomaly: (anomaly.feature or "", anomaly.type))
    return with_severities(ordered, schema)


def _found(
    summary: DatasetSummary,
    schema: Schema,
    spans: Sequence[DatasetSummary],
    history: History | None,
    expected: Expectations,
) -> Iterator[Anomaly]:
    yield from duplicates(summary.rows, expected)
    yield from in_both_splits(expected)
    yield from leakage(history.reference if history and history.reference.associations else summary, expected)
    before = list(history.spans) if history else []
    for span in spans or (summary,):
        since = span.name if spans else None
        for anomaly in _of_span(span, schema, before, history, expected):
            yield replace(anomaly, since=since)
        before.append(span)


def _of_span(
    span: DatasetSummary,
    schema: Schema,
    before: Sequence[DatasetSummary],
    history: History | None,
    expected: Expectations,
) -> Iterator[Anomaly]:
    yield from volume(span, before)
    yield from freshness(span, history, expected)
    elsewhere = shifted(span, history) if history is not None else {}
    known = {feature.name: feature for feature in schema.features}
    for observed in span.features:
        feature = known.get(observed.name)
        if feature is not None and not feature.validated:
            continue
        if observed.name in elsewhere:
            yield elsewhere[observed.name]  # which says it all: the column is not in another unit, nor rounded
            continue
        yield from damaged(observed, history, feature)
        yield from renamed(observed, history, feature)
        if history is not None:
            for check in (constant, unit_change, rounded):
                yield from check(observed, history)
