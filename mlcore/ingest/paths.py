"""Which file of a source holds a span. Imports nothing heavy: windows are resolved with it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from mlcore.config.pipeline import CsvSource
from mlcore.core.window import Span
from mlcore.errors import ConfigError, SpanMissing, quoted

_FORMATS = {"YYYY": "%Y", "MM": "%m", "DD": "%d", "HH": "%H"}
_NAMED_MISSING = 5


def span_path(source: CsvSource, span: Span, root: Path) -> Path:
    """The file of a span: the source's pattern with the span's start (UTC) filled in.

    A relative pattern starts at ``root``.

    Raises:
        ConfigError: The pattern has an unknown placeholder, or names one file for two spans.
    """
    name = _filled(source.path, span)
    following = Span(start=span.end, end=span.end + (span.end - span.start))
    if _filled(source.path, following) == name:
        raise ConfigError(
            f"the pattern names one file, {name}, for the spans {span.label} and {following.label}",
            where="data.source.path",
            next_step="add what tells spans apart: {YYYY}, {MM}, {DD} for days, and {HH} for hours",
        )
    return root / name


def _filled(pattern: str, span: Span) -> str:
    return re.sub(r"\{([^{}]*)\}", lambda match: _part(match[1], span), pattern)


def _part(placeholder: str, span: Span) -> str:
    try:
        return span.start.strftime(_FORMATS[placeholder])
    except KeyError as error:
        raise ConfigError(
            f"unknown placeholder {quoted('{' + placeholder + '}')}",
            where="data.source.path",
            next_step="use " + ", ".join(f"{{{name}}}" for name in _FORMATS),
        ) from error


def existing_paths(source: CsvSource, spans: Sequence[Span], root: Path) -> tuple[Path, ...]:
    """The files of the spans, in their order.

    Raises:
        SpanMissing: Files are not there; the message names the first ones and says how many more there are.
    """
    paths = tuple(span_path(source, span, root) for span in spans)
    missing = [(span, path) for span, path in zip(spans, paths, strict=True) if not path.is_file()]
    if missing:
        raise span_missing(missing, asked=len(spans))
    return paths


def span_missing(missing: Sequence[tuple[Span, Path]], *, asked: int = 1) -> SpanMissing:
    """The error for spans that have no file: which, how many of how many, and the first file looked for."""
    named = ", ".join(span.label for span, _ in missing[:_NAMED_MISSING])
    more = f" and {len(missing) - _NAMED_MISSING} more" if len(missing) > _NAMED_MISSING else ""
    return SpanMissing(
        f"{len(missing)} of {asked} spans have no file: {named}{more}"
        if asked > 1
        else f"there is no file for the span {named}",
        where=str(missing[0][1]),
        next_step="deliver the files named above, or choose a moment (--at) whose window has data; then run again",
    )
