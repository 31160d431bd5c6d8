"""Reads a span that was extracted before: the file lies where the span's source artifact says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from mlcore.config.data import Data
from mlcore.core.window import Span
from mlcore.errors import DataError
from mlcore.ingest.blocks import Block, Reason
from mlcore.ingest.checks import bad_row
from mlcore.ingest.columns import column_types
from mlcore.ingest.formats.casting import Mask, cast
from mlcore.ingest.formats.convert import converted, wrong_value
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
                yield _block(batches.get_batch(number), path, data)
    except FileNotFoundError as error:
        raise span_missing([(span, path)]) from error
    except (pa.ArrowInvalid, KeyError, OSError) as error:
        raise DataError(
            f"the rows of {span.label} that were read from the database cannot be read back: {str(error)[:200]}",
            where=str(path),
            next_step="delete the file and run again: the span is read from the database again",
        ) from error


def _block(rows: pa.RecordBatch, path: Path, data: Data) -> Block:
    """Rows in the configured types: decimals come as the database has them, and need not fit."""
    columns, bad = [], []
    wrong = np.zeros(rows.num_rows, bool)
    types = column_types(data)
    read = Block(file=path.stem, rows=rows, lines=np.zeros(rows.num_rows, np.int64), keyed=True)
    for name, kind in types.items():
        given = rows.column(name)
        values, faults = (given, None) if given.type == kind else _decimals(given, kind)
        columns.append(values)
        for row in np.flatnonzero(faults & ~wrong).tolist() if faults is not None else ():
            message = wrong_value(name, str(given[row].as_py()), kind)
            bad.append(bad_row(read, row, data.key, Reason.UNPARSABLE, message, name))
            wrong[row] = True
    good = pa.RecordBatch.from_arrays(columns, schema=pa.schema(list(types.items())))
    if bad:
        good = good.filter(pa.array(~wrong))
    return Block(file=path.stem, rows=good, lines=read.lines[~wrong], bad=tuple(bad), keyed=True)


def _decimals(given: pa.Array, kind: pa.DataType) -> tuple[pa.Array, Mask]:
    if pa.types.is_integer(given.type):
        given = given.cast(pa.decimal128(20, 0))
    return converted(given, kind) if pa.types.is_string(given.type) else cast(given, kind)
