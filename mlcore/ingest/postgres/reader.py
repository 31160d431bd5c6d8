"""Reads a span that was extracted before: the file lies where the span's source artifact says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from mlcore.config.data import Data
from mlcore.core.window import Span
from mlcore.errors import DataError
from mlcore.ingest.blocks import Block
from mlcore.ingest.paths import span_missing
from mlcore.ingest.sources import reader


@reader("postgres")
def read_extracted(path: Path, data: Data, span: Span) -> Iterator[Block]:
    """The rows of a span's extract, in the order of the key.

    Raises:
        SpanMissing: The span has no rows.
        DataError: The file is not what was written.
    """
    try:
        with pa.OSFile(str(path)) as file:
            batches = pa.ipc.open_file(file)
            for number in range(batches.num_record_batches):
                rows = batches.get_batch(number).select(list(data.columns))
                yield Block(file=path.stem, rows=rows, lines=np.zeros(rows.num_rows, np.int64), keyed=True)
    except FileNotFoundError as error:
        raise span_missing([(span, path)]) from error
    except (pa.ArrowInvalid, KeyError, OSError) as error:
        raise DataError(
            f"the rows of {span.label} that were read from the database cannot be read back: {str(error)[:200]}",
            where=str(path),
            next_step="delete the file and run again: the span is read from the database again",
        ) from error
