"""Metrics by name. A file in this folder that defines a subclass of :class:`Metric` is all a new one takes.

A name may have parameters: ``precision(threshold=0.3)``, ``f_beta(beta=2)``. A metric of one's own is a function,
declared with :func:`metric` and named by its import path, or by an entry point of the group ``mlcore.metrics``.
"""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from inspect import isabstract
from types import MappingProxyType
from typing import TypeGuard

from mlcore.errors import ConfigError, quoted
from mlcore.evaluation.metrics.base import Measured, Metric, Undefined
from mlcore.evaluation.metrics.user import UserMetric, metric, of_function
from mlcore.evaluation.task import Task

__all__ = ["Measured", "Metric", "Undefined", "UserMetric", "find_metric", "metric", "metrics", "standard_metrics"]

PLUGINS = "mlcore.metrics"
_SPEC = re.compile(r"\s*([A-Za-z_]\w*)\s*(?:\((.*)\))?\s*")
_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_PARAMETER = re.compile(r"\s*([a-z_]\w*)\s*=\s*([\w.+-]+)\s*")


@cache
def metrics() -> Mapping[str, Metric]:
    """Every metric of the package, by name, with its parameters at their defaults."""
    found = {}
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name):
        loaded = import_module(f"{__name__}.{module.name}")
        for value in vars(loaded).values():
            if _is_metric(value) and value.__module__ == loaded.__name__:
                found[value.name] = value()
    return MappingProxyType(found)


def _is_metric(value: object) -> TypeGuard[type[Metric]]:
    made = isinstance(value, type) and issubclass(value, Metric) and value is not UserMetric
    return made and not isabstract(value)


def standard_metrics(task: Task) -> tuple[str, ...]:
    """What is computed of a task where no metrics are named."""
    return tuple(name for name, found in sorted(metrics().items()) if found.standard and task in found.tasks)


def find_metric(spec: str) -> Metric:
    """The metric of a name, with its parameters if it has some.

    Raises:
        ConfigError: There is none, or it has no such parameter; the message lists those there are.
    """
    return _find(spec)


@cache
def _find(spec: str) -> Metric:
    if _PATH.fullmatch(spec):
        return _imported(spec)
    match = _SPEC.fullmatch(spec)
    found = metrics().get(match[1]) if match else None
    if match is None or found is None:
        own = _plugin(match[1]) if match else None
        if own is not None:
            return own
        raise _unknown(spec)
    if match[2] is None:
        return found
    return _with_parameters(found, match[2], spec)


def _imported(path: str) -> Metric:
    module, _, name = path.rpartition(".")
    try:
        return of_function(getattr(import_module(module), name))
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"the metric {quoted(path)} cannot be imported: {quoted(str(error))}",
            where="evaluation",
            next_step="install the project's package where the pipeline runs, or correct the path",
        ) from error


def _plugin(name: str) -> Metric | None:
    for entry in entry_points(group=PLUGINS, name=name):
        return of_function(entry.load())
    return None


def _unknown(spec: str) -> ConfigError:
    near = get_close_matches(spec.partition("(")[0], metrics(), n=1)
    return ConfigError(
        f"there is no metric {quoted(spec)}" + (f"; did you mean {near[0]}?" if near else ""),
        where="evaluation",
        next_step=f"allowed: {', '.join(sorted(metrics()))}",
    )


def _with_parameters(found: Metric, text: str, spec: str) -> Metric:
    kinds: dict[str, Callable[[str], object]] = {each.name: type(getattr(found, each.name)) for each in fields(found)}
    given: dict[str, object] = {}
    for part in filter(str.strip, text.split(",")):
        match = _PARAMETER.fullmatch(part)
        if match is None or match[1] not in kinds:
            raise ConfigError(
                f"metric {quoted(spec)}: {quoted(part.strip())} is no parameter",
                where="evaluation",
                next_step=f"parameters of {found.name}: {', '.join(kinds) or 'none'}; write {found.name}(name=value)",
            )
        try:
            given[match[1]] = kinds[match[1]](match[2])
        except ValueError as error:
            raise ConfigError(
                f"metric {quoted(spec)}: {match[1]} cannot be {quoted(match[2])}",
                where="evaluation",
                next_step=f"write a number, as in {found.name}({match[1]}={getattr(found, match[1])})",
            ) from error
    return type(found)(**given)
