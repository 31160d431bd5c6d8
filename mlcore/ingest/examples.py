"""The payload of an Examples artifact.

    examples/
    └── data.parquet    the configured columns in their order, then the label; rows in the source's order

The bytes depend on the rows and on the version of pyarrow alone, so that equal data has an equal digest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from mlcore.errors import ArtifactCorrupt, ArtifactMissing

FILE_NAME = "data.parquet"
ROW_GROUP_ROWS = 65_536


class GroupWriter:
    """Writes a Parquet file of rows that come in pieces: its bytes depend on the rows alone, not on the pieces.

    No more than one row group waits in memory. Where no rows come there is no file.
    """

    def __init__(self, path: Path, schema: pa.Schema, **options: object) -> None:
        self.schema = schema
        self._path = path
        self._options = options
        self._stack = ExitStack()
        self._writer: pq.ParquetWriter | None = None
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_rows = 0

    def write(self, rows: pa.RecordBatch) -> None:
        """Further rows."""
        while rows.num_rows:
            piece = rows.slice(0, ROW_GROUP_ROWS - self._waiting_rows)
            self._waiting.append(piece)
            self._waiting_rows += piece.num_rows
            rows = rows.slice(piece.num_rows)
            if self._waiting_rows == ROW_GROUP_ROWS:
                self._write_group()

    def close(self) -> None:
        """Write what waits, and the end of the file."""
        if self._waiting:
            self._write_group()
        if self._writer is not None:
            self._writer.close()
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None:
            self.close()
        else:
            self._stack.close()

    def _write_group(self) -> None:
        group = pa.Table.from_batches(self._waiting, self.schema).combine_chunks()
        self._waiting, self._waiting_rows = [], 0
        self._opened().write_table(group, ROW_GROUP_ROWS)

    def _opened(self) -> pq.ParquetWriter:
        if self._writer is None:
            file = self._stack.enter_context(self._path.open("wb"))
            self._writer = pq.ParquetWriter(file, self.schema, **self._options)
        return self._writer


class ExamplesWriter(GroupWriter):
    """Writes ``data.parquet`` into a folder that exists; where no rows come, one without rows.

    LZ4 is a third larger than zstd, and takes half its time to write and to read: files of one day are small, and
    zstd prepares itself anew for each column of each.
    """

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        strings = [column.name for column in schema if pa.types.is_string(column.type)]
        super().__init__(folder / FILE_NAME, schema, compression="lz4", use_dictionary=strings, write_statistics=False)

    def close(self) -> None:
        self._opened()
        super().close()


def write_examples(folder: Path, table: pa.Table) -> None:
    """Write the rows as ``data.parquet`` into a folder that exists."""
    with ExamplesWriter(folder, table.schema) as writer:
        for batch in table.to_batches():
            writer.write(batch)


def read_examples(folders: Sequence[Path], columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of the folders, in their order.

    Args:
        folders: Payloads of Examples artifacts of one pipeline.
        columns: Only these, in this order; ``None``: all.

    Raises:
        ArtifactMissing: A file is not there.
        ArtifactCorrupt: A file is no Parquet, or has other columns.
    """
    return pa.concat_tables([_read(folder, columns) for folder in folders])


def iter_batches(
    folders: Sequence[Path], columns: Sequence[str] | None = None, *, batch_rows: int = ROW_GROUP_ROWS
) -> Iterator[pa.RecordBatch]:
    """The same rows as :func:`read_examples`, never holding more than one row group; no batch is of two of them."""
    for folder in folders:
        with _Opened(folder, columns or ()) as file:
            for group in range(file.num_row_groups):  # of all at once, memory grows with the file
                yield from file.iter_batches(batch_rows, row_groups=[group], columns=_list(columns), use_threads=False)


def row_groups(folders: Sequence[Path]) -> tuple[int, ...]:
    """How many rows each row group of the folders has: no column is read.

    Raises:
        ArtifactMissing: A file is not there.
        ArtifactCorrupt: A file is no Parquet.
    """
    found: list[int] = []
    for folder in folders:
        with _Opened(folder, ()) as file:
            found += [file.metadata.row_group(index).num_rows for index in range(file.metadata.num_row_groups)]
    return tuple(found)


def _read(folder: Path, columns: Sequence[str] | None) -> pa.Table:
    with _Opened(folder, columns or ()) as file:
        table = file.read(columns=_list(columns), use_threads=False)
        return table if columns is None else table.select(list(columns))


def stored_schema(folder: Path) -> pa.Schema:
    """The columns of a folder's rows, with arguments and errors as above."""
    with _Opened(folder, ()) as file:
        return file.schema_arrow


class _Opened:
    """A Parquet file whose faults are told as those of an artifact."""

    def __init__(self, folder: Path, columns: Sequence[str]) -> None:
        self._path = folder / FILE_NAME
        self._columns = columns

    def __enter__(self) -> pq.ParquetFile:
        try:
            self._stream = self._path.open("rb")
        except OSError as error:
            raise ArtifactMissing(
                f"cannot open the examples: {error.strerror or error}",
                where=str(self._path),
                next_step="run the pipeline again: lost outputs are made again from the source",
            ) from error
        try:
            file = pq.ParquetFile(self._stream)
        except pa.ArrowInvalid as error:
            self._stream.close()
            raise self._corrupt(error) from error
        missing = [name for name in self._columns if name not in file.schema_arrow.names]
        if missing:  # the reader would leave them out in silence
            self._stream.close()
            raise self._corrupt(f"no column {missing[0]!r}")
        return file

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._stream.close()
        if isinstance(error, (pa.ArrowInvalid, OSError)):
            raise self._corrupt(error) from error

    def _corrupt(self, error: object) -> ArtifactCorrupt:
        return ArtifactCorrupt(
            f"the examples cannot be read: {str(error)[:200]}",
            where=str(self._path),
            next_step="delete the file and run the pipeline again: lost outputs are made again from the source",
        )


def _list(columns: Sequence[str] | None) -> list[str] | None:
    return None if columns is None else list(columns)
