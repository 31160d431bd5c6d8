"""What mappers that may learn for each key share: the option ``by``, and constants by key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from mlcore.core.types import Json
from mlcore.transform.analyzers.keyed import keyed_places
from mlcore.transform.mappers.base import Column, Floats, Further, Mapper, NumberOptions

BY_KINDS = ("string", "int64", "bool")
_OTHER = "other"


class ByKeyOptions(NumberOptions):
    """For all rows together, or by the value of another column."""

    by: str | None = Field(
        default=None, description="Learn apart for each value of this column; rows with another value get all rows'"
    )


Given = TypeVar("Given", bound=ByKeyOptions)


@dataclass(frozen=True, slots=True)
class Parameters:
    """Constants as arrays, by key, the last for all other rows."""

    keys: pa.Array | None
    values: Mapping[str, Floats]

    def of(self, columns: Sequence[Column]) -> Mapping[str, Any]:
        """Each constant of each row; one number where there are no keys."""
        if self.keys is None:
            return {name: values[0] for name, values in self.values.items()}
        places = keyed_places(columns[1], self.keys)
        return {name: values[places] for name, values in self.values.items()}


class ByKeyMapper(Mapper[Given]):
    """One that has the option ``by``."""

    options_model = ByKeyOptions

    def further(self) -> tuple[Further, ...]:
        by = self.options.by
        return () if by is None else (Further("by", by, BY_KINDS),)

    def prepare(self, constants: Mapping[str, Json], kinds: Sequence[str]) -> Parameters:
        del kinds
        if self.options.by is None:
            return Parameters(None, {name: _numbers([value]) for name, value in constants.items()})
        by_key: Any = constants
        rows = [*by_key["of"], by_key[_OTHER]]
        names = list(by_key[_OTHER])
        keys = pa.array(by_key["keys"], pa.string())
        return Parameters(keys, {name: _numbers([row[name] for row in rows]) for name in names})


def by_key(keys: Sequence[str | None], found: Sequence[dict[str, Json]], other: dict[str, Json]) -> dict[str, Json]:
    """Constants by key; rows without a key are among the others."""
    known = [(key, one) for key, one in zip(keys, found, strict=True) if key is not None]
    return {"keys": [key for key, _ in known], "of": [one for _, one in known], _OTHER: other}


def _numbers(values: Sequence[Any]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
