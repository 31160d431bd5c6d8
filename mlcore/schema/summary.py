"""The few numbers of a dataset that a schema is inferred from and checked against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class FeatureType(StrEnum):
    """The types of columns, by the names they have in a pipeline file."""

    STRING = "string"
    INT = "int64"
    FLOAT = "float64"
    BOOL = "bool"
    DATE = "date"
    TIMESTAMP = "timestamp"


@dataclass(frozen=True, kw_only=True, slots=True)
class Bucket:
    """Rows of a histogram from ``low`` to ``high``; both are the same for rows of one number."""

    low: float
    high: float
    count: float


@dataclass(frozen=True, kw_only=True, slots=True)
class FeatureSummary:
    """One column of a dataset.

    Attributes:
        name: The column.
        type: The type of its values.
        rows: Rows of the dataset.
        present: Rows in which it has a value; NaN and infinity are values.
        nan: Values that are NaN.
        infinite: Values that are infinite.
        negative_infinite: Those of them that are negative.
        minimum: Least finite number, where there is one.
        maximum: Greatest finite number, where there is one.
        values: Of a string or bool column, how often each value occurs.
        values_complete: Whether ``values`` holds every value there is, not only the most frequent ones.
        distinct: Different values, NaN and infinity apart; ``None`` where nobody counted.
        histogram: Of finite numbers: bins of equal width.
        quantile_histogram: Of finite numbers: bins between the deciles.
        quantiles: Of finite numbers: the deciles, from the least to the greatest, eleven numbers.
        grains: Of finite numbers, the share that is unchanged by rounding to so many decimals (negative: tens,
            hundreds); empty where the numbers are not known one by one.
        top_share: Share of the rows with a value that have the most frequent one; ``None`` where nobody counted.
        invalid: Values of bytes that are no UTF-8.
        newest: Of dates and times: the last one.
    """

    name: str
    type: FeatureType
    rows: int
    present: int
    nan: int = 0
    infinite: int = 0
    negative_infinite: int = 0
    minimum: float | None = None
    maximum: float | None = None
    values: Mapping[str, int] = field(default_factory=dict)
    values_complete: bool = True
    distinct: int | None = None
    histogram: tuple[Bucket, ...] = ()
    quantile_histogram: tuple[Bucket, ...] = ()
    quantiles: tuple[float, ...] = ()
    grains: Mapping[int, float] = field(default_factory=dict)
    top_share: float | None = None
    invalid: int = 0
    newest: datetime | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.present <= self.rows:
            raise ValueError(f"{self.name}: {self.present} of {self.rows} rows cannot have a value")

    @property
    def fraction(self) -> float:
        """Share of the rows that have a value; 0 where there are no rows."""
        return self.present / self.rows if self.rows else 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetSummary:
    """A dataset: a split of a window, or one span of it.

    Attributes:
        name: What it is called in messages, for instance ``evaluation`` or ``2013-03-04``.
        rows: How many rows it has.
        features: Its columns, in the dataset's order.
        start: Of a span: its start.
        end: Of a span: its end; what happened then or later is in the future.
        associations: How much of the label each column alone tells, from 0 to 1, where a label is declared.
    """

    name: str
    rows: int
    features: tuple[FeatureSummary, ...]
    start: datetime | None = None
    end: datetime | None = None
    associations: Mapping[str, float] = field(default_factory=dict)
    _by_name: Mapping[str, FeatureSummary] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {feature.name: feature for feature in self.features})

    def feature(self, name: str) -> FeatureSummary | None:
        """The column of that name, where there is one."""
        return self._by_name.get(name)
