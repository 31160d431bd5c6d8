"""Where two models answer the same rows most differently."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlcore.core.types import Json
from mlcore.errors import MlcoreError

Floats = npt.NDArray[np.float64]
_SHARES = (0.5, 0.9, 0.99)
_BINS = 5
_LEAST_ROWS = 20
_MOST_VALUES = 50
_MISSING = "missing"


@dataclass(frozen=True, kw_only=True, slots=True)
class RowDifference:
    """One row, and what each model answers.

    Attributes:
        row: Its key and its features.
        first, second: A number, or one a class.
    """

    row: dict[str, Json]
    first: tuple[float, ...]
    second: tuple[float, ...]
    difference: float


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupDifference:
    """Rows that are alike in one feature.

    Attributes:
        feature: Its column.
        value: What they have there: a value, or a range of a fifth of the rows.
        rows: How many.
        mean: Of the differences of these rows.
        apart: How far that is from the mean of all rows.
    """

    feature: str
    value: str
    rows: int
    mean: float
    apart: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Divergence:
    """How two models' answers to the same rows differ.

    A difference is the second's answer less the first's; of several classes the total variation distance of the two
    distributions, from 0 to 1.

    Attributes:
        equal: Rows with the same bits of both.
        mean: Of the differences.
        quantiles: Of their absolute values: by share.
        largest: The rows that differ most, the most different first.
        groups: By feature, the values whose rows differ otherwise than all rows, the furthest first.
    """

    rows: int
    equal: int
    mean: float
    quantiles: tuple[tuple[float, float], ...]
    most: float
    largest: tuple[RowDifference, ...]
    groups: tuple[GroupDifference, ...]


def diverge(
    first: Floats,
    second: Floats,
    rows: pa.Table,
    *,
    key: Sequence[str],
    features: Sequence[str],
    most_rows: int = 10,
    most_groups: int = 10,
) -> Divergence:
    """Compare two models' answers.

    Args:
        first: Of shape (rows,), or (rows, classes).
        second: Of the same shape, for the same rows.
        rows: The rows, with the columns named below.
        key: Columns that tell one row from another; ties are broken by them.
        features: Columns by which rows are grouped, and shown of the largest differences.
        most_rows: How many of the largest differences.
        most_groups: How many groups.

    Raises:
        MlcoreError: The answers are of different shapes, or there are none.
    """
    if first.shape != second.shape or len(first) != rows.num_rows or not len(first):
        raise MlcoreError(f"answers of shape {first.shape} and {second.shape} to {rows.num_rows} rows do not compare")
    difference = second - first if first.ndim == 1 else 0.5 * np.abs(second - first).sum(axis=1)
    size = np.abs(difference)
    same = (first.view(np.uint64) == second.view(np.uint64)).reshape(len(first), -1).all(axis=1)
    mean = float(difference.mean())
    groups = [group for name in features for group in _groups(rows[name], name, difference, mean)]
    groups.sort(key=lambda group: (-abs(group.apart), group.feature, group.value))
    return Divergence(
        rows=len(first),
        equal=int(np.count_nonzero(same)),
        mean=mean,
        quantiles=tuple((share, float(np.quantile(size, share))) for share in _SHARES),
        most=float(size.max()),
        largest=tuple(_largest(first, second, difference, rows, [*dict.fromkeys([*key, *features])], key, most_rows)),
        groups=tuple(groups[:most_groups]),
    )


def _largest(
    first: Floats,
    second: Floats,
    difference: Floats,
    rows: pa.Table,
    shown: Sequence[str],
    key: Sequence[str],
    most: int,
) -> Iterator[RowDifference]:
    size = np.abs(difference)
    candidates = np.flatnonzero(size >= np.partition(size, -min(most, len(size)))[-min(most, len(size))])
    found = rows.select(shown).take(pa.array(candidates)).to_pylist()
    order = sorted(
        range(len(candidates)), key=lambda at: (-size[candidates[at]], [str(found[at][name]) for name in key])
    )
    for at in order[:most]:
        place = candidates[at]
        if not size[place]:
            return
        yield RowDifference(
            row={name: _json(value) for name, value in found[at].items()},
            first=tuple(np.atleast_1d(first[place]).tolist()),
            second=tuple(np.atleast_1d(second[place]).tolist()),
            difference=float(difference[place]),
        )


def _groups(column: pa.ChunkedArray, name: str, difference: Floats, mean: float) -> Iterator[GroupDifference]:
    for value, members in _members(column):
        count = int(np.count_nonzero(members))
        if count >= _LEAST_ROWS:
            own = float(difference[members].mean())
            yield GroupDifference(feature=name, value=value, rows=count, mean=own, apart=own - mean)


def _members(column: pa.ChunkedArray) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    kind = column.type
    missing = pc.is_null(column, nan_is_null=True).to_numpy()
    if missing.any():
        yield _MISSING, missing
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        yield from _ranges(pc.fill_null(column.cast(pa.float64()), np.nan).to_numpy(), ~missing)
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_boolean(kind):
        encoded = pc.dictionary_encode(column.combine_chunks())
        encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
        codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
        counts = np.bincount(codes[codes >= 0], minlength=len(encoded.dictionary))
        for code in np.argsort(-counts, kind="stable")[:_MOST_VALUES]:
            yield str(encoded.dictionary[code].as_py()), codes == code


def _ranges(values: Floats, there: npt.NDArray[np.bool_]) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    """Fifths of the rows; where few values are most of them, fewer ranges."""
    if not there.any():
        return
    edges = np.unique(np.quantile(values[there], np.linspace(0, 1, _BINS + 1), method="lower"))
    for low, high in pairwise(edges.tolist()):
        last = high == edges[-1]
        inside = there & (values >= low) & ((values <= high) if last else (values < high))
        yield f"{low:.6g} to {high:.6g}", inside
    if len(edges) == 1:
        yield f"{edges[0]:.6g}", there


def _json(value: object) -> Json:
    if isinstance(value, float) and not isfinite(value):  # JSON has no such number
        return str(value)
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)
