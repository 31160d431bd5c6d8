"""Days of counted values, as the drift decision takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from mlcore.accumulators.value_counts import ValueCounts
from mlcore.monitoring.histograms import Day, DayColumn


def make_day(**columns: Sequence[Any]) -> Day:
    """The counted values of a day, from lists of strings or numbers with None for missing."""
    made = {}
    for name, values in columns.items():
        array = pa.array(values)
        if pa.types.is_floating(array.type):
            array = array.drop_null().filter(pa.array(np.isfinite(array.drop_null().to_numpy())))
        made[name] = DayColumn(
            values=ValueCounts.of(array.drop_null()), present=len(array) - array.null_count, rows=len(values)
        )
    return made
