"""The readers, by the source's type.

A new format is one function that is an entry point of the group ``mlcore.sources``; see :class:`.file_reader.ReadFile`.
A source that is no file is a section of the configuration and a function decorated with :func:`reader`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Protocol

from mlcore.config.data import Data
from mlcore.core.window import Span
from mlcore.ingest.blocks import Block

_MODULES = {"postgres": "mlcore.ingest.postgres.reader"}
_FILES = "mlcore.ingest.file_reader"
_READERS: dict[str, Reader] = {}
FILES = "files"
"""Stands for every source whose spans are files."""


class Reader(Protocol):
    """Reads one span's file, some rows at a time: the configured columns, typed and in order; not checked.

    Args:
        path: The file.
        data: What a row is.
        span: What messages name.

    Raises:
        DataError: The file cannot be read as the configuration says it is.
    """

    def __call__(self, path: Path, data: Data, span: Span) -> Iterator[Block]: ...


def reader(source_type: str) -> Callable[[Reader], Reader]:
    """Registers a function as the reader of a source type."""

    def register(function: Reader) -> Reader:
        _READERS[source_type] = function
        return function

    return register


def read_blocks(data: Data, path: Path, span: Span) -> Iterator[Block]:
    """Every row of a file, in one of the blocks, as it is or as one that could not be read. See :class:`Reader`."""
    return _reader(data.source.type)(path, data, span)


def _reader(source_type: str) -> Reader:
    if source_type in _MODULES:
        import_module(_MODULES[source_type])
        return _READERS[source_type]
    import_module(_FILES)
    return _READERS[FILES]
