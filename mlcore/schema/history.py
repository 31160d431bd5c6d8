"""What a dataset is compared with to find the faults that a schema cannot state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mlcore.schema.summary import DatasetSummary, FeatureSummary

MANY_SPANS = 7
"""So many earlier spans show what is usual from one to the next."""


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """Earlier data that is taken to be good.

    Attributes:
        reference: All of it.
        spans: The spans it consists of, in time order; one span may be all of it.
    """

    reference: DatasetSummary
    spans: tuple[DatasetSummary, ...] = ()

    @property
    def long(self) -> bool:
        """Whether the spans show what is usual from one to the next."""
        return len(self.spans) >= MANY_SPANS

    def of(self, name: str) -> Iterator[FeatureSummary]:
        """A column in each span in which it has a value."""
        for span in self.spans or (self.reference,):
            found = span.feature(name)
            if found is not None and found.present:
                yield found


@dataclass(frozen=True, kw_only=True, slots=True)
class Expectations:
    """What is known of a dataset besides its schema.

    Attributes:
        event_timestamp: The column that says when a row happened.
        as_of: The moment the data was to be known at, where the dataset is no sequence of spans.
        max_age: How old the newest event may be at ``as_of``.
        features: Columns that a model learns from; ``None``: all of them.
        label: The column that is to be predicted.
        key: The columns of which no two rows have the same values.
        duplicates: Rows whose key another row has, where somebody counted.
        duplicates_since: The first span that has any.
        in_both: Keys that training rows have too, where somebody counted.
        in_both_shown: A few of those, as texts.
        in_both_since: The first span that has any.
    """

    event_timestamp: str | None = None
    as_of: datetime | None = None
    max_age: timedelta | None = None
    features: frozenset[str] | None = None
    label: str | None = None
    key: Sequence[str] = field(default=())
    duplicates: int = 0
    duplicates_since: str | None = None
    in_both: int = 0
    in_both_shown: tuple[str, ...] = ()
    in_both_since: str | None = None
