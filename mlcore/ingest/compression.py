"""The bytes of a file, decompressed when its name says it is compressed."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from mlcore.errors import MalformedData


def read_decompressed(path: Path) -> bytes:
    """The content of a file; ``.gz`` and ``.zst`` are decompressed.

    Raises:
        MalformedData: The compressed data ends early or is damaged.
        OSError: The file cannot be read.
    """
    data = path.read_bytes()
    match path.suffix:
        case ".gz" if data:
            return _gunzip(data, path)
        case ".zst" if data:
            return _unzstd(data, path)
    return data


def _gunzip(data: bytes, path: Path) -> bytes:
    try:
        return gzip.decompress(data)
    except EOFError as error:
        raise _damaged("gzip", "ends before its end marker: it was cut off", len(data), path) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise _damaged("gzip", f"is damaged ({error})", len(data), path) from error


def _unzstd(data: bytes, path: Path) -> bytes:
    import zstandard

    parts = []
    rest = data
    while rest:
        frame = zstandard.ZstdDecompressor().decompressobj()
        try:
            parts.append(frame.decompress(rest))
        except zstandard.ZstdError as error:
            raise _damaged("zstd", f"is damaged ({error})", len(data), path) from error
        if not frame.eof:
            raise _damaged("zstd", "ends before its end marker: it was cut off", len(data), path)
        rest = frame.unused_data
    return b"".join(parts)


def _damaged(kind: str, what: str, size_bytes: int, path: Path) -> MalformedData:
    return MalformedData(
        f"the {kind} file of {size_bytes} bytes {what}",
        where=str(path),
        next_step="deliver the file again, whole; writers should upload under another name and rename when done",
    )
