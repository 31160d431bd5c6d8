"""``inference``: when the champion predicts what has arrived, of which rows, and where its predictions go."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from mlcore.config.data import Complete, Data
from mlcore.config.fields import Length, Pattern, Schedule, Section, Share, as_iso
from mlcore.config.sources import PostgresAddress, Source
from mlcore.core.patterns import VERSION, WILDCARD, tells_apart
from mlcore.core.window import is_whole

AS_OF = "predicted_as_of"
"""The column that every destination adds to predictions: the moment of the run that delivered them."""


class PostgresDestination(PostgresAddress):
    """A table of PostgreSQL, in which the rows of each span are replaced in one transaction."""

    type: Literal["postgres"]
    table: str = Field(min_length=1, description="Is made where there is none: reports.predictions")


class ParquetDestination(Section):
    """A Parquet file a span, replaced when all of it is there."""

    type: Literal["parquet"]
    path: Pattern = Field(description="A file of each span, as data.source.path; a relative one starts at the project")

    @field_validator("path")
    @classmethod
    def _one_file(cls, value: str) -> str:
        found = VERSION.search(value) or WILDCARD.search(value)
        if found:
            raise ValueError(f"{found[0]} names no one file to write; leave it out")
        return value


Destination = Annotated[PostgresDestination | ParquetDestination, Field(discriminator="type")]


class Inference(Section):
    """Scores the newest spans with the champion, span by span, each once for every content and model."""

    schedule: Schedule
    window: Length | None = Field(default=None, description="How much of the newest data a run scores; one data.span")
    source: Source | None = Field(
        default=None, description="Rows without an outcome, with the columns of data.columns; by default data.source"
    )
    complete: Complete | None = Field(
        default=None,
        description="As data.complete, which counts by default, but for the label's column and another source's marker",
    )
    min_spans: Share = Field(default=1.0, description="As window.min_spans: how many spans of the window must be there")
    keep: tuple[str, ...] = Field(default=(), description="Columns to carry along, beside key and event timestamp")
    confidence: float | None = Field(
        default=None, gt=0, lt=1, description="Bounds around a regressor's predictions, trained with model.intervals"
    )
    destinations: tuple[Destination, ...] = Field(
        default=(), description="Where predictions are delivered to, beside the artifact store"
    )

    def check(self, data: Data, read: Data) -> None:
        """That it fits the pipeline's data, and the data that inference runs read.

        Raises:
            ValueError: It does not.
        """
        if self.window is not None and not is_whole(self.window, data.span):
            raise ValueError(
                f"inference.window: {as_iso(self.window)} is not a whole number of data.span ({as_iso(data.span)})"
            )
        if self.source == data.source:
            raise ValueError("inference.source: it is data.source, which is the default; leave it out")
        if self.confidence is not None and data.task != "regression":
            raise ValueError(f"inference.confidence: the label is a class (data.label.task: {data.task}), no amount")
        for key, names in (("keep", self.keep), ("complete.columns", self.complete.columns if self.complete else ())):
            for name in names:
                if name == data.label.column:
                    raise ValueError(f"inference.{key}: column {name!r} is the label's: it is not known yet")
                if name not in read.all_columns:
                    raise ValueError(f"inference.{key}: column {name!r} is not among {', '.join(read.all_columns)}")
        self._check_destinations(data)

    def _check_destinations(self, data: Data) -> None:
        if self.destinations and AS_OF in (*data.key, data.event_timestamp, *self.keep):
            raise ValueError(f"inference.destinations: they add a column {AS_OF!r} of their own")
        for index, one in enumerate(self.destinations):
            if isinstance(one, ParquetDestination) and not tells_apart(one.path, data.span):
                raise ValueError(f"inference.destinations.{index}.path: two spans of {data.span} have one file")
