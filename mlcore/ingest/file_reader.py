"""Reads one span's file, in any format, into the configured columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol

import pyarrow as pa
from pydantic import JsonValue

from mlcore.config.data import Data
from mlcore.config.sources import SOURCE_PLUGINS, CsvSource, JsonLinesSource, ParquetSource, PluginSource
from mlcore.core.window import Span
from mlcore.errors import MalformedData
from mlcore.ingest.blocks import Block
from mlcore.ingest.columns import column_types
from mlcore.ingest.formats.convert import Notation
from mlcore.ingest.formats.csv_format import CsvOptions, read_csv
from mlcore.ingest.formats.json_lines import read_json_lines
from mlcore.ingest.formats.parquet import read_parquet
from mlcore.ingest.paths import span_missing
from mlcore.ingest.places import File, list_files
from mlcore.ingest.sources import FILES, reader


class ReadFile(Protocol):
    """A format of an installed package: an entry point of the group ``mlcore.sources``, named as its source's type.

    It gives every row of the file in one of the blocks, as a row of the types or as a bad row.

    Args:
        path: The file.
        types: The columns that are wanted, in order.
        options: The keys of the source's section other than ``type`` and ``path``.
    """

    def __call__(
        self, path: str, types: Mapping[str, pa.DataType], options: Mapping[str, JsonValue]
    ) -> Iterator[Block]: ...


@reader(FILES)
def read_file(path: Path, data: Data, span: Span) -> Iterator[Block]:
    """The configured columns of the files of a place, in the configured order, and the rows that could not be read.

    Raises:
        SpanMissing: The file is not there.
        MalformedData: It cannot be read, or has no rows.
        ConfigError: The source's options cannot be.
    """
    files = list_files(str(path))
    if not files:
        raise span_missing([(span, path)])
    rows = 0
    for block in _blocks(files, data):
        rows += block.total
        yield block
    if not rows:
        raise MalformedData(
            "the file has a header and no rows" if isinstance(data.source, CsvSource) else "the file has no rows",
            where=str(path),
            next_step="deliver the span's rows; if the span truly has none, choose a window without it",
        )


def _blocks(files: Sequence[File], data: Data) -> Iterator[Block]:
    read, types = _format(data), column_types(data)
    for file in files:
        yield from read(file.path, types=types)


def csv_options(source: CsvSource) -> CsvOptions:
    """How the files of a source are written."""
    named = source.model_dump(include={"delimiter", "quote", "encoding", "null_values", "quoted_nulls", "formats"})
    written = source.model_dump(include={"decimal", "true_values", "false_values", "timezone"})
    return CsvOptions(**named, notation=Notation(**written))


class _Format(Protocol):
    def __call__(self, path: str, *, types: Mapping[str, pa.DataType]) -> Iterator[Block]: ...


def _format(data: Data) -> _Format:
    match data.source:
        case CsvSource() as source:
            return partial(read_csv, options=csv_options(source))
        case JsonLinesSource():
            return read_json_lines
        case ParquetSource():
            return read_parquet
        case PluginSource() as source:
            (found,) = entry_points(group=SOURCE_PLUGINS, name=source.type)
            return partial(found.load(), options=source.options)
    raise AssertionError(f"{data.source.type} is no source of files")
