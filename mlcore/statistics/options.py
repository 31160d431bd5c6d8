"""What is accumulated beyond every column by itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class StatisticsOptions:
    """Declared by the pipeline, or on the command line.

    Attributes:
        label: The column that the association of all others is measured with; rows without a value are left out.
        weight: The column of every row's weight: no number below 0, missing is 0. It is kept in steps of 2**-20.
        slices: Columns each of whose values has statistics of its own.
        end: The end of the span, if there is one: times at or after it are counted as future.
    """

    label: str | None = None
    weight: str | None = None
    slices: tuple[str, ...] = ()
    end: datetime | None = None
