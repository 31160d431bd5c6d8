"""The label column."""

from __future__ import annotations

import math

import pyarrow as pa
import pyarrow.compute as pc

from mlcore.config.data import Data
from mlcore.ingest.columns import label_type


def with_label(rows: pa.RecordBatch, data: Data) -> pa.RecordBatch:
    """The rows with the label as the last column: null where the outcome is missing or not a number.

    With ``above`` it is 1 where the outcome is greater and 0 where it is not; a boolean outcome gives 1 and 0; any
    other outcome is itself the label.
    """
    label = data.label
    outcome = rows.column(label.column)
    if pa.types.is_decimal(outcome.type):
        outcome = outcome.cast(pa.float64())
    if pa.types.is_floating(outcome.type):
        outcome = pc.if_else(pc.is_nan(outcome), None, outcome)
    if label.above is not None:
        outcome = _above(outcome, label.above)
    return rows.append_column(label.name, outcome.cast(label_type(data), safe=False))


def _above(outcome: pa.Array, threshold: float) -> pa.Array:
    """Whether each number is greater; whole ones exactly, for beyond 2**53 there are more of them than floats."""
    if not pa.types.is_integer(outcome.type):
        return pc.greater(outcome, pa.scalar(threshold, pa.float64()))
    if not -(2.0**63) <= threshold < 2.0**63:
        return pc.if_else(outcome.is_valid(), threshold < 0, pa.scalar(None, pa.bool_()))
    return pc.greater(outcome, pa.scalar(math.floor(threshold), pa.int64()))
