"""A Parquet file, at a path or a URL."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from mlcore.beam.files import place
from mlcore.core.digests import digest_chunks
from mlcore.errors import DISK_FULL, DataError
from mlcore.ingest.examples import GroupWriter

_CHUNK_BYTES = 1 << 20


def write_file(path: str, schema: pa.Schema, rows: Iterable[pa.RecordBatch]) -> str:
    """Write the rows, in place of what the file held: until the last is written, and if one cannot be, that stays.

    Equal rows are equal bytes, in whatever pieces they come.

    Returns:
        The digest of the file's bytes.

    Raises:
        DataError: It cannot be written.
    """
    target = place(path)
    remote = "://" in path
    try:
        with tempfile.TemporaryDirectory(prefix=".mlcore-", dir=None if remote else target.parent) as folder:
            written = Path(folder) / "predictions.parquet"
            with _Writer(written, schema, compression="zstd") as writer:
                for batch in rows:
                    writer.write(batch)
            digest = _digest(written)
            if remote:
                _upload(written, path)
            else:
                written.replace(target)
    except OSError as error:
        raise DataError(
            "the disk is full"
            if error.errno in DISK_FULL
            else f"the file cannot be written: {error.strerror or error}",
            where=path,
            next_step="name a folder that is there, may be written and has room; what was there before is untouched",
        ) from error
    return digest


def _upload(written: Path, url: str) -> None:
    """An object store shows an object when all of it is there; what a file object held is shown when it is closed."""
    from upath import UPath

    target = UPath(url)
    target.fs.put_file(str(written), target.path)


class _Writer(GroupWriter):
    """Where no rows come, a file without rows."""

    def close(self) -> None:
        self._opened()
        super().close()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return digest_chunks(iter(lambda: file.read(_CHUNK_BYTES), b""))
