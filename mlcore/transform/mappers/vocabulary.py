"""Categories to ordinal codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, ValidationInfo, field_validator

from mlcore.core.types import Json
from mlcore.transform.analyzers import Frequencies
from mlcore.transform.mappers.base import Floats, Mapper, Options, to_floats

MAX_CODES = 255
"""Categories that scikit-learn's histogram gradient boosting can tell apart in one feature."""


class VocabularyOptions(Options):
    """How many values get a code of their own.

    Attributes:
        top_k: At most so many, the most frequent first.
        min_count: Only values that occur at least so often in the training rows.
        missing: ``nan``, or ``code`` for a code of its own.
    """

    top_k: int = Field(default=MAX_CODES - 2, ge=1, le=MAX_CODES - 2)
    min_count: int = Field(default=1, ge=1)
    missing: Literal["nan", "code"] = "nan"  # type: ignore[assignment]

    @field_validator("missing", mode="before")
    @classmethod
    def _named(cls, value: object, info: ValidationInfo) -> object:
        del info
        if value not in ("nan", "code"):
            raise ValueError("allowed: nan, code")
        return value


class Vocabulary(Mapper):
    """0 for the most frequent value of the training rows, 1 for the next; ties in order of the values.

    All values that have no code of their own share the one after the last; missing values follow it where they have
    a code.
    """

    name = "vocabulary"
    types = ("string", "int64", "bool")
    options_model = VocabularyOptions
    categorical = True
    analyzer: ClassVar[str | None] = "frequencies"

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        if not isinstance(options, VocabularyOptions):
            raise TypeError("vocabulary needs its own options")
        self._vocabulary = options

    def fit(self, analyzer: Frequencies) -> dict[str, Json]:
        return {"values": analyzer.top(self._vocabulary.top_k, min_count=self._vocabulary.min_count)}

    def apply(self, columns: Sequence[pa.Array], constants: Mapping[str, Json]) -> Floats:
        (column,) = columns
        values = pa.array(constants["values"], type=column.type)
        codes = to_floats(pc.fill_null(pc.index_in(column, value_set=values), len(values)))
        if not column.null_count:
            return codes
        missing = len(values) + 1 if self._vocabulary.missing == "code" else np.nan
        return np.where(column.is_null().to_numpy(zero_copy_only=False), missing, codes)

    def filled(self, values: Floats) -> Floats:
        return values
