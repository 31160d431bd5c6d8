"""Fitting on more rows than fit in memory: a scan that counts, then ``partial_fit`` on one block after the other.

Blocks have :data:`~mlcore.training.memory.BLOCK_ROWS` labelled rows in the order of the spans, however the rows come:
how files are divided leaves no trace in the model. The order is that of time, and every pass has it: an estimator
that forgets, as gradient descent does, knows the newest rows best.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlcore.errors import DataError, ModelError
from mlcore.training.fit import guarded
from mlcore.training.memory import BLOCK_ROWS
from mlcore.training.weights import ClassCounts, RowWeights, no_weight

Source = Callable[[Sequence[str]], Iterable[pa.RecordBatch]]
"""Some columns of all rows, in the order of the spans; called once a pass."""
Transform = Callable[[pa.Table], npt.NDArray[np.float64]]


@dataclass(kw_only=True, slots=True)
class Scan:
    """What is known of all rows before the first is fitted on.

    Attributes:
        rows: Rows with a label.
        unlabelled: Rows without.
        weighed: Whether some row counts.
        counts: Rows by class.
    """

    rows: int = 0
    unlabelled: int = 0
    weighed: bool = False
    counts: Counter[Any] = field(default_factory=Counter)

    @property
    def classes(self) -> ClassCounts:
        found = sorted(self.counts.items())
        return ClassCounts(
            classes=np.array([value for value, _ in found]), counts=np.array([count for _, count in found], np.int64)
        )


def scan(source: Source, *, label: str, weights: RowWeights | None, classes: bool) -> Scan:
    """Read the labels and what weights are made from.

    Raises:
        DataError: No row has a label, a weight is none, or all are 0.
    """
    found = Scan()
    factors = RowWeights(column=weights.column) if weights else None
    for batch in source([label, *(factors.columns if factors else ())]):
        table, labels = labelled(pa.Table.from_batches([batch]), label)
        found.rows += table.num_rows
        found.unlabelled += batch.num_rows - table.num_rows
        if classes:
            found.counts.update(Counter(labels.tolist()))
        given = factors.of_some(table, labels, None) if factors else None
        found.weighed |= given is None or bool(np.any(given > 0))
    if found.rows == 0:
        raise no_label(label)
    if not found.weighed:
        raise no_weight()
    return found


def fit_streaming(
    model: Any,
    source: Source,
    transform: Transform,
    *,
    columns: Sequence[str],
    label: str,
    scanned: Scan,
    weights: RowWeights | None = None,
    epochs: int = 1,
    threads: int = 1,
) -> None:
    """Fit an estimator that has ``partial_fit``; never more than a block is held.

    Args:
        model: Unfitted, or fitted on other rows of the same classes.
        source: The rows.
        transform: Rows to the estimator's matrix.
        columns: What the transform and the weights read.
        label: Name of the label column.
        scanned: What :func:`scan` found.
        weights: How much each row counts.
        epochs: How often all rows are gone through.
        threads: Of BLAS and OpenMP.

    Raises:
        ModelError: It refuses the rows, or cannot weigh them.
    """
    counts = scanned.classes if scanned.counts else None
    if weights is not None and "sample_weight" not in inspect.signature(model.partial_fit).parameters:
        raise ModelError(
            f"{type(model).__name__} cannot weigh rows block by block: its partial_fit takes no sample_weight",
            where="model.weights",
            next_step="remove model.weights, allow more model.max_memory, or choose another estimator",
        )
    given = {} if counts is None else {"classes": counts.classes}
    for _ in range(epochs):
        for block in blocks(source(list(dict.fromkeys([*columns, label]))), label):
            table, labels = labelled(block, label)
            labels = labels if counts is None else labels.astype(counts.classes.dtype)
            weighed = weights.of_some(table, labels, counts) if weights else None
            extra = given if weighed is None else {**given, "sample_weight": weighed}
            features = transform(table)
            with guarded(model, threads):
                model.partial_fit(features, labels, **extra)


def blocks(batches: Iterable[pa.RecordBatch], label: str, rows: int = BLOCK_ROWS) -> Iterator[pa.Table]:
    """The rows that have a label, so many at a time; the last are fewer."""
    waiting: list[pa.Table] = []
    count = 0
    for batch in batches:
        table = with_label(pa.Table.from_batches([batch]), label)
        while table.num_rows:
            piece = table.slice(0, rows - count)
            waiting.append(piece)
            count += piece.num_rows
            table = table.slice(piece.num_rows)
            if count == rows:
                yield pa.concat_tables(waiting)
                waiting, count = [], 0
    if waiting:
        yield pa.concat_tables(waiting)


def with_label(table: pa.Table, label: str) -> pa.Table:
    """The rows that have one."""
    return table.filter(pc.is_valid(table[label])) if table[label].null_count else table


def labelled(table: pa.Table, label: str) -> tuple[pa.Table, npt.NDArray[Any]]:
    """The rows that have a label, and their labels."""
    table = with_label(table, label)
    labels = table[label].to_numpy()
    return table, labels.astype(str) if labels.dtype == object else labels


def no_label(label: str) -> DataError:
    """No row of the window has a label."""
    return DataError(
        f"no row of the training window has a label {label!r:.120}",
        next_step="check data.label.column and data.label.delay, or choose a longer window.train",
    )
