"""A function of the project's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from mlcore.core.types import Json
from mlcore.errors import MlcoreError
from mlcore.transform.contract import ARROW_TYPES
from mlcore.transform.functions import checked, find_function, source_digest
from mlcore.transform.mappers.base import Column, Mapper, NumberOptions, to_floats
from mlcore.transform.values import KINDS

_MOST = 64


class PythonOptions(NumberOptions):
    """Which function."""

    function: str = Field(
        pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$", description="Import path of a function marked with @row_function"
    )
    gives: Literal["float64", "string", "int64", "bool"] = Field(
        default="float64", description="Kind of its values: float64, string, int64 or bool"
    )
    outputs: tuple[str, ...] = Field(
        default=(), max_length=1000, description="Where it gives a matrix: what its columns are called"
    )


class Python(Mapper[PythonOptions]):
    """What a function of the project's own makes of the columns.

    The function gets a record batch of the columns, in their order, and gives one value a row, or a matrix whose
    columns are ``<feature>_<output>``. It must treat each row by itself, and be marked by
    ``mlcore.transform.functions.row_function``. The source of its module is part of fingerprints and of the model:
    other code gives another model, and a model refuses to run with other code than it was fitted with.
    """

    name = "python"
    types = tuple(kind for kind in KINDS if kind not in ("tokens", "matrix"))
    most = _MOST
    options_model = PythonOptions
    formula = "function(x1, x2, ...)"

    def gives(self, kinds: Sequence[str]) -> str:
        del kinds
        return "matrix" if self.options.outputs else self.options.gives

    @property
    def code(self) -> str:
        return source_digest(self.options.function)

    def check(self) -> None:
        find_function(self.options.function)

    def prepare(self, constants: Mapping[str, Json], kinds: Sequence[str]) -> Any:
        del constants, kinds
        return find_function(self.options.function)

    def apply(self, columns: Sequence[Column], prepared: Any) -> Column:
        arrays = [pa.array(column) if isinstance(column, np.ndarray) else column for column in columns]
        batch = pa.RecordBatch.from_arrays(arrays, names=self.columns or [f"x{place}" for place in range(len(arrays))])
        result = checked(prepared(batch), batch.num_rows, self.options.function)
        if self.options.outputs:
            matrix = np.asarray(result, dtype=np.float64)
            if matrix.shape != (batch.num_rows, len(self.options.outputs)):
                raise MlcoreError(
                    f"the function {self.options.function} gave a matrix of {matrix.shape[1:]} columns",
                    where=self.options.function,
                    next_step=f"return {len(self.options.outputs)} numbers a row: {', '.join(self.options.outputs)}",
                )
            return matrix
        if self.options.gives == "float64":
            return to_floats(result if isinstance(result, pa.Array) else np.asarray(result, dtype=np.float64))
        return pa.array(result).cast(ARROW_TYPES[self.options.gives])

    def names(self, feature: str, constants: Mapping[str, Json]) -> tuple[str, ...]:
        del constants
        return tuple(f"{feature}_{output}" for output in self.options.outputs) or (feature,)
