"""What was predicted of rows when their outcomes were not known, found again when they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_ROW, _FOUND = "__row", "__found"


def match(rows: pa.Table, predictions: pa.Table, on: Sequence[str]) -> npt.NDArray[np.int64]:
    """Of each row the index of its prediction, -1 where there is none; of several equal ones the first.

    Args:
        rows: With the columns of ``on``.
        predictions: Likewise, of the same types.
        on: The key of a row, and its moment.

    >>> rows, predictions = pa.table({"id": [1, 2, 3]}), pa.table({"id": [3, 1, 3]})
    >>> match(rows, predictions, ["id"]).tolist()
    [1, -1, 0]
    """
    asked = rows.select(list(on)).append_column(_ROW, pa.array(np.arange(rows.num_rows)))
    there = predictions.select(list(on)).append_column(_FOUND, pa.array(np.arange(predictions.num_rows)))
    first = there.group_by(list(on), use_threads=False).aggregate([(_FOUND, "min")])
    joined = asked.join(first, keys=list(on), join_type="inner", use_threads=False)
    found = np.full(rows.num_rows, -1, dtype=np.int64)
    found[joined[_ROW].to_numpy()] = joined[f"{_FOUND}_min"].to_numpy()
    return found
