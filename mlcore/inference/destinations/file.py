"""A Parquet file, at a path or a URL: all rows in one, or a file a span."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mlcore.beam.files import place
from mlcore.config.inference import AS_OF, ParquetDestination
from mlcore.core.digests import digest_chunks
from mlcore.core.patterns import fill
from mlcore.core.temporary import temporary_folder
from mlcore.core.window import iso, parse_moment
from mlcore.errors import DISK_FULL, DataError, quoted
from mlcore.inference.destinations.delivery import Delivered, Delivery
from mlcore.inference.predictions import count
from mlcore.ingest.examples import GroupWriter

_NEXT = "name a folder that is there, may be written and has room; what was there before is untouched"
_NEXT_REMOTE = (
    "see that it can be reached and written, and with which credentials, then run again; what was there before is"
    " untouched"
)
_CHUNK_BYTES = 1 << 20
_AS_OF = f"mlcore.{AS_OF}".encode()
"""In the file's metadata, the moment of the run whose rows it holds."""


def deliver(destination: ParquetDestination, delivery: Delivery) -> Delivered:
    """Write a file of each span, unless one of a run of a later moment is there.

    Raises:
        DataError: A file cannot be written, or what is there in its place is no file of predictions.
    """
    rows, left = 0, []
    columns = delivery.schema.with_metadata({_AS_OF: iso(delivery.as_of)})
    for one in delivery.spans:
        path = fill(destination.path, one.span, key=f"{delivery.where}.path")
        if "://" not in path:
            path = str(_made(delivery.project / path))
        if _moment_of(path) > delivery.as_of:
            left.append(one.span.label)
        else:
            write_file(path, columns, delivery.rows(one))
            rows += count(one.folder)
    return Delivered(place=destination.path, rows=rows, left=tuple(left))


def _made(path: Path) -> Path:
    """A local file's path; folders that are not there are made."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"the folder cannot be made: {error.strerror or error}", where=str(path.parent), next_step=_NEXT
        ) from error
    return path


def _moment_of(path: str) -> datetime:
    """As of when the predictions are that a file holds; before all times where there is none."""
    try:
        with _told("read", path), place(path).open("rb") as file:
            told = (pq.read_schema(file).metadata or {}).get(_AS_OF)
    except FileNotFoundError:
        return datetime.min.replace(tzinfo=UTC)
    except pa.ArrowInvalid as error:
        told, reason = None, error
    else:
        reason = None
    if told is None:
        raise DataError(
            "there is a file that no inference run wrote",
            where=path,
            next_step="name another place, or remove it",
        ) from reason
    return parse_moment(told.decode(), name=AS_OF)


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
        with temporary_folder("predictions", within=None if remote else target.parent) as folder:
            written = folder / "predictions.parquet"
            with _Writer(written, schema, compression="zstd") as writer:
                for batch in rows:
                    writer.write(batch)
            digest = _digest(written)
            if remote:
                _upload(written, path)
            else:
                written.replace(target)
    except OSError as error:
        raise _refused("written", path, error) from error
    return digest


def _upload(written: Path, url: str) -> None:
    """An object store shows an object when all of it is there; what a file object held is shown when it is closed."""
    from upath import UPath

    target = UPath(url)
    with _told("written", url):
        target.fs.put_file(str(written), target.path)


@contextmanager
def _told(done: str, path: str) -> Iterator[None]:
    """What an object store's client raises may be of any class."""
    try:
        yield
    except (FileNotFoundError, pa.ArrowInvalid, DataError):
        raise
    except Exception as error:
        raise _refused(done, path, error) from error


def _refused(done: str, path: str, error: Exception) -> DataError:
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        what = "the disk is full"
    elif isinstance(error, OSError):
        what = f"the file cannot be {done}: {error.strerror or error}"
    else:
        what = f"the file cannot be {done}: {type(error).__name__}: {quoted(str(error), 300)}"
    return DataError(what, where=path, next_step=_NEXT_REMOTE if "://" in path else _NEXT)


class _Writer(GroupWriter):
    """Where no rows come, a file without rows."""

    def close(self) -> None:
        self._opened()
        super().close()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return digest_chunks(iter(lambda: file.read(_CHUNK_BYTES), b""))
