"""Reads a span that was extracted before: the file lies where the span's source artifact says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from mlcore.config.data import Data
from mlcore.core.window import Span
from mlcore.errors import DataError
from mlcore.ingest.blocks import BadRow
from mlcore.ingest.paths import span_missing
from mlcore.ingest.sources import reader


@dataclass(frozen=True, kw_only=True, slots=True)
class ExtractedRows:
    """The rows of a span, in the order of the key."""

    table: pa.Table
    path: Path
    key: tuple[str, ...]
    bad: tuple[BadRow, ...] = ()

    def location(self, row: int) -> str:
        """The row's key: a table has no line numbers."""
        values = ", ".join(f"{name}={self.table[name][row].as_py()!r}"[:60] for name in self.key)
        return f"{self.path.stem}: {values}"


@reader("postgres")
def read_extracted(path: Path, data: Data, span: Span) -> ExtractedRows:
    """The rows of a span's extract.

    Raises:
        SpanMissing: The span has no rows.
        DataError: The file is not what was written.
    """
    try:
        with pa.OSFile(str(path)) as file:
            table = pa.ipc.open_file(file).read_all()
    except FileNotFoundError as error:
        raise span_missing([(span, path)]) from error
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(
            f"the rows of {span.label} that were read from the database cannot be read back: {str(error)[:200]}",
            where=str(path),
            next_step="delete the file and run again: the span is read from the database again",
        ) from error
    return ExtractedRows(table=table.select(list(data.columns)), path=path, key=data.key)
