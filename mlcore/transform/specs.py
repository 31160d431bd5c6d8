"""The features of a pipeline file, checked against their mappers and the columns there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mlcore.config.model import Feature
from mlcore.core.types import Json
from mlcore.errors import ConfigError
from mlcore.transform.mappers import Mapper, make_mapper


@dataclass(frozen=True, kw_only=True, slots=True)
class FeatureSpec:
    """One feature before it is fitted.

    Attributes:
        name: Of the feature.
        transform: Name of its mapper.
        columns: Columns the mapper reads, in its order, with the type of each.
        options: The mapper's options as written; what is not there has its default.
    """

    name: str
    transform: str
    columns: tuple[tuple[str, str], ...]
    options: Mapping[str, Json] = field(default_factory=dict)

    def mapper(self) -> Mapper:
        """The mapper with its options."""
        return make_mapper(self.name, self.transform, self.options)


def specs_from_config(features: Mapping[str, Feature], columns: Mapping[str, str]) -> tuple[FeatureSpec, ...]:
    """The features in the file's order.

    Args:
        features: As written.
        columns: Type name by column: ``data.columns`` of the pipeline file.

    Raises:
        ConfigError: A mapper or an option is unknown or out of range, or a column is missing or of a type that the
            mapper does not read. The message names the key and what is allowed.
    """
    return tuple(_spec(name, feature, columns) for name, feature in features.items())


def columns_read(specs: Sequence[FeatureSpec]) -> dict[str, str]:
    """Type by name of every column that some feature reads, in order of the names."""
    return dict(sorted(column for spec in specs for column in spec.columns))


def columns_analyzed(specs: Sequence[FeatureSpec]) -> dict[str, str]:
    """Those of :func:`columns_read` that some feature must know all training rows of."""
    analyzed = (spec.columns[0] for spec in specs if spec.mapper().analyzer is not None)
    return dict(sorted(analyzed))


def _spec(name: str, feature: Feature, columns: Mapping[str, str]) -> FeatureSpec:
    mapper = make_mapper(name, feature.transform, feature.options)
    read = (feature.column or name, *mapper.further_columns())
    for column, allowed in zip(read, mapper.column_types(), strict=True):
        if column not in columns:
            raise ConfigError(
                f"features.{name}: column {column!r} is not in data.columns",
                where=f"features.{name}",
                next_step=f"choose one of {', '.join(columns)}",
            )
        if columns[column] not in allowed:
            raise ConfigError(
                f"features.{name}.transform: {feature.transform} cannot read {column!r} of type {columns[column]}",
                where=f"features.{name}.transform",
                next_step=f"it reads columns of type {', '.join(allowed)}",
            )
    return FeatureSpec(
        name=name,
        transform=feature.transform,
        columns=tuple((column, columns[column]) for column in read),
        options=feature.options,
    )
