"""The rows of one file, by the span they are of: read once, in bounded memory, whichever span is asked for when."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mlcore.config.data import Data
from mlcore.core.digests import digest_json
from mlcore.core.types import Json
from mlcore.core.window import Span, iso
from mlcore.errors import MalformedData
from mlcore.ingest.blocks import BadRow, Block, Reason
from mlcore.ingest.checks import Mask, bad_row, key_text, microseconds, moments_of, screen
from mlcore.ingest.columns import column_types
from mlcore.ingest.keys import Keys
from mlcore.ingest.quarantine import SCHEMA, as_batch, count, refused
from mlcore.ingest.row_digests import RowDigests
from mlcore.ingest.spool import Spool

_PLACES = (("\0row", pa.int64()), ("\0line", pa.int64()), ("\0file", pa.int32()))
"""Behind the columns of each row that waits: its number among all, and where it was found."""
_NEXT_DUPLICATE = "remove the repeated rows, or add to data.key what tells them apart"
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Piece:
    """Some rows of a span, and those among them that repeat the key of an earlier one."""

    rows: pa.RecordBatch
    repeated: tuple[BadRow, ...] = ()


class Division(AbstractContextManager["Division"]):
    """The rows of a file by span.

    Args:
        data: What a row is.
        spans: Those that are wanted, each once; rows of others are left out.
        shared: Whether the file holds several spans; if not, a row outside the only one is a bad row.
        digested: Whether :meth:`digest` will be asked for.
    """

    def __init__(self, data: Data, spans: Sequence[Span], *, shared: bool, digested: bool = False) -> None:
        self._data = data
        self._span = None if shared else spans[0]
        self._order = sorted(spans)
        self._starts = np.array([microseconds(span.start) for span in self._order])
        self._ends = np.array([microseconds(span.end) for span in self._order])
        self._stack = ExitStack()
        self._schema = pa.schema(list(column_types(data).items()))
        waiting = pa.schema([*self._schema, *_PLACES])
        self._rows = self._stack.enter_context(Spool(waiting, len(spans)))
        self._bad = self._stack.enter_context(Spool(SCHEMA, len(spans)))
        self._keys = self._stack.enter_context(Keys())
        self._digests = RowDigests(len(spans)) if digested else None
        self._added = self._total = 0
        self._files: list[str] = []
        self._keyed = False
        self._before: int | None = None  # the part of the last row whose moment was known
        self._head: list[BadRow] = []  # bad rows before there was one
        self._counts: dict[int, Counter[str]] = defaultdict(Counter)
        self._first: dict[int, BadRow] = {}
        self._repeats: tuple[Numbers, Numbers] | None = None

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def read(self, blocks: Iterable[Block]) -> None:
        """Take in the whole file.

        Raises:
            MalformedData: A row is bad, and none may be; with how many there are.
        """
        for block in blocks:
            self._add(block)
        self._quarantine([(0 if self._before is None else self._before, row) for row in self._head])
        if self._first and not self._data.max_bad_fraction:
            first = next(iter(self._first.values()))
            raise refused(first, sum(self._counts.values(), Counter()), self._total)

    def bad(self, span: Span) -> Iterator[pa.RecordBatch]:
        """The rows of a span that could not be read or do not belong, as they are stored."""
        return self._bad.rows(self._part(span))

    def reasons(self, span: Span) -> Counter[str]:
        """How many those are, by reason."""
        return self._counts[self._part(span)].copy()

    def first_bad(self, span: Span) -> BadRow | None:
        """The first of them."""
        return self._first.get(self._part(span))

    def digest(self, span: Span) -> str:
        """Of all that decides a span's Examples: its rows in the file's order, and its bad rows with their places.

        Raises:
            MalformedData: A row repeats a key, and no row may be bad.
        """
        assert self._digests is not None  # it was said that it would be asked for
        part = self._part(span)
        rows, bad = self._digests.hexdigest(part), sha256()
        for batch in self.bad(span):
            bad.update(repr(batch.to_pylist()).encode("utf-8", "backslashreplace"))
        if len(self._repeated()[0]):
            for piece in self.pieces(span):
                if piece.repeated:
                    bad.update(repr(as_batch(piece.repeated).to_pylist()).encode("utf-8", "backslashreplace"))
        columns: list[Json] = [[column.name, str(column.type)] for column in self._schema]
        return digest_json([iso(span.start), iso(span.end), columns, rows, bad.hexdigest()])

    def pieces(self, span: Span) -> Iterator[Piece]:
        """The good rows of a span, in the file's order, and those that repeat a key.

        Raises:
            MalformedData: A row repeats a key, and no row may be bad.
        """
        part = self._part(span)
        again, _ = self._repeated()
        if len(again) and not self._data.max_bad_fraction:
            self._refuse_repeats(part)
        for waiting in self._rows.rows(part):
            rows = self._without_places(waiting)
            wrong = _among(_numbers(waiting, 0), again)
            if not wrong.any():
                yield Piece(rows)
            else:
                yield Piece(rows.filter(pa.array(~wrong)), tuple(self._told(waiting, wrong)))

    def _part(self, span: Span) -> int:
        return int(np.searchsorted(self._starts, microseconds(span.start)))

    def _add(self, block: Block) -> None:
        good, wrong = screen(block, self._data, self._span)
        parts, dated = self._parts(block)
        unread = [(self._neighbour(block, row.line, parts, dated), row) for row in block.bad]
        screened = [
            (int(parts[number]) if dated[number] else self._neighbour(block, row.line, parts, dated), row)
            for number, row in wrong
        ]
        if dated.any():
            self._quarantine([(int(parts[dated][0]), row) for row in self._head])
            self._head, self._before = [], int(parts[dated][-1])
        self._quarantine(sorted([*unread, *screened], key=lambda found: found[1].line))
        self._keep(block, good & (parts >= 0), parts)

    def _parts(self, block: Block) -> tuple[Numbers, Mask]:
        """The part of each row, -1 for that of another span; and whether its moment is known."""
        moments = moments_of(block.rows, self._data)
        dated = block.rows.column(self._data.event_timestamp).is_valid().to_numpy(zero_copy_only=False)
        if self._span is not None:
            return np.zeros(len(moments), np.int64), dated
        parts = np.searchsorted(self._starts, moments, side="right") - 1
        parts[(parts >= 0) & (moments >= self._ends[parts])] = -1
        return parts, dated

    def _neighbour(self, block: Block, line: int, parts: Numbers, dated: Mask) -> int | None:
        """The part of the nearest row before a line whose moment is known, or of the first; ``None``: not yet."""
        if self._span is not None:
            return 0
        known = np.flatnonzero(dated)
        place = int(np.searchsorted(block.lines[known], line))
        if place:
            return int(parts[known[place - 1]])
        return int(parts[known[0]]) if self._before is None and len(known) else self._before

    def _quarantine(self, bad: Sequence[tuple[int | None, BadRow]]) -> None:
        kept = [(part, row) for part, row in bad if part is not None and part >= 0]
        self._head += [row for part, row in bad if part is None]
        if not kept:
            return
        self._total += len(kept)
        for part, row in kept:
            self._first.setdefault(part, row)
            self._counts[part].update(count([row]))
        if not self._data.max_bad_fraction:
            return  # they are only counted now: there will be no quarantine
        self._bad.add(as_batch([row for _, row in kept]), np.array([part for part, _ in kept], np.int64))

    def _keep(self, block: Block, kept: Mask, parts: Numbers) -> None:
        self._keyed = block.keyed
        if not self._files or self._files[-1] != block.file:
            self._files.append(block.file)
        self._total += int(np.count_nonzero(kept))
        if not kept.any() or (self._first and not self._data.max_bad_fraction):
            return
        rows, lines = block.rows, block.lines
        if not kept.all():
            rows, lines, parts = rows.filter(pa.array(kept)), lines[kept], parts[kept]
        self._keys.add(rows, self._data.key, None if self._span is not None else parts)
        if self._digests is not None:
            self._digests.add(rows, parts)
        numbers = np.arange(self._added, self._added + rows.num_rows)
        files = np.full(rows.num_rows, len(self._files) - 1, np.int32)
        self._added += rows.num_rows
        columns = [*rows.columns, *(pa.array(values) for values in (numbers, lines, files))]
        waiting = pa.schema([*self._schema, *_PLACES])
        self._rows.add(pa.RecordBatch.from_arrays(columns, schema=waiting), parts)

    def _repeated(self) -> tuple[Numbers, Numbers]:
        if self._repeats is None:
            self._repeats = self._keys.repeats()
        return self._repeats

    def _without_places(self, waiting: pa.RecordBatch) -> pa.RecordBatch:
        return pa.RecordBatch.from_arrays(waiting.columns[: len(self._schema)], schema=self._schema)

    def _as_blocks(self, waiting: pa.RecordBatch, chosen: Mask) -> Iterator[Block]:
        """Some rows, each as a block of its own, with its place."""
        lines, files = _numbers(waiting, 1), _numbers(waiting, 2)
        rows = self._without_places(waiting)
        for row in np.flatnonzero(chosen).tolist():
            file = self._files[files[row]]
            yield Block(file=file, rows=rows.slice(row, 1), lines=lines[row : row + 1], keyed=self._keyed)

    def _told(self, waiting: pa.RecordBatch, wrong: Mask) -> Iterator[BadRow]:
        for block in self._as_blocks(waiting, wrong):
            shown = key_text(block.rows.to_pylist()[0], self._data.key)
            message = f"the row repeats the key of an earlier row: {shown}"
            yield bad_row(block, 0, self._data.key, Reason.DUPLICATE_KEY, message, None)

    def _refuse_repeats(self, part: int) -> None:
        again, first = self._repeated()
        repeated = 0
        earliest: tuple[int, BadRow] | None = None
        for waiting in self._rows.rows(part):
            wrong = _among(_numbers(waiting, 0), again)
            repeated += int(np.count_nonzero(wrong))
            if earliest is None and wrong.any():
                row = int(np.flatnonzero(wrong)[0])
                number = int(_numbers(waiting, 0)[row])
                earliest = number, next(self._told(waiting, np.arange(waiting.num_rows) == row))
        if earliest is None:
            return
        number, told = earliest
        original = int(first[np.searchsorted(again, number)])
        for waiting in self._rows.rows(part):
            for block in self._as_blocks(waiting, _numbers(waiting, 0) == original):
                place = bad_row(block, 0, self._data.key, Reason.DUPLICATE_KEY, "", None).place
                rows = "1 row repeats" if repeated == 1 else f"{repeated} rows repeat"
                shown = key_text(block.rows.to_pylist()[0], self._data.key)
                raise MalformedData(
                    f"{rows} the key of an earlier row, first {shown}",
                    where=f"{place} and {told.place}",
                    next_step=_NEXT_DUPLICATE,
                )


def _numbers(waiting: pa.RecordBatch, which: int) -> Numbers:
    numbers: Numbers = waiting.column(waiting.num_columns - len(_PLACES) + which).to_numpy()
    return numbers


def _among(numbers: Numbers, ordered: Numbers) -> Mask:
    """Which numbers are among ordered ones."""
    if not len(ordered):
        return np.zeros(len(numbers), bool)
    place = np.searchsorted(ordered, numbers)
    found: Mask = ordered[np.minimum(place, len(ordered) - 1)] == numbers
    return found
