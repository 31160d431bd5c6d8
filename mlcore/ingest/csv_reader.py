"""Reads one span's CSV file into the configured columns."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from mlcore.config.pipeline import CsvSource, Data
from mlcore.core.window import Span
from mlcore.errors import ConfigError, DataError, MalformedData
from mlcore.ingest import csv_faults
from mlcore.ingest.columns import column_types
from mlcore.ingest.compression import read_decompressed
from mlcore.ingest.paths import span_missing
from mlcore.ingest.sources import reader

_NO_ROWS_NEXT = "deliver the span's rows; if the span truly has none, choose a window without it"


@dataclass(frozen=True, kw_only=True, slots=True)
class CsvRows:
    """The rows of a CSV file."""

    table: pa.Table
    path: Path
    text: bytes
    source: CsvSource

    def location(self, row: int) -> str:
        line = csv_faults.line_of_row(self.text, self.source, row)
        return f"{self.path}:{line}"


@reader("csv")
def read_csv(path: Path, data: Data, span: Span) -> CsvRows:
    """The configured columns of a CSV file with a header, in the configured order.

    A cell that equals one of ``null_values``, quoted or not, is missing. Timestamps need an offset or ``Z``.

    Raises:
        SpanMissing: The file is not there.
        MalformedData: It is empty, cut off, lacks a column, or a value is not of its column's type.
        ConfigError: The encoding is unknown.
    """
    source = data.source
    assert isinstance(source, CsvSource)
    _check_encoding(source.encoding)
    text = _content(path, span)
    if not text.strip():
        raise MalformedData("the file is empty: it has no header", where=str(path), next_step=_NO_ROWS_NEXT)
    types = column_types(data)
    csv_faults.check_header(text, source, list(types), path)
    try:
        table = convert(text, source, types)
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise csv_faults.explain(error, text, source, types, path) from error
    if not table.num_rows:
        raise MalformedData("the file has a header and no rows", where=str(path), next_step=_NO_ROWS_NEXT)
    return CsvRows(table=table, path=path, text=text, source=source)


def convert(text: bytes, source: CsvSource, types: dict[str, pa.DataType]) -> pa.Table:
    """The named columns of CSV text, on one thread: files are small, and spans are read side by side."""
    return pyarrow.csv.read_csv(
        pa.BufferReader(text),
        read_options=pyarrow.csv.ReadOptions(use_threads=False, encoding=source.encoding, block_size=_BLOCK_BYTES),
        parse_options=pyarrow.csv.ParseOptions(delimiter=source.delimiter, newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=types,
            include_columns=list(types),
            null_values=list(source.null_values),
            strings_can_be_null=True,
        ),
    )


_BLOCK_BYTES = 2**22


def _check_encoding(encoding: str) -> None:
    try:
        codecs.lookup(encoding)
    except LookupError as error:
        raise ConfigError(
            f"unknown encoding {encoding!r}",
            where="data.source.encoding",
            next_step="write a name Python knows, for instance utf-8, latin-1 or cp1252",
        ) from error


def _content(path: Path, span: Span) -> bytes:
    try:
        return read_decompressed(path)
    except FileNotFoundError as error:
        raise span_missing([(span, path)]) from error
    except OSError as error:
        raise DataError(
            f"cannot read the file of the span {span.label}: {error.strerror or error}",
            where=str(path),
            next_step="check that it is a file and that this user may read it",
        ) from error
