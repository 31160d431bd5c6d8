"""An estimator by its import path, with errors that name what was meant."""

from __future__ import annotations

import inspect
import logging
import pkgutil
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

from mlcore.core.types import Json
from mlcore.errors import ModelError, quoted

_REQUIRED = ("fit", "predict", "get_params")
_SEED = "random_state"
_CATEGORICAL = "categorical_features"
_WHERE = "model.estimator"
_SEEDS = (_SEED, "random_seed", "seed")
_THREADS = ("n_jobs", "nthread", "nthreads", "num_threads", "num_thread", "thread_count")
_QUIET = ("verbose", "verbosity", "silent", "logging_level", "verbose_eval")
_FIXED: Mapping[str, Mapping[tuple[str, ...], Json]] = {
    "lightgbm": {
        _THREADS: 1,
        ("deterministic",): True,
        ("force_row_wise", "force_col_wise"): True,  # which is faster would be tried, by the clock
        ("verbose", "verbosity"): -1,
    },
    "xgboost": {_THREADS: 1},
    "catboost": {
        ("thread_count",): 1,
        ("allow_writing_files",): False,
        ("logging_level", *_QUIET): "Silent",
    },
}
"""By library, names of one parameter and what the first is where none of them is given."""
_LOG = logging.getLogger(__name__)


def resolve_estimator(path: str, params: Mapping[str, Json]) -> Any:
    """An unfitted estimator.

    Two trainings on the same rows must give the same model, on every machine. So an estimator that draws random numbers
    and was given no ``random_state`` gets 0; a number of threads that would be the machine's is 1; and LightGBM is told
    to be deterministic.

    Args:
        path: Import path of a class that follows scikit-learn's conventions.
        params: Its parameters by name.

    Raises:
        ModelError: There is no such class, it is no estimator, or it has no such parameter; the message lists the
            names nearest to what was asked for, or those that are allowed.
    """
    cls = _find_class(path)
    allowed = _parameter_names(cls)
    for name in params if not _takes_any(cls) else ():
        if name not in allowed:
            raise ModelError(
                f"{cls.__name__} has no parameter {quoted(name)}{_meant(name, allowed)}",
                where=f"model.params.{name}",
                next_step=f"allowed: {', '.join(allowed)}",
            )
    given = _repeatable(cls, allowed, params)
    try:
        return cls(**given)
    except Exception as error:
        raise ModelError(
            f"{cls.__name__} refuses its parameters: {quoted(str(error))}",
            where="model.params",
            next_step="correct the parameters in the pipeline file",
        ) from error


def _repeatable(cls: type[Any], allowed: Sequence[str], params: Mapping[str, Json]) -> dict[str, Json]:
    """The parameters with a seed and a number of threads, wherever they leave them open."""
    given = dict(params)
    library = cls.__module__.partition(".")[0]
    for names, value in _FIXED.get(library, {}).items():
        if all(given.get(name) is None for name in names):
            given[names[0]] = value
    if _SEED in allowed and all(given.get(name) is None for name in _SEEDS):
        given[_SEED] = 0
    for name in _THREADS:
        count = given.get(name)
        if isinstance(count, int) and count < 1:
            _LOG.warning("%s=%d would be the threads of the machine: 1 is used, as everywhere the same", name, count)
            given[name] = 1
    return given


def with_categories(model: Any, params: Mapping[str, Json], mask: Sequence[bool]) -> Any:
    """The estimator, told which features are categories, where it can be and the parameters do not say it."""
    if _CATEGORICAL in model.get_params(deep=False) and _CATEGORICAL not in params and any(mask):
        model.set_params(**{_CATEGORICAL: np.array(mask)})
    return model


def _find_class(path: str) -> type[Any]:
    module_name, _, name = path.rpartition(".")
    if not module_name:
        raise ModelError(
            f"there is no estimator {quoted(path)}: its module is missing",
            where=_WHERE,
            next_step="write the whole path, for instance sklearn.linear_model.LogisticRegression",
        )
    module = _import(module_name, path)
    found = getattr(module, name, None)
    if found is None:
        near = _meant(name, _estimator_names(module))
        raise ModelError(
            f"there is no estimator {quoted(path)}{near}",
            where=_WHERE,
            next_step=f"correct the name of the class; {module_name} was found",
        )
    lacking = [method for method in _REQUIRED if not callable(getattr(found, method, None))]
    if not inspect.isclass(found) or lacking:
        raise ModelError(
            f"{quoted(path)} is not an estimator" + (f": it has no {', '.join(lacking)}" if lacking else ""),
            where=_WHERE,
            next_step="name a class that follows scikit-learn's conventions",
        )
    if inspect.isabstract(found):
        raise ModelError(f"{quoted(path)} is abstract", where=_WHERE, next_step="name one of its subclasses")
    return found


def _import(module_name: str, path: str) -> ModuleType:
    try:
        return import_module(module_name)
    except ModuleNotFoundError as error:
        raise ModelError(
            f"there is no estimator {quoted(path)}: no module {quoted(error.name or module_name)}"
            + _meant_module(module_name),
            where=_WHERE,
            next_step="correct the path, or install the package that has it",
        ) from error
    except Exception as error:
        raise ModelError(
            f"the module of estimator {quoted(path)} cannot be imported: {quoted(str(error))}",
            where=_WHERE,
            next_step=f"make 'import {module_name}' work in this environment",
        ) from error


def _meant_module(module_name: str) -> str:
    parent, _, last = module_name.rpartition(".")
    try:
        package = import_module(parent) if parent else None
    except ImportError:
        return ""
    names = [module.name for module in pkgutil.iter_modules(getattr(package, "__path__", None) or [])]
    near = get_close_matches(last, names, n=1)
    return f"; did you mean {parent}.{near[0]}?" if near else ""


def _estimator_names(module: ModuleType) -> list[str]:
    public = getattr(module, "__all__", None) or [name for name in dir(module) if not name.startswith("_")]
    return [name for name in public if callable(getattr(getattr(module, name, None), "predict", None))]


def _meant(name: str, names: Iterable[str]) -> str:
    near = get_close_matches(name, list(names), n=3)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _parameter_names(cls: type[Any]) -> list[str]:
    parameters = inspect.signature(cls).parameters.values()
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    names = [parameter.name for parameter in parameters if parameter.kind in named]
    return sorted({*names, *cls().get_params(deep=False)}) if _takes_any(cls) else names


def _takes_any(cls: type[Any]) -> bool:
    """Whether it hands parameters on by ``**kwargs``, as boosters do with aliases: then only it knows their names."""
    parameters = inspect.signature(cls).parameters.values()
    return any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters)
