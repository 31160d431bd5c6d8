"""A stored model's scores on stored examples: what Evaluator, InfraValidator and DriftMonitor start from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlcore.config.pipeline import PipelineConfig
from mlcore.core.types import Json
from mlcore.ingest.examples import read_examples
from mlcore.training.model import load_model, read_metadata
from mlcore.training.predict import predict_scores

if TYPE_CHECKING:
    from mlcore.evaluation.rows import About


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """Rows to judge a model by.

    Attributes:
        rows: All columns and the label.
        days: The UTC day of each row: rows of one day depend on one another.
    """

    rows: pa.Table
    labels: pa.ChunkedArray
    days: pa.ChunkedArray


def read_judged(config: PipelineConfig, examples: Sequence[Path]) -> Judged:
    """The rows that have a label, of the given examples."""
    rows = read_examples(examples)
    label = config.data.label.name
    rows = rows.filter(pc.is_valid(rows[label]))
    days = rows[config.data.event_timestamp].cast(pa.timestamp("us")).cast(pa.date32())
    return Judged(rows=rows, labels=rows[label], days=days)


def about(config: PipelineConfig, judged: Judged, model: Path) -> About:
    """What an evaluation has to know of the rows besides their labels."""
    return described(config, judged, read_metadata(model).classes)


def described(config: PipelineConfig, judged: Judged, classes: Sequence[Json]) -> About:
    """The same, where it is known which classes there are."""
    from mlcore.evaluation.task import Task

    asked, columns = config.evaluation, judged.rows
    return {
        "task": Task(config.data.task),
        "classes": classes,
        "clusters": judged.days if asked.cluster is None else columns[asked.cluster],
        "weights": None if asked.weight is None else columns[asked.weight],
        "queries": None if asked.query is None else columns[asked.query],
        "key": config.data.key,
    }


def score(model: Path, rows: pa.Table) -> npt.NDArray[np.float64]:
    """The model's scores, one a row."""
    return predict_scores(load_model(model), rows)
