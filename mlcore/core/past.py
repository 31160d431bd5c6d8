"""Spans that are looked back on: what is made of a row's past may lie in spans before its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from mlcore.core.types import Artifact
from mlcore.core.window import Grain, Span, shift


def with_past(spans: Sequence[Span], grain: Grain, look_back: timedelta) -> tuple[Span, ...]:
    """The spans and those within the look-back before any of them, in time order, each once."""
    found = set(spans)
    for span in spans:
        if Span(start=shift(span.start, grain, -1), end=span.start) not in found:
            found.update(spans_before(span, grain, look_back))
    return tuple(sorted(found))


def spans_before(span: Span, grain: Grain, look_back: timedelta) -> Iterator[Span]:
    """The spans that lie within the look-back before the start of one, or partly so, the newest first.

    >>> from mlcore.core.window import parse_moment, span_at
    >>> day = timedelta(days=1)
    >>> [span.label for span in spans_before(span_at(parse_moment("2024-03-01T00:00Z"), day), day, 1.5 * day)]
    ['2024-02-29', '2024-02-28']
    """
    end = span.start
    while end > span.start - look_back:
        start = shift(end, grain, -1)
        yield Span(start=start, end=end)
        end = start


def looked_back_on(source: Artifact, past: Sequence[Artifact], look_back: timedelta) -> tuple[Artifact, ...]:
    """Of some artifacts those whose spans lie within the look-back before the source's, or partly so, in order."""
    if source.span is None or not look_back:
        return ()
    start = source.span.start
    spans = [
        (one.span, one) for one in past if one.span and one.span.start < start and one.span.end > start - look_back
    ]
    return tuple(one for _, one in sorted(spans, key=lambda each: each[0]))
