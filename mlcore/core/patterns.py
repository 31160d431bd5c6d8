"""Patterns of the places of spans: ``data/{YYYY}-{MM}-{DD}-v{VERSION}.csv``, as in TFX.

``{SPAN}`` is the number of days from 1970-01-01 to the span's start, in UTC. ``{SPAN:6}`` and ``{VERSION:3}`` have so
many digits, with zeros in front. ``{VERSION}`` is left to who looks which versions there are.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from mlcore.core.window import EPOCH, Grain, Span, span_at
from mlcore.errors import ConfigError, quoted

_DATES = {"YYYY": "%Y", "MM": "%m", "DD": "%d", "HH": "%H"}
_FEBRUARY = datetime(1971, 2, 5, tzinfo=UTC)
_VERSION = "VERSION"
_SPAN = "SPAN"
_PLACEHOLDER = re.compile(r"\{([^{}:]*)(?::(\d{1,2}))?\}")
VERSION = re.compile(r"\{VERSION(?::(\d{1,2}))?\}")
WILDCARD = re.compile(r"[*?\[]")


def check_pattern(pattern: str) -> str:
    """The pattern.

    Raises:
        ValueError: It cannot be one; in words for who wrote it.

    >>> check_pattern("{YYYY}-{MM}-{DD}/v{VERSION}/*.csv")
    '{YYYY}-{MM}-{DD}/v{VERSION}/*.csv'
    """
    for match in _PLACEHOLDER.finditer(pattern):
        if match[1] not in (*_DATES, _SPAN, _VERSION) or (match[1] in _DATES and match[2]):
            known = ", ".join(f"{{{name}}}" for name in (*_DATES, _SPAN, _VERSION))
            raise ValueError(f"unknown placeholder {quoted(match[0], limit=60)}; use {known}")
        if match[2] and not int(match[2]):
            raise ValueError(f"{match[0]} has no digits; write how many")
    versions = list(VERSION.finditer(pattern))
    if len(versions) > 1:
        raise ValueError("{VERSION} stands there more than once; write it once")
    if versions and WILDCARD.search(pattern[: versions[0].start()].rpartition("/")[0]):
        raise ValueError("a folder before {VERSION} has a wildcard; write its name")
    return pattern


def fill(pattern: str, span: Span, *, key: str = "data.source.path") -> str:
    """The pattern with everything but ``{VERSION}`` filled in from the start of a span, in UTC.

    Raises:
        ConfigError: It has an unknown placeholder, or a number has more digits than it has room for; ``key`` is where
            it was written.
    """

    def part(match: re.Match[str]) -> str:
        name, width = match[1], int(match[2] or 0)
        if name == _VERSION:
            return match[0]
        if name != _SPAN:
            return span.start.strftime(_DATES[name])
        days = str((span.start - EPOCH).days)
        if width and len(days) > width:
            raise ValueError(f"{match[0]} has too few digits for {days}, the days from 1970-01-01 to {span.label}")
        return days.zfill(width)

    try:
        return _PLACEHOLDER.sub(part, check_pattern(pattern))
    except ValueError as error:
        raise ConfigError(str(error), where=key, next_step=f"correct {quoted(pattern)}") from error


def tells_apart(pattern: str, grain: Grain) -> bool:
    """Whether no two spans of a grain have one place.

    >>> from datetime import UTC, datetime, timedelta
    >>> [tells_apart(pattern, timedelta(hours=6)) for pattern in ("{YYYY}-{MM}-{DD}", "{SPAN}/{HH}", "{YYYY}{DD}/{HH}")]
    [False, True, False]
    """
    first = span_at(_FEBRUARY, grain)
    later = {first.end, *(_FEBRUARY + timedelta(days=days) for days in (1, 28, 365))}  # the same hour, day, month
    others = {span_at(moment, grain) for moment in later} - {first}
    return fill(pattern, first) not in {fill(pattern, other) for other in others}
