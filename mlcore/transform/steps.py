"""What a feature is before it is fitted: columns, and steps over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlcore.core.types import Json
from mlcore.transform.mappers import Mapper, make_mapper

Typed = tuple[tuple[str, str], ...]
"""Columns: name and type of each."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StepSpec:
    """One step of a feature before it is fitted.

    Attributes:
        mapper: Its name.
        options: As written; what is not there has its default.
        further: Columns it reads beside the feature's own.
        learns_from: Columns it reads when it is fitted, and of training rows: the label, then the key.
        code: Digest of the project's own code in it; "" where there is none.
    """

    mapper: str
    options: Mapping[str, Json] = field(default_factory=dict)
    further: Typed = ()
    learns_from: Typed = ()
    code: str = ""

    def make(self, where: str) -> Mapper[Any]:
        """The mapper with its options."""
        return make_mapper(where, self.mapper, self.options)


@dataclass(frozen=True, kw_only=True, slots=True)
class FeatureSpec:
    """One feature before it is fitted.

    Attributes:
        name: Of the feature.
        columns: Columns its first step reads, in order.
        steps: One at least.
    """

    name: str
    columns: Typed
    steps: tuple[StepSpec, ...]

    def mappers(self) -> tuple[Mapper[Any], ...]:
        made = tuple(step.make(f"features.{self.name}") for step in self.steps)
        made[0].columns = tuple(name for name, _ in self.columns)
        return made

    @property
    def columns_read(self) -> Typed:
        """All that are read of any row."""
        return (*self.columns, *(column for step in self.steps for column in step.further))

    @property
    def columns_learnt_from(self) -> Typed:
        """What is read of training rows only."""
        return tuple(column for step in self.steps for column in step.learns_from)

    def kinds(self, mappers: Sequence[Mapper[Any]]) -> list[tuple[str, ...]]:
        """The kinds each step is given, and at last the kind of the result."""
        flow: list[tuple[str, ...]] = [tuple(kind for _, kind in self.columns)]
        for mapper in mappers:
            flow.append((mapper.gives(flow[-1]),))
        return flow


def columns_read(specs: Sequence[FeatureSpec]) -> dict[str, str]:
    """Type by name of every column that some feature reads, in order of the names."""
    return dict(sorted(column for spec in specs for column in spec.columns_read))


def columns_of_training(specs: Sequence[FeatureSpec]) -> dict[str, str]:
    """:func:`columns_read`, and what is read of training rows only."""
    return dict(sorted(column for spec in specs for column in (*spec.columns_read, *spec.columns_learnt_from)))
