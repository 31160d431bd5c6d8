"""Spans, intervals and the one window a run trains and evaluates on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TypeAlias

from mlcore.errors import WindowError, quoted

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True, order=True)
class Months:
    """A length of whole calendar months, which no ``timedelta`` can say.

    >>> str(Months(12))
    'P12M'
    """

    count: int

    def __post_init__(self) -> None:
        if self.count < 1:
            raise WindowError(f"a length of {self.count} months is none")

    def __str__(self) -> str:
        return f"P{self.count}M"


Grain: TypeAlias = timedelta | Months
"""A length of time: of a span (an hour to a month) or of a window (a whole number of spans)."""


def shift(moment: datetime, length: Grain, times: int = 1) -> datetime:
    """The moment ``times`` lengths later, or earlier where negative; exact in UTC.

    Months go from month boundary to month boundary.

    Raises:
        WindowError: Months from a moment that starts no month, or a moment no calendar has.

    >>> iso(shift(parse_moment("2024-01-01T00:00Z"), Months(1), 14))
    '2025-03-01T00:00:00Z'
    """
    try:
        if isinstance(length, timedelta):
            return moment + times * length
        if moment != _month_start(moment):
            raise WindowError(f"{iso(moment)} starts no month: months are counted from the first of one")
        return _nth_month(_month_number(moment) + times * length.count)
    except (OverflowError, ValueError) as error:
        raise WindowError(
            f"{times} times {length} from {iso(moment)} is beyond every calendar",
            next_step="choose a shorter window, or another moment",
        ) from error


def span_start(moment: datetime, grain: Grain) -> datetime:
    """The start of the span of ``grain`` that ``moment`` lies in.

    Spans of hours and days are counted from 1970-01-01T00:00Z, those of whole weeks start on Mondays, those of months
    on the first of January or a multiple of months after it.

    >>> iso(span_start(parse_moment("2024-05-17T10:30Z"), timedelta(days=7)))
    '2024-05-13T00:00:00Z'
    >>> iso(span_start(parse_moment("2024-05-17T10:30Z"), Months(3)))
    '2024-04-01T00:00:00Z'
    """
    if isinstance(grain, Months):
        return _nth_month(_month_number(moment) // grain.count * grain.count)
    anchor = EPOCH if grain % _WEEK else _MONDAY
    return anchor + (moment - anchor) // grain * grain


def span_at(moment: datetime, grain: Grain) -> Span:
    """The span of ``grain`` that ``moment`` lies in."""
    start = span_start(moment, grain)
    return Span(start=start, end=shift(start, grain))


def span_number(moment: datetime, grain: Grain) -> int:
    """Which span of ``grain`` the moment lies in: neighbours have neighbouring numbers.

    >>> span_number(parse_moment("1970-01-03T10:00Z"), timedelta(days=1))
    2
    >>> span_number(parse_moment("1971-02-01T00:00Z"), Months(1)) - span_number(EPOCH, Months(1))
    13
    """
    if isinstance(grain, Months):
        return _month_number(moment) // grain.count
    return (moment - (EPOCH if grain % _WEEK else _MONDAY)) // grain


def in_words(length: Grain) -> str:
    """The length for people.

    >>> in_words(timedelta(days=60)), in_words(timedelta(hours=6)), in_words(Months(1))
    ('60 days', '6 hours', '1 month')
    """
    if isinstance(length, Months):
        number, unit = length.count, "month"
    elif length % _DAY:
        number, unit = int(length.total_seconds() // 3600), "hour"
    else:
        number, unit = length // _DAY, "day"
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def is_whole(length: Grain, grain: Grain) -> bool:
    """Whether ``length`` is a whole number of spans wherever it is laid.

    >>> is_whole(Months(2), timedelta(days=1)), is_whole(Months(2), timedelta(days=7))
    (True, False)
    """
    if isinstance(grain, Months):
        return isinstance(length, Months) and length.count % grain.count == 0
    if isinstance(length, Months):
        return _DAY % grain == timedelta(0)
    return length > timedelta(0) and length % grain == timedelta(0)


def check_grain(grain: Grain) -> None:
    """Spans last from an hour to a month, and none lies across a boundary that windows are laid on.

    Raises:
        WindowError: This grain does not.
    """
    if isinstance(grain, Months):
        fits = 12 % grain.count == 0
    else:
        fits = timedelta(hours=1) <= grain <= timedelta(days=31) and not (_DAY % grain and grain % _DAY)
    if not fits:
        raise WindowError(
            f"spans of {grain} are not supported",
            where="data.span",
            next_step="choose hours that divide a day (PT1H, PT6H), whole days (P1D, P7D) or months (P1M, P3M)",
        )


def _month_number(moment: datetime) -> int:
    in_utc = moment.astimezone(UTC)
    return in_utc.year * 12 + in_utc.month - 1


def _nth_month(number: int) -> datetime:
    return datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC)


def _month_start(moment: datetime) -> datetime:
    return _nth_month(_month_number(moment))


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

    def spans(self, grain: Grain) -> Iterator[Span]:
        """The spans of ``grain`` that make up this interval, in time order."""
        for start, end in pairwise(_edges(self.start, self.end, grain)):
            yield Span(start=start, end=end)


def _edges(start: datetime, end: datetime, grain: Grain) -> Iterator[datetime]:
    yield start
    while start < end:
        start = shift(start, grain)
        yield start


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Span(Interval):
    """One interval of a pipeline's grain: the unit in which data arrives, is read and is cached."""

    @property
    def label(self) -> str:
        """A sortable, file-safe name: ``2013-01-02`` for a UTC day, ``2013-01`` a month, else ``20130102T0600Z``.

        >>> Span(start=parse_moment("2013-01-02T00:00Z"), end=parse_moment("2013-01-03T00:00Z")).label
        '2013-01-02'
        """
        if self == span_at(self.start, Months(1)):
            return self.start.strftime("%Y-%m")
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
        evaluation: Spans to evaluate on; never before the end of ``train``, unless rows are split by something else.
        by_time: Whether time tells training rows from evaluation rows; if not, the two intervals are the same.
    """

    as_of: datetime
    grain: Grain
    train: Interval
    evaluation: Interval
    by_time: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "as_of", utc(self.as_of, name="as_of"))
        if self.by_time and self.evaluation.start < self.train.end:
            raise WindowError(
                f"evaluation {self.evaluation} starts before training {self.train} ends",
                next_step="choose windows that do not overlap: evaluation rows come after training rows",
            )
        if not self.by_time and self.evaluation != self.train:
            raise WindowError(f"evaluation {self.evaluation} has other spans than training {self.train}")
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
        """All spans in time order, each once."""
        return self.train_spans + self.evaluation_spans if self.by_time else self.train_spans


def newest_mature_end(as_of: datetime, *, grain: Grain, label_delay: timedelta) -> datetime:
    """End of the newest span all of whose labels are mature at ``as_of``.

    A row's label is mature when ``event_timestamp + label_delay <= as_of``; :func:`span_start` says where spans start.
    """
    return span_start(utc(as_of, name="as_of") - label_delay, grain)


def resolve_window(
    as_of: datetime, *, grain: Grain, train: Grain, evaluation: Grain | None, label_delay: timedelta
) -> TrainingWindow:
    """The window of a run as of one moment: the only place where windows are computed.

    The evaluation window is the newest ``evaluation`` of mature spans, the training window the ``train`` before it.
    With ``evaluation`` None both are the newest ``train`` of mature spans: something else than time splits their rows.

    Raises:
        WindowError: ``train`` or ``evaluation`` is not a whole, positive number of spans.

    >>> window = resolve_window(parse_moment("2013-03-11T06:00Z"), grain=timedelta(days=1),
    ...     train=timedelta(days=60), evaluation=timedelta(days=7), label_delay=timedelta(days=1))
    >>> str(window.evaluation), window.train_spans[0].label, window.train_spans[-1].label
    ('[2013-03-03T00:00:00Z, 2013-03-10T00:00:00Z)', '2013-01-02', '2013-03-02')
    """
    _check_length("window.train", train, grain)
    end = newest_mature_end(as_of, grain=grain, label_delay=label_delay)
    if evaluation is None:
        whole = Interval(start=_laid("window.train", end, train, grain), end=end)
        return TrainingWindow(as_of=as_of, grain=grain, train=whole, evaluation=whole, by_time=False)
    _check_length("window.eval", evaluation, grain)
    start = _laid("window.eval", end, evaluation, grain)
    return TrainingWindow(
        as_of=as_of,
        grain=grain,
        train=Interval(start=_laid("window.train", start, train, grain), end=start),
        evaluation=Interval(start=start, end=end),
    )


def held_back(spans: int, held: int, embargo: int) -> tuple[range, range]:
    """Which of a window's spans a model is fitted on to be tried on the newest of them.

    Args:
        spans: How many there are, in time order.
        held: How many of the newest it is tried on.
        embargo: How many before those are not fitted on: their labels were not known then.

    Raises:
        WindowError: There is none to fit on.

    >>> held_back(10, 2, 1)
    (range(0, 7), range(8, 10))
    """
    fitted = spans - held - embargo
    if held < 1 or fitted < 1:
        raise WindowError(
            f"{spans} spans of training leave none to fit on when {held} are held back"
            + (f" and {embargo} before them have labels that were not known then" if embargo else ""),
            where="selection.held_back",
            next_step="hold back less, or choose a longer window.train or shorter spans",
        )
    return range(fitted), range(spans - held, spans)


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
    grain: Grain
    current: Interval
    labelled: Interval


def resolve_monitor_window(as_of: datetime, *, grain: Grain, current: Grain, label_delay: timedelta) -> MonitorWindow:
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
        current=Interval(start=_laid("monitor.current", ended, current, grain), end=ended),
        labelled=Interval(start=_laid("monitor.current", mature, current, grain), end=mature),
    )


def resolve_inference_window(as_of: datetime, *, grain: Grain, length: Grain | None) -> Interval:
    """What an inference run scores: the newest ``length`` of spans that have ended, by default one.

    Raises:
        WindowError: ``length`` is not a whole, positive number of spans.

    >>> str(resolve_inference_window(parse_moment("2013-03-11T06:00Z"), grain=timedelta(days=1), length=None))
    '[2013-03-10T00:00:00Z, 2013-03-11T00:00:00Z)'
    """
    length = grain if length is None else length
    _check_length("inference.window", length, grain)
    ended = newest_mature_end(as_of, grain=grain, label_delay=timedelta(0))
    return Interval(start=_laid("inference.window", ended, length, grain), end=ended)


def _laid(key: str, end: datetime, length: Grain, grain: Grain) -> datetime:
    """Where a window of ``length`` that ends at ``end`` starts; months that end amid one are months of days."""
    if isinstance(length, Months) and not isinstance(grain, Months):
        return _months_before(key, end, length)
    return shift(end, length, -1)


def _months_before(key: str, end: datetime, length: Months) -> datetime:
    """The same day and hour so many months before, or the month's last day where it has no such day."""
    number = _month_number(end) - length.count
    try:
        month, following = _nth_month(number), _nth_month(number + 1)
    except ValueError as error:
        raise WindowError(f"{key} of {length} before {iso(end)} is beyond every calendar", where=key) from error
    return min(month + (end - _month_start(end)), following - _DAY)


def _check_length(key: str, length: Grain, grain: Grain) -> None:
    if not is_whole(length, grain):
        raise WindowError(
            f"{key} of {length} is not a whole number of spans of {grain}",
            where=key,
            next_step="make it a positive multiple of data.span",
        )
