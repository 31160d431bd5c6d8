"""The readers, by the source's type.

A new kind of source is a section of the configuration with a ``type`` of its own, and one module with a function
that is decorated with :func:`reader` and named in ``_MODULES``.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from mlcore.config.pipeline import Data
from mlcore.core.window import Span
from mlcore.errors import ConfigError, quoted
from mlcore.ingest.checks import check_span
from mlcore.ingest.labels import with_label

_MODULES = {"csv": "mlcore.ingest.csv_reader", "postgres": "mlcore.ingest.postgres.reader"}
_READERS: dict[str, Reader] = {}


class Rows(Protocol):
    """What a reader gives: the configured columns, typed and in order, and where each row came from."""

    @property
    def table(self) -> pa.Table: ...

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
    if source_type not in _READERS:
        if source_type not in _MODULES:
            raise ConfigError(
                f"there is no reader for sources of type {quoted(source_type)}",
                where="data.source.type",
                next_step=f"choose one of {', '.join(_MODULES)}",
            )
        import_module(_MODULES[source_type])
    return _READERS[source_type]
