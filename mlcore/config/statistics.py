"""``statistics``: what is counted of every span beyond its columns."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, field_validator

from mlcore.config.fields import Section


class Statistics(Section):
    """The rows with each value of a column apart, and every row as often as its weight says."""

    slices: tuple[tuple[str, ...], ...] = Field(
        default=(), description="Lists of one column each: the rows of each of its values have statistics of their own"
    )
    weight: str | None = Field(default=None, description="A column of numbers from 0; a missing one counts as 0")

    @field_validator("slices")
    @classmethod
    def _one_column_each(cls, slices: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
        for part in slices:
            if len(part) > 1:
                raise ValueError(
                    f"{list(part)} crosses columns, which only evaluation.slices may; write one column a list:"
                    f" {', '.join(f'[{column}]' for column in part)}"
                )
        return slices

    @property
    def columns(self) -> tuple[str, ...]:
        """What rows are sliced by, each column once; ``[]`` are all rows, which are counted anyway."""
        return tuple(dict.fromkeys(column for part in self.slices for column in part))

    def check(self, columns: Mapping[str, str]) -> None:
        """Check that what is named is there.

        Args:
            columns: Types by name: ``data.columns``.

        Raises:
            ValueError: A column is not there, or the weight is no number.
        """
        known = ", ".join(columns)
        for column in self.columns:
            if column not in columns:
                raise ValueError(f"statistics.slices: column {column!r} is not in data.columns ({known})")
        if self.weight is None:
            return
        if self.weight not in columns:
            raise ValueError(f"statistics.weight: column {self.weight!r} is not in data.columns ({known})")
        if columns[self.weight] not in ("int64", "float64", "bool"):
            raise ValueError(
                f"statistics.weight: column {self.weight!r} is of type {columns[self.weight]}, and must be a number"
            )
