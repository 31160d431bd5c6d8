"""The steps of a feature, run one after the other over columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlcore.core.types import Json
from mlcore.errors import ModelError
from mlcore.transform.mappers import Mapper
from mlcore.transform.steps import FeatureSpec
from mlcore.transform.values import Column, Floats, contiguous

Rows = Mapping[str, Column]
"""Columns by name, all of one length."""


@dataclass(frozen=True, slots=True)
class BoundStep:
    """A mapper with all it needs.

    Attributes:
        mapper: With its options.
        prepared: Its constants, in its own form.
        further: Names of the columns it reads beside its input.
        learns_from: Names of the columns it reads of training rows.
    """

    mapper: Mapper[Any]
    prepared: Any
    further: tuple[str, ...] = ()
    learns_from: tuple[str, ...] = ()


def bind(spec: FeatureSpec, constants: Sequence[Mapping[str, Json]]) -> tuple[BoundStep, ...]:
    """The first steps of a feature, as many as there are constants.

    Raises:
        ModelError: The project's own code of a step has changed since the feature was made.
    """
    mappers = spec.mappers()
    kinds = spec.kinds(mappers)
    for step, mapper in zip(spec.steps, mappers, strict=True):
        if step.code and mapper.code != step.code:
            raise ModelError(
                f"the project's own code of feature {spec.name} is not what it was fitted with",
                where=str(step.options.get("function", step.mapper)),
                next_step="install the package as it was when the model was trained, or train again",
            )
    return tuple(
        BoundStep(
            mapper=mapper,
            prepared=mapper.prepare(fitted, (*given, *(kind for _, kind in step.further))),
            further=tuple(name for name, _ in step.further),
            learns_from=tuple(name for name, _ in step.learns_from),
        )
        for step, mapper, given, fitted in zip(spec.steps, mappers, kinds, constants, strict=False)
    )


def run(
    steps: Sequence[BoundStep],
    inputs: Sequence[Column],
    rows: Rows,
    *,
    extras: Callable[[Floats], None] | None = None,
    training: bool = False,
) -> list[Column]:
    """What comes out of the last step; the inputs themselves where there is no step.

    Args:
        steps: In order.
        inputs: What the first step reads.
        rows: What steps read beside.
        extras: Takes the further numbers of each step.
        training: Whether these are the rows the steps were fitted on.
    """
    values = list(inputs)
    with np.errstate(all="ignore"):  # what has no result is NaN, which is how it is told
        for step in steps:
            read = [*values, *(rows[name] for name in step.further)]
            if extras is not None:
                for extra in step.mapper.extras(read, step.prepared):
                    extras(extra)
            if training and step.learns_from:
                result = step.mapper.apply_training(read, [rows[name] for name in step.learns_from], step.prepared)
            else:
                result = step.mapper.apply(read, step.prepared)
            values = [contiguous(step.mapper.filled(result))]
    return values
