"""The label column."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from mlcore.config.data import Data
from mlcore.ingest.columns import label_type


def with_label(table: pa.Table, data: Data) -> pa.Table:
    """The table with the label as its last column: null where the outcome is missing or not a number.

    With ``above`` it is 1 where the outcome is greater and 0 where it is not; a boolean outcome gives 1 and 0; any
    other outcome is itself the label.
    """
    label = data.label
    outcome = table[label.column]
    if pa.types.is_floating(outcome.type):
        outcome = pc.if_else(pc.is_nan(outcome), None, outcome)
    if label.above is not None:
        outcome = pc.greater(outcome, pa.scalar(label.above, pa.float64()))
    return table.append_column(label.name, outcome.cast(label_type(data)))
