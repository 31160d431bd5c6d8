"""Rows of any file to predictions of a released model, once: the command's path, recorded as the pipelines' is.

Columns of each row's past that the model reads and the file lacks are made of what is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast

from mlcore.config.data import ColumnType
from mlcore.config.pipeline import PipelineConfig
from mlcore.config.sources import CsvSource
from mlcore.core.types import ArtifactType, Json, NewArtifact, NewExecution
from mlcore.masking import masked
from mlcore.metadata.locks import with_lock
from mlcore.metadata.store import Publication
from mlcore.registry.records import ModelVersion
from mlcore.runtime.attempts import attempt
from mlcore.runtime.kept import kept_folder
from mlcore.runtime.publishing import publish
from mlcore.runtime.session import Session
from mlcore.runtime.sources.past import StoredPast

if TYPE_CHECKING:
    import pyarrow as pa

    from mlcore.inference.scorer import Scorer
    from mlcore.ingest.tables import Table
    from mlcore.transform.history.columns import HistoryColumn

COMPONENT = "OneShotInferrer"
"""Not a BulkInferrer: it is no run of the pipeline, and takes no such run's place in what is kept."""
Write: TypeAlias = "Callable[[pa.Schema, Iterator[pa.RecordBatch]], str]"
"""Puts the rows where they are to be, whole or not at all, and returns their digest."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What is to be predicted.

    Attributes:
        source: A file, a glob, a folder or a URL of a format that is told by its name.
        place: Where the predictions go, as the record names it; no secret.
        keep: Columns to carry along, beside the key and the event timestamp.
        max_bad_fraction: So much of the rows may be bad; they are left out and counted.
        confidence: That of a regressor's bounds; none are told by default.
        run: Name of the run that the record belongs to.
        origin: Where it runs.
    """

    source: str
    place: str
    keep: tuple[str, ...]
    max_bad_fraction: float
    confidence: float | None
    run: str
    origin: dict[str, Json]


@dataclass(frozen=True, kw_only=True, slots=True)
class Predicted:
    """What became of it: rows predicted, and bad rows by reason."""

    rows: int
    bad_rows: dict[str, int]
    digest: str


def predict(session: Session, config: PipelineConfig, version: ModelVersion, asked: Asked, write: Write) -> Predicted:
    """Score the rows with a registered model and write what it says; the record links them to the model.

    Raises:
        DataError: The rows cannot be read, lack a column, or too many are bad; or the predictions cannot be written.
        ModelError: The model cannot be loaded, or refuses the rows.
    """
    from mlcore.inference.bulk import check_carried, with_answers
    from mlcore.inference.scorer import Scorer
    from mlcore.ingest.tables import BadRows

    (model,) = session.metadata.present([version.artifact_id])
    scorer = Scorer.load(kept_folder(session, model), version=version.version, confidence=asked.confidence)
    carried = tuple(dict.fromkeys((*config.data.key, config.data.event_timestamp, *asked.keep)))
    table, history = _open(asked.source, config, scorer, carried)
    schema = _with_history(table.schema, history)
    check_carried(scorer, schema.names, carried)
    bad, rows = BadRows(most=asked.max_bad_fraction), 0

    def answered() -> Iterator[pa.RecordBatch]:
        nonlocal rows
        for batch in table.batches(bad):
            yield with_answers(scorer, past.add_to(batch) if history else batch, carried)
            rows += batch.num_rows

    new, lock = with_lock(_execution(config, asked, carried))
    with session.metadata.exclusive([lock]):
        execution = session.metadata.begin(new, {"model": [model.id]})
        past = StoredPast(session, config, history, execution.started_at)
        with attempt(session, [execution.id]):
            digest = write(_schema(schema, scorer, carried), answered())
            predictions = NewArtifact(
                type=ArtifactType.PREDICTIONS,
                uri=masked(asked.place),
                digest=digest,
                pipeline=config.name,
                properties={"rows": rows, "bad_rows": dict(bad.by_reason), "model_version": version.version},
            )
            publish(session, [Publication(execution_id=execution.id, outputs={"predictions": [predictions]})])
    return Predicted(rows=rows, bad_rows=bad.by_reason, digest=digest)


def _execution(config: PipelineConfig, asked: Asked, carried: Sequence[str]) -> NewExecution:
    return NewExecution(
        component=COMPONENT,
        pipeline=config.name,
        run=asked.run,
        fingerprint=None,
        parameters={"source": masked(asked.source), "columns": list(carried), "confidence": asked.confidence},
        origin=asked.origin,
    )


def _open(
    source: str, config: PipelineConfig, scorer: Scorer, carried: Sequence[str]
) -> tuple[Table, tuple[HistoryColumn, ...]]:
    """The rows in the types that the model and the pipeline have for them; CSV as the pipeline's own is written.

    Columns of ``data.history`` that they lack are told: they are made of what they have instead.
    """
    from mlcore.ingest.file_reader import csv_options
    from mlcore.ingest.tables import open_table
    from mlcore.transform.history.columns import history_columns

    own = config.data.source
    options = csv_options(own) if isinstance(own, CsvSource) else None
    declared = {name: kind for name, kind in config.data.columns.items() if name in carried}
    types = {**declared, **cast("dict[str, ColumnType]", dict(scorer.columns))}
    history = [one for one in history_columns(config.data) if one.name in {*scorer.columns, *carried}]
    if history:
        made = {one.name for one in history}
        bare = {name: kind for name, kind in types.items() if name not in made}
        there = set(open_table(source, columns=bare, options=options).schema.names)
        history = [one for one in history if one.name not in there]
        keys = {name: config.data.columns[name] for one in history for name in one.by}
        types = {name: kind for name, kind in types.items() if name in bare or name in there} | keys
    return open_table(source, columns=types, options=options), tuple(history)


def _with_history(schema: pa.Schema, history: Sequence[HistoryColumn]) -> pa.Schema:
    import pyarrow as pa

    from mlcore.transform.contract import ARROW_TYPES

    return pa.schema([*schema, *((one.name, ARROW_TYPES[one.type]) for one in history)])


def _schema(rows: pa.Schema, scorer: Scorer, carried: Sequence[str]) -> pa.Schema:
    import pyarrow as pa

    return pa.schema([*(rows.field(name) for name in carried), *scorer.answers])
