"""Keys that training and evaluation rows have in common: none may be.

    examples/
    └── keys.u64    the distinct 64-bit hashes of the keys, ascending, eight bytes each (little-endian);
                    only where the configuration does not itself keep keys apart (``Data.kept_apart``)

Each span is hashed once. A window is looked at by what its spans stored, and only spans with a hash in common are read:
that two keys are one is decided by the keys themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from mlcore.accumulators.hashing import Hashes
from mlcore.errors import ArtifactMissing
from mlcore.ingest.examples import iter_batches
from mlcore.ingest.keys import Keys, key_hashes

FILE_NAME = "keys.u64"
_MOST_LOOKED_UP = 10_000
"""Of so many hashes in common each key is compared: one by chance would be among few."""
_SHOWN = 3
_Key = tuple[object, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Common:
    """Keys on both sides.

    Attributes:
        count: How many.
        shown: A few of them: the values of the columns.
        spans: Which of the evaluation folders have any, by their numbers.
    """

    count: int
    shown: tuple[_Key, ...]
    spans: tuple[int, ...]


def write_hashes(folder: Path, keys: Keys) -> None:
    """Write the hashes of keys as ``keys.u64`` into a folder that exists."""
    with (folder / FILE_NAME).open("wb") as file:
        for hashes in keys.hashes():
            file.write(hashes.astype("<u8", copy=False).tobytes())


def common_keys(train: Sequence[Path], evaluation: Sequence[Path], columns: Sequence[str]) -> Common | None:
    """Keys that rows of both sides have; ``None`` where there are none.

    It holds the hashes of all evaluation rows and of one training span at a time.

    Args:
        train: Folders of Examples.
        evaluation: Others.
        columns: What the hashes are of.

    Raises:
        ArtifactMissing: A folder has no hashes.
    """
    judged = [_read(folder) for folder in evaluation]
    every = np.unique(np.concatenate(judged)) if judged else np.empty(0, np.uint64)
    found = [np.empty(0, np.uint64)]
    meeting = []
    for folder in train:
        hashes = _read(folder)
        if len(common := hashes[_among(hashes, every)]):
            found.append(common)
            meeting.append(folder)
    common = np.unique(np.concatenate(found))
    if not len(common):
        return None
    spans = tuple(number for number, hashes in enumerate(judged) if _among(hashes, common).any())
    looked_up = common[:_MOST_LOOKED_UP]
    learnt = _keys_with(meeting, columns, looked_up)
    known = sorted(learnt & _keys_with([evaluation[number] for number in spans], columns, looked_up), key=repr)
    if not known:
        return None
    count = len(known) if len(looked_up) == len(common) else len(common)
    return Common(count=count, shown=tuple(known[:_SHOWN]), spans=spans)


def _keys_with(folders: Sequence[Path], columns: Sequence[str], hashes: Hashes) -> set[_Key]:
    """The keys in some folders that have one of the hashes."""
    return {
        key
        for batch in iter_batches(folders, columns)
        for key in _keys(batch.filter(pa.array(_among(key_hashes(batch, columns), hashes))))
    }


def _keys(rows: pa.RecordBatch) -> Iterator[_Key]:
    return zip(*(column.to_pylist() for column in rows.columns), strict=True)


def _among(hashes: Hashes, ordered: Hashes) -> np.ndarray:
    """Which hashes are among ordered ones."""
    if not len(ordered):
        return np.zeros(len(hashes), bool)
    place = np.searchsorted(ordered, hashes)
    return np.asarray(ordered[np.minimum(place, len(ordered) - 1)] == hashes)


def _read(folder: Path) -> Hashes:
    path = folder / FILE_NAME
    try:
        return np.frombuffer(path.read_bytes(), "<u8").astype(np.uint64, copy=False)
    except FileNotFoundError as error:
        raise ArtifactMissing(
            "the hashes of the keys are gone",
            where=str(path),
            next_step="delete the folder and run the pipeline again: lost outputs are made again from the source",
        ) from error
