"""What the commands of ``mlcore data`` print of columns: shares, numbers and shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlcore.cli.output import printable
from mlcore.statistics.summary import ColumnSummary, Value

_BLOCKS = " ▁▂▃▄▅▆▇█"
_LONG = 10_000
"""Whole numbers below have no separators: most of them are years."""


def percent(share: float) -> str:
    """A share, short.

    >>> percent(0.1234), percent(0.0), percent(0.00001)
    ('12.3%', '0%', '<0.01%')
    """
    if share in (0, 1):
        return f"{share:.0%}"
    if abs(share) < 0.0001:
        return "<0.01%" if share > 0 else ">-0.01%"
    return f"{share:.2%}" if abs(share) < 0.01 else f"{share:.1%}"


def number(value: Value | None) -> str:
    """A value of a table's cell.

    >>> number(1234567), number(2013), number(0.123456), number(1e12), number(None)
    ('1,234,567', '2013', '0.1235', '1e+12', '')
    """
    if value is None:
        return ""
    if isinstance(value, (bool, str)):
        return printable(text_of(value))
    if float(value).is_integer() and abs(value) < 1e9:
        return f"{int(value):,}" if abs(value) >= _LONG else str(int(value))
    return f"{value:,.1f}" if 1000 <= abs(value) < 1e9 else f"{value:.4g}"


def text_of(value: object) -> str:
    """A value as people and JSON write it.

    >>> text_of(True), text_of("True")
    ('true', 'True')
    """
    return str(value).lower() if isinstance(value, bool) else str(value)


def bad_rows(counts: Mapping[str, int], pipeline: str | None) -> str:
    """Bad rows, in words: those of a pipeline are in quarantine, those of a file were left out.

    >>> bad_rows({"duplicate_key": 2, "ragged": 1}, "flight_delays")
    '3 more rows are in quarantine (2 duplicate key, 1 ragged)'
    """
    total = sum(counts.values())
    reasons = ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in counts.items())
    where = "in quarantine" if pipeline else "bad and left out"
    return f"{'1 more row is' if total == 1 else f'{total:,} more rows are'} {where} ({reasons})"


def sparkline(counts: Sequence[int]) -> str:
    """Counts as a line of blocks; whatever is there has a block.

    >>> sparkline([0, 1, 8])
    ' ▁█'
    """
    most = max(counts, default=0)
    return "".join(_BLOCKS[-(-count * (len(_BLOCKS) - 1) // most)] if count else " " for count in counts)


def shape(column: ColumnSummary) -> str:
    """A column's distribution on one line: blocks of numbers and times, the most frequent of other values."""
    if column.numeric is not None and column.type != "bool":
        return sparkline([each.count for each in column.numeric.histogram])
    if column.time is not None:
        return sparkline(column.time.histogram)
    shown = [f"{printable(text_of(value), 16)} {percent(count / column.count)}" for value, count in column.top[:3]]
    return ", ".join(shown)
