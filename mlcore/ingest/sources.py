"""The readers, by the source's type.

A new format is one function that is an entry point of the group ``mlcore.sources``; see :class:`.file_reader.ReadFile`.
A source that is no file is a section of the configuration and a function decorated with :func:`reader`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from mlcore.config.data import Data
from mlcore.core.window import Span
from mlcore.ingest.blocks import BadRow
from mlcore.ingest.checks import check_span
from mlcore.ingest.labels import with_label

_MODULES = {"postgres": "mlcore.ingest.postgres.reader"}
_FILES = "mlcore.ingest.file_reader"
_READERS: dict[str, Reader] = {}
FILES = "files"
"""Stands for every source whose spans are files."""


class Rows(Protocol):
    """What a reader gives: the configured columns, typed and in order, and where each row came from."""

    @property
    def table(self) -> pa.Table: ...

    @property
    def bad(self) -> Sequence[BadRow]:
        """The rows that could not be read: none where ``data.max_bad_fraction`` is 0, for then they are errors."""

    def location(self, row: int) -> str:
        """Where a reader of the source finds this row, for instance ``day.csv:17``."""


class Reader(Protocol):
    """Reads one span's file.

    Raises:
        DataError: The file cannot be read as the configuration says it is.
    """

    def __call__(self, path: Path, data: Data, span: Span) -> Rows: ...


def reader(source_type: str) -> Callable[[Reader], Reader]:
    """Registers a function as the reader of a source type."""

    def register(function: Reader) -> Reader:
        _READERS[source_type] = function
        return function

    return register


def read_span(data: Data, path: Path, span: Span) -> pa.Table:
    """One span's rows: the configured columns in their order, typed, checked, with the label appended.

    Columns of the file that are not configured are ignored. NaN and infinity are kept in float columns.

    Raises:
        SpanMissing: The file is not there.
        MalformedData: The file cannot be read as configured, or its rows are not those of the span.
    """
    rows = read_rows(data, path, span)
    check_span(rows.table, data, span, rows.location)
    return with_label(rows.table, data)


def read_rows(data: Data, path: Path, span: Span) -> Rows:
    """The rows of a file as they are, not checked, with their places; ``span`` is what messages name.

    Raises:
        DataError: The file cannot be read as configured.
    """
    return _reader(data.source.type)(path, data, span)


def _reader(source_type: str) -> Reader:
    if source_type in _MODULES:
        import_module(_MODULES[source_type])
        return _READERS[source_type]
    import_module(_FILES)
    return _READERS[FILES]
