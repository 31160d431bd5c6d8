"""Categories to ordinal codes, by frequency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, field_validator, model_validator

from mlcore.accumulators.hashing import hashed
from mlcore.core.types import Json
from mlcore.transform.analyzers.frequencies import Frequencies
from mlcore.transform.mappers.base import Column, Mapper, Options, to_floats
from mlcore.transform.values import CATEGORIES, Floats, to_categories, to_texts

MAX_CODES = 255
"""Categories that scikit-learn's histogram gradient boosting can tell apart in one feature."""


class VocabularyOptions(Options):
    """How many values get a code of their own."""

    top_k: int = Field(
        default=MAX_CODES - 2, ge=1, le=MAX_CODES - 2, description="At most so many, the most frequent first"
    )
    min_count: int = Field(default=1, ge=1, description="Only values that occur so often in the training rows")
    oov_buckets: int = Field(
        default=1, ge=1, le=MAX_CODES - 2, description="Codes that all other values share, by their hash"
    )
    missing: Literal["nan", "code"] = Field(default="nan", description="nan, or code for a code of its own")

    @field_validator("missing", mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        if value not in ("nan", "code"):
            raise ValueError("allowed: nan, code")
        return value

    @model_validator(mode="after")
    def _few(self) -> VocabularyOptions:
        if self.oov_buckets > 1 and "top_k" in self.model_fields_set and self.known + self.oov_buckets >= MAX_CODES:
            raise ValueError(f"top_k and oov_buckets together are more than {MAX_CODES - 1} codes")
        return self

    @property
    def known(self) -> int:
        """Values with a code of their own."""
        return self.top_k if "top_k" in self.model_fields_set else min(self.top_k, MAX_CODES - 1 - self.oov_buckets)


class Vocabulary(Mapper[VocabularyOptions]):
    """0 for the most frequent value of the training rows, 1 for the next; ties in order of the values.

    Values that have no code of their own share the ones after the last; missing values follow those where they have
    a code.
    """

    name = "vocabulary"
    types = CATEGORIES
    options_model = VocabularyOptions
    constants = {"values": "those with a code of their own, in order of their codes"}
    formula = "place of x in values; else their number + hash(x) mod oov_buckets"

    @property
    def categorical(self) -> bool:
        return True

    def analyzer(self, kinds: Sequence[str]) -> str | None:
        del kinds
        return "frequencies"

    def gives(self, kinds: Sequence[str]) -> str:
        del kinds
        return "code"

    def fit(self, analyzer: Frequencies) -> dict[str, Json]:
        return {"values": analyzer.top(self.options.known, min_count=self.options.min_count)}

    def prepare(self, constants: Mapping[str, Json], kinds: Sequence[str]) -> pa.Array:
        return category_array(constants["values"], kinds[0])

    def apply(self, columns: Sequence[Column], prepared: Any) -> Column:
        column = to_categories(columns[0])
        codes = places(column, prepared)
        if self.options.oov_buckets > 1:
            codes, other = codes.copy(), np.flatnonzero(codes == len(prepared))
            codes[other] += buckets_of(column.take(pa.array(other)), self.options.oov_buckets)
        if not column.null_count:
            return codes
        missing = len(prepared) + self.options.oov_buckets if self.options.missing == "code" else np.nan
        return np.where(column.is_null().to_numpy(zero_copy_only=False), missing, codes)


def category_array(values: Any, kind: str) -> pa.Array:
    """Constants that are categories, as an Arrow array of the kind that columns of them have."""
    types = {"string": pa.string(), "bool": pa.bool_()}
    return pa.array(values, types.get(kind, pa.int64()))


def places(column: pa.Array, known: pa.Array) -> Floats:
    """The place of each value among the known; one after the last for others and for missing ones."""
    found: Floats = to_floats(pc.fill_null(pc.index_in(column, value_set=known), len(known)))
    return found


def buckets_of(column: Column, buckets: int) -> Floats:
    """The hash of each value, of "" where there is none, modulo the number of buckets."""
    texts = pc.fill_null(to_texts(column), "")
    return (hashed(texts) % np.uint64(buckets)).astype(np.float64)
