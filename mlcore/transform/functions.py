"""Functions of a project's own over record batches: found by import path, marked by their author, pinned by digest."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TypeVar

import pyarrow as pa

from mlcore.core.digests import digest_bytes
from mlcore.errors import ConfigError, MlcoreError, quoted

RowFunction = Callable[[pa.RecordBatch], Any]
Marked = TypeVar("Marked", bound=RowFunction)
_MARK = "__mlcore_row_function__"


def row_function(function: Marked) -> Marked:
    """Mark a function as one that features may be made by.

    It takes a record batch of the feature's columns, in their order, and gives a value a row: an Arrow array, a NumPy
    array, or a two-dimensional one with some numbers a row. Each row must follow from that row alone, and from nothing
    else: one that does not is refused by the gate that asks the model for single rows.

    >>> @row_function
    ... def speed(batch):
    ...     return pa.compute.divide(batch["distance"], batch["air_time"])
    """
    setattr(function, _MARK, True)
    return function


def source_digest(path: str) -> str:
    """The digest of the source of the module that the function of this import path is in; nothing of it is run.

    Raises:
        ConfigError: There is no such module, or its source cannot be read.
    """
    module, _, _ = path.rpartition(".")
    try:
        spec = find_spec(module)
        source = getattr(spec.loader, "get_source", lambda _: None)(module) if spec is not None else None
    except (ImportError, OSError, ValueError) as error:
        raise _missing(path, error) from error
    if source is None:
        raise _missing(path, f"no source of {module}")
    return digest_bytes(source.encode())


def find_function(path: str) -> RowFunction:
    """The function of an import path such as ``shop.features.speed``.

    Raises:
        ConfigError: It cannot be imported, or is no function marked by :func:`row_function`.
    """
    module_name, _, name = path.rpartition(".")
    try:
        module = import_module(module_name)
    except ImportError as error:
        raise _missing(path, error) from error
    function = getattr(module, name, None)
    if function is None:
        known = [key for key, value in vars(module).items() if getattr(value, _MARK, False)]
        near = get_close_matches(name, known, n=1)
        meant = f"; did you mean {module_name}.{near[0]}?" if near else ""
        raise ConfigError(
            f"there is no function {quoted(path)}{meant}",
            where=path,
            next_step="write it, with @row_function of mlcore.transform.functions above it",
        )
    if not callable(function) or not getattr(function, _MARK, False):
        raise ConfigError(
            f"{quoted(path)} is no function for features",
            where=path,
            next_step="write @row_function of mlcore.transform.functions above it",
        )
    found: RowFunction = function
    return found


def _missing(path: str, why: object) -> ConfigError:
    return ConfigError(
        f"the function {quoted(path)} cannot be imported: {quoted(str(why))}",
        where=path,
        next_step="install the project's package where the pipeline runs, and where the model is served",
    )


def checked(result: Any, rows: int, path: str) -> Any:
    """What a function gave, if it is a value a row.

    Raises:
        MlcoreError: It is something else.
    """
    array = result.combine_chunks() if isinstance(result, pa.ChunkedArray) else result
    if not hasattr(array, "__len__") or len(array) != rows:
        given = f"{len(array):,} values" if hasattr(array, "__len__") else quoted(type(array).__name__)
        raise MlcoreError(
            f"the function {path} gave {given} for {rows:,} rows", where=path, next_step="return one value a row"
        )
    return array
