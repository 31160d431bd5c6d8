"""The payload of a span's Predictions: Parquet files, read in the order of their names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from mlcore.beam.files import batches
from mlcore.core.types import Json
from mlcore.errors import ArtifactMissing
from mlcore.inference.scorer import PREDICTION, PROBABILITY, is_binary


def files(folder: Path) -> tuple[Path, ...]:
    """The files of a span.

    Raises:
        ArtifactMissing: There is none.
    """
    found = tuple(sorted((path for path in folder.iterdir() if path.suffix == ".parquet"), key=lambda path: path.name))
    if not found:
        raise ArtifactMissing(
            "the predictions of a span are gone", where=str(folder), next_step="run again: they are made anew"
        )
    return found


def count(folder: Path) -> int:
    """How many rows there are."""
    total = 0
    for path in files(folder):
        with path.open("rb") as file:
            total += pq.read_metadata(file).num_rows
    return total


def schema(folder: Path) -> pa.Schema:
    """The columns of a span's predictions."""
    with files(folder)[0].open("rb") as file:
        return pq.read_schema(file)


def iter_predictions(folder: Path) -> Iterator[pa.RecordBatch]:
    """The rows, never many at once.

    Raises:
        ArtifactMissing: A file is gone.
        ArtifactCorrupt: A file is no Parquet.
    """
    for path in files(folder):
        for batch in batches(str(path)):
            if batch.num_rows:
                yield batch


def read_predictions(folder: Path) -> pa.Table:
    """The same rows as a table."""
    return pa.Table.from_batches(list(iter_predictions(folder)), schema(folder))


def scores_of(predictions: pa.Table, classes: Sequence[Json]) -> npt.NDArray[np.float64]:
    """What the model's answers were made from, bit for bit: the inverse of ``Scorer.answer``.

    Args:
        predictions: Rows of a model's answers.
        classes: Those of the model's label, in the order of its probabilities; none where it is a number.
    """
    if not classes:
        return _numbers(predictions, PREDICTION)
    if is_binary(classes):
        return _numbers(predictions, PROBABILITY)
    return np.column_stack([_numbers(predictions, f"{PROBABILITY}_{name}") for name in classes])


def _numbers(table: pa.Table, name: str) -> npt.NDArray[np.float64]:
    return np.asarray(table[name].to_numpy(), dtype=np.float64)
