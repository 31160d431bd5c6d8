"""CSV with a header: a block at a time by pyarrow, and where that fails row by row in arrays."""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.csv

from mlcore.errors import ConfigError, MalformedData, quoted
from mlcore.ingest.blocks import BadRow, Block, Reason, bounded_text
from mlcore.ingest.formats.casting import Mask
from mlcore.ingest.formats.convert import PLAIN, Notation, converted, decoded, wrong_value
from mlcore.ingest.formats.records import Dialect, Positions, Records, find_records, split_cells
from mlcore.ingest.formats.stream import PIECE_BYTES, pieces

MOST_RECORD_BYTES = 1 << 24
"""A row of more bytes is bad: most likely a quote in it is never closed."""
_MOST_UNCLOSED = 100
_NAMED_COLUMNS = 40
_MARK = b"\xef\xbb\xbf"
_NO_ROWS_NEXT = "deliver the span's rows; if the span truly has none, choose a window without it"


@dataclass(frozen=True, kw_only=True, slots=True)
class CsvOptions:
    """How a CSV file is written.

    Attributes:
        quote: The character around cells that hold delimiters or line ends; empty: there is none.
        null_values: Texts that stand for a missing value.
        quoted_nulls: Whether such a text is a missing value inside quotes too; if not, ``""`` is an empty string.
        notation: How numbers, bools and moments are written.
        formats: By column of dates or moments, how it is written.
    """

    delimiter: str = ","
    quote: str = '"'
    encoding: str = "utf-8"
    null_values: tuple[str, ...] = ("",)
    quoted_nulls: bool = True
    notation: Notation = PLAIN
    formats: Mapping[str, str] = field(default_factory=dict)

    def notation_of(self, column: str) -> Notation:
        """How the cells of a column are written."""
        return replace(self.notation, format=self.formats.get(column))

    @property
    def dialect(self) -> Dialect:
        for key, value in (("delimiter", self.delimiter), ("quote", self.quote)):
            if not value.isascii() or value in ("\r", "\n") or (not value and key == "delimiter"):
                raise ConfigError(
                    f"{quoted(value)} cannot be the {key}",
                    where=f"data.source.{key}",
                    next_step="choose one ASCII character, for instance , or ; or a tab",
                )
        if self.delimiter == self.quote:
            raise ConfigError(
                f"{quoted(self.quote)} is the delimiter and the quote",
                where="data.source.quote",
                next_step="choose another, or an empty one where quotes are ordinary text",
            )
        return Dialect(self.delimiter.encode(), self.quote.encode() or None)


def csv_header(path: str, options: CsvOptions) -> list[str]:
    """The names of the columns; none of a file that is empty.

    Raises:
        MalformedData: They cannot be decoded, or compressed data is damaged.
        DataError: The file cannot be read.
    """
    return _Reader(path, options).header()


def read_csv(path: str, options: CsvOptions, types: Mapping[str, pa.DataType]) -> Iterator[Block]:
    """The columns of the types, in their order; other columns are left out. Blank lines are no rows.

    Raises:
        MalformedData: There is no header, a column is not in it or twice, or compressed data is damaged.
        DataError: The file cannot be read.
        ConfigError: The options cannot be.
    """
    yield from _Reader(path, options, dict(types)).blocks()


@dataclass(slots=True)
class _Reader:
    path: str
    options: CsvOptions
    types: dict[str, pa.DataType] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    line: int = 1
    unclosed: int = 0

    def header(self) -> list[str]:
        for text, found, _ in self._texts():
            if (record := self._first(text, found)) is not None:
                return self._named(record[0])
        return []

    def blocks(self) -> Iterator[Block]:
        for text, found, broken in self._texts():
            start = 0
            if broken and self.names:
                yield self._broken(text)
            elif not self.names:
                first = self._first(text, found)
                if first is None:
                    self.line += len(found.lines)
                    continue
                self.names = self._named(first[0])
                self._check_names()
                start = first[1]
            if not broken:
                yield from self._block(text, found, start)
            self.line += int(np.searchsorted(found.lines, found.ends[-1], side="right"))
        if not self.names:
            raise self._empty()

    def _texts(self) -> Iterator[tuple[bytes, Records, bool]]:
        """Pieces of whole records; the flag marks what is a broken row by itself."""
        dialect, rest, final = self.options.dialect, b"", False
        source = self._utf8()
        wanted = 1
        while not final:
            piece = next(source, None)
            final = piece is None
            rest += piece or b""
            if not final and len(rest) < wanted:
                continue
            while rest:
                found = find_records(rest, dialect, final=final)
                if found.ends.size:
                    yield rest[: found.ends[-1]], found, False
                    rest, wanted = rest[found.ends[-1] :], 1
                elif final or len(rest) > MOST_RECORD_BYTES:
                    rest = yield from self._drop_line(rest, found, source)
                    continue
                else:
                    wanted = 2 * len(rest)
                if not final:
                    break

    def _drop_line(
        self, rest: bytes, found: Records, source: Iterator[bytes]
    ) -> Generator[tuple[bytes, Records, bool], None, bytes]:
        """Give the first line of a record that has no end as a broken row; what follows the line is returned."""
        self.unclosed += 1
        if self.unclosed > _MOST_UNCLOSED:
            raise MalformedData(
                f"a quote is never closed, or a row has more than {MOST_RECORD_BYTES} bytes, {self.unclosed} times",
                where=f"{self.path}:{self.line}",
                next_step="check the file's quotes (data.source.quote; empty where quotes are ordinary text)",
            )
        ends = found.lines
        while not ends.size and (piece := next(source, None)) is not None:
            rest = rest[:PIECE_BYTES] + piece  # of a line so long only the beginning is kept
            ends = find_records(rest, Dialect(self.options.dialect.delimiter, None), final=False).lines
        end = int(ends[0]) if ends.size else len(rest)
        last = np.array([end])
        yield rest[:end], Records(last, last, found.delimiters), True
        return rest[end:]

    def _utf8(self) -> Iterator[bytes]:
        """The file's text in UTF-8; bytes that cannot be decoded become what is no UTF-8 either."""
        encoding = self.options.encoding
        try:
            name = codecs.lookup(encoding).name
        except (LookupError, ValueError) as error:
            raise ConfigError(
                f"unknown encoding {quoted(encoding)}",
                where="data.source.encoding",
                next_step="write a name Python knows, for instance utf-8, latin-1 or cp1252",
            ) from error
        if name in ("utf-8", "ascii", "utf-8-sig"):
            yield from self._unmarked()
            return
        decoder = codecs.getincrementaldecoder(name)("surrogateescape")
        try:
            first = True
            for piece in pieces(self.path):
                text = decoder.decode(piece)
                yield (text.removeprefix("\ufeff") if first else text).encode("utf-8", "surrogatepass")
                first = first and not text
            yield decoder.decode(b"", final=True).encode("utf-8", "surrogatepass")
        except UnicodeError as error:
            raise MalformedData(
                f"the file cannot be decoded as {encoding}: {quoted(str(error))}",
                where=self.path,
                next_step="write the file's real encoding as data.source.encoding, or export UTF-8",
            ) from error

    def _unmarked(self) -> Iterator[bytes]:
        first = True
        for piece in pieces(self.path):
            yield piece[len(_MARK) :] if first and piece.startswith(_MARK) else piece
            first = False

    def _first(self, text: bytes, found: Records) -> tuple[bytes, int] | None:
        """The first record that is not blank, and where it ends."""
        start = 0
        for end in found.ends.tolist():
            if text[start:end].strip():
                return text[start:end], end
            start = end
        return None

    def _named(self, record: bytes) -> list[str]:
        cells = split_cells(record, self.options.dialect)
        try:
            return [cell.decode() for cell in cells]
        except UnicodeDecodeError as error:
            raise MalformedData(
                f"the bytes {quoted(bytes(error.object[error.start : error.start + 8]))} of the header "
                f"are not {self.options.encoding}",
                where=f"{self.path}:1",
                next_step="write the file's real encoding as data.source.encoding (often cp1252 or latin-1), "
                "or export UTF-8",
            ) from error

    def _check_names(self) -> None:
        named = Counter(self.names)
        missing = [name for name in self.types if name not in named]
        if missing:
            raise MalformedData(
                f"the file lacks {_columns(missing)}; it has {_columns(self.names)}",
                where=f"{self.path}:1",
                next_step="correct the export, or data.columns and data.source.delimiter in the pipeline file",
            )
        twice = [name for name in self.types if named[name] > 1]
        if twice:
            raise MalformedData(
                f"the header names {_columns(twice)} more than once",
                where=f"{self.path}:1",
                next_step="give each column of the export a name of its own",
            )

    def _empty(self) -> MalformedData:
        return MalformedData("the file is empty: it has no header", where=self.path, next_step=_NO_ROWS_NEXT)

    def _block(self, text: bytes, found: Records, start: int) -> Iterator[Block]:
        ends = found.ends[found.ends > start]
        starts = np.concatenate(([start], ends[:-1])).astype(np.int64) if ends.size else ends
        keep = ~_blank(text, starts, ends)
        starts, ends = starts[keep], ends[keep]
        if not ends.size:
            return
        lines = self.line + np.searchsorted(found.lines, starts, side="right")
        try:
            table = self._parse(text[start:], self._arrows_types())
            if table.num_rows == len(ends) and (rows := self._rows(_batch(table))) is not None:
                yield Block(file=self.path, rows=rows, lines=lines)
                return
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            pass
        yield self._slow(text, found.delimiters, starts, ends, lines)

    def _arrows_types(self) -> dict[str, pa.DataType]:
        """What Arrow's reader can make of the cells; of what it cannot it makes text."""
        written = self.options.notation_of
        return {name: pa.string() if written(name).parses(kind) else kind for name, kind in self.types.items()}

    def _rows(self, read: pa.RecordBatch) -> pa.RecordBatch | None:
        """Arrow's rows in our types; ``None`` where one of them has no value of its type."""
        columns = []
        for column, (name, kind) in zip(read.columns, self.types.items(), strict=True):
            if column.type != kind:
                column, wrong = converted(column, kind, self.options.notation_of(name))
                if wrong.any():
                    return None
            columns.append(column)
        return pa.RecordBatch.from_arrays(columns, schema=pa.schema(list(self.types.items()))) if columns else read

    def _slow(
        self, text: bytes, delimiters: Callable[[], Positions], starts: Positions, ends: Positions, lines: Positions
    ) -> Block:
        """The same rows, where not all are good."""
        places = delimiters()
        cells = np.searchsorted(places, ends) - np.searchsorted(places, starts) + 1
        ragged = cells != len(self.names)
        bad = [self._ragged(text, starts, ends, lines, cells, row) for row in np.flatnonzero(ragged).tolist()]
        starts, ends, lines = starts[~ragged], ends[~ragged], lines[~ragged]
        kept = b"".join(_terminated(text[a:b]) for a, b in zip(starts.tolist(), ends.tolist(), strict=True))
        schema = pa.schema(list(self.types.items()))
        if not len(starts):
            return Block(file=self.path, rows=_nothing(schema), lines=lines, bad=tuple(bad))
        try:
            table = self._parse(kept, dict.fromkeys(self.types, pa.binary()))
        except pa.ArrowInvalid as error:
            raise self._unexplained(error) from error
        if table.num_rows != len(starts):
            raise self._unexplained(ValueError(f"{len(starts)} rows were counted and {table.num_rows} read"))
        columns, wrong = [], np.zeros(len(starts), bool)
        for name, kind in self.types.items():
            column, faults = self._column(name, kind, table[name].combine_chunks())
            for row in np.flatnonzero([fault is not None for fault in faults] if faults else []).tolist():
                if not wrong[row]:
                    reason, message = faults[row]  # type: ignore[misc]
                    text_of = bounded_text(text[starts[row] : min(ends[row], starts[row] + 4096)])
                    bad.append(self._bad(int(lines[row]), reason, message, name, text_of))
                    wrong[row] = True
            columns.append(column)
        rows = pa.RecordBatch.from_arrays(columns, schema=schema)
        rows = rows.filter(pa.array(~wrong)) if wrong.any() else rows
        bad.sort(key=lambda row: row.line)
        return Block(file=self.path, rows=rows, lines=lines[~wrong], bad=tuple(bad))

    def _column(
        self, name: str, kind: pa.DataType, cells: pa.Array
    ) -> tuple[pa.Array, list[tuple[Reason, str] | None]]:
        if pa.types.is_binary(kind):
            return cells, []
        texts, damaged = decoded(cells)
        values, wrong = converted(texts, kind, self.options.notation_of(name))
        if not (damaged.any() or wrong.any()):
            return values, []
        return values, self._faults(name, kind, cells, damaged, wrong)

    def _faults(
        self, name: str, kind: pa.DataType, cells: pa.Array, damaged: Mask, wrong: Mask
    ) -> list[tuple[Reason, str] | None]:
        faults: list[tuple[Reason, str] | None] = [None] * len(cells)
        for row in np.flatnonzero(damaged | wrong).tolist():
            cell = cells[row].as_py()
            if damaged[row]:
                shown = quoted(_undecodable(cell, self.options.encoding))
                message = f"column {name}: the bytes {shown} are not {self.options.encoding}"
                faults[row] = (Reason.UNDECODABLE, message)
            else:
                message = wrong_value(name, cell.decode(), kind, self.options.notation_of(name))
                faults[row] = (Reason.UNPARSABLE, message)
        return faults

    def _ragged(
        self, text: bytes, starts: Positions, ends: Positions, lines: Positions, cells: Positions, row: int
    ) -> BadRow:
        raw = text[starts[row] : ends[row]]
        message = f"the line has {cells[row]} cells and the header {len(self.names)}"
        return self._bad(int(lines[row]), Reason.RAGGED, message, None, bounded_text(raw[:4096]))

    def _broken(self, text: bytes) -> Block:
        message = f"a quote is never closed, or the row has more than {MOST_RECORD_BYTES} bytes"
        bad = self._bad(self.line, Reason.RAGGED, message, None, bounded_text(text[:4096]))
        rows = _nothing(pa.schema(list(self.types.items())))
        return Block(file=self.path, rows=rows, lines=np.array([], np.int64), bad=(bad,))

    def _bad(self, line: int, reason: Reason, message: str, column: str | None, text: str) -> BadRow:
        return BadRow(file=self.path, line=line, reason=reason, message=message, column=column, text=text)

    def _parse(self, text: bytes, types: dict[str, pa.DataType]) -> pa.Table:
        options, quote = self.options, self.options.quote
        return pyarrow.csv.read_csv(
            pa.BufferReader(text),
            read_options=pyarrow.csv.ReadOptions(
                use_threads=False, block_size=max(len(text), 1), column_names=self.names
            ),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=options.delimiter,
                quote_char=quote or False,
                newlines_in_values=bool(quote) and quote.encode() in text,
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=types,
                include_columns=list(types),
                null_values=list(options.null_values),
                strings_can_be_null=True,
                quoted_strings_can_be_null=options.quoted_nulls,
                decimal_point=options.notation.decimal,
                true_values=list(options.notation.true_values),
                false_values=list(options.notation.false_values),
            ),
        )

    def _unexplained(self, error: Exception) -> MalformedData:
        return MalformedData(
            f"the file cannot be parsed: {quoted(str(error), limit=300)}",
            where=f"{self.path}:{self.line}",
            next_step="check its quotes and its delimiter (data.source.delimiter)",
        )


def _blank(text: bytes, starts: Positions, ends: Positions) -> Mask:
    """Records without any character."""
    raw = np.frombuffer(text, np.uint8)
    return (ends - starts <= 2) & np.isin(raw[starts], (10, 13))


def _terminated(record: bytes) -> bytes:
    return record if record.endswith((b"\n", b"\r")) else record + b"\n"


def _undecodable(cell: bytes, encoding: str) -> bytes:
    try:
        cell.decode()
    except UnicodeDecodeError as error:
        cell = cell[error.start : error.start + 8]
    try:
        return cell.decode("utf-8", "surrogatepass").encode(encoding, "surrogateescape")
    except UnicodeError:
        return cell


def _batch(table: pa.Table) -> pa.RecordBatch:
    return table.combine_chunks().to_batches()[0] if table.num_columns else pa.record_batch({})


def _nothing(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([], kind) for kind in schema.types], schema=schema)


def _columns(names: list[str]) -> str:
    shown = ", ".join(quoted(name, limit=40) for name in names[:_NAMED_COLUMNS])
    more = f" and {len(names) - _NAMED_COLUMNS} more" if len(names) > _NAMED_COLUMNS else ""
    return f"the column{'' if len(names) == 1 else 's'} {shown or '(none)'}{more}"
