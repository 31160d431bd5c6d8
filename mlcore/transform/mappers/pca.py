"""Numbers that vary together to fewer that do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import Field

from mlcore.core.types import Json
from mlcore.transform.analyzers.covariance import Covariance
from mlcore.transform.mappers.base import Column, Mapper, NumberOptions, to_floats
from mlcore.transform.values import Floats

_MOST = 64
_SWEEPS = 60


class PcaOptions(NumberOptions):
    """How many are kept."""

    components: int = Field(default=2, ge=1, le=_MOST, description="So many, those of the greatest variance first")
    scale: bool = Field(
        default=True, description="Whether columns are divided by their standard deviation, so that units do not matter"
    )


class Pca(Mapper[PcaOptions]):
    """Principal components: ``<feature>_0``, ``<feature>_1`` ...; not known where a column is not known.

    They are the eigenvectors of the training rows' covariance matrix, found by Jacobi's rotations, which do not depend
    on threads; the largest weight of each is positive.
    """

    name = "pca"
    fewest = 2
    most = _MOST
    options_model = PcaOptions
    constants = {"means": "by column", "weights": "by component and column", "variances": "by component"}
    formula = "sum of weight * (x - mean) over the columns"

    def analyzer(self, kinds: Sequence[str]) -> str | None:
        del kinds
        return "covariance"

    def gives(self, kinds: Sequence[str]) -> str:
        del kinds
        return "matrix"

    def fit(self, analyzer: Covariance) -> dict[str, Json]:
        matrix = analyzer.matrix()
        scales = np.sqrt(np.diagonal(matrix)) if self.options.scale else np.ones(len(matrix))
        scales = np.where(scales > 0, scales, 1.0)
        values, vectors = eigenvectors(matrix / np.outer(scales, scales))
        order = np.argsort(-values, kind="stable")[: self.options.components]
        weights = []
        for vector in vectors[:, order].T:
            sign = -1.0 if vector[np.argmax(np.abs(vector))] < 0 else 1.0
            weights.append((sign * vector / scales + 0.0).tolist())
        return {"means": list(analyzer.means), "weights": weights, "variances": values[order].tolist()}

    def prepare(self, constants: Mapping[str, Json], kinds: Sequence[str]) -> Any:
        del kinds
        return np.array(constants["means"], np.float64), np.array(constants["weights"], np.float64)

    def apply(self, columns: Sequence[Column], prepared: Any) -> Column:
        means, weights = prepared
        centred = [to_floats(column) - mean for column, mean in zip(columns, means, strict=True)]
        result = np.zeros((len(centred[0]), len(weights)))
        for component, row in enumerate(weights):
            total = np.zeros(len(centred[0]))
            for weight, values in zip(row, centred, strict=True):  # one after the other: a BLAS sums as it likes
                total += weight * values
            result[:, component] = total
        return result

    def names(self, feature: str, constants: Mapping[str, Json]) -> tuple[str, ...]:
        weights: Any = constants["weights"]
        return tuple(f"{feature}_{place}" for place in range(len(weights)))


def eigenvectors(matrix: Floats) -> tuple[Floats, Floats]:
    """Eigenvalues of a symmetric matrix and its eigenvectors as columns (Jacobi, 1846; Golub and Van Loan, 8.5)."""
    left, vectors = matrix.copy(), np.eye(len(matrix))
    scale = float(np.abs(matrix).max(initial=0.0))
    for _ in range(_SWEEPS):
        off = np.abs(left - np.diag(np.diagonal(left)))
        if float(off.max(initial=0.0)) <= 1e-15 * scale:
            break
        for first in range(len(left) - 1):
            for second in range(first + 1, len(left)):
                _rotate(left, vectors, first, second)
    return np.diagonal(left).copy(), vectors


def _rotate(left: Floats, vectors: Floats, first: int, second: int) -> None:
    if left[first, second] == 0:
        return
    tau = (left[second, second] - left[first, first]) / (2 * left[first, second])
    tangent = (1.0 if tau >= 0 else -1.0) / (abs(tau) + np.sqrt(1 + tau * tau))
    cosine = 1 / np.sqrt(1 + tangent * tangent)
    sine = tangent * cosine
    for array in (left, vectors):
        one, other = array[:, first].copy(), array[:, second].copy()
        array[:, first], array[:, second] = cosine * one - sine * other, sine * one + cosine * other
    one, other = left[first].copy(), left[second].copy()
    left[first], left[second] = cosine * one - sine * other, sine * one + cosine * other
