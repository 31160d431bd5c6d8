"""A small data section with a column of every type."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from mlcore.config.data import Data
from mlcore.core.window import Span, parse_moment

DAY = Span(start=parse_moment("2013-01-02T00:00Z"), end=parse_moment("2013-01-03T00:00Z"))


def make_data(**changes: Any) -> Data:
    """A small data section: a key, a moment, one column of each type, and a label."""
    section: dict[str, Any] = {
        "source": {"type": "csv", "path": "in/{YYYY}-{MM}-{DD}.csv", "null_values": ["", "NA"]},
        "columns": {
            "at": "timestamp",
            "id": "int64",
            "name": "string",
            "amount": "float64",
            "day": "date",
            "ok": "bool",
            "delay": "int64",
        },
        "event_timestamp": "at",
        "key": ["id", "at"],
        "span": timedelta(days=1),
        "label": {"name": "late", "column": "delay", "above": 15},
    }
    return Data.model_validate(section | changes)
