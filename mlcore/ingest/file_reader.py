"""Reads one span's file, in any format, into the configured columns."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import JsonValue

from mlcore.config.data import Data
from mlcore.config.sources import SOURCE_PLUGINS, CsvSource, JsonLinesSource, ParquetSource, PluginSource
from mlcore.core.window import Span
from mlcore.errors import MalformedData
from mlcore.ingest.blocks import BadRow, Block
from mlcore.ingest.columns import column_types
from mlcore.ingest.formats.csv_format import CsvOptions, read_csv
from mlcore.ingest.formats.json_lines import read_json_lines
from mlcore.ingest.formats.parquet import read_parquet
from mlcore.ingest.formats.stream import expand
from mlcore.ingest.paths import span_missing
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


@dataclass(frozen=True, kw_only=True, slots=True)
class FileRows:
    """The rows of a file, or of the files of a folder."""

    table: pa.Table
    bad: tuple[BadRow, ...]
    files: tuple[str, ...]
    starts: tuple[int, ...]
    lines: npt.NDArray[np.int64]

    def location(self, row: int) -> str:
        return f"{self.files[bisect_right(self.starts, row) - 1]}:{self.lines[row]}"


@reader(FILES)
def read_file(path: Path, data: Data, span: Span) -> FileRows:
    """The configured columns of a file, in the configured order, and the rows that could not be read.

    Raises:
        SpanMissing: The file is not there.
        MalformedData: It cannot be read, or has no rows, or a row is bad and ``data.max_bad_fraction`` is 0.
        ConfigError: The source's options cannot be.
    """
    if not path.exists():
        raise span_missing([(span, path)])
    good: list[Block] = []
    bad: list[BadRow] = []
    for block in _blocks(str(path), data):
        if block.bad and not data.max_bad_fraction:
            raise block.bad[0].error()
        bad += block.bad
        if block.rows.num_rows:
            good.append(block)
    if not good and not bad:
        raise MalformedData(
            "the file has a header and no rows" if isinstance(data.source, CsvSource) else "the file has no rows",
            where=str(path),
            next_step="deliver the span's rows; if the span truly has none, choose a window without it",
        )
    schema = pa.schema(list(column_types(data).items()))
    ends = np.cumsum([block.rows.num_rows for block in good], dtype=np.int64)
    return FileRows(
        table=pa.Table.from_batches([block.rows for block in good], schema),
        bad=tuple(bad),
        files=tuple(block.file for block in good),
        starts=tuple(int(end) - block.rows.num_rows for end, block in zip(ends, good, strict=True)),
        lines=np.concatenate([block.lines for block in good]) if good else np.array([], np.int64),
    )


def _blocks(path: str, data: Data) -> Iterator[Block]:
    read, types = _format(data), column_types(data)
    for file in expand(path):
        yield from read(file, types=types)


class _Format(Protocol):
    def __call__(self, path: str, *, types: Mapping[str, pa.DataType]) -> Iterator[Block]: ...


def _format(data: Data) -> _Format:
    match data.source:
        case CsvSource() as source:
            options = source.model_dump(include={"delimiter", "quote", "encoding", "null_values", "quoted_nulls"})
            return partial(read_csv, options=CsvOptions(**options))
        case JsonLinesSource():
            return read_json_lines
        case ParquetSource():
            return read_parquet
        case PluginSource() as source:
            (found,) = entry_points(group=SOURCE_PLUGINS, name=source.type)
            return partial(found.load(), options=source.options)
    raise AssertionError(f"{data.source.type} is no source of files")
