"""Rows without an event timestamp: of no span, and kept in a quarantine of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from mlcore.ingest.blocks import BadRow, Block, Reason
from mlcore.ingest.checks import bad_row
from mlcore.ingest.postgres.connection import one_snapshot
from mlcore.ingest.postgres.copy import copy_batches
from mlcore.ingest.postgres.extract import Request, relation_of, retried
from mlcore.ingest.postgres.relation import table_sql
from mlcore.ingest.postgres.types import name_of
from mlcore.ingest.quarantine import QuarantineWriter, as_batch


def extract_undated(request: Request, folder: Path) -> int:
    """Write the rows as ``quarantine.parquet`` into a folder that exists, each with its key as its place; how many.

    Raises:
        ConfigError: The source does not have the columns in readable types, or the server refuses the connection.
        DataError: The database cannot be read.
    """

    def once(_: int) -> int:
        with one_snapshot(request.address, table_sql(request.source), 1) as (connection,):
            relation = relation_of(request, connection)
            missing = f"{name_of(request.event_timestamp)} IS NULL"
            with QuarantineWriter(folder) as quarantine:

                def keep(rows: pa.RecordBatch) -> None:
                    quarantine.write(as_batch(_told(request, rows)))

                return copy_batches(
                    connection, request.address, relation.copy(missing, ordered=True), relation.columns, keep
                )

    return retried(request.address, once)


def _told(request: Request, rows: pa.RecordBatch) -> list[BadRow]:
    block = Block(file="", rows=rows, lines=np.zeros(rows.num_rows, np.int64), keyed=True)
    name = request.event_timestamp
    message = f"{name} is missing: the row is of no span"
    return [bad_row(block, row, request.key, Reason.MISSING_KEY, message, name) for row in range(rows.num_rows)]
