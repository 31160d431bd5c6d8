"""Mappers by name. A file in this folder that defines a subclass of :class:`Mapper` is all a new one takes."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from inspect import isabstract
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from mlcore.core.types import Json
from mlcore.errors import ConfigError, quoted
from mlcore.transform.mappers.base import Mapper, Options

__all__ = ["Mapper", "Options", "make_mapper", "mappers"]


@cache
def mappers() -> Mapping[str, type[Mapper[Any]]]:
    """Every mapper there is, by name."""
    found: dict[str, type[Mapper[Any]]] = {}
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name):
        for value in vars(import_module(f"{__name__}.{module.name}")).values():
            if isinstance(value, type) and issubclass(value, Mapper) and not isabstract(value):
                found[value.name] = value
    return MappingProxyType(found)


def make_mapper(where: str, name: str, options: Mapping[str, Json]) -> Mapper[Any]:
    """A mapper with its options.

    Args:
        where: The key of the pipeline file it stands at, for errors.
        name: Of the mapper.
        options: As written.

    Raises:
        ConfigError: There is no such mapper, or it has no such option or not with that value.
    """
    cls = mappers().get(name)
    if cls is None:
        near = get_close_matches(name, mappers(), n=1)
        raise ConfigError(
            f"{where}.transform: there is no mapper {quoted(name)}" + (f"; did you mean {near[0]}?" if near else ""),
            where=f"{where}.transform",
            next_step=f"allowed: {', '.join(sorted(mappers()))}",
        )
    _check_names(where, cls, options)
    try:
        return cls(cls.options_model.model_validate(dict(options)))
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False)[0]
        key = ".".join((where, *map(str, problem["loc"])))
        message = problem["msg"].removeprefix("Value error, ")
        raise ConfigError(
            f"{key}: {message} (given: {quoted(problem['input'])})",
            where=key,
            next_step=f"correct the option; {name} takes {_described(cls)}",
        ) from error


def _check_names(where: str, cls: type[Mapper[Any]], options: Mapping[str, Json]) -> None:
    allowed = cls.options_model.model_fields
    for key in options:
        if key not in allowed:
            near = get_close_matches(key, allowed, n=1)
            raise ConfigError(
                f"{where}.{key[:60]}: {cls.name} has no such option" + (f"; did you mean {near[0]}?" if near else ""),
                where=where,
                next_step=f"allowed: {', '.join(('transform', 'column', 'columns', 'doc', 'owner', *allowed))}",
            )


def _described(cls: type[Mapper[Any]]) -> str:
    return ", ".join(cls.options_model.model_fields) or "no options"
