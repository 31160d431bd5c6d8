"""Metrics by name. A file in this folder that defines a subclass of :class:`Metric` is all a new one takes."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from types import MappingProxyType

from mlcore.errors import ConfigError, quoted
from mlcore.evaluation.metrics.base import Metric

__all__ = ["Metric", "find_metric", "metrics"]


@cache
def metrics() -> Mapping[str, Metric]:
    """Every metric there is, by name."""
    found = {}
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name):
        for value in vars(import_module(f"{__name__}.{module.name}")).values():
            if isinstance(value, type) and issubclass(value, Metric) and value is not Metric:
                found[value.name] = value()
    return MappingProxyType(found)


def find_metric(name: str) -> Metric:
    """The metric of a name.

    Raises:
        ConfigError: There is none; the message lists those there are.
    """
    metric = metrics().get(name)
    if metric is None:
        near = get_close_matches(name, metrics(), n=1)
        raise ConfigError(
            f"there is no metric {quoted(name)}" + (f"; did you mean {near[0]}?" if near else ""),
            where="evaluation",
            next_step=f"allowed: {', '.join(sorted(metrics()))}",
        )
    return metric
