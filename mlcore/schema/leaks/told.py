"""How much of the label one column tells, measured on rows that it was not learnt from.

A column is read in several ways, so that a label that hides in it is found wherever it hides: its exact values; numbers
in bins, and their last digit; of texts the first and last letter and the length.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlcore.schema.leaks.rows import Codes, Floats, Outcome

FEWEST_ROWS = 50
_FEWEST_OF_CLASS = 10
_BINS = 64
_MOST_DECIMALS = 6
_DIGITAL = 0.99

Pair = tuple[Codes, Codes]


def most_told(readings: Iterator[Pair], train: Outcome, judged: Outcome) -> float:
    """Of all ways to read a column the one that tells most; 0 where there are too few rows to say."""
    if not _enough(train) or not _enough(judged):
        return 0.0
    return max((told(pair, train, judged) for pair in readings), default=0.0)


def told(pair: Pair, train: Outcome, judged: Outcome) -> float:
    """How much of the judged rows' labels values tell that were learnt from training rows; 0 nothing, 1 all.

    Of classes it is Youden's index: the mean over the classes of the share of their rows that is recognised, from that
    of guessing to all; the rarity of a class makes it neither greater nor smaller. Of numbers it is the share of their
    variance. A value that no training row has tells nothing.
    """
    learnt, asked = train.known, judged.known
    codes, values, where, truth = pair[0][learnt], train.values[learnt], pair[1][asked], judged.values[asked]
    count = int(max(codes.max(initial=0), where.max(initial=0))) + 1
    if train.classes:
        return _of_classes(codes, values.astype(np.int64), where, truth.astype(np.int64), (count, train.classes))
    return _of_numbers(codes, values, where, truth, count)


def _of_classes(codes: Codes, classes: Codes, where: Codes, truth: Codes, shape: tuple[int, int]) -> float:
    counts = np.bincount(codes * shape[1] + classes, minlength=shape[0] * shape[1]).reshape(shape)
    totals = np.maximum(counts.sum(axis=0), 1)
    guessed = np.where(counts.any(axis=1), (counts / totals).argmax(axis=1), -1)[where]
    present = np.flatnonzero(np.bincount(truth, minlength=shape[1]))
    recall = float(np.mean([np.mean(guessed[truth == one] == one) for one in present]))
    return max((recall - 1.0 / len(present)) / (1.0 - 1.0 / len(present)), 0.0)


def _of_numbers(codes: Codes, values: Floats, where: Codes, truth: Floats, count: int) -> float:
    rows = np.bincount(codes, minlength=count)
    usual = float(values.mean())
    means = np.where(rows > 0, np.bincount(codes, weights=values, minlength=count) / np.maximum(rows, 1), usual)
    spread = float(((truth - truth.mean()) ** 2).sum())
    return max(1.0 - float(((truth - means[where]) ** 2).sum()) / spread, 0.0) if spread > 0.0 else 0.0


def _enough(outcome: Outcome) -> bool:
    known = outcome.values[outcome.known]
    if len(known) < FEWEST_ROWS:
        return False
    if not outcome.classes:
        return True
    counts = np.bincount(known.astype(np.int64))
    return int(np.count_nonzero(counts)) > 1 and int(counts[counts > 0].min()) >= _FEWEST_OF_CLASS


def readings(train: pa.ChunkedArray, judged: pa.ChunkedArray) -> Iterator[Pair]:
    """All ways to read a column."""
    if is_number(train.type):
        yield from number_readings(numbers_of(train), numbers_of(judged))
        digits = _last_digits(numbers_of(train), numbers_of(judged))
        if digits is not None:
            yield digits
        return
    yield exact(train, judged)
    if pa.types.is_string(train.type):
        for reading in (_first_letter, _last_letter, pc.utf8_length):
            yield exact(reading(train), reading(judged))


def number_readings(train: Floats, judged: Floats) -> Iterator[Pair]:
    """Of numbers: their exact values, and bins of as many training rows each."""
    yield _coded(train, judged)
    finite = train[np.isfinite(train)]
    if len(finite):
        edges = np.unique(np.quantile(finite, np.linspace(0, 1, _BINS + 1)[1:-1]))
        yield _binned(train, edges), _binned(judged, edges)


def exact(train: pa.ChunkedArray, judged: pa.ChunkedArray) -> Pair:
    """A number for each value, the same on both sides; missing ones have their own."""
    both = pa.chunked_array([*train.chunks, *judged.chunks], train.type).combine_chunks()
    coded = both.dictionary_encode(null_encoding="encode") if not pa.types.is_dictionary(both.type) else both
    codes = np.asarray(coded.indices.fill_null(len(coded.dictionary)), dtype=np.int64)
    return codes[: len(train)], codes[len(train) :]


def is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind))


def numbers_of(column: pa.ChunkedArray) -> Floats:
    """NaN where there is none."""
    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)


def decimals_of(values: Floats) -> int | None:
    """So many digits behind the point have nearly all numbers; ``None`` where they have more than six."""
    finite = values[np.isfinite(values)]
    for decimals in range(_MOST_DECIMALS + 1):
        scaled = finite * 10.0**decimals
        if len(finite) and np.mean(np.abs(scaled - np.round(scaled)) <= 1e-9 * np.maximum(np.abs(scaled), 1.0)) >= (
            _DIGITAL
        ):
            return decimals
    return None


def _last_digits(train: Floats, judged: Floats) -> Pair | None:
    decimals = decimals_of(train)
    if decimals is None:
        return None
    first, second = (
        np.where(np.isfinite(side), np.round(np.abs(np.nan_to_num(side)) * 10.0**decimals) % 10, 10).astype(np.int64)
        for side in (train, judged)
    )
    return first, second


def _coded(train: Floats, judged: Floats) -> Pair:
    codes = np.unique(np.concatenate([train, judged]), return_inverse=True)[1].astype(np.int64)
    return codes[: len(train)], codes[len(train) :]


def _binned(values: Floats, edges: Floats) -> Codes:
    return np.where(np.isnan(values), len(edges) + 1, np.searchsorted(edges, values, side="right")).astype(np.int64)


def _first_letter(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.utf8_slice_codeunits(column, 0, 1)


def _last_letter(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.utf8_slice_codeunits(pc.utf8_reverse(column), 0, 1)
