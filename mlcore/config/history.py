"""``data.history``: columns that are made of a row's past, by key."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

from pydantic import Field, model_validator

from mlcore.config.fields import Delay, Duration, Section

Aggregate = Literal["lag", "count", "sum", "mean", "std", "min", "max"]

_NUMBERS = ("int64", "float64", "bool", "decimal")
_ORDERED = ("int64", "float64", "decimal", "date", "timestamp")
_READS: Mapping[str, tuple[str, ...]] = {
    "sum": _NUMBERS,
    "mean": _NUMBERS,
    "std": _NUMBERS,
    "min": _ORDERED,
    "max": _ORDERED,
}
"""Types of column by what is made of them; a lag and a count are made of any."""
KEYS = ("string", "int64", "bool", "date")
"""Types that rows are told apart by."""


class History(Section):
    """A column made of the earlier rows of the same key: the one ``periods`` before, or an aggregate over a time.

    A row's past are the rows with the same values of ``by`` whose event timestamps are before its own by ``over`` at
    most and ``delay`` at least: rows of one moment do not see each other.
    """

    aggregate: Aggregate
    column: str | None = Field(default=None, description="What is aggregated; only a count of rows does without")
    by: tuple[str, ...] = Field(description="The key: rows whose values of it are missing have no history")
    over: Duration = Field(description="How far back rows are looked at")
    periods: int = Field(default=1, ge=1, description="Of a lag: 1 is the last row before, 2 the one before that")
    delay: Delay | None = Field(
        default=None,
        description="How long after a row's event its value is known; by default data.label.delay where the column is"
        " the label's, else not at all",
    )

    @model_validator(mode="before")
    @classmethod
    def _one_key(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and isinstance(data.get("by"), str):
            return {**data, "by": (data["by"],)}
        return data

    @model_validator(mode="after")
    def _fits_together(self) -> History:
        if self.column is None and self.aggregate != "count":
            raise ValueError(f"column: missing; write what the {self.aggregate} is of")
        if self.periods != 1 and self.aggregate != "lag":
            raise ValueError(f"periods: only a lag has any; leave it out of a {self.aggregate}")
        if len(set(self.by)) < len(self.by):
            raise ValueError("by: a column is there twice")
        return self

    def known_after(self, *, outcome: str, label_delay: timedelta) -> timedelta:
        """How long after a row's event its value is known.

        Args:
            outcome: The column the label is made of.
            label_delay: How long after its event a row's outcome is known.
        """
        if self.delay is not None:
            return self.delay
        return label_delay if self.column == outcome else timedelta(0)

    def gives(self, columns: Mapping[str, str]) -> str:
        """The type of the column that is made, one of those of ``data.columns``.

        Args:
            columns: Types by name.

        Raises:
            ValueError: A column is not there, or of a type that this cannot be made of.
        """
        for name in (*self.by, *([] if self.column is None else [self.column])):
            if name not in columns:
                key = "by" if name in self.by else "column"
                raise ValueError(f"{key}: {name!r} is not in data.columns ({', '.join(columns)})")
        for name in self.by:
            if columns[name] not in KEYS:
                raise ValueError(f"by: column {name!r} is of type {columns[name]}; a key is {', '.join(KEYS)}")
        if self.aggregate == "count" or self.column is None:
            return "int64"
        kind = "decimal" if columns[self.column].startswith("decimal(") else columns[self.column]
        if kind not in _READS.get(self.aggregate, (kind,)):
            raise ValueError(
                f"column: there is no {self.aggregate} of {self.column!r}, a column of type {kind};"
                f" it is made of {', '.join(_READS[self.aggregate])}"
            )
        return "float64" if self.aggregate in ("sum", "mean", "std") or kind == "decimal" else kind
