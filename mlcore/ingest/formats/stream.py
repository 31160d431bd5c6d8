"""The bytes of a file or URL, a piece at a time, decompressed where its name says it is compressed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa

from mlcore.errors import MalformedData, quoted
from mlcore.ingest.places import name_of, open_binary, unreadable

PIECE_BYTES = 1 << 22
_CODECS = {".gz": "gzip", ".zst": "zstd"}


def pieces(path: str) -> Iterator[bytes]:
    """The content, decompressed, in pieces of at most :data:`PIECE_BYTES`.

    Raises:
        DataError: It cannot be read.
        MalformedData: The compressed data ends early or is damaged.
    """
    codec = _CODECS.get(PurePosixPath(name_of(path)).suffix.lower())
    with ExitStack() as stack:
        source: Any = stack.enter_context(open_binary(path))
        if codec and source.read(1):
            source.seek(0)
            source = stack.enter_context(pa.CompressedInputStream(pa.PythonFile(source, "r"), codec))
        while piece := _read(source, codec, path):
            yield piece


def _read(source: Any, codec: str | None, path: str) -> bytes:
    try:
        read: bytes = source.read(PIECE_BYTES)
    except (OSError, pa.ArrowException) as error:
        if codec is None or (isinstance(error, OSError) and error.errno):
            raise unreadable(path, error) from error
        cut = "runcated" in str(error) or "ends before" in str(error)
        what = "ends before its end marker: it was cut off" if cut else f"is damaged ({quoted(str(error))})"
        raise MalformedData(
            f"the {codec} file {what}",
            where=path,
            next_step="deliver the file again, whole; writers should upload under another name and rename when done",
        ) from error
    return read
