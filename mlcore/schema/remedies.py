"""What to do about each kind of anomaly."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from mlcore.schema.anomalies import Anomaly, AnomalyType

_CORRECT: Mapping[AnomalyType, str] = {
    AnomalyType.DATASET_EMPTY: "find out why nothing was delivered, and deliver it again",
    AnomalyType.UNUSUAL_VOLUME: "look whether a part is missing or was delivered twice, and deliver it again",
    AnomalyType.STALE_EVENTS: "look whether the end of the data is missing, and deliver it again",
    AnomalyType.FUTURE_EVENTS: "look at the clock or the time zone that wrote the events, and deliver them again",
    AnomalyType.DUPLICATE_KEYS: "look whether a part was delivered twice, or add to data.key what tells the rows apart",
    AnomalyType.KEYS_IN_BOTH_SPLITS: "add to data.key what tells the rows apart (often data.event_timestamp), or "
    "correct the column that data.split names",
    AnomalyType.CONSTANT_COLUMN: "look at the source of the column: it may write a default",
    AnomalyType.SHIFTED_COLUMN: "look for a field too few or too many, or columns in another order",
    AnomalyType.LABEL_LEAKAGE: "take the feature out unless it is known before the label is",
    AnomalyType.SHIFTED_LABEL: "take the feature out, or correct the join or the shift that makes the column",
    AnomalyType.TARGET_STATISTIC: "take the feature out, and let the pipeline make it of training rows: "
    "transform: target_encoding",
    AnomalyType.TWINS_IN_BOTH_SPLITS: "look whether rows were delivered twice under other keys, or split by what twins "
    "have in common (data.split)",
    AnomalyType.FEATURE_FROM_THE_FUTURE: "take the feature out, unless its values are known when the event happens",
    AnomalyType.UNIT_CHANGE: "convert the column back, or train only on data of one unit",
    AnomalyType.ROUNDED_VALUES: "look at the source of the column: decimals were lost",
    AnomalyType.DAMAGED_ENCODING: "decode the source by the encoding it was written in (data.source.encoding)",
    AnomalyType.RENAMED_CATEGORY: "write the categories as before, or train only on data with the new names",
    AnomalyType.BAD_ROWS: "correct the rows at their source: what was checked is the data without them",
    AnomalyType.COMPARATOR_CONTROL_DATA_MISSING: "compare with data that has the column",
    AnomalyType.ENUM_TYPE_INVALID_UTF8: "decode the source by the encoding it was written in",
    AnomalyType.VALUE_NESTEDNESS_MISMATCH: "take value_counts out of the schema: tables hold single values",
}
_AT_SOURCE = "correct the data at its source and deliver it again"


def remedy(anomaly: Anomaly, schema: str | None, *, data: str | None = None, anomalies: str | None = None) -> str:
    """What to do, as one line: what to correct, and the command that accepts the data as it is.

    Args:
        anomaly: What was found.
        schema: What the command line calls the schema that people own: its pipeline or its file; ``None`` where there
            is none, and so nothing to accept it into.
        data: The file it was found in, where it was found in no pipeline.
        anomalies: The file of anomalies that it is in, where there is one.
    """
    correct = _CORRECT.get(anomaly.type, _AT_SOURCE)
    if schema is None:
        return correct
    return f"{correct}; if it is right as it is: {_accept(anomaly, schema, data, anomalies)}"


def _accept(anomaly: Anomaly, schema: str, data: str | None, anomalies: str | None) -> str:
    """The command that shows, and with ``--yes`` writes, the change after which the anomaly is none, or no ERROR."""
    options = {
        "feature": anomaly.feature,
        "reason": anomaly.type.value,
        "data": data,
        "anomalies": anomalies,
        "environment": anomaly.environment,
    }
    given = [f" --{name} {shlex.quote(value)}" for name, value in options.items() if value is not None]
    return f"mlcore schema accept {shlex.quote(schema)}{''.join(given)}"
