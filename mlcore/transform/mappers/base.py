"""What a mapper is: the kinds it reads, its options, what it must know of all rows, and element-wise arithmetic."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from pydantic import Field

from mlcore.config.fields import Section
from mlcore.core.types import Json
from mlcore.transform.values import NUMBERS, Column, Floats, to_floats

__all__ = ["Column", "Floats", "Further", "Mapper", "NumberOptions", "Options", "to_floats"]


class Options(Section):
    """What a mapper may be told."""


class NumberOptions(Options):
    """What every mapper that makes numbers may be told.

    Attributes:
        missing: What stands for a value that is not known; by default NaN, which some estimators do not take.
    """

    missing: float | None = Field(
        default=None, allow_inf_nan=False, description="Stands for what is not known; by default NaN"
    )


@dataclass(frozen=True, slots=True)
class Further:
    """A column that a mapper reads beside the feature's own.

    Attributes:
        option: The option that names it.
        column: Its name.
        kinds: Types it may have.
    """

    option: str
    column: str
    kinds: tuple[str, ...]


Given = TypeVar("Given", bound=Options)


class Mapper(ABC, Generic[Given]):
    """Columns to one value, or several numbers, a row; each row by itself.

    Attributes:
        name: What the pipeline file calls it.
        types: Kinds of the values it can read.
        fewest, most: How many columns a feature whose first step it is may have.
        options_model: Its options.
        elementwise: Whether equal values have equal results, so that what later steps learn can be had from counts.
        learns_label: Whether it is fitted on the label, and treats training rows apart.
        constants: What it is fitted to, by name, for people; empty where it learns nothing.
        formula: What it computes, for people.
    """

    name: ClassVar[str]
    types: ClassVar[tuple[str, ...]] = NUMBERS
    fewest: ClassVar[int] = 1
    most: ClassVar[int] = 1
    options_model: ClassVar[type[Options]] = NumberOptions
    elementwise: ClassVar[bool] = True
    learns_label: ClassVar[bool] = False
    constants: ClassVar[Mapping[str, str]] = {}
    formula: ClassVar[str] = ""

    def __init__(self, options: Given) -> None:
        self.options = options
        self.columns: tuple[str, ...] = ()
        """Names of what it is given, where it is the first step."""

    @property
    def code(self) -> str:
        """The digest of code outside of mlcore that decides its results; "" where there is none."""
        return ""

    @property
    def categorical(self) -> bool:
        """Whether its results are codes of categories, few enough for histogram boosting."""
        return False

    def check(self) -> None:
        """Raise a ConfigError where something that it needs beside its options is not there."""

    def analyzer(self, kinds: Sequence[str]) -> str | None:
        """What it must know of all training rows: a name in ``mlcore.transform.analyzers.ANALYZERS``."""
        del kinds
        return None

    def further(self) -> tuple[Further, ...]:
        """Columns it reads beside the feature's own."""
        return ()

    def gives(self, kinds: Sequence[str]) -> str:
        """The kind of its result, by the kinds it is given."""
        del kinds
        return "float64"

    def fit(self, analyzer: Any) -> dict[str, Json]:
        """The constants that :meth:`apply` needs, from its analyzer over all training rows."""
        del analyzer
        return {}

    def prepare(self, constants: Mapping[str, Json], kinds: Sequence[str]) -> Any:
        """What :meth:`apply` is given: the constants in the form that is quickest to use, made once."""
        del kinds
        return constants

    @abstractmethod
    def apply(self, columns: Sequence[Column], prepared: Any) -> Column:
        """A value a row, NaN or null where it is not known, or a matrix with some numbers a row.

        Args:
            columns: The feature's, then those of :meth:`further`.
            prepared: Of :meth:`prepare`.
        """

    def apply_training(self, columns: Sequence[Column], learnt_from: Sequence[Column], prepared: Any) -> Column:
        """The same for the rows it was fitted on, where they must not see their own label.

        Args:
            columns: As :meth:`apply`'s.
            learnt_from: The label, then the columns of the rows' key, where it learns from the label.
            prepared: As :meth:`apply`'s.
        """
        del learnt_from
        return self.apply(columns, prepared)

    def extras(self, columns: Sequence[Column], prepared: Any) -> list[Floats]:
        """Further numbers a row, which later steps do not touch."""
        del columns, prepared
        return []

    def names(self, feature: str, constants: Mapping[str, Json]) -> tuple[str, ...]:
        """The names of its results where it is the last step."""
        del constants
        return (feature,)

    def extra_names(self, feature: str) -> tuple[str, ...]:
        """The names of :meth:`extras`."""
        del feature
        return ()

    def filled(self, result: Column) -> Column:
        """The result with what stands for numbers that are not known."""
        missing = getattr(self.options, "missing", None)
        if not isinstance(missing, float) or not isinstance(result, np.ndarray):
            return result
        return np.where(np.isnan(result), missing, result)
