"""Which file of a source holds a span. Imports nothing heavy: windows are resolved with it.

A pattern may be coarser than the span, or have no placeholder at all: then one file holds many spans, and its rows
are divided by their event timestamps.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from mlcore.core.window import EPOCH, Grain, Span, parse_moment, span_at
from mlcore.errors import ConfigError, SpanMissing, quoted

_DATES = {"YYYY": "%Y", "MM": "%m", "DD": "%d", "HH": "%H"}
_PLACEHOLDER = re.compile(r"\{([^{}:]*)(?::(\d{1,2}))?\}")
_VERSION = "VERSION"
_SPAN = "SPAN"
_NAMED_MISSING = 5


class FileSource(Protocol):
    """A source whose spans are files."""

    @property
    def path(self) -> str: ...


def span_path(source: FileSource, span: Span, root: Path) -> Path:
    """The file of a span: the source's pattern with the span's start (UTC) filled in.

    ``{SPAN}`` is the number of days since 1970-01-01, as in TFX; ``{SPAN:6}`` is filled with zeros to six digits.
    ``{VERSION}`` is left for :func:`newest_file`. A relative pattern starts at ``root``.

    Raises:
        ConfigError: The pattern has an unknown placeholder.
    """
    return root / fill(source.path, span)


def fill(pattern: str, span: Span, *, key: str = "data.source.path") -> str:
    """The pattern with everything but ``{VERSION}`` filled in.

    Raises:
        ConfigError: It has an unknown placeholder; ``key`` is where it was written.
    """
    return _PLACEHOLDER.sub(lambda match: _part(match, span, key), pattern)


def _part(match: re.Match[str], span: Span, key: str) -> str:
    name, width = match[1], int(match[2] or 0)
    if name == _VERSION:
        return match[0]
    if name == _SPAN:
        return str((span.start - EPOCH).days).zfill(width)
    if name in _DATES and not width:
        return span.start.strftime(_DATES[name])
    raise ConfigError(
        f"unknown placeholder {quoted(match[0])}",
        where=key,
        next_step="use " + ", ".join(f"{{{known}}}" for known in (*_DATES, _SPAN, _VERSION)),
    )


def holds_many(pattern: str, grain: Grain) -> bool:
    """Whether a file of the pattern holds the rows of more than one span.

    >>> from datetime import timedelta; from mlcore.core.window import Months
    >>> holds_many("{YYYY}-{MM}.csv", timedelta(days=1)), holds_many("{YYYY}-{MM}.csv", Months(1))
    (True, False)
    """
    first = span_at(parse_moment("2024-07-10T01:00Z"), grain)  # amid a month, and its days have no number twice
    return fill(pattern, first) == fill(pattern, span_at(first.end, grain))


def newest_file(path: Path) -> tuple[Path, int] | None:
    """The file of a filled pattern, with its version; of several that ``{VERSION}`` stands for, the highest number.

    A pattern without ``{VERSION}`` has version 0. ``None`` where there is no such file.
    """
    match = _PLACEHOLDER.search(path.name)
    if match is None:
        return (path, 0) if path.is_file() else None
    before, after = (re.escape(part) for part in (path.name[: match.start()], path.name[match.end() :]))
    digits = f"[0-9]{{{match[2]}}}" if match[2] else "[0-9]+"
    name = re.compile(f"{before}({digits}){after}")
    try:
        found = [(int(fits[1]), child) for child in path.parent.iterdir() if (fits := name.fullmatch(child.name))]
    except (FileNotFoundError, NotADirectoryError):
        return None
    files = [(version, child) for version, child in found if child.is_file()]
    if not files:
        return None
    version, newest = max(files, key=lambda file: (file[0], file[1].name))
    return newest, version


def existing_paths(source: FileSource, spans: Sequence[Span], root: Path) -> tuple[Path, ...]:
    """The files of the spans, in their order.

    Raises:
        SpanMissing: Files are not there; the message names the first ones and says how many more there are.
    """
    looked = [(span, span_path(source, span, root)) for span in spans]
    found = [newest_file(path) for _, path in looked]
    missing = [place for place, file in zip(looked, found, strict=True) if file is None]
    if missing:
        raise span_missing(missing, asked=len(spans))
    return tuple(file[0] for file in found if file is not None)


def span_missing(missing: Sequence[tuple[Span, object]], *, asked: int = 1, what: str = "have no file") -> SpanMissing:
    """The error for spans that are not there: which, how many of how many, and the first place looked at."""
    named = ", ".join(span.label for span, _ in missing[:_NAMED_MISSING])
    more = f" and {len(missing) - _NAMED_MISSING} more" if len(missing) > _NAMED_MISSING else ""
    return SpanMissing(
        f"{len(missing)} of {asked} spans {what}: {named}{more}",
        where=str(missing[0][1]),
        next_step="deliver the spans named above, choose a moment (--at) whose window has data, "
        "or let runs do without some: window.min_spans; then run again",
    )
