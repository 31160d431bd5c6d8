"""Categories to buckets by their hash: nothing is learnt, nothing is stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import Field

from mlcore.transform.mappers.base import Column, Mapper, NumberOptions
from mlcore.transform.mappers.vocabulary import MAX_CODES, buckets_of
from mlcore.transform.values import CATEGORIES, unknown


class HashOptions(NumberOptions):
    """How many buckets."""

    buckets: int = Field(default=254, ge=2, le=2**31, description="So many codes, from 0")


class Hash(Mapper[HashOptions]):
    """A code below ``buckets``, the same for a value everywhere and for ever; different values may share one."""

    name = "hash"
    types = CATEGORIES
    options_model = HashOptions
    formula = "64-bit hash of x as text, modulo buckets"

    @property
    def categorical(self) -> bool:
        return self.options.buckets < MAX_CODES and self.options.missing is None

    def gives(self, kinds: Sequence[str]) -> str:
        del kinds
        return "code"

    def apply(self, columns: Sequence[Column], prepared: Any) -> Column:
        del prepared
        (column,) = columns
        return np.where(unknown(column), np.nan, buckets_of(column, self.options.buckets))
