"""The payload of an Examples artifact.

    examples/
    └── data.parquet    the configured columns in their order, then the label; rows in the source's order

The bytes depend on the rows and on the version of pyarrow alone, so that equal data has an equal digest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mlcore.errors import ArtifactCorrupt, ArtifactMissing

FILE_NAME = "data.parquet"
ROW_GROUP_ROWS = 65_536


def write_examples(folder: Path, table: pa.Table) -> None:
    """Write the rows as ``data.parquet`` into a folder that exists.

    LZ4 is a third larger than zstd, and takes half its time to write and to read: files of one day are small, and
    zstd prepares itself anew for each column of each.
    """
    strings = [column.name for column in table.schema if pa.types.is_string(column.type)]
    with (folder / FILE_NAME).open("wb") as file:
        pq.write_table(
            table,
            file,
            row_group_size=ROW_GROUP_ROWS,
            compression="lz4",
            use_dictionary=strings,
            write_statistics=False,
        )


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
    """The same rows as :func:`read_examples`, never holding more than one row group."""
    for folder in folders:
        with _Opened(folder, columns or ()) as file:
            yield from file.iter_batches(batch_size=batch_rows, columns=_list(columns), use_threads=False)


def _read(folder: Path, columns: Sequence[str] | None) -> pa.Table:
    with _Opened(folder, columns or ()) as file:
        table = file.read(columns=_list(columns), use_threads=False)
        return table if columns is None else table.select(list(columns))


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
