"""The features of a pipeline file as chains of steps, checked against their mappers and the columns there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlcore.config.model import Feature
from mlcore.config.pipeline import PipelineConfig
from mlcore.core.types import Json
from mlcore.errors import ConfigError
from mlcore.transform.analysis import needs
from mlcore.transform.mappers import Mapper, make_mapper
from mlcore.transform.steps import FeatureSpec, StepSpec, Typed


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """The rows that features are made of.

    Attributes:
        columns: Type by name.
        label: Name of the label; "" where nothing may learn from it.
        outcome: The column the label is made of, which no feature may read.
        key: The columns of a row's key.
        amounts: Whether the label is a number whose mean says something: one of two classes, or an amount.
    """

    columns: Mapping[str, str]
    label: str = ""
    outcome: str = ""
    key: tuple[str, ...] = ()
    amounts: bool = True


def specs_of(config: PipelineConfig) -> tuple[FeatureSpec, ...]:
    """The features of a pipeline file; see :func:`specs_from_config`."""
    data = config.data
    text = data.label.above is None and data.columns[data.label.column] == "string"
    source = Source(
        columns=data.all_columns,
        label=data.label.name,
        outcome=data.label.column,
        key=data.key,
        amounts=not text and data.task != "multiclass",
    )
    return _specs(config.features, source)


def specs_from_config(
    features: Mapping[str, Feature],
    columns: Mapping[str, str],
    *,
    label: str = "",
    outcome: str = "",
    key: Sequence[str] = (),
) -> tuple[FeatureSpec, ...]:
    """The features in the file's order.

    Args:
        features: As written.
        columns: Type name by column: ``data.columns`` of the pipeline file.
        label: Name of the label column; without it no feature can learn from the label.
        outcome: The column the label is made of, which no feature may read.
        key: The columns of a row's key.

    Raises:
        ConfigError: A mapper or an option is unknown or out of range, a column is missing or of a kind that a step
            does not read, steps do not fit together, or one would see the label. The message names the key and what is
            allowed.
    """
    return _specs(features, Source(columns=columns, label=label, outcome=outcome, key=tuple(key)))


def _specs(features: Mapping[str, Feature], source: Source) -> tuple[FeatureSpec, ...]:
    specs = tuple(_spec(name, feature, source) for name, feature in features.items())
    for spec in specs:
        needs(spec)  # refuses what cannot be fitted
    return specs


def _spec(name: str, feature: Feature, source: Source) -> FeatureSpec:
    names = feature.columns_of(name)
    columns = tuple((column, _kind(f"features.{name}", column, source)) for column in names)
    kinds: tuple[str, ...] = tuple(kind for _, kind in columns)
    steps = []
    written = feature.steps
    for place, (mapper_name, options) in enumerate(written):
        where = f"features.{name}" + (f".transform.{place}" if feature.chained else "")
        mapper = make_mapper(where, mapper_name, options)
        _check_kinds(where, mapper, names if place == 0 else (f"the result of {written[place - 1][0]}",), kinds)
        steps.append(_step(where, mapper, options, source))
        kinds = (mapper.gives(kinds),)
    if kinds[0] not in ("float64", "code", "matrix"):
        raise ConfigError(
            f"features.{name}.transform: its last step, {written[-1][0]}, gives {kinds[0]}, and a model takes numbers",
            where=f"features.{name}.transform",
            next_step="add a step that makes numbers, for instance vocabulary, one_hot or hash",
        )
    return FeatureSpec(name=name, columns=columns, steps=tuple(steps))


def _step(where: str, mapper: Mapper[Any], options: Mapping[str, Json], source: Source) -> StepSpec:
    mapper.check()
    further = []
    for one in mapper.further():
        kind = _kind(f"{where}.{one.option}", one.column, source)
        if kind not in one.kinds:
            raise ConfigError(
                f"{where}.{one.option}: {mapper.name} cannot read {one.column!r} of type {kind}",
                where=f"{where}.{one.option}",
                next_step=f"it reads columns of type {', '.join(one.kinds)}",
            )
        further.append((one.column, kind))
    return StepSpec(
        mapper=mapper.name,
        options=options,
        further=tuple(further),
        learns_from=_learnt_from(where, mapper, source) if mapper.learns_label else (),
        code=mapper.code,
    )


def _learnt_from(where: str, mapper: Mapper[Any], source: Source) -> Typed:
    if not source.label or not source.key:
        raise ConfigError(
            f"{where}: {mapper.name} learns from the label, and there is none here",
            where=where,
            next_step="use it in a pipeline with data.label and data.key",
        )
    if not source.amounts:
        raise ConfigError(
            f"{where}: {mapper.name} needs the label's mean, and the label is one of several classes",
            where=where,
            next_step="use vocabulary or one_hot, or a label that is 0 or 1 or an amount",
        )
    return ((source.label, "float64"), *((column, _read_as(source.columns[column])) for column in source.key))


def _kind(where: str, column: str, source: Source) -> str:
    if column in (source.label, source.outcome):
        raise ConfigError(
            f"{where}: column {column!r} is the label's: a model must not see it",
            where=where,
            next_step="choose a column that is known when the model is asked",
        )
    if column not in source.columns:
        raise ConfigError(
            f"{where}: column {column!r} is not in data.columns",
            where=where,
            next_step=f"choose one of {', '.join(source.columns)}",
        )
    return _read_as(source.columns[column])


def _read_as(kind: str) -> str:
    """What steps read a column as: a decimal is the nearest float."""
    return "float64" if kind.startswith("decimal(") else kind


def _check_kinds(where: str, mapper: Mapper[Any], given: Sequence[str], kinds: Sequence[str]) -> None:
    if not mapper.fewest <= len(kinds) <= mapper.most:
        wanted = str(mapper.fewest) if mapper.fewest == mapper.most else f"{mapper.fewest} to {mapper.most}"
        raise ConfigError(
            f"{where}: {mapper.name} reads {wanted} column{'' if wanted == '1' else 's'} and is given {len(kinds)}",
            where=where,
            next_step="write columns: [...] for a first step that reads several; later steps read one result",
        )
    for name, kind in zip(given, kinds, strict=True):
        if kind not in mapper.types:
            raise ConfigError(
                f"{where}.transform: {mapper.name} cannot read {name!r} of type {kind}",
                where=f"{where}.transform",
                next_step=f"it reads {', '.join(mapper.types)}",
            )
