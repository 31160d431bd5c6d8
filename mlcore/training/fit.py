"""One fit: rows as a matrix, labels and weights, in a fixed number of threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mlcore.errors import ModelError, quoted

_REFUSALS = (ValueError, TypeError, FloatingPointError, np.linalg.LinAlgError)
_NAMED = 5
_BOOSTERS_REFUSALS = frozenset({"LightGBMError", "XGBoostError", "CatBoostError"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """What an estimator is fitted on.

    Attributes:
        names: Of the features; empty where nobody is to be told of one.
    """

    features: npt.NDArray[np.float64]
    labels: npt.NDArray[Any]
    weights: npt.NDArray[np.float64] | None
    names: tuple[str, ...] = ()

    def where(self, mask: npt.NDArray[np.bool_]) -> Rows:
        """Some of them."""
        weights = None if self.weights is None else self.weights[mask]
        return replace(self, features=self.features[mask], labels=self.labels[mask], weights=weights)

    @property
    def missing(self) -> str:
        """Which features have no value in which rows, in words; empty where all have one everywhere.

        >>> Rows(features=np.array([[1, np.nan]]), labels=np.array([0]), weights=None, names=("a", "b")).missing
        'b has no value in any row'
        """
        counts = dict(zip(self.names, np.isnan(self.features).sum(axis=0).tolist(), strict=False))
        total = len(self.features)
        found = sorted((-count, name) for name, count in counts.items() if count)
        said = [
            f"{name} has no value in {'any row' if -count == total else f'{-count:,} of {total:,} rows'}"
            for count, name in found[:_NAMED]
        ]
        return "; ".join([*said, *([f"so have {len(found) - _NAMED} more"] if len(found) > _NAMED else [])])


def fit_estimator(model: Any, rows: Rows, threads: int = 1, **further: Any) -> None:
    """Fit an estimator.

    Args:
        model: Follows scikit-learn's conventions.
        rows: What to fit on.
        threads: Of BLAS and OpenMP. It is fixed because results of BLAS change with it.
        further: Handed on to its ``fit``.

    Raises:
        ModelError: It refuses the rows, or cannot weigh them.
    """
    from sklearn.utils.validation import has_fit_parameter

    if rows.weights is not None and not has_fit_parameter(model, "sample_weight"):
        raise ModelError(
            f"{type(model).__name__} cannot weigh rows: its fit takes no sample_weight",
            where="model.weights",
            next_step="remove model.weights, or choose another estimator",
        )
    weighed = {} if rows.weights is None else {"sample_weight": rows.weights}
    with guarded(model, threads, rows):
        model.fit(rows.features, rows.labels, **weighed, **further)


@contextmanager
def guarded(model: Any, threads: int, rows: Rows | None = None) -> Iterator[None]:
    """Around a fit: so many threads, and what the estimator refuses is told in its words, with what the rows lack.

    Raises:
        ModelError: It refused.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=threads):
        try:
            yield
        except Exception as error:
            if not isinstance(error, _REFUSALS) and type(error).__name__ not in _BOOSTERS_REFUSALS:
                raise
            missing = rows.missing if rows is not None else ""
            said = f"{type(model).__name__} could not be fitted: {quoted(str(error).split(chr(10), 1)[0], limit=400)}"
            remedy = "give features that need it an option such as missing: 0" + ", or leave them out" * bool(missing)
            raise ModelError(
                f"{said}; {missing}" if missing else said,
                where="model",
                next_step=f"correct model.params, or {remedy}",
            ) from error
