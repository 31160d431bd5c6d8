"""What an analyzer is: an immutable summary of rows that merges exactly."""

from __future__ import annotations

import base64
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np

from mlcore.core.types import Json
from mlcore.transform.values import Column, Floats, Integers, to_floats


class Analyzer(ABC):
    """An immutable summary of the values of some rows.

    Attributes:
        name: What it is called in stored states.
        counted: Whether it can be made of different values and how often each occurs (:meth:`of_counted`), so that a
            step after a fitted one learns from counts of values instead of from a second pass over rows.
    """

    name: ClassVar[str]
    counted: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def of(cls, *columns: Column) -> Self:
        """Of rows: the values, and what else it is made from."""

    @classmethod
    def of_counted(cls, column: Column, counts: Integers) -> Self:
        """Of values, each as often as ``counts`` says."""
        raise NotImplementedError(f"{cls.name} is made of rows only")

    @classmethod
    @abstractmethod
    def merge(cls, parts: Sequence[Self]) -> Self:
        """Of the rows of all parts; one part at least."""

    @abstractmethod
    def to_json(self) -> Json:
        """Equal summaries have equal JSON."""

    @classmethod
    @abstractmethod
    def from_json(cls, state: Any) -> Self:
        """The summary of :meth:`to_json`."""


class CountedAnalyzer(Analyzer):
    """One that keeps all that its own values must be counted by: later steps are fitted from it."""

    @abstractmethod
    def values(self) -> tuple[Column, Integers]:
        """Different values, the unknown among them, and how often each occurs."""


def finite(column: Column, counts: Integers | None = None) -> tuple[Floats, Integers | None]:
    """The finite values and their counts; adding 0 makes -0.0 and 0.0 one, so that order cannot show."""
    values = to_floats(column)
    some = np.isfinite(values)
    if not some.all():
        values, counts = values[some], None if counts is None else counts[some]
    return values + 0.0, counts


def integers_to_text(integers: Integers) -> str:
    """Little-endian 64-bit integers as base64."""
    return base64.b64encode(integers.astype("<i8").tobytes()).decode("ascii")


def integers_of_text(text: str) -> Integers:
    """The integers of :func:`integers_to_text`."""
    return np.frombuffer(base64.b64decode(text), "<i8").astype(np.int64)
