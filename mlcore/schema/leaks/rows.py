"""The rows that leaks are looked for in: some of both sides of the split, their labels as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

MOST_CLASSES = 20
UNKNOWN = -1


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Outcome:
    """Labels of some rows.

    Attributes:
        values: The class of each row from 0, ``UNKNOWN`` where there is none; or its number, NaN where there is none.
        classes: How many classes there are; 0: the labels are numbers.
    """

    values: Floats
    classes: int

    @property
    def known(self) -> Bools:
        found: Bools = self.values != UNKNOWN if self.classes else ~np.isnan(self.values)
        return found

    def at(self, rows: Codes | Bools) -> Outcome:
        return Outcome(values=self.values[rows], classes=self.classes)


@dataclass(frozen=True, kw_only=True, eq=False)
class LeakRows:
    """Rows for training and for evaluation, each in their order.

    Attributes:
        train: Some of the training rows, in the source's order.
        evaluation: Some of the evaluation rows; the same columns.
        features: Columns that a model learns from.
        label: The column that is to be predicted.
        key: What tells one row from another.
        event_timestamp: When a row happened.
        label_delay: A row's label is known so long after it happened.
    """

    train: pa.Table
    evaluation: pa.Table
    features: Sequence[str]
    label: str
    key: Sequence[str]
    event_timestamp: str
    label_delay: timedelta

    @property
    def sides(self) -> tuple[pa.Table, pa.Table]:
        return self.train, self.evaluation

    @cached_property
    def outcomes(self) -> tuple[Outcome, Outcome]:
        """Of the training rows and of the evaluation rows, the classes numbered alike."""
        columns = [side[self.label] for side in self.sides]
        both = pa.chunked_array([chunk for column in columns for chunk in column.chunks], columns[0].type)
        distinct = both.unique().drop_null()
        numbers = pa.types.is_floating(both.type) or pa.types.is_integer(both.type) or pa.types.is_decimal(both.type)
        if numbers and len(distinct) > MOST_CLASSES:
            return _of_numbers(columns[0]), _of_numbers(columns[1])
        kinds = distinct.take(pc.array_sort_indices(distinct))
        first, second = (
            Outcome(values=np.asarray(pc.fill_null(pc.index_in(column, value_set=kinds), UNKNOWN), np.float64),
                    classes=max(len(kinds), 1))
            for column in columns
        )  # fmt: skip
        return first, second

    @cached_property
    def moments(self) -> tuple[Codes, Codes]:
        """When the rows of each side happened, in microseconds."""
        first, second = (microseconds(side[self.event_timestamp]) for side in self.sides)
        return first, second


def microseconds(column: pa.ChunkedArray) -> Codes:
    """Moments as numbers; a missing one is 0."""
    moments = column.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
    return np.asarray(pc.fill_null(moments, 0), dtype=np.int64)


def _of_numbers(column: pa.ChunkedArray) -> Outcome:
    return Outcome(values=np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64), classes=0)
