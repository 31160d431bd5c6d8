"""Any file, without a pipeline: its columns' types found by reading it once, its rows by reading it again.

Text has no types. A column of CSV is what TensorFlow Data Validation takes it for: whole numbers, else numbers, else
strings, the first of these that all its values are. ``007`` is a whole number, ``nan`` and ``inf`` are numbers, and an
empty cell is missing. A column with bytes that are no UTF-8 is one of bytes. JSON and Parquet have types of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath
from typing import Literal, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from mlcore.config.data import ColumnType
from mlcore.errors import MalformedData, quoted
from mlcore.ingest.blocks import Block
from mlcore.ingest.columns import ARROW_TYPES
from mlcore.ingest.formats.csv_format import CsvOptions, csv_header, read_csv
from mlcore.ingest.formats.json_lines import read_json_lines
from mlcore.ingest.formats.json_types import infer_json_types
from mlcore.ingest.formats.parquet import parquet_schema, read_parquet
from mlcore.ingest.formats.stream import expand

FormatName: TypeAlias = Literal["csv", "json_lines", "parquet"]
_ENDINGS: dict[str, FormatName] = {
    ".parquet": "parquet", ".pq": "parquet", ".jsonl": "json_lines", ".ndjson": "json_lines", ".csv": "csv",
    ".tsv": "csv",
}  # fmt: skip
_COMPRESSED = (".gz", ".zst")


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Rows of one or more files with equal columns; nothing is held in memory but the block being looked at.

    Attributes:
        path: What was opened.
        files: The files it stands for.
        schema: The columns and their types.
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

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows; may be called again.

        Raises:
            MalformedData: A row is bad, for instance ragged.
        """
        for block in self.blocks():
            if block.bad:
                raise block.bad[0].error()
            if block.rows.num_rows:
                yield block.rows

    def read(self) -> pa.Table:
        """All rows in memory."""
        return pa.Table.from_batches(self.batches(), self.schema)


def open_table(
    path: str,
    *,
    columns: Mapping[str, ColumnType] | None = None,
    format: FormatName | None = None,
    options: CsvOptions | None = None,
) -> Table:
    """Open a CSV, JSON Lines or Parquet file, a glob, a folder of such files, or any fsspec URL.

    Args:
        path: The format is told by the name's ending, before ``.gz`` or ``.zst``; CSV where that says nothing.
        columns: The types of columns that are not to be inferred.
        format: The format, where the name does not tell it.
        options: How CSV is written.

    Raises:
        DataError: It cannot be read.
        MalformedData: It is not what its name says, or a row is ragged, or columns differ between files.
        ConfigError: The options cannot be.
    """
    files = expand(path)
    kind = format or format_of(files[0])
    options = options or CsvOptions(delimiter="\t" if PurePosixPath(_stem(files[0])).suffix == ".tsv" else ",")
    given = {name: ARROW_TYPES[type_] for name, type_ in (columns or {}).items()}
    schema = _schema(files, kind, options, given)
    for name in given:
        if name not in schema.names:
            raise MalformedData(
                f"the file lacks the column {quoted(name, limit=40)}; it has {', '.join(schema.names[:40])}",
                where=path,
                next_step="correct the name",
            )
    return Table(path=path, files=files, format=kind, schema=schema, options=options)


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
    pure = PurePosixPath(path)
    return str(pure.with_suffix("")) if pure.suffix.lower() in _COMPRESSED else path


def _schema(
    files: tuple[str, ...], kind: FormatName, options: CsvOptions, given: Mapping[str, pa.DataType]
) -> pa.Schema:
    if kind == "csv":
        return _csv_schema(files, options, given)
    found = infer_json_types(files) if kind == "json_lines" else _parquet_types(files)
    return pa.schema([(name, given.get(name, type_)) for name, type_ in found.items()])


def _parquet_types(files: tuple[str, ...]) -> dict[str, pa.DataType]:
    schema = parquet_schema(files[0])
    return {each.name: each.type.value_type if pa.types.is_dictionary(each.type) else each.type for each in schema}


def _csv_schema(files: tuple[str, ...], options: CsvOptions, given: Mapping[str, pa.DataType]) -> pa.Schema:
    names = csv_header(files[0], options)
    found = {name: _Candidates() for name in names if name not in given}
    for file in files:
        for block in read_csv(file, options, dict.fromkeys(names, pa.binary())):
            if block.bad:
                raise block.bad[0].error()
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
            trimmed = pc.utf8_trim(values, " \t")
            self.left = [type_ for type_ in self.left if _fits(trimmed, type_)]


def _fits(values: pa.Array, type_: pa.DataType) -> bool:
    if type_ == pa.int64() and not pc.all(pc.match_substring_regex(values, "^-?[0-9]+$")).as_py():
        return False  # Arrow would take 0x1F for a number
    try:
        values.cast(type_)
    except pa.ArrowInvalid:
        return False
    return True
