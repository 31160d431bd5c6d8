"""What training holds in memory at once, and whether that is allowed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mlcore.errors import ConfigError, ModelError

BLOCK_ROWS = 8192
"""Labelled rows of a block that ``partial_fit`` is given: fixed, because another number gives another model."""
_READ_COPIES = 6
"""Of a row group while its columns are read and decoded, as measured by ``benchmarks/training.py``."""
_NUMBER = 8
_COPIES = 2
"""Of the rows (those that were read, those with a label) and of the matrix (the transform's, the estimator's)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """Of the rows of a window.

    Attributes:
        rows: How many there are.
        group_rows: Of the largest row group that they are read from.
        row_bytes: Of a row as it is read, in Arrow's form.
        features: Columns of the estimator's matrix.
    """

    rows: int
    group_rows: int
    row_bytes: int
    features: int

    @property
    def bytes(self) -> int:
        """What is held where all rows are fitted on at once: rows and matrix twice, a label and a weight a row.

        What an estimator makes beyond one copy of its matrix is its own: for instance a forest's trees.
        """
        return self._bytes(self.rows)

    @property
    def block_bytes(self) -> int:
        """The same for one block, and the row group of a file that its rows are read from."""
        return self._bytes(min(self.rows, BLOCK_ROWS)) + _READ_COPIES * self.group_rows * self.row_bytes

    def _bytes(self, rows: int) -> int:
        return rows * (_COPIES * (self.row_bytes + _NUMBER * self.features) + 2 * _NUMBER)


def needs_streaming(size: Size, limit: int | None, estimator: type[Any]) -> bool:
    """Whether rows must be given to the estimator block by block.

    Raises:
        ModelError: They must, and the estimator has no ``partial_fit``.
        ConfigError: Not even a block fits in.
    """
    if limit is None or size.bytes <= limit:
        return False
    need = (
        f"{size.rows:,} rows by {size.features:,} features need about {in_units(size.bytes)} to fit on,"
        f" model.max_memory allows {in_units(limit)}"
    )
    if not callable(getattr(estimator, "partial_fit", None)):
        raise ModelError(
            f"{need}, and {estimator.__name__} cannot be fitted block by block: it has no partial_fit",
            where="model.max_memory",
            next_step="shorten window.train, use fewer features, allow more memory, or choose an estimator with"
            " partial_fit, for instance sklearn.linear_model.SGDClassifier or sklearn.neural_network.MLPRegressor",
        )
    if size.block_bytes > limit:
        raise ConfigError(
            f"a block of {min(size.rows, BLOCK_ROWS):,} rows by {size.features:,} features needs about"
            f" {in_units(size.block_bytes)}, model.max_memory allows {in_units(limit)}",
            where="model.max_memory",
            next_step=f"allow at least {in_units(size.block_bytes)}, or use fewer features",
        )
    return True


def in_units(count: int) -> str:
    """A number of bytes to read.

    >>> in_units(1536), in_units(3 * 2**30)
    ('1.5 KiB', '3.0 GiB')
    """
    value, units = float(count), iter(("B", "KiB", "MiB", "GiB"))
    unit = next(units)
    for larger in units:
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{value:.1f} {unit}" if unit != "B" else f"{count} B"
