"""From an entry of ``push.destinations`` to the destination itself: ours, or a class of the project's own."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from urllib.parse import quote

from mlcore.config.destinations import DestinationConfig, FolderConfig
from mlcore.core.types import Json
from mlcore.deployment.destinations.base import Destination
from mlcore.deployment.destinations.folder import FolderDestination
from mlcore.errors import ConfigError, quoted
from mlcore.masking import conceal_named

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_HIDDEN = "****"


def open_destination(
    config: DestinationConfig, *, pipeline: str, variables: Mapping[str, str], project: Path
) -> Destination:
    """The destination of an entry; nothing is connected to yet.

    Args:
        config: The entry.
        pipeline: Whose releases it is to hold.
        variables: What ``${NAME}`` stands for.
        project: Where relative paths begin.

    Raises:
        ConfigError: A variable is not set, or there is no such class.
    """
    options = {name: filled(value, variables) for name, value in config.options.items()}
    if isinstance(config, FolderConfig):
        url = str(options["url"])
        if "://" not in url:
            options["url"] = str(project / url)
        return FolderDestination(pipeline, options)
    return find_destination(config.type)(pipeline, options)


def filled(value: Json, variables: Mapping[str, str]) -> Json:
    """A value with every ``${NAME}`` in its texts filled in.

    Raises:
        ConfigError: One is not set.

    >>> filled({"headers": ["token ${T}"]}, {"T": "x"})
    {'headers': ['token x']}
    """
    if isinstance(value, Mapping):
        return {key: filled(one, variables) for key, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [filled(one, variables) for one in value]
    if not isinstance(value, str):
        return value
    missing = [name for name in _names(value) if not variables.get(name)]
    if missing:
        raise ConfigError(
            f"the environment variable {missing[0]} is not set",
            where="push.destinations",
            next_step=f"set {missing[0]} for the command line and for the workers of Airflow",
        )
    conceal_named(value, variables)
    return _VARIABLE.sub(lambda match: variables[match[1]], value)


def masked(text: str, config: DestinationConfig, variables: Mapping[str, str]) -> str:
    """A text without the values that an entry's ``${NAME}`` stand for, however they are written in it."""
    values = {variables[name] for name in _names(str(dict(config.options))) if variables.get(name)}
    forms = {form for value in values for form in (value, quote(value, safe=""), quote(value), repr(value)[1:-1])}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, _HIDDEN)
    return text


def _names(text: str) -> list[str]:
    return _VARIABLE.findall(text)


def find_destination(path: str) -> type[Destination]:
    """The class of an import path such as ``shop.destinations.Shelf``.

    Raises:
        ConfigError: It cannot be imported, or is no destination that can be made.
    """
    module_name, _, name = path.rpartition(".")
    next_step = "name a subclass of mlcore.deployment.destinations.base.Destination in an installed package"
    try:
        module = import_module(module_name)
    except Exception as error:
        raise ConfigError(
            f"the module of destination {quoted(path)} cannot be imported: {quoted(str(error))}",
            where="push.destinations",
            next_step=f"make 'import {module_name}' work in this environment",
        ) from error
    found = getattr(module, name, None)
    if not inspect.isclass(found) or not issubclass(found, Destination):
        raise ConfigError(f"{quoted(path)} is no destination", where="push.destinations", next_step=next_step)
    if inspect.isabstract(found):
        lacking = ", ".join(sorted(found.__abstractmethods__))
        raise ConfigError(
            f"destination {quoted(path)} lacks {lacking}", where="push.destinations", next_step="write them"
        )
    return found
