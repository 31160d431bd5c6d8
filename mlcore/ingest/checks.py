"""What every row of a span must have, whatever it was read from.

A key; a moment, which lies inside the span; and where an amount is learnt an outcome that is one, or none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlcore.config.data import Data
from mlcore.core.window import Span, iso
from mlcore.errors import quoted
from mlcore.ingest.blocks import TEXT_LIMIT, BadRow, Block, Reason

Mask = npt.NDArray[np.bool_]
_MICROSECONDS = pa.timestamp("us", tz="UTC")


def screen(block: Block, data: Data, span: Span | None) -> tuple[Mask, list[tuple[int, BadRow]]]:
    """Which rows of a block are good, and the others with their numbers in the block.

    Args:
        block: Some rows.
        data: What a row is.
        span: What the moments must lie in; ``None``: they may be any.
    """
    good = np.ones(block.rows.num_rows, bool)
    bad: list[tuple[int, BadRow]] = []

    def drop(wrong: Mask, reason: Reason, column: str, message: Callable[[int], str]) -> None:
        for row in np.flatnonzero(good & wrong).tolist():
            bad.append((row, bad_row(block, row, data.key, reason, message(row), column)))
        good[wrong] = False

    for name in dict.fromkeys((data.event_timestamp, *data.key)):
        column = block.rows.column(name)
        if column.null_count:
            missing = column.is_null().to_numpy(zero_copy_only=False)
            text = f"{name} is missing; every row needs a key and a moment"
            drop(missing, Reason.MISSING_KEY, name, lambda _, text=text: text)  # type: ignore[misc]
    if span is not None:
        moments = moments_of(block.rows, data)
        outside = (moments < microseconds(span.start)) | (moments >= microseconds(span.end))
        if outside.any():
            name, column = data.event_timestamp, block.rows.column(data.event_timestamp)
            drop(
                outside,
                Reason.OUTSIDE_SPAN,
                name,
                lambda row: f"{name} {iso(column[row].as_py())} lies outside the span {span}",
            )
    infinite = _infinite_labels(block.rows, data)
    if infinite.any():
        name, outcome = data.label.column, block.rows.column(data.label.column)
        drop(
            infinite,
            Reason.INFINITE_LABEL,
            name,
            lambda row: f"the outcome {name} is {outcome[row].as_py()}, which is no amount",
        )
    return good, bad


def _infinite_labels(rows: pa.RecordBatch, data: Data) -> Mask:
    """What no mean, no error and no interval could be made with; an outcome above or below something may be."""
    column = data.label.column  # a serving log has none
    if column not in rows.schema.names or data.task != "regression":
        return np.zeros(rows.num_rows, bool)
    if not pa.types.is_floating(rows.schema.field(column).type):
        return np.zeros(rows.num_rows, bool)
    found: Mask = pc.fill_null(pc.is_inf(rows.column(column)), fill_value=False).to_numpy(zero_copy_only=False)
    return found


def bad_row(block: Block, row: int, key: Sequence[str], reason: Reason, message: str, column: str | None) -> BadRow:
    """A row that could be read, as a bad one."""
    values = {name: block.rows.column(name)[row].as_py() for name in block.rows.schema.names}
    return BadRow(
        file=key_text(values, key) if block.keyed else block.file,
        line=0 if block.keyed else int(block.lines[row]),
        reason=reason,
        message=message,
        column=column,
        text=",".join("" if value is None else str(value) for value in values.values())[:TEXT_LIMIT],
    )


def key_text(values: Mapping[str, object], key: Sequence[str]) -> str:
    """A row's key, for people, bounded."""
    return ", ".join(f"{name}={_shown(values[name])}" for name in key)


def moments_of(rows: pa.RecordBatch, data: Data) -> npt.NDArray[np.int64]:
    """Microseconds since 1970; 0 where there is none."""
    moments: npt.NDArray[np.int64] = pc.fill_null(rows.column(data.event_timestamp).cast(pa.int64()), 0).to_numpy()
    return moments


def microseconds(moment: datetime) -> int:
    """Since 1970."""
    return int(pa.scalar(moment, _MICROSECONDS).value)


def non_finite(rows: pa.RecordBatch) -> Iterator[tuple[str, int]]:
    """How many values of a float column are NaN or infinite, of each that has any."""
    for name, column in zip(rows.schema.names, rows.columns, strict=True):
        if pa.types.is_floating(column.type):
            finite = pc.sum(pc.is_finite(column)).as_py() or 0
            if rest := len(column) - column.null_count - finite:
                yield name, rest


def _shown(value: object) -> str:
    return iso(value) if isinstance(value, datetime) else quoted(value, limit=40)
