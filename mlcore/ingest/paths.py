"""Which files of a source hold a span. Imports nothing heavy: windows are resolved with it.

A pattern may be coarser than the span, or have no placeholder at all: then its files hold many spans, and their rows
are divided by their event timestamps.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mlcore.core.patterns import VERSION, WILDCARD, fill
from mlcore.core.window import Grain, Span, parse_moment, span_at
from mlcore.errors import SpanMissing
from mlcore.ingest.places import File, is_url, list_files, list_names

_NAMED_MISSING = 5
_FILE_URL = "file://"
_ESCAPED = re.compile(r"\[([*?[])\]")


class FileSource(Protocol):
    """A source whose spans are files."""

    @property
    def path(self) -> str: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a span is.

    Attributes:
        path: A file, a glob, a folder or a URL of one of these.
        version: The number in the place of ``{VERSION}``; 0 where the pattern has none.
        files: Those that it stands for, at least one, in the order of their names.
    """

    path: str
    version: int
    files: tuple[File, ...]


def span_path(source: FileSource, span: Span, root: Path) -> str:
    """The place of a span: the source's pattern with the span's start (UTC) filled in.

    ``{VERSION}`` is left for :func:`find_place`. A relative pattern starts at ``root``.

    Raises:
        ConfigError: The pattern has an unknown placeholder.
    """
    return rooted(fill(source.path, span), root)


def rooted(path: str, root: Path) -> str:
    """A path or URL that does not depend on the folder this process is in."""
    if is_url(path):
        return path.rstrip("/")
    path = path.removeprefix(_FILE_URL)
    below = Path(glob.escape(str(root))) if WILDCARD.search(path) else root
    return str(below / path)


def holds_many(pattern: str, grain: Grain) -> bool:
    """Whether a file of the pattern holds the rows of more than one span.

    >>> from datetime import timedelta; from mlcore.core.window import Months
    >>> holds_many("{YYYY}-{MM}.csv", timedelta(days=1)), holds_many("{YYYY}-{MM}.csv", Months(1))
    (True, False)
    """
    first = span_at(parse_moment("2024-07-10T01:00Z"), grain)  # amid a month, and its days have no number twice
    return fill(pattern, first) == fill(pattern, span_at(first.end, grain))


def find_place(path: str) -> Place | None:
    """What a filled pattern stands for now; of several versions the one of the highest number that has a file.

    Raises:
        DataError: It cannot be told.
    """
    match = VERSION.search(path)
    if match is None:
        return _place(path, 0)
    before, after = path[: match.start()], path[match.end() :]
    for number, digits in sorted(_versions(before, after, match[1]), reverse=True):
        if found := _place(f"{before}{digits}{after}", number):
            return found
    return None


def _place(path: str, version: int) -> Place | None:
    files = list_files(path)
    return Place(path=path, version=version, files=files) if files else None


def _versions(before: str, after: str, width: str | None) -> set[tuple[int, str]]:
    """Numbers and how they are written, by the names in the folder."""
    folder, slash, start = before.rpartition("/")
    digits = f"([0-9]{{{width}}})" if width else "([0-9]+)"
    name = re.compile(_expression(start) + digits + _expression(after.partition("/")[0]), re.DOTALL)
    names = list_names(_ESCAPED.sub(r"\1", folder) or slash)
    return {(int(fits[1]), fits[1]) for found in names if (fits := name.fullmatch(found))}


def _expression(part: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in part)


def span_missing(missing: Sequence[tuple[Span, object]], *, asked: int = 1, what: str = "have no file") -> SpanMissing:
    """The error for spans that are not there: which, how many of how many, and the first place looked at."""
    named = ", ".join(span.label for span, _ in missing[:_NAMED_MISSING])
    more = f" and {len(missing) - _NAMED_MISSING} more" if len(missing) > _NAMED_MISSING else ""
    return SpanMissing(
        f"{len(missing)} of {asked} spans {what}: {named}{more}",
        where=str(missing[0][1]),
        next_step="deliver the spans named above, choose a moment (--at) whose window has data, "
        "or let runs do without some (min_spans of the window); then run again",
    )
