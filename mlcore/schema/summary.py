"""The few numbers of a dataset that a schema is inferred from and checked against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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
class FeatureSummary:
    """One column of a dataset.

    Attributes:
        name: The column.
        type: The type of its values.
        rows: Rows of the dataset.
        present: Rows in which it has a value; NaN and infinity are values.
        nan: Values that are NaN.
        infinite: Values that are infinite.
        minimum: Least finite number, where there is one.
        maximum: Greatest finite number, where there is one.
        values: Of a string column, how often each value occurs.
        values_complete: Whether ``values`` holds every value there is, not only the most frequent ones.
    """

    name: str
    type: FeatureType
    rows: int
    present: int
    nan: int = 0
    infinite: int = 0
    minimum: float | None = None
    maximum: float | None = None
    values: Mapping[str, int] = field(default_factory=dict)
    values_complete: bool = True

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
        features: Its columns.
    """

    name: str
    rows: int
    features: tuple[FeatureSummary, ...]

    def feature(self, name: str) -> FeatureSummary | None:
        """The column of that name, where there is one."""
        return next((feature for feature in self.features if feature.name == name), None)
