"""Spans, intervals and the one window a run trains and evaluates on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mlcore.errors import WindowError, quoted

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def utc(moment: datetime, *, name: str = "moment") -> datetime:
    """The same moment in UTC.

    Raises:
        WindowError: ``moment`` has no time zone.
    """
    if moment.tzinfo is None:
        raise WindowError(
            f"{name} {moment.isoformat()} has no time zone",
            next_step="write it with an offset, for instance 2013-03-11T06:00Z",
        )
    return moment.astimezone(UTC)


def parse_moment(text: str, *, name: str = "moment") -> datetime:
    """Parse ISO 8601 with an offset.

    Raises:
        WindowError: The text is not a date and time, or has no offset.

    >>> parse_moment("2013-03-11T06:00Z").isoformat()
    '2013-03-11T06:00:00+00:00'
    """
    try:
        moment = datetime.fromisoformat(text)
    except (ValueError, TypeError) as error:
        raise WindowError(
            f"{name} {quoted(text)} is not an ISO 8601 date and time",
            next_step="write it like 2013-03-11T06:00Z",
        ) from error
    return utc(moment, name=name)


def iso(moment: datetime) -> str:
    """``2013-03-11T06:00:00Z``: the one way moments are written in names, logs and metadata."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Interval:
    """A half-open UTC interval ``[start, end)``."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", utc(self.start, name="start"))
        object.__setattr__(self, "end", utc(self.end, name="end"))
        if self.start >= self.end:
            raise WindowError(f"interval {self} is empty: its start is not before its end")

    def __str__(self) -> str:
        return f"[{iso(self.start)}, {iso(self.end)})"

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end

    def spans(self, grain: timedelta) -> Iterator[Span]:
        """The spans of ``grain`` that make up this interval, in time order."""
        start = self.start
        while start < self.end:
            yield Span(start=start, end=start + grain)
            start += grain


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Span(Interval):
    """One interval of a pipeline's grain: the unit in which data arrives, is read and is cached."""

    @property
    def label(self) -> str:
        """A short, sortable, file-safe name: ``2013-01-02`` for a UTC day, else ``20130102T0600Z``.

        >>> Span(start=parse_moment("2013-01-02T00:00Z"), end=parse_moment("2013-01-03T00:00Z")).label
        '2013-01-02'
        """
        if self.end - self.start == timedelta(days=1) and self.start.time() == EPOCH.time():
            return self.start.strftime("%Y-%m-%d")
        return self.start.strftime("%Y%m%dT%H%MZ")


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingWindow:
    """What a run trains and evaluates on, and the moment it may know of.

    Attributes:
        as_of: Nothing that became known after this moment is part of the window.
        grain: Length of a span.
        train: Spans to fit on.
        evaluation: Spans to evaluate on; never before the end of ``train``.
    """

    as_of: datetime
    grain: timedelta
    train: Interval
    evaluation: Interval

    def __post_init__(self) -> None:
        object.__setattr__(self, "as_of", utc(self.as_of, name="as_of"))
        if self.evaluation.start < self.train.end:
            raise WindowError(
                f"evaluation {self.evaluation} starts before training {self.train} ends",
                next_step="choose windows that do not overlap: evaluation rows come after training rows",
            )
        if self.evaluation.end > self.as_of:
            raise WindowError(f"evaluation {self.evaluation} ends after as_of {iso(self.as_of)}")

    @property
    def train_spans(self) -> tuple[Span, ...]:
        return tuple(self.train.spans(self.grain))

    @property
    def evaluation_spans(self) -> tuple[Span, ...]:
        return tuple(self.evaluation.spans(self.grain))

    @property
    def spans(self) -> tuple[Span, ...]:
        """All spans in time order."""
        return self.train_spans + self.evaluation_spans


def newest_mature_end(as_of: datetime, *, grain: timedelta, label_delay: timedelta) -> datetime:
    """End of the newest span all of whose labels are mature at ``as_of``.

    A row's label is mature when ``event_timestamp + label_delay <= as_of``; spans are aligned to the epoch.
    """
    known = utc(as_of, name="as_of") - label_delay
    return EPOCH + ((known - EPOCH) // grain) * grain


def resolve_window(
    as_of: datetime, *, grain: timedelta, train: timedelta, evaluation: timedelta, label_delay: timedelta
) -> TrainingWindow:
    """The window of a run as of one moment: the only place where windows are computed.

    The evaluation window is the newest ``evaluation`` of mature spans, the training window the ``train`` before it.

    Raises:
        WindowError: ``train`` or ``evaluation`` is not a whole, positive number of spans.

    >>> window = resolve_window(parse_moment("2013-03-11T06:00Z"), grain=timedelta(days=1),
    ...     train=timedelta(days=60), evaluation=timedelta(days=7), label_delay=timedelta(days=1))
    >>> str(window.evaluation), window.train_spans[0].label, window.train_spans[-1].label
    ('[2013-03-03T00:00:00Z, 2013-03-10T00:00:00Z)', '2013-01-02', '2013-03-02')
    """
    _check_length("window.train", train, grain)
    _check_length("window.eval", evaluation, grain)
    end = newest_mature_end(as_of, grain=grain, label_delay=label_delay)
    start = end - evaluation
    return TrainingWindow(
        as_of=as_of,
        grain=grain,
        train=Interval(start=start - train, end=start),
        evaluation=Interval(start=start, end=end),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class MonitorWindow:
    """What a monitoring run looks at, and the moment it may know of.

    Attributes:
        as_of: Nothing that became known after this moment is part of the window.
        grain: Length of a span.
        current: The newest spans that have ended: what arrives now.
        labelled: The newest spans whose labels are mature: what the champion's performance is measured on.
    """

    as_of: datetime
    grain: timedelta
    current: Interval
    labelled: Interval


def resolve_monitor_window(
    as_of: datetime, *, grain: timedelta, current: timedelta, label_delay: timedelta
) -> MonitorWindow:
    """The window of a monitoring run as of one moment.

    Raises:
        WindowError: ``current`` is not a whole, positive number of spans.
    """
    _check_length("monitor.current", current, grain)
    ended = newest_mature_end(as_of, grain=grain, label_delay=timedelta(0))
    mature = newest_mature_end(as_of, grain=grain, label_delay=label_delay)
    return MonitorWindow(
        as_of=utc(as_of, name="as_of"),
        grain=grain,
        current=Interval(start=ended - current, end=ended),
        labelled=Interval(start=mature - current, end=mature),
    )


def _check_length(key: str, length: timedelta, grain: timedelta) -> None:
    if length <= timedelta(0) or length % grain:
        raise WindowError(
            f"{key} of {length} is not a whole number of spans of {grain}",
            where=key,
            next_step="make it a positive multiple of data.span",
        )
