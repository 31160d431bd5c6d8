"""Where the records of CSV text begin and end: by arithmetic on arrays where quotes are regular, else cell by cell."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.int64]
_NEWLINE, _RETURN = 10, 13


@dataclass(frozen=True, slots=True)
class Dialect:
    """How cells are told apart: one ASCII character each; ``quote`` is ``None`` where quotes are ordinary text."""

    delimiter: bytes
    quote: bytes | None


@dataclass(frozen=True, slots=True)
class Records:
    """The complete records at the start of a text.

    Attributes:
        ends: Where each ends, behind its line's end.
        lines: Ends of all lines, those inside quotes too.
        delimiters: Gives the places of the delimiters outside quotes; only bad rows need them.
    """

    ends: Positions
    lines: Positions
    delimiters: Callable[[], Positions]


def find_records(text: bytes, dialect: Dialect, *, final: bool) -> Records:
    """The complete records of a text; with ``final`` the last needs no line end."""
    raw = np.frombuffer(text, np.uint8)
    lines = _line_ends(raw, final=final)
    quotes = np.flatnonzero(raw == dialect.quote[0]) if dialect.quote and dialect.quote in text else None
    if quotes is None:
        return Records(_closed(lines, len(text), final), lines, lambda: np.flatnonzero(raw == dialect.delimiter[0]))
    if not _regular(raw, quotes, dialect.delimiter[0]):
        return _cell_by_cell(text, dialect, lines, final=final)
    closed = lines[np.searchsorted(quotes, lines) % 2 == 0]

    def delimiters() -> Positions:
        found: Positions = np.flatnonzero(raw == dialect.delimiter[0])
        outside: Positions = found[np.searchsorted(quotes, found) % 2 == 0]
        return outside

    return Records(_closed(closed, len(text), final and len(quotes) % 2 == 0), lines, delimiters)


def split_cells(record: bytes, dialect: Dialect) -> list[bytes]:
    """The cells of one record, without their quotes."""
    record = record.rstrip(b"\r\n")
    cells, place = [], 0
    while True:
        match = _cell(dialect).match(record, place)
        assert match is not None
        cells.append(_unquoted(match[1], dialect.quote))
        place = match.end() + 1
        if place > len(record):
            return cells


def _unquoted(cell: bytes, quote: bytes | None) -> bytes:
    if quote is None or not cell.startswith(quote):
        return cell
    end = cell.rfind(quote)
    return (cell[1:end] if end else cell[1:]).replace(quote * 2, quote) + (cell[end + 1 :] if end else b"")


def _line_ends(raw: npt.NDArray[np.uint8], *, final: bool) -> Positions:
    ends = raw == _NEWLINE
    returns = np.flatnonzero(raw == _RETURN)
    if returns.size:
        last = returns == len(raw) - 1
        following = raw[np.minimum(returns + 1, len(raw) - 1)]
        ends[returns[(following != _NEWLINE) & ~last | (last if final else False)]] = True
    return np.flatnonzero(ends) + 1


def _closed(ends: Positions, length: int, final: bool) -> Positions:
    if final and length and (not ends.size or ends[-1] != length):
        return np.append(ends, length)
    return ends


def _regular(raw: npt.NDArray[np.uint8], quotes: Positions, delimiter: int) -> bool:
    """Whether every other quote opens a cell: then a place is inside quotes when an odd number stand before it."""
    border = np.zeros(256, bool)
    border[[delimiter, _NEWLINE, _RETURN, raw[quotes[0]]]] = True
    opening, closing = quotes[::2], quotes[1::2]
    before = raw[opening[opening > 0] - 1]
    after = raw[closing[closing < len(raw) - 1] + 1]
    if not (border[before].all() and border[after].all()):
        return False
    doubled = opening[(opening > 0)][raw[opening[opening > 0] - 1] == raw[quotes[0]]]
    return bool(np.isin(doubled - 1, closing).all())


@cache
def _cell(dialect: Dialect) -> re.Pattern[bytes]:
    delimiter = re.escape(dialect.delimiter)
    if dialect.quote is None:
        return re.compile(rb"([^%b\r\n]*+)" % delimiter)
    quote = re.escape(dialect.quote)
    plain = rb"(?!%b)[^%b\r\n]*+" % (quote, delimiter)
    quoted = rb"%b(?:[^%b]++|%b%b)*+%b[^%b\r\n]*+" % (quote, quote, quote, quote, quote, delimiter)
    return re.compile(rb"(%b|%b|%b.*)" % (quoted, plain, quote), re.DOTALL)


@cache
def _closed_cell(dialect: Dialect) -> re.Pattern[bytes]:
    delimiter = re.escape(dialect.delimiter)
    quote = re.escape(dialect.quote or b'"')
    plain = rb"(?!%b)[^%b\r\n]*+" % (quote, delimiter)
    quoted = rb"%b(?:[^%b]++|%b%b)*+%b[^%b\r\n]*+" % (quote, quote, quote, quote, quote, delimiter)
    return re.compile(rb"(?:%b|%b)(%b|\r\n|\n|\r|\Z)" % (quoted, plain, delimiter), re.DOTALL)


def _cell_by_cell(text: bytes, dialect: Dialect, lines: Positions, *, final: bool) -> Records:
    pattern, place = _closed_cell(dialect), 0
    ends: list[int] = []
    delimiters: list[int] = []
    while place < len(text):
        match = pattern.match(text, place)
        if match is None:  # a quote that is not closed in this text
            break
        place = match.end()
        if match[1] == dialect.delimiter:
            delimiters.append(place - 1)
        elif (match[1] and (place < len(text) or match[1] != b"\r")) or final:
            ends.append(place)
        else:
            break
    if final and ends and text.endswith(dialect.delimiter) and ends[-1] != len(text) and place == len(text):
        ends.append(place)
    return Records(np.array(ends, np.int64), lines, lambda: np.array(delimiters, np.int64))
