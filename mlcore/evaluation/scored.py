"""A table of labels and scores evaluated, with neither pipeline nor model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlcore.config.evaluation import Evaluation as EvaluationConfig
from mlcore.core.types import Json
from mlcore.errors import ConfigError, DataError, quoted
from mlcore.evaluation.measure import measure_slices
from mlcore.evaluation.metrics import standard_metrics
from mlcore.evaluation.rows import About, Column, prepare
from mlcore.evaluation.sample import Floats
from mlcore.evaluation.task import Task
from mlcore.evaluation.values import Comparison, Evaluation, MetricValue, Slices, slice_id

_LARGEST = 1e150


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoredFile:
    """What the columns of a table are, and what is asked of them.

    Attributes:
        label: What happened.
        scores: The prediction; of several classes a probability each.
        baseline: Another model's, or nothing.
        slices: Lists of terms, as in ``evaluation.slices``.
        metrics: By default all that have a meaning.
        task: By default several classes where there are several scores, a ranking where there is a query, two classes
            where all labels are 0 or 1, else a regression.
        classes: Of several classes: the label of each score.
    """

    label: str
    scores: tuple[str, ...]
    baseline: tuple[str, ...] = ()
    slices: tuple[tuple[str, ...], ...] = ()
    metrics: tuple[str, ...] = ()
    weight: str | None = None
    cluster: str | None = None
    query: str | None = None
    task: str | None = None
    classes: tuple[str, ...] = ()
    min_slice_rows: int = 1
    confidence: float = 0.95


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoredEvaluation:
    """What was found.

    Attributes:
        differences: From the baseline on the same rows; ``None`` where there is none.
    """

    asked: ScoredFile
    task: Task
    evaluation: Evaluation
    differences: Comparison | None

    def to_document(self) -> dict[str, Json]:
        """For programs: ``slices`` by name, the slice of all rows is called ``overall``."""
        document: dict[str, Json] = {
            "task": self.task.value,
            "label": self.asked.label,
            "score": self.asked.scores[0] if len(self.asked.scores) == 1 else list(self.asked.scores),
            "confidence": self.evaluation.confidence,
            "cluster": self.asked.cluster,
            "weight": self.asked.weight,
            "rows": {slice_id(result.key): result.rows for result in self.evaluation.results},
            "slices": _by_slice(self.evaluation),
            "missing": _missing(self.evaluation),
        }
        if self.differences is not None:
            baseline = self.asked.baseline
            document["baseline_score"] = baseline[0] if len(baseline) == 1 else list(baseline)
            document["differences"] = _by_slice(self.differences)
            document["missing_differences"] = _missing(self.differences)
        return document


def evaluate_table(table: pa.Table, asked: ScoredFile) -> ScoredEvaluation:
    """Evaluate a table.

    Raises:
        ConfigError: A column is not there, or what is asked for cannot be.
        DataError: A label, a weight or a score cannot be.
        ModelError: A score is no probability.
    """
    task = _task(table, asked)
    if task is Task.MULTICLASS and len(asked.classes) != len(asked.scores):
        raise ConfigError(
            f"{len(asked.scores)} columns of scores and {len(asked.classes)} classes",
            next_step="name the class of each --score in the same order: --class a --class b",
        )
    if asked.baseline and len(asked.baseline) != len(asked.scores):
        raise ConfigError(
            f"{len(asked.scores)} columns of scores and {len(asked.baseline)} of the baseline",
            next_step="give as many --baseline-score as --score",
        )
    config = EvaluationConfig(
        metrics=asked.metrics or standard_metrics(task),
        slices=((), *asked.slices),
        min_slice_rows=asked.min_slice_rows,
    )
    labels = _column(table, asked.label)
    about: About = {
        "task": task,
        "classes": [pa.scalar(each).cast(labels.type).as_py() for each in asked.classes],
        "clusters": None if asked.cluster is None else _column(table, asked.cluster),
        "weights": None if asked.weight is None else _column(table, asked.weight),
        "queries": None if asked.query is None else _column(table, asked.query),
    }
    models = [_scores(table, columns, task) for columns in (asked.scores, asked.baseline) if columns]
    _check_labelled(labels, asked, about.get("weights"))
    if task is Task.REGRESSION and not pa.types.is_boolean(labels.type):
        _check_size(_numbers(table, asked.label), asked.label)
    rows = prepare(labels, models, table, config.slices, about)
    alone = rows if len(models) == 1 else rows.of_first()
    return ScoredEvaluation(
        asked=asked,
        task=task,
        evaluation=measure_slices(alone, config, asked.confidence),
        differences=measure_slices(rows, config, asked.confidence) if asked.baseline else None,
    )


def _task(table: pa.Table, asked: ScoredFile) -> Task:
    if asked.task is not None:
        try:
            return Task(asked.task)
        except ValueError:
            raise ConfigError(
                f"there is no task {quoted(asked.task)}", next_step=f"choose of {', '.join(Task)}"
            ) from None
    if len(asked.scores) > 1:
        return Task.MULTICLASS
    if asked.query is not None:
        return Task.RANKING
    labels = _column(table, asked.label)
    if pa.types.is_string(labels.type):
        raise DataError(
            f"the labels in {quoted(asked.label)} are strings",
            next_step="give a column of 0 and 1 or of numbers, or a --score and a --class for each class",
        )
    known = pc.unique(labels).drop_null()
    two = pa.types.is_boolean(labels.type) or pc.all(pc.is_in(known, value_set=pa.array([0, 1], known.type))).as_py()
    return Task.BINARY if two else Task.REGRESSION


def _check_labelled(labels: pa.ChunkedArray, asked: ScoredFile, weights: Column | None) -> None:
    counted = labels.is_valid()
    if weights is not None and pa.types.is_primitive(weights.type):
        nothing = pc.fill_null(pc.equal(weights, pa.scalar(0).cast(weights.type)), pa.scalar(value=False))
        counted = pc.and_not(counted, nothing)
    if not pc.any(counted, min_count=0).as_py():
        beside = "" if weights is None else f" and a weight in {quoted(asked.weight)} above 0"
        raise DataError(
            f"none of the {len(labels):,} rows has a label in {quoted(asked.label)}{beside}",
            next_step="name the column that says what happened",
        )


def _check_size(numbers: Floats, name: str) -> None:
    """Check that sums of squares stay finite."""
    large = np.flatnonzero(np.abs(numbers) > _LARGEST)
    if len(large):
        raise DataError(
            f"column {quoted(name)} holds {numbers[large[0]]:g} in row {large[0] + 1:,}: its square is no number",
            next_step="correct the value, or give the column in a larger unit",
        )


def _column(table: pa.Table, name: str) -> pa.ChunkedArray:
    if not table.column_names:
        raise DataError("the file has no columns", next_step="give a file with a header, or with a schema")
    if name not in table.column_names:
        raise ConfigError(
            f"there is no column {quoted(name)}",
            next_step=f"choose of {', '.join(table.column_names[:40])}",
        )
    return table[name]


def _scores(table: pa.Table, columns: tuple[str, ...], task: Task) -> Floats:
    found = [_numbers(table, column) for column in columns]
    for name, numbers in zip(columns, found, strict=True):
        _check_scores(numbers, name, task)
    if task is Task.MULTICLASS:
        return np.column_stack(found)
    if len(found) > 1:
        raise ConfigError(
            f"a {task.value} prediction has one score", next_step="give one --score, or --task multiclass"
        )
    return found[0]


def _check_scores(numbers: Floats, name: str, task: Task) -> None:
    chances = task in (Task.BINARY, Task.MULTICLASS)
    wrong = ~((numbers >= 0.0) & (numbers <= 1.0)) if chances else ~np.isfinite(numbers)
    if not wrong.any():
        _check_size(numbers, name)
        return
    first = int(wrong.argmax())
    value = "no number" if np.isnan(numbers[first]) else f"{numbers[first]:g}"
    what = "no probability" if chances and not np.isnan(numbers[first]) else "no score"
    raise DataError(
        f"column {quoted(name)} holds {value} in row {first + 1:,}, which is {what} ({int(wrong.sum()):,} such rows)",
        next_step="leave those rows out, or correct them"
        + ("; where scores are no probabilities, see --task" if chances else ""),
    )


def _numbers(table: pa.Table, name: str) -> Floats:
    column = _column(table, name)
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_decimal(column.type)):
        raise DataError(f"column {quoted(name)} holds {column.type}, not scores", next_step="name a column of numbers")
    return np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64)


def _by_slice(results: Slices) -> dict[str, Json]:
    return {slice_id(result.key): _values(result.metrics) for result in results.results}


def _values(metrics: Mapping[str, MetricValue]) -> dict[str, Json]:
    return {name: {"value": value.value, "low": value.lower, "high": value.upper} for name, value in metrics.items()}


def _missing(results: Slices) -> dict[str, Json]:
    return {slice_id(result.key): dict(result.missing) for result in results.results if result.missing}
