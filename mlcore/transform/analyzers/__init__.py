"""What mappers need to know of all training rows, kept for each span and merged.

``merge([of(A), of(B)]) == of(A + B)``, bit for bit and in any order, for every analyzer here. A file in this folder
that defines a subclass of :class:`Analyzer` is all a new one takes.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from importlib import import_module
from inspect import isabstract
from types import MappingProxyType

from mlcore.transform.analyzers.base import Analyzer

__all__ = ["ANALYZERS", "Analyzer"]


def _found() -> Mapping[str, type[Analyzer]]:
    found: dict[str, type[Analyzer]] = {}
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name):
        for value in vars(import_module(f"{__name__}.{module.name}")).values():
            if isinstance(value, type) and issubclass(value, Analyzer) and not isabstract(value):
                found[value.name] = value
    return MappingProxyType(found)


ANALYZERS = _found()
"""Every analyzer there is, by name."""
