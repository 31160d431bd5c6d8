"""Files by path or URL: Parquet read a batch at a time, results written whole or not at all."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from mlcore.errors import ArtifactCorrupt, ArtifactMissing, quoted, storage_refused

BATCH_ROWS = 65_536


def place(path: str) -> Path:
    """Where a path or URL leads."""
    return cast("Path", UPath(path)) if _remote(path) else Path(path)


def batches(
    path: str,
    columns: Sequence[str] | None = None,
    *,
    dictionaries: bool = False,
    row_groups: Sequence[int] | None = None,
) -> Iterator[pa.RecordBatch]:
    """The rows of a Parquet file; where there is none, an empty batch that has its columns.

    Args:
        path: A path or a URL.
        columns: Only these, in the file's order.
        dictionaries: Whether strings come as dictionaries.
        row_groups: Only these; by default all.

    Raises:
        ArtifactMissing: The file is not there.
        ArtifactCorrupt: It is no Parquet file, or lacks a column.
    """
    with _told(path), place(path).open("rb") as source, _opened(source, dictionaries) as file:
        names = _names(file.schema_arrow.names, columns, path)
        if not file.metadata.num_rows:
            schema = pa.schema([file.schema_arrow.field(name) for name in names])
            yield pa.RecordBatch.from_pylist([], schema=schema)
        yield from file.iter_batches(batch_size=BATCH_ROWS, columns=names, use_threads=False, row_groups=row_groups)


def parts(path: str, rows: int) -> list[range]:
    """The row groups of a Parquet file, divided into runs of so many rows, or of as few groups more as hold them.

    How a file is divided depends on the file alone, never on who reads it. There is one part at least.

    Raises:
        ArtifactMissing: The file is not there.
        ArtifactCorrupt: It is no Parquet file.
    """
    with _told(path), place(path).open("rb") as source:
        metadata = pq.read_metadata(source)
    found, start, held = [], 0, 0
    for group in range(metadata.num_row_groups):
        held += metadata.row_group(group).num_rows
        if held >= rows:
            found.append(range(start, group + 1))
            start, held = group + 1, 0
    if start < metadata.num_row_groups or not found:
        found.append(range(start, metadata.num_row_groups))
    return found


@contextmanager
def _told(path: str) -> Iterator[None]:
    """What reading this file raises, in words of ours."""
    try:
        yield
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise _corrupt(quoted(str(error)), path) from error
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            raise ArtifactMissing("a Parquet file is gone", where=path, next_step="run again") from error
        raise _corrupt(quoted(str(error)), path) from error


def _opened(source: IO[bytes], dictionaries: bool) -> pq.ParquetFile:
    if not dictionaries:
        return pq.ParquetFile(source, pre_buffer=False)
    metadata = pq.read_metadata(source)
    fields = metadata.schema.to_arrow_schema()
    strings = [field.name for field in fields if pa.types.is_string(field.type)]
    return pq.ParquetFile(source, metadata=metadata, read_dictionary=strings, pre_buffer=False)


def write(target: str, content: bytes) -> None:
    """A worker may be retried while its first try still writes: the file appears whole, or not at all.

    It is on disk for good when the artifact is published: the store sees to that for every file of it.

    Raises:
        ArtifactError: There is no such folder, or no space in it.
    """
    try:
        if _remote(target):
            place(target).write_bytes(content)  # an object store shows an object when it is complete
        else:
            _write_local(Path(target), content)
    except OSError as error:
        raise storage_refused(error, target) from error


def _write_local(target: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
    try:
        with open(handle, "wb") as file:  # noqa: PTH123 - the handle is open already
            file.write(content)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _remote(path: str) -> bool:
    return "://" in path


def _names(found: Sequence[str], wanted: Sequence[str] | None, path: str) -> list[str]:
    missing = [name for name in wanted or () if name not in found]
    if missing:  # the reader would leave it out in silence
        raise _corrupt(f"column {quoted(missing[0])} is missing", path)
    return [name for name in found if wanted is None or name in wanted]


def _corrupt(reason: str, path: str) -> ArtifactCorrupt:
    return ArtifactCorrupt(
        f"a Parquet file cannot be read: {reason}", where=path, next_step="delete its folder and run again"
    )
