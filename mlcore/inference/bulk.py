"""Many rows at once: carried columns and the model's answers, batch by batch, on any Beam runner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa

from mlcore.beam.convert import Source, convert
from mlcore.beam.files import batches, place
from mlcore.config.beam import Beam
from mlcore.errors import ArtifactCorrupt, DataError, quoted
from mlcore.inference.scorer import Scorer


@dataclass(frozen=True, kw_only=True, slots=True)
class Scoring:
    """From rows to predictions; what it needs to be sent to a worker.

    Attributes:
        model: Payload folder of the model, a path or a URL.
        version: The model's number.
        carried: Columns that are kept of each row, before the answers.
        confidence: That of a regressor's bounds; none are told by default.
    """

    model: str
    version: int
    carried: tuple[str, ...]
    confidence: float | None = None

    def __call__(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        return with_answers(self._scorer, rows, self.carried)

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that are read."""
        return tuple(dict.fromkeys((*self.carried, *self._scorer.columns)))

    @property
    def _scorer(self) -> Scorer:
        return _loaded(self.model, self.version, self.confidence)


@lru_cache(maxsize=2)
def _loaded(model: str, version: int, confidence: float | None) -> Scorer:
    """A worker loads a model once."""
    return Scorer.load(place(model), version=version, confidence=confidence)


def with_answers(scorer: Scorer, rows: pa.RecordBatch, carried: Sequence[str]) -> pa.RecordBatch:
    """Some columns of the rows, then what the model says of each.

    Raises:
        DataError: A column is missing, or carried under a name that an answer has.
    """
    check_carried(scorer, rows.schema.names, carried)
    answers = scorer.answer(rows)
    kept = [rows.schema.field(name) for name in carried]
    arrays = [rows.column(name) for name in carried]
    return pa.record_batch([*arrays, *answers.columns], pa.schema([*kept, *answers.schema]))


def check_carried(scorer: Scorer, names: Sequence[str], carried: Sequence[str]) -> None:
    """Check that the columns to carry are there and leave the names of the answers free.

    Raises:
        DataError: They are not, or do not.
    """
    missing = [name for name in carried if name not in names]
    if missing:
        raise DataError(
            f"the rows lack the column {quoted(missing[0], limit=60)} that is to be kept",
            where=f"given: {quoted(', '.join(names), limit=300)}",
            next_step="correct the names of the columns to keep",
        )
    taken = [name for name in carried if name in scorer.answers.names]
    if taken:
        raise DataError(
            f"the column {quoted(taken[0], limit=60)} has a name that the predictions need",
            next_step="rename it, or leave it out of the columns to keep",
        )


def predict_files(sources: Sequence[Source], scoring: Scoring, *, engine: Beam | None = None) -> None:
    """Score Parquet files: ``<prefix>-<part>.parquet`` in a source's folder for every part of it.

    Raises:
        ArtifactError: A file is missing or damaged, or the folder cannot be written.
        DataError: Rows lack a column.
        ModelError: The model refuses rows.
        EngineError: The runner cannot be had, or its job failed.
    """
    try:
        convert(sources, scoring, columns=scoring.columns, engine=engine)
    except ArtifactCorrupt:
        _check_columns(sources, scoring)
        raise


def _check_columns(sources: Sequence[Source], scoring: Scoring) -> None:
    """A model that reads what the rows no longer have, such as one of long ago, is no damage to their files."""
    for source in sources:
        there = next(batches(source.path)).schema.names
        missing = [name for name in scoring.columns if name not in there]
        if missing:
            raise DataError(
                f"the rows lack the column {quoted(missing[0], limit=60)} that version {scoring.version} reads",
                where=f"given: {quoted(', '.join(there), limit=300)}",
                next_step="put it back into data.columns, or release a model that does without it",
            )
