"""Any file, without a pipeline: its columns' types found by reading it once, its rows by reading it again.

Text has no types. A column of CSV is what TensorFlow Data Validation takes it for: whole numbers, else numbers, else
strings, the first of these that all its values are. ``007`` and ``+7`` are whole numbers, ``nan`` and ``inf`` are
numbers, and an empty cell is missing. A column with bytes that are no UTF-8 is one of bytes. JSON and Parquet have
types of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath
from typing import Literal, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from mlcore.config.data import ColumnType
from mlcore.errors import MalformedData, quoted
from mlcore.ingest.blocks import BadRow, Block, too_many_bad_rows
from mlcore.ingest.columns import arrow_type
from mlcore.ingest.formats.convert import as_numbers
from mlcore.ingest.formats.csv_format import CsvOptions, csv_header, read_csv
from mlcore.ingest.formats.json_lines import read_json_lines
from mlcore.ingest.formats.json_types import infer_json_types
from mlcore.ingest.formats.parquet import parquet_schema, read_parquet
from mlcore.ingest.places import existing_files, name_of

FormatName: TypeAlias = Literal["csv", "json_lines", "parquet"]
_ENDINGS: dict[str, FormatName] = {
    ".parquet": "parquet", ".pq": "parquet", ".jsonl": "json_lines", ".ndjson": "json_lines", ".csv": "csv",
    ".tsv": "csv",
}  # fmt: skip
_COMPRESSED = (".gz", ".zst")
_OTHER_DELIMITERS = (";", "\t", "|")
KEPT_BAD_ROWS = 10
"""So many bad rows are kept with their places; the others are counted."""


@dataclass(slots=True)
class BadRows:
    """The rows of a table that could not be read: left out, counted, and the first of them kept.

    Attributes:
        most: So much of all rows may be bad.
        first: The first of them, at most :data:`KEPT_BAD_ROWS`.
    """

    most: float
    rows: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    first: list[BadRow] = field(default_factory=list)

    @property
    def count(self) -> int:
        return self.reasons.total()

    @property
    def by_reason(self) -> dict[str, int]:
        """The most frequent reason first, equals by name."""
        return dict(sorted(self.reasons.items(), key=lambda item: (-item[1], item[0])))

    def add(self, block: Block) -> None:
        """Count the rows of a block, the good ones too."""
        self.rows += block.total
        self.reasons.update(bad.reason.value for bad in block.bad)
        self.first += block.bad[: KEPT_BAD_ROWS - len(self.first)]

    def clear(self) -> None:
        """Forget all that was counted."""
        self.rows = 0
        self.reasons.clear()
        self.first.clear()

    def check(self) -> None:
        """Called when all rows were counted.

        Raises:
            MalformedData: More of them are bad than may be; the message has the first places.
        """
        if self.count > self.most * self.rows:
            raise too_many_bad_rows(self.first, self.by_reason, self.rows, self.most)


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Rows of one or more files with equal columns; nothing is held in memory but the block being looked at.

    Attributes:
        path: What was opened.
        files: The files it stands for that hold anything.
        schema: The columns and their types; none where no file holds anything.
    """

    path: str
    files: tuple[str, ...]
    format: FormatName
    schema: pa.Schema
    options: CsvOptions = field(default_factory=CsvOptions)

    def blocks(self) -> Iterator[Block]:
        """The rows with their places, and those that are bad; may be called again."""
        types = dict(zip(self.schema.names, self.schema.types, strict=True))
        for file in self.files:
            yield from read_blocks(file, self.format, types, self.options)

    def batches(self, bad: BadRows | None = None) -> Iterator[pa.RecordBatch]:
        """The rows; may be called again.

        Args:
            bad: Counts the bad rows, which are left out. By default none may be bad.

        Raises:
            MalformedData: A row is bad, for instance ragged, or more of them than may be.
        """
        for block in self.blocks():
            if bad is not None:
                bad.add(block)
            elif block.bad:
                raise block.bad[0].error()
            if block.rows.num_rows:
                yield block.rows
        if bad is not None:
            bad.check()

    def read(self, bad: BadRows | None = None) -> pa.Table:
        """All rows in memory."""
        return pa.Table.from_batches(self.batches(bad), self.schema)


def open_table(
    path: str,
    *,
    columns: Mapping[str, ColumnType] | None = None,
    texts: Collection[str] = (),
    format: FormatName | None = None,
    options: CsvOptions | None = None,
    nulls: Sequence[str] = (),
) -> Table:
    """Open a CSV, JSON Lines or Parquet file, a glob, a folder of such files, or any fsspec URL.

    Bad rows are of no account for the types. A file of CSV or JSON Lines that is empty has no columns and no rows.

    Args:
        path: The format is told by the name's ending, before ``.gz`` or ``.zst``; CSV where that says nothing.
        columns: The types of columns that are not to be inferred.
        texts: Columns of CSV whose values are strings, whatever they look like; they need not be there.
        format: The format, where the name does not tell it.
        options: How CSV is written; by default with commas, or tabs where the name ends in ``.tsv``. A header of one
            name with semicolons, tabs or bars in it, as spreadsheets of half the world write it, is divided by these.
        nulls: Texts of CSV that mean missing, beside the empty cell; where ``options`` are not given.

    Raises:
        DataError: It cannot be read.
        MalformedData: It is not what its name says, or columns differ between files.
        ConfigError: The options cannot be.
    """
    files = tuple(file.path for file in existing_files(path))
    kind = format or format_of(files[0])
    if options is None:
        mark = _delimiter(files[0]) if kind == "csv" else ","
        options = CsvOptions(delimiter=mark, null_values=("", *nulls))
    given = {name: arrow_type(type_) for name, type_ in (columns or {}).items()}
    wanted = given | (dict.fromkeys(texts, pa.string()) if kind == "csv" else {})
    files, schema = _opened(files, kind, options, wanted)
    for name in given:
        if name not in schema.names:
            raise MalformedData(
                f"the file lacks the column {quoted(name, limit=40)}; it has {', '.join(schema.names[:40])}",
                where=path,
                next_step="give a file that has it, or correct the name",
            )
    return Table(path=path, files=files, format=kind, schema=schema, options=options)


def _delimiter(file: str) -> str:
    """What divides the cells of a file of CSV, by its name or its header."""
    if PurePosixPath(_stem(file)).suffix == ".tsv":
        return "\t"
    names = csv_header(file, CsvOptions())
    return next((mark for mark in _OTHER_DELIMITERS if mark in names[0]), ",") if len(names) == 1 else ","


def format_of(path: str) -> FormatName:
    """The format that a file's name tells; CSV where it tells none."""
    return _ENDINGS.get(PurePosixPath(_stem(path)).suffix.lower(), "csv")


def read_blocks(
    file: str, format: FormatName, types: Mapping[str, pa.DataType], options: CsvOptions
) -> Iterator[Block]:
    """The rows of one file in a format, in the types."""
    readers = {"csv": partial(read_csv, options=options), "json_lines": read_json_lines, "parquet": read_parquet}
    return readers[format](file, types=types)  # type: ignore[operator, no-any-return]


def _stem(path: str) -> str:
    pure = PurePosixPath(name_of(path))
    return pure.stem if pure.suffix.lower() in _COMPRESSED else pure.name


def _opened(
    files: tuple[str, ...], kind: FormatName, options: CsvOptions, given: Mapping[str, pa.DataType]
) -> tuple[tuple[str, ...], pa.Schema]:
    """The files that hold anything, and their columns."""
    if kind == "csv":
        named = {file: names for file in files if (names := csv_header(file, options))}
        _check_equal(named)
        return tuple(named), _csv_schema(named, options, given)
    if kind == "parquet":
        found = {file: parquet_schema(file) for file in files}
        _check_equal({file: schema.names for file, schema in found.items()})
        types = {each.name: _plain(each, files[0]) for each in found[files[0]]}
    else:
        types = infer_json_types(files)
    return files, pa.schema([(name, given.get(name, type_)) for name, type_ in types.items()])


def _check_equal(named: Mapping[str, Sequence[str]]) -> None:
    """Columns that a later file alone has would be left out in silence."""
    if not named:
        return
    first, *others = named
    for file in others:
        differing = sorted(set(named[file]) ^ set(named[first]))
        if differing:
            raise MalformedData(
                f"the columns differ from those of {PurePosixPath(first).name}: "
                + quoted(", ".join(differing[:20]), limit=300),
                where=file,
                next_step="give files of equal columns, or one of them alone",
            )


def _plain(column: pa.Field, file: str) -> pa.DataType:
    """The type a column is read in: of several that hold the same, one."""
    is_, kind = pa.types, column.type
    if is_.is_dictionary(kind):
        kind = kind.value_type
    if is_.is_nested(kind) or is_.is_time(kind) or is_.is_duration(kind) or is_.is_interval(kind):
        raise MalformedData(
            f"column {quoted(column.name, limit=40)} is of type {quoted(str(kind), limit=80)}, which cannot be read",
            where=file,
            next_step="flatten it in the export: a column has one value a row; times and durations as numbers",
        )
    if is_.is_timestamp(kind):
        return pa.timestamp("us", tz=kind.tz)
    if is_.is_large_string(kind) or is_.is_string_view(kind):
        return pa.string()
    if is_.is_large_binary(kind) or is_.is_binary_view(kind) or is_.is_fixed_size_binary(kind):
        return pa.binary()
    return kind


def _csv_schema(named: Mapping[str, list[str]], options: CsvOptions, given: Mapping[str, pa.DataType]) -> pa.Schema:
    names = next(iter(named.values()), [])
    found = {name: _Candidates() for name in names if name not in given}
    for file in named:
        for block in read_csv(file, options, dict.fromkeys(names, pa.binary())):
            for name, candidates in found.items():
                candidates.add(block.rows.column(name))
    return pa.schema([(name, given[name] if name in given else found[name].type) for name in names])


@dataclass(slots=True)
class _Candidates:
    """What the cells of a column can all be: only ever fewer types, so the order of the rows is of no account."""

    left: list[pa.DataType] = field(default_factory=lambda: [pa.int64(), pa.float64(), pa.string()])
    any: bool = False

    @property
    def type(self) -> pa.DataType:
        """Of the types that are left the first; strings where there was no value."""
        if not self.any:
            return pa.string()
        return self.left[0] if self.left else pa.binary()

    def add(self, cells: pa.Array) -> None:
        if cells.null_count == len(cells) or not self.left:
            return
        self.any = True
        try:
            values = cells.dictionary_encode().dictionary.cast(pa.string())
        except pa.ArrowInvalid:
            self.left = []
            return
        if len(self.left) > 1:
            numbers = as_numbers(values)
            self.left = [type_ for type_ in self.left if _fits(numbers, type_)]


def _fits(values: pa.Array, type_: pa.DataType) -> bool:
    if type_ == pa.int64() and not pc.all(pc.match_substring_regex(values, "^-?[0-9]+$")).as_py():
        return False  # Arrow would take 0x1F for a number
    try:
        values.cast(type_)
    except pa.ArrowInvalid:
        return False
    return True
