"""The payload of a Statistics artifact.

    statistics/
    └── statistics.bin    the accumulators of the span's dataset and of its slices; see ``container``

Equal data gives equal bytes. A year of them is merged every day: all columns of a span lie in a few arrays, because
opening an array costs more than reading it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mlcore.accumulators.contingency import Bins, Contingency
from mlcore.accumulators.distinct import HyperLogLog
from mlcore.accumulators.exact_sum import ExactSum
from mlcore.accumulators.frequent import SIGNS, FrequentStrings
from mlcore.accumulators.refinement import CELLS, LEVELS, Refinement
from mlcore.accumulators.value_counts import Spilled, ValueCounts
from mlcore.core.types import Json
from mlcore.errors import ArtifactCorrupt, ArtifactMissing, quoted
from mlcore.statistics.accumulate import DatasetAccumulator
from mlcore.statistics.columns import COUNTS, ColumnAccumulator
from mlcore.statistics.container import Array, joined, narrowed, of_signed, packed, signed, unpacked, widened
from mlcore.statistics.slices import SliceKey

FILE_NAME = "statistics.bin"
VERSION = 4
_DAMAGED = "delete the folder and run again"
_INTEGERS, _NUMBERS, _TEXTS = range(3)
_EXTREMES = ("shortest", "longest")


def to_bytes(dataset: DatasetAccumulator) -> bytes:
    """The versioned, canonical form."""
    slices: list[Json] = [[key.column, key.value] for key in dataset.slices]
    blocks = [_packed_dataset(each) for each in (dataset, *dataset.slices.values())]
    sizes = np.array([len(block) for block in blocks], np.int64)
    content = np.frombuffer(b"".join(blocks), np.uint8)
    return packed({"version": VERSION, "slices": slices}, [sizes, content])


def from_bytes(content: bytes, *, slices: bool = True) -> DatasetAccumulator:
    """The accumulators of :func:`to_bytes`.

    Args:
        content: What that returned.
        slices: Whether to read those, too.

    Raises:
        ArtifactCorrupt: The bytes are no statistics of this version.
    """
    try:
        document, arrays = unpacked(content)
        version = document["version"]
        if version == VERSION:
            sizes, blocks = arrays[0], arrays[1].data
            ends = np.cumsum(sizes).tolist()
            made = _dataset(blocks[: ends[0]])
            if not slices or len(ends) == 1:
                return made
            keys = [SliceKey(column, value) for column, value in document["slices"]]
            parts = [_dataset(blocks[start:end]) for start, end in pairwise(ends)]
            return replace(made, slices=dict(zip(keys, parts, strict=True)))
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise ArtifactCorrupt("these are no statistics", next_step=_DAMAGED) from error
    raise ArtifactCorrupt(f"statistics of version {quoted(version)} where {VERSION} is read", next_step=_DAMAGED)


def read(folder: Path, *, slices: bool = True) -> DatasetAccumulator:
    """The accumulators of one Statistics artifact.

    Raises:
        ArtifactMissing: The file is not there.
        ArtifactCorrupt: It is not what was written.
    """
    try:
        content = (folder / FILE_NAME).read_bytes()
    except OSError as error:
        raise ArtifactMissing("the statistics are gone", where=str(folder), next_step="run again") from error
    try:
        return from_bytes(content, slices=slices)
    except ArtifactCorrupt as error:
        raise ArtifactCorrupt(error.what, where=str(folder / FILE_NAME), next_step=error.next_step) from error


def read_merged(folders: Sequence[Path], *, slices: bool = True) -> DatasetAccumulator:
    """The statistics of several spans together, merged in the given order."""
    return DatasetAccumulator.merge([read(folder, slices=slices) for folder in folders])


def _packed_dataset(dataset: DatasetAccumulator) -> bytes:
    columns = list(dataset.columns.values())
    weighted = [column.weighted for column in columns if column.weighted is not None]
    associated = [column.association for column in columns if column.association is not None]
    flat = [*columns, *weighted]
    document: Json = {
        "rows": dataset.rows,
        "label": dataset.label,
        "weight": dataset.weight,
        "names": list(dataset.columns),
        "types": [column.type for column in columns],
        "associated": [index for index, column in enumerate(columns) if column.association is not None],
        "missing": [[*pair, rows] for pair, rows in dataset.missing.items()],
    }
    scalars = [[getattr(column, name) for name in (*COUNTS, *_EXTREMES)] for column in flat]
    return packed(
        document,
        [
            np.array(scalars, np.int64).reshape(len(flat), len(COUNTS) + len(_EXTREMES)),
            *_packed_sums([total for column in flat for total in (column.total, column.total_squares)]),
            *_packed_values([column.values for column in flat]),
            *_packed_frequent([column.values for column in flat]),
            *_packed_refinements([column.values for column in flat]),
            *_packed_associations(associated),
        ],
    )


def _dataset(content: memoryview) -> DatasetAccumulator:
    document, arrays = unpacked(content)
    types = document["types"]
    scalars, sums, values = (
        arrays[0].tolist(),
        _sums(arrays[1:4]),
        _values(arrays[4:14], _frequent(arrays[14:21]), _refinements(arrays[21:24])),
    )
    flat = [
        ColumnAccumulator(
            **dict(zip((*COUNTS, *_EXTREMES), row, strict=True)),
            type=types[index % len(types)],
            values=values[index],
            total=sums[2 * index],
            total_squares=sums[2 * index + 1],
        )
        for index, row in enumerate(scalars)
    ]
    columns = flat[: len(types)]
    for column, weighted in zip(columns, flat[len(types) :], strict=False):
        column.weighted = weighted
    for index, association in zip(document["associated"], _associations(arrays[24:]), strict=True):
        columns[index].association = association
    return DatasetAccumulator(
        rows=document["rows"],
        columns=dict(zip(document["names"], columns, strict=True)),
        label=document["label"],
        weight=document["weight"],
        missing={(first, second): rows for first, second, rows in document["missing"]},
    )


def _packed_sums(sums: Sequence[ExactSum]) -> list[Array]:
    entries = [each.entries for each in sums]
    limbs = np.concatenate([limbs for _, limbs in entries]) if entries else np.empty((0, 4))
    return [
        np.array([len(exponents) for exponents, _ in entries], np.int32),
        joined((exponents for exponents, _ in entries), np.int16),
        limbs.astype(np.int64).astype(np.uint32),  # the last limb's sign is in its 32 bits
    ]


def _sums(arrays: Sequence[Array]) -> list[ExactSum]:
    lengths, exponents, stored = arrays
    exponents, limbs = exponents.astype(np.int64), stored.astype(np.int64)
    limbs[:, -1] = stored[:, -1].astype(np.int32)
    ends = np.cumsum(lengths).tolist()
    return [
        ExactSum.of_entries(exponents[start:end], limbs[start:end])
        for start, end in zip([0, *ends[:-1]], ends, strict=True)
    ]


def _packed_values(parts: Sequence[ValueCounts]) -> list[Array]:
    kinds = [_kind(part.values.type) for part in parts]
    texts = [part.values for part, kind in zip(parts, kinds, strict=True) if kind == _TEXTS]
    offsets, text = _packed_texts(texts)
    widths, counts = narrowed(part.counts for part in parts)
    spilled = [part.spilled for part in parts if part.spilled is not None]
    return [
        np.array(kinds, np.uint8),
        np.array([len(part.values) for part in parts], np.int64),
        np.array([part.spilled is not None for part in parts], np.uint8),
        *(
            joined((_flat(part) for part, kind in zip(parts, kinds, strict=True) if kind == wanted), type_)
            for wanted, type_ in ((_INTEGERS, np.int64), (_NUMBERS, np.float64))
        ),
        offsets,
        text,
        widths,
        counts,
        _packed_spilled(spilled),
    ]


def _packed_texts(texts: Sequence[pa.Array]) -> tuple[Array, Array]:
    """Where each string starts and the last one ends, and the bytes of all."""
    together = pa.concat_arrays([pa.array([], pa.string()), *texts])
    if not len(together):
        return np.zeros(1, np.int32), np.empty(0, np.uint8)
    _, starts, content = together.buffers()
    offsets = np.frombuffer(starts, np.int32, len(together) + 1, 4 * together.offset)
    first, last = int(offsets[0]), int(offsets[-1])
    return offsets - np.int32(first), np.frombuffer(content, np.uint8)[first:last] if last else np.empty(0, np.uint8)


def _packed_spilled(spilled: Sequence[Spilled]) -> Array:
    """One structure each."""
    made = np.zeros(len(spilled), _SPILLED)
    for row, each in zip(made, spilled, strict=True):
        row["bits"], row["error"], row["lowest"], row["highest"] = each.bits, each.error, each.lowest, each.highest
        row["seen"] = each.seen.registers
    return made.view(np.uint8)


_SPILLED = np.dtype(
    [("bits", "<i8"), ("error", "<i8"), ("lowest", "<f8"), ("highest", "<f8"), ("seen", "u1", (1 << 14,))]
)


def _packed_frequent(parts: Sequence[ValueCounts]) -> list[Array]:
    """Of the columns of too many strings: totals, signs in as few bytes as a bucket's allow, and samples."""
    found = [part.spilled.frequent for part in parts if part.spilled and part.spilled.frequent]
    widths, signs = signed([each.signs for each in found])
    offsets, text = _packed_texts([each.sampled for each in found])
    return [
        np.array([(each.level, len(each.sampled)) for each in found], np.int64).reshape(len(found), 2),
        joined((each.totals for each in found), np.int64),
        widths,
        signs,
        offsets,
        text,
        joined((each.counts for each in found), np.int64),
    ]


def _frequent(arrays: Sequence[Array]) -> Iterator[FrequentStrings]:
    sizes, totals, widths, signs, offsets, text, counts = arrays
    texts = pa.StringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(text))
    place, width = 0, len(totals) // max(len(sizes), 1)
    rows = of_signed(widths, signs, SIGNS)
    for index, (level, size) in enumerate(sizes.tolist()):
        part, sample = slice(index * width, (index + 1) * width), slice(place, place + size)
        yield FrequentStrings(
            totals=totals[part],
            signs=rows[part],
            level=level,
            sampled=texts[sample],
            counts=counts[sample],
        )
        place += size


def _packed_refinements(parts: Sequence[ValueCounts]) -> list[Array]:
    """Of the columns of too many numbers: how many, and their sums."""
    found = [part.spilled.refinement for part in parts if part.spilled and part.spilled.refinement]
    return [np.array([len(found)], np.int64), *signed([each.sums.reshape(-1, CELLS) for each in found])]


def _refinements(arrays: Sequence[Array]) -> Iterator[Refinement]:
    columns, widths, content = arrays
    rows = of_signed(widths, content, CELLS)
    for sums in np.split(rows, int(columns[0])) if len(rows) else ():
        yield Refinement(sums.reshape(len(LEVELS), -1, CELLS))


def _values(
    arrays: Sequence[Array], frequent: Iterator[FrequentStrings], refinements: Iterator[Refinement]
) -> list[ValueCounts]:
    kinds, lengths, is_spilled, integers, numbers, offsets, text, widths, narrow, spilled_bytes = arrays
    text_array = pa.StringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(text))
    stored = (pa.array(integers), pa.array(numbers), text_array)
    spilled = iter([_spilled(row) for row in spilled_bytes.view(_SPILLED)])
    places = [0, 0, 0]
    made = []
    counts = widened(widths, lengths, narrow)
    for kind, length, bounded, count in zip(kinds.tolist(), lengths.tolist(), is_spilled.tolist(), counts, strict=True):
        values = stored[kind].slice(places[kind], length)
        places[kind] += length
        known = next(spilled) if bounded else None
        if known is not None and kind == _TEXTS:
            known = replace(known, frequent=next(frequent))
        elif known is not None:
            known = replace(known, refinement=next(refinements))
        made.append(ValueCounts(values, count, known))
    return made


def _spilled(row: Any) -> Spilled:
    return Spilled(
        seen=HyperLogLog(row["seen"]),
        bits=int(row["bits"]),
        error=int(row["error"]),
        lowest=float(row["lowest"]),
        highest=float(row["highest"]),
    )


def _packed_associations(parts: Sequence[Contingency]) -> list[Array]:
    widths, counts = narrowed(part.counts.ravel() for part in parts)
    shapes = [(len(part.bins.keys), len(part.outcomes.keys), part.bins.bits, part.outcomes.bits) for part in parts]
    return [
        np.array(shapes, np.int32).reshape(len(parts), 4),
        joined((keys for part in parts for keys in (part.bins.keys, part.outcomes.keys)), np.int64),
        widths,
        counts,
    ]


def _associations(arrays: Sequence[Array]) -> list[Contingency]:
    shapes, keys, widths, narrow = arrays
    counts = widened(widths, (shapes[:, 0] + 1) * shapes[:, 1], narrow)
    made, place = [], 0
    for (rows, columns, bits, outcome_bits), cells in zip(shapes.tolist(), counts, strict=True):
        middle, end = place + rows, place + rows + columns
        bins, outcomes = Bins(keys[place:middle], bits), Bins(keys[middle:end], outcome_bits)
        made.append(Contingency(bins, outcomes, cells.reshape(rows + 1, columns)))
        place = end
    return made


def _kind(type_: pa.DataType) -> int:
    if pa.types.is_string(type_):
        return _TEXTS
    return _NUMBERS if pa.types.is_floating(type_) else _INTEGERS


def _flat(part: ValueCounts) -> Array:
    numbers: Array = part.values.to_numpy(zero_copy_only=False)
    return numbers
