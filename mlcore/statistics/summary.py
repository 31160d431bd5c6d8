"""What accumulators say: the numbers people, pages and gates read.

``extract.describe(accumulators)`` gives a :class:`StatisticsSummary`, ``extract.summarise`` its columns alone. All of
it is plain values: the accumulators are needed no longer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

QUANTILES = tuple(step / 10 for step in range(11))

Value = str | int | float | bool
"""A value for people: dates and timestamps are ISO 8601 texts, bytes that are no UTF-8 are escaped as ``\\xNN``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bin:
    """A histogram's bin ``[low, high)``, the last one closed; of quantiles ``(low, high]``, the first one closed."""

    low: float
    high: float
    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class NumericSummary:
    """Of a number's finite values (of ``int64``, ``float64`` and ``bool`` columns); ``std`` is the population's.

    Attributes:
        quantiles: Deciles from the minimum to the maximum: eleven numbers.
        histogram: Ten bins of equal width.
        quantile_histogram: Ten bins between the deciles, with the rows in each; bins may have no width.
        nan, infinite: Rows outside all of the above.
    """

    mean: float
    std: float
    zeros: int
    minimum: float
    maximum: float
    median: float
    quantiles: tuple[float, ...]
    histogram: tuple[Bin, ...]
    quantile_histogram: tuple[Bin, ...] = ()
    nan: int = 0
    infinite: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class StringSummary:
    """Of a string's values; lengths are in characters.

    Attributes:
        top: The same as :attr:`ColumnSummary.top`.
        empty: Rows with the empty string, which is not a missing value.
        blank: Rows with white space alone.
        padded: Rows whose value starts or ends with white space, blank ones included.
        non_ascii: Rows with a character beyond ASCII.
        damaged: Rows with U+FFFD, which stands where a decoder met what it could not read.
        invalid: Rows of bytes that are no UTF-8.
    """

    top: tuple[tuple[str, int], ...]
    average_length: float
    shortest: int = 0
    longest: int = 0
    empty: int = 0
    blank: int = 0
    padded: int = 0
    non_ascii: int = 0
    damaged: int = 0
    invalid: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """A stretch of time without a value, between two values."""

    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        return self.end - self.start


@dataclass(frozen=True, kw_only=True, slots=True)
class TimeSummary:
    """Of the values of a ``timestamp`` or ``date`` column, in UTC.

    Attributes:
        quantiles: Deciles from the minimum to the maximum: eleven moments.
        histogram: Rows in ten equal stretches from the minimum to the maximum.
        gaps: The five longest, longest first.
        future: Rows at or after the end of the span they came with; ``None`` where no end was given.
    """

    minimum: datetime
    maximum: datetime
    median: datetime
    quantiles: tuple[datetime, ...]
    histogram: tuple[int, ...]
    gaps: tuple[Gap, ...]
    future: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class BooleanSummary:
    """Of a ``bool`` column."""

    true: int
    false: int


@dataclass(frozen=True, kw_only=True, slots=True)
class WeightedSummary:
    """The same with every row counted as often as its weight says.

    Attributes:
        count: Weight of the rows that have a value.
        missing: Weight of those that have none.
        mean, std, median, quantiles: Of finite numbers; ``None`` and empty where there are none.
        top: The values with most weight.
    """

    count: float
    missing: float
    mean: float | None = None
    std: float | None = None
    median: float | None = None
    quantiles: tuple[float, ...] = ()
    top: tuple[tuple[Value, float], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ColumnSummary:
    """One column of a dataset.

    Attributes:
        type: ``string``, ``bytes``, ``int64``, ``float64``, ``bool``, ``date`` or ``timestamp``.
        rows: All rows.
        count: Rows that have a value; NaN is one.
        missing: Rows that have none.
        distinct: Different values; NaN and infinity apart.
        distinct_exact: Whether ``distinct`` was counted, not estimated (to within 2 %).
        top: The twenty most frequent values with their rows, most frequent first, ties by value; empty for numbers
            and times of more different values than are kept apart.
        top_error: About how often a value that is not known, and so not in ``top``, occurs at most; 0 is exact.
        ranks: Rows of the most frequent value, of the second, and so on: a thousand at most; empty as ``top`` is.
        nan, infinite: Rows with such a value; also where none is finite.
        numeric: Of ``int64``, ``float64`` and ``bool`` with a finite value, otherwise ``None``.
        string: Of ``string`` and ``bytes`` with a value, otherwise ``None``.
        time: Of ``date`` and ``timestamp`` with a value, otherwise ``None``.
        boolean: Of ``bool`` with a value, otherwise ``None``.
        weighted: Where a weight column is declared, otherwise ``None``.
    """

    name: str
    type: str
    rows: int
    count: int
    missing: int
    distinct: int
    distinct_exact: bool
    top: tuple[tuple[Value, int], ...] = ()
    top_error: int = 0
    ranks: tuple[int, ...] = ()
    nan: int = 0
    infinite: int = 0
    numeric: NumericSummary | None = None
    string: StringSummary | None = None
    time: TimeSummary | None = None
    boolean: BooleanSummary | None = None
    weighted: WeightedSummary | None = None

    @property
    def present_fraction(self) -> float:
        return self.count / self.rows if self.rows else 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Association:
    """How much of the label one column alone tells: 0 nothing, 1 all (a leak, most likely).

    Attributes:
        kind: ``mutual_information`` (as a share of the label's entropy) for labels of few different values,
            ``correlation_ratio`` (as a share of the label's variance) for others.
        strength: Corrected for what chance alone gives, never below 0.
        rows: Rows with a label.
    """

    column: str
    kind: str
    strength: float
    rows: int


@dataclass(frozen=True, kw_only=True, slots=True)
class MissingTogether:
    """Two columns and the rows that lack both.

    Attributes:
        rows: Rows without either value.
        overlap: Those as a share of the rows that lack one at least; 1: always missing together.
    """

    first: str
    second: str
    rows: int
    overlap: float


@dataclass(frozen=True, kw_only=True, slots=True)
class SliceSummary:
    """The rows with one value of one column; ``value`` is ``None`` for those without a value."""

    column: str
    value: Value | None
    rows: int
    columns: tuple[ColumnSummary, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class StatisticsSummary:
    """A dataset.

    Attributes:
        rows: All rows.
        weight: Their weight together; ``None`` where no weight column is declared.
        columns: In the dataset's order.
        associations: A column each, strongest first; empty where no label is declared.
        missing_together: Pairs with a row that lacks both, largest overlap first.
        slices: By column, then by value.
    """

    rows: int
    columns: tuple[ColumnSummary, ...]
    weight: float | None = None
    associations: tuple[Association, ...] = ()
    missing_together: tuple[MissingTogether, ...] = ()
    slices: tuple[SliceSummary, ...] = ()
