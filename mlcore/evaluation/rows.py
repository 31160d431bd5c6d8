"""The rows of an evaluation: labelled ones only, checked, and cut into slices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlcore.errors import ConfigError, DataError, ModelError, quoted
from mlcore.evaluation.sample import Codes, Floats
from mlcore.evaluation.values import OVERALL, SliceKey, SliceValue

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Rows:
    """Rows that have a label.

    Attributes:
        kept: Which of the given rows they are.
        positive: Which of them are of the positive class.
        clusters: A small number for each, equal for rows that may depend on one another.
        columns: Of the slices.
    """

    kept: Indices
    positive: npt.NDArray[np.bool_]
    clusters: Codes | None
    columns: pa.Table


def labelled_rows(labels: pa.Array | pa.ChunkedArray, columns: pa.Table, clusters: pa.Array | None) -> Rows:
    """Leave out rows without a label.

    Raises:
        DataError: No row has a label, or a label is neither 0 nor 1.
    """
    numbers = np.asarray(pc.cast(labels, pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
    known = np.flatnonzero(~np.isnan(numbers))
    if not len(known):
        raise DataError(
            "no row of the evaluation window has a label",
            next_step="check data.label.delay, or choose a longer window.eval",
        )
    values = numbers[known]
    if not np.isin(values, (0.0, 1.0)).all():
        odd = values[~np.isin(values, (0.0, 1.0))][0]
        raise DataError(
            f"a label is {odd:g} where 0 or 1 is expected", next_step="set data.label.above to make a yes-or-no label"
        )
    everything = len(known) == len(numbers)
    return Rows(
        kept=known,
        positive=values == 1.0,
        clusters=None if clusters is None else _codes(clusters if everything else clusters.take(pa.array(known)))[0],
        columns=columns if everything else columns.take(pa.array(known)),
    )


def checked_scores(scores: Floats, rows: Rows, *, given: int) -> Floats:
    """The scores of the labelled rows.

    Raises:
        ModelError: There are not as many scores as rows, or one is no probability.
    """
    if len(scores) != given:
        raise ModelError(f"the model gave {len(scores)} scores for {given} rows", next_step="check its transform")
    kept = scores[rows.kept]
    if not ((kept >= 0.0) & (kept <= 1.0)).all():
        odd = kept[~((kept >= 0.0) & (kept <= 1.0))][0]
        raise ModelError(
            f"the model gave a score of {odd:g}, which is no probability",
            next_step="choose an estimator whose predict_proba gives probabilities",
        )
    return kept


def slices(rows: Rows, by: Sequence[Sequence[str]]) -> Iterator[tuple[SliceKey, Indices | None]]:
    """Every slice and its rows in order: all rows first (``None``), then each combination of values there is.

    Raises:
        ConfigError: A column is not there.
    """
    yield OVERALL, None
    for columns in dict.fromkeys(tuple(columns) for columns in by if columns):
        yield from _slices_by(rows.columns, columns)


def _slices_by(table: pa.Table, columns: tuple[str, ...]) -> Iterator[tuple[SliceKey, Indices]]:
    for column in columns:
        if column not in table.column_names:
            raise ConfigError(
                f"evaluation.slices: column {quoted(column)} is not among the rows' columns",
                where="evaluation.slices",
                next_step=f"choose of {', '.join(table.column_names)}",
            )
    coded = [_codes(table[column]) for column in columns]
    combined = np.zeros(table.num_rows, dtype=np.int64)
    for codes, values in coded:
        combined = combined * len(values) + codes
    order = np.argsort(combined, kind="stable")
    starts = np.flatnonzero(np.diff(combined[order], prepend=-1))
    for members in np.split(order, starts[1:]):
        first = int(members[0])
        yield tuple((name, values[codes[first]]) for name, (codes, values) in zip(columns, coded, strict=True)), members


def _codes(column: pa.Array | pa.ChunkedArray) -> tuple[Codes, list[SliceValue]]:
    """A number for each row and the value of each number: numbers are in the order of the values, missing last."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    distinct = array.unique().drop_null()
    values = distinct.take(pc.array_sort_indices(distinct))
    codes = pc.fill_null(pc.index_in(array, value_set=values), len(values))
    named: list[SliceValue] = [_plain(value) for value in values.to_pylist()]
    return codes.to_numpy(zero_copy_only=False).astype(np.int64), [*named, None]


def _plain(value: object) -> SliceValue:
    if isinstance(value, (str, int, bool)):
        return value
    return str(value)
