"""The rows of an evaluation: labelled ones only, checked, in one order whatever order they came in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, TypedDict

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlcore.accumulators.hashing import Hashes, hashed, of_numbers
from mlcore.core.types import Json
from mlcore.errors import ConfigError, DataError, ModelError, quoted
from mlcore.evaluation.sample import Codes, Floats, Sample
from mlcore.evaluation.slices import Coded, code, code_terms
from mlcore.evaluation.task import Task

Column: TypeAlias = "pa.Array | pa.ChunkedArray"


class About(TypedDict, total=False):
    """What may be known of rows besides their labels.

    Attributes:
        task: What is predicted; two classes by default.
        classes: Of several classes: the labels, in the order of the columns of scores.
        clusters: Rows with equal values may depend on one another: for instance the day, which shares its weather.
            Without it, and where all rows are of one cluster, rows are taken as independent.
        weights: How much each row counts.
        queries: Of a ranking: rows with equal values are ranked together.
        key: The columns that tell one row from another; without them all of a row's values do.
    """

    task: Task
    classes: Sequence[Json]
    clusters: Column | None
    weights: Column | None
    queries: Column | None
    key: Sequence[str]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Rows:
    """Rows that have a label, ordered by the first model's score and then by content.

    Attributes:
        scores: Of each model.
        clusters: A small number for each row, equal for rows that may depend on one another.
        cluster_keys: A hash of each cluster.
        keys: A hash of each row.
        coded: The terms of slices.
    """

    task: Task
    labels: Floats
    scores: tuple[Floats, ...]
    weights: Floats | None
    queries: Codes | None
    clusters: Codes | None
    cluster_keys: Hashes | None
    keys: Hashes
    coded: dict[str, Coded]

    def sample(self, model: int, members: npt.NDArray[np.int64] | None) -> Sample:
        """Labels and one model's scores, of some of the rows or of all."""
        pick = slice(None) if members is None else members
        return Sample(
            labels=self.labels[pick],
            scores=self.scores[model][pick],
            weights=None if self.weights is None else self.weights[pick],
            queries=None if self.queries is None else self.queries[pick],
        )

    def of_first(self) -> Rows:
        """The same rows with the first model's scores alone."""
        return replace(self, scores=self.scores[:1])


def prepare(
    labels: Column, scores: Sequence[Floats], columns: pa.Table, slices: Sequence[Sequence[str]], about: About
) -> Rows:
    """Check rows, leave out those without a label or weight, and order them.

    Raises:
        ConfigError: A column is not there.
        DataError: No row has a label, or a label or a weight cannot be.
        ModelError: There are not as many scores as rows, or one cannot be.
    """
    task = about.get("task", Task.BINARY)
    numbers = _labels(labels, task, about.get("classes", ()))
    weights = _weights(about.get("weights"))
    known = ~np.isnan(numbers)
    if weights is not None:
        known &= weights > 0.0
    kept = np.flatnonzero(known)
    if not len(kept):
        raise DataError(
            "no row of the evaluation window has a label",
            next_step="check data.label.delay, or choose a longer window.eval",
        )
    checked = tuple(_checked(given, kept, len(numbers), task, len(about.get("classes", ()))) for given in scores)
    everything = len(kept) == len(numbers)
    table = columns if everything else columns.take(pa.array(kept))
    rows = Rows(
        task=task,
        labels=numbers[kept],
        scores=checked,
        weights=None if weights is None else weights[kept],
        queries=_coded(about.get("queries"), kept, everything=everything),
        clusters=None,
        cluster_keys=None,
        keys=row_hashes(table, about.get("key", ())),
        coded=code_terms(table, slices),
    )
    clusters = about.get("clusters")
    if clusters is not None:
        grouped = code(clusters if everything else clusters.take(pa.array(kept)))
        rows = replace(rows, clusters=grouped.codes.astype(np.int64), cluster_keys=_named_hashes(grouped))
    return _ordered(rows, keyed=bool(about.get("key", ())))


def _labels(labels: Column, task: Task, classes: Sequence[Json]) -> Floats:
    if task is Task.MULTICLASS:
        values = pa.array(list(classes), labels.type)
        places = pc.index_in(labels, value_set=values)
        strange = pc.and_(pc.is_valid(labels), pc.is_null(places))
        if pc.any(strange).as_py():
            odd = labels.filter(strange)[0].as_py()
            raise DataError(
                f"a label is {quoted(odd)}, which is none of the model's classes",
                next_step="train again on rows that hold every class, or leave out such rows",
            )
        return _numbers(places)
    numbers = _numbers(labels)
    values = numbers[~np.isnan(numbers)]
    if task is Task.BINARY and not np.isin(values, (0.0, 1.0)).all():
        odd = values[~np.isin(values, (0.0, 1.0))][0]
        raise DataError(
            f"a label is {odd:g} where 0 or 1 is expected", next_step="set data.label.above to make a yes-or-no label"
        )
    if not np.isfinite(values).all() or (task is Task.RANKING and bool((values < 0.0).any())):
        raise DataError("a label is infinite, or a relevance below 0", next_step="correct the label's column")
    return numbers


def _numbers(column: Column) -> Floats:
    if not (
        pa.types.is_integer(column.type)
        or pa.types.is_floating(column.type)
        or pa.types.is_boolean(column.type)
        or pa.types.is_null(column.type)
        or pa.types.is_decimal(column.type)
    ):
        raise DataError(
            f"labels and weights are numbers, not {column.type}", next_step="choose a column of numbers, or classes"
        )
    return np.array(pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def _weights(column: Column | None) -> Floats | None:
    if column is None:
        return None
    weights = _numbers(column)
    if not (weights >= 0.0).all() or not np.isfinite(weights).all():
        raise DataError("a weight is missing, below 0 or infinite", next_step="correct the column of weights")
    return weights


def _checked(scores: Floats, kept: npt.NDArray[np.int64], given: int, task: Task, classes: int) -> Floats:
    if len(scores) != given:
        raise ModelError(f"the model gave {len(scores)} scores for {given} rows", next_step="check its transform")
    if task is Task.MULTICLASS and (scores.ndim != 2 or scores.shape[1] != classes):
        raise ModelError(
            f"the model's scores are of shape {scores.shape}, and there are {classes} classes",
            next_step="give a column of probabilities a class",
        )
    values = np.asarray(scores, dtype=np.float64)[kept]
    if task in (Task.BINARY, Task.MULTICLASS):
        possible = (values >= 0.0) & (values <= 1.0)
        if not possible.all():
            raise ModelError(
                f"the model gave a score of {values[~possible][0]:g}, which is no probability",
                next_step="choose an estimator whose predict_proba gives probabilities",
            )
    elif not np.isfinite(values).all():
        raise ModelError(
            f"the model predicted {values[~np.isfinite(values)][0]:g}", next_step="check its inputs for missing values"
        )
    return values


def _coded(column: Column | None, kept: npt.NDArray[np.int64], *, everything: bool) -> Codes | None:
    if column is None:
        return None
    return code(column if everything else column.take(pa.array(kept))).codes.astype(np.int64)


def _named_hashes(coded: Coded) -> Hashes:
    """A hash of each value; a missing one is like no text there is."""
    return hashed(pa.array([f"={value}" if value is not None else "missing" for value in coded.values], pa.string()))


def row_hashes(table: pa.Table, key: Sequence[str]) -> Hashes:
    """A hash of the key of each row; without a key all are alike.

    Raises:
        ConfigError: A column of the key is not there.
    """
    mixed = np.zeros(table.num_rows, dtype=np.uint64)
    for name in key:
        if name not in table.column_names:
            raise ConfigError(
                f"the key's column {quoted(name)} is not among the rows' columns",
                next_step=f"choose of {', '.join(table.column_names)}",
            )
        mixed = _mixed(mixed, _value_hashes(table[name]))
    return mixed


def _value_hashes(column: pa.ChunkedArray) -> Hashes:
    array = column.combine_chunks()
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_temporal(array.type) or pa.types.is_boolean(array.type) or pa.types.is_decimal(array.type):
        array = array.cast(pa.string())
    text = pa.types.is_string(array.type) or pa.types.is_binary(array.type)
    hashes = hashed(array.fill_null(b"" if pa.types.is_binary(array.type) else "" if text else 0))
    hashes[np.asarray(array.is_null())] = np.uint64(0x9E3779B97F4A7C15)
    return hashes


def _mixed(one: Hashes, two: Hashes) -> Hashes:
    return of_numbers((of_numbers(one.view(np.int64)) ^ two).view(np.int64))


def _ordered(rows: Rows, *, keyed: bool) -> Rows:
    """By score, then content: sums are the same to the last bit for every order of the rows."""
    content = _mixed(rows.keys, of_numbers(rows.labels + 0.0))
    for scores in rows.scores:
        for column in scores.T if scores.ndim == 2 else (scores,):
            content = _mixed(content, of_numbers(np.ascontiguousarray(column) + 0.0))
    numbers = [each for each in (rows.weights, rows.queries, rows.clusters) if each is not None]
    for each in (*numbers, *(coded.codes.astype(np.int64) for coded in rows.coded.values())):
        content = _mixed(content, of_numbers(each))
    first = rows.scores[0]
    order = np.argsort(content, kind="stable") if first.ndim == 2 else np.lexsort((content, first))
    keys = rows.keys[order] if keyed else _numbered(content[order])
    return Rows(
        task=rows.task,
        labels=rows.labels[order],
        scores=tuple(scores[order] for scores in rows.scores),
        weights=None if rows.weights is None else rows.weights[order],
        queries=None if rows.queries is None else rows.queries[order],
        clusters=None if rows.clusters is None else rows.clusters[order],
        cluster_keys=rows.cluster_keys,
        keys=keys,
        coded={term: coded.taken(order) for term, coded in rows.coded.items()},
    )


def _numbered(content: Hashes) -> Hashes:
    """Equal rows, which lie side by side, are told apart by their number."""
    places = np.arange(len(content))
    starts = np.maximum.accumulate(np.where(np.concatenate(([True], content[1:] != content[:-1])), places, 0))
    return _mixed(content, of_numbers(places - starts))
