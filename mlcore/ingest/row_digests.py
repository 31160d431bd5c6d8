"""A digest of each span's rows, taken while a file of many spans is read, however its rows come in batches.

Each row is hashed to 128 bits by its values, exactly and in the columns' order; a span's digest is the SHA-256 of the
hashes of its rows in the file's order. Two contents that differ by accident have one digest with a probability of about
one in ``2**128`` for each row that differs.
"""

from __future__ import annotations

import hashlib
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mlcore.ingest.keys import exact_hashes

_LANES = (0, 0x2545F4914F6CDD1D)


class RowDigests:
    """One digest a part.

    Args:
        parts: How many parts there are.
    """

    def __init__(self, parts: int) -> None:
        self._states = [hashlib.sha256() for _ in range(parts)]

    def add(self, rows: pa.RecordBatch, parts: npt.NDArray[np.int64]) -> None:
        """Take in further rows, each of the part whose number it has."""
        hashes = np.stack([exact_hashes(rows, seed=seed) for seed in _LANES], axis=1).astype("<u8", copy=False)
        if (parts[1:] < parts[:-1]).any():
            order = np.argsort(parts, kind="stable")
            hashes, parts = np.ascontiguousarray(hashes[order]), parts[order]
        edges = [0, *(np.flatnonzero(parts[1:] != parts[:-1]) + 1).tolist(), len(parts)]
        for start, end in pairwise(edges):
            if start < end:
                self._states[int(parts[start])].update(hashes[start:end].data)

    def hexdigest(self, part: int) -> str:
        """The digest of a part's rows as they are so far."""
        return self._states[part].hexdigest()
