"""The rows of a window that leaks are looked for in: of each side so many that the cost is bounded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlcore.components.base import Payload

if TYPE_CHECKING:
    import pyarrow as pa

    from mlcore.config.pipeline import PipelineConfig
    from mlcore.schema.leaks.rows import LeakRows

MOST_ROWS = 60_000
"""Of each side: of the newest training spans, and of the first evaluation spans."""


def leak_rows(config: PipelineConfig, train: Sequence[Payload], evaluation: Sequence[Payload]) -> LeakRows:
    """The rows nearest to the split.

    Raises:
        ArtifactMissing: A file is not there.
        ArtifactCorrupt: A file is something else.
    """
    from mlcore.schema.leaks.rows import LeakRows

    data = config.data
    return LeakRows(
        train=_newest(train),
        evaluation=_read(evaluation, MOST_ROWS),
        features=config.feature_columns,
        label=data.label.name,
        key=data.key,
        event_timestamp=data.event_timestamp,
        label_delay=data.label.delay,
    )


def _newest(payloads: Sequence[Payload]) -> pa.Table:
    import pyarrow as pa

    parts: list[pa.Table] = []
    wanted = MOST_ROWS
    for payload in reversed(payloads):
        parts.append(_read([payload], wanted))
        wanted -= parts[-1].num_rows
        if wanted <= 0:
            break
    return pa.concat_tables(reversed(parts))


def _read(payloads: Sequence[Payload], most: int) -> pa.Table:
    """The first rows."""
    import pyarrow as pa

    from mlcore.ingest.examples import iter_batches, read_examples

    parts: list[pa.RecordBatch] = []
    wanted = most
    for batch in iter_batches([payload.path for payload in payloads]):
        parts.append(batch.slice(0, wanted))
        wanted -= parts[-1].num_rows
        if wanted <= 0:
            break
    return pa.Table.from_batches(parts) if parts else read_examples([payloads[0].path])
