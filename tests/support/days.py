"""Days of counted values, as the drift decision takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from mlcore.monitoring.histograms import Day, day_columns


def make_day(**columns: Sequence[Any]) -> Day:
    """The counted values of a day, from lists of strings or numbers with None for missing."""
    return day_columns(pa.table(dict(columns)), columns)
