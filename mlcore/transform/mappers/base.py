"""What a mapper is: the column it reads, its options, what it must know of all rows, and element-wise arithmetic."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from mlcore.config.fields import Section
from mlcore.core.types import Json

Floats = npt.NDArray[np.float64]


class Options(Section):
    """What every mapper may be told.

    Attributes:
        missing: What stands for a value that is not known; by default NaN, which some estimators do not take.
    """

    missing: float | None = Field(default=None, allow_inf_nan=False)


class Mapper(ABC):
    """Columns to one column of float64.

    Attributes:
        name: What the pipeline file calls it.
        types: Types of the column it can read.
        options_model: Its options.
        categorical: Whether its results are codes of categories.
        analyzer: What it must know of all training rows: a name in ``mlcore.transform.analyzers.ANALYZERS``.
    """

    name: ClassVar[str]
    types: ClassVar[tuple[str, ...]]
    options_model: ClassVar[type[Options]] = Options
    categorical: ClassVar[bool] = False
    analyzer: ClassVar[str | None] = None

    def __init__(self, options: Options) -> None:
        self._options = options

    def further_columns(self) -> tuple[str, ...]:
        """Columns it reads beside the feature's own."""
        return ()

    def column_types(self) -> tuple[tuple[str, ...], ...]:
        """Types it can read, for its column and each further one."""
        return (self.types,)

    def fit(self, analyzer: Any) -> dict[str, Json]:
        """The constants that :meth:`apply` needs, from its analyzer over all training rows."""
        del analyzer
        return {}

    @abstractmethod
    def apply(self, columns: Sequence[pa.Array], constants: Mapping[str, Json]) -> Floats:
        """Each row by itself; NaN where the result is not known."""

    def filled(self, values: Floats) -> Floats:
        """The values with what stands for those that are not known."""
        if self._options.missing is None:
            return values
        return np.where(np.isnan(values), self._options.missing, values)


def to_floats(column: pa.Array) -> Floats:
    """Numbers and booleans as float64, nulls as NaN."""
    return np.asarray(pc.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False), dtype=np.float64)
