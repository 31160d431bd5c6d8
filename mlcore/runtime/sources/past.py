"""What is stored of the past, for rows of elsewhere: the columns of ``data.history`` that they come without."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from mlcore.components.base import split_folders
from mlcore.components.example_gen import ExampleGen
from mlcore.config.pipeline import PipelineConfig
from mlcore.core.folders import split_path
from mlcore.core.types import Artifact, ArtifactType
from mlcore.core.window import Interval, Span, shift, span_start
from mlcore.metadata.sources import made_of
from mlcore.runtime.session import Session
from mlcore.runtime.sources.catalog import is_complete, recorded_spans

if TYPE_CHECKING:
    import pyarrow as pa

    from mlcore.transform.history.columns import HistoryColumn

_LOG = logging.getLogger(__name__)
_SHOWN = 10


class StoredPast:
    """The Examples that were read of earlier spans, as rows to look back on; the source itself is not looked at.

    Args:
        session: The stores.
        config: The pipeline.
        history: The columns to make.
        as_of: The moment that may be known of.
    """

    def __init__(
        self, session: Session, config: PipelineConfig, history: Sequence[HistoryColumn], as_of: datetime
    ) -> None:
        self._session = session
        self._config = config
        self._history = history
        self._as_of = as_of
        self._read: dict[Span, pa.Table] = {}
        self._said: set[Span] = set()

    def add_to(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """Rows with the columns, made of what is stored: they do not see one another.

        Raises:
            DataError: A column is missing or of another type.
            ArtifactError: Stored Examples cannot be read.
        """
        import pyarrow as pa

        from mlcore.transform.history.columns import add_history

        moment = self._config.data.event_timestamp
        made = add_history(pa.table(rows), self._past_of(rows), self._history, event_timestamp=moment)
        columns = [column.combine_chunks() for column in made.columns]
        return pa.record_batch([*rows.columns, *columns[rows.num_columns :]], schema=made.schema)

    def _past_of(self, rows: pa.RecordBatch) -> pa.Table:
        """What the rows look back on; what rows before them looked back on is kept as far as it is wanted again."""
        import pyarrow as pa

        from mlcore.transform.contract import ARROW_TYPES
        from mlcore.transform.history.columns import columns_of_past

        read = columns_of_past(self._history, self._config.data.event_timestamp)
        spans = self._spans(rows)
        fresh = self._examples([span for span in spans if span not in self._read])
        self._say([span for span in spans if span not in self._read and span not in fresh])
        self._read = {span: table for span, table in self._read.items() if span in spans}
        self._read |= {span: self._table(artifact, [*read]) for span, artifact in fresh.items()}
        nothing = pa.schema([(name, ARROW_TYPES[kind]) for name, kind in read.items()]).empty_table()
        return pa.concat_tables([self._read[span] for span in sorted(self._read)]) if self._read else nothing

    def _spans(self, rows: pa.RecordBatch) -> list[Span]:
        import pyarrow.compute as pc

        data = self._config.data
        bounds = pc.min_max(rows.column(data.event_timestamp)).as_py()
        if bounds["min"] is None:
            return []
        first, last = span_start(bounds["min"] - data.look_back, data.span), span_start(bounds["max"], data.span)
        return list(Interval(start=first, end=shift(last, data.span)).spans(data.span))

    def _examples(self, spans: Sequence[Span]) -> Mapping[Span, Artifact]:
        if not spans:
            return {}
        versions = recorded_spans(self._session, self._config, spans, self._as_of)
        with self._session.metadata.begun() as connection:
            found = made_of(
                connection,
                self._config.name,
                [version.digest for version in versions.values()],
                source=ArtifactType.SOURCE_FILE,
                type=ArtifactType.EXAMPLES,
                preferred=ExampleGen(self._config).parameters,
            )
        made = {
            span: found[span, version.digest] for span, version in versions.items() if (span, version.digest) in found
        }
        return {span: artifact for span, artifact in made.items() if is_complete(self._config, artifact)}

    def _table(self, artifact: Artifact, columns: Sequence[str]) -> pa.Table:
        from mlcore.ingest.examples import read_examples

        self._session.artifacts.verify(artifact)
        path = self._session.artifacts.path(artifact.uri)
        return read_examples([split_path(path, name) for name in split_folders(self._config.data.split)], columns)

    def _say(self, missing: Sequence[Span]) -> None:
        new = [span for span in missing if span not in self._said]
        self._said.update(new)
        if new:
            _LOG.warning(
                "%d spans to look back on are not stored, the first are %s: rows have no past there",
                len(new), ", ".join(span.label for span in new[:_SHOWN]),
            )  # fmt: skip
