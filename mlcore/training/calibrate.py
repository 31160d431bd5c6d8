"""Rows that the estimator is not fitted on: they set probabilities right, or tell how far predictions miss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mlcore.errors import DataError


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibrating:
    """Which rows are held back, and how probabilities are mapped by them.

    Attributes:
        method: ``isotonic``, any rising function of steps (Zadrozny and Elkan, 2002), or ``sigmoid``, two numbers
            (Platt, 1999), for few rows.
        share: Of the labelled training rows, the newest.
        timestamp: The column that tells the newest.
    """

    method: Literal["isotonic", "sigmoid"]
    share: float
    timestamp: str

    def held_back(self, table: pa.Table) -> npt.NDArray[np.bool_]:
        """Which rows the estimator is not fitted on; rows of one moment are all on one side.

        Raises:
            DataError: No row would be left on one of the sides.
        """
        return newest(table, self.timestamp, self.share, where="model.calibration.share")

    def calibrated(
        self,
        model: Any,
        features: npt.NDArray[np.float64],
        labels: npt.NDArray[Any],
        weights: npt.NDArray[np.float64] | None,
    ) -> Any:
        """The fitted model with its probabilities mapped.

        Raises:
            DataError: A class of the fitted model is not among the rows, or the other way round.
        """
        from sklearn.calibration import CalibratedClassifierCV
        from sklearn.frozen import FrozenEstimator

        here = np.unique(labels)
        if not np.array_equal(here, model.classes_):
            raise DataError(
                f"the rows held back for calibration have {len(here)} classes, those fitted on {len(model.classes_)}",
                where="model.calibration",
                next_step="choose a greater share, or a longer window.train",
            )
        return CalibratedClassifierCV(FrozenEstimator(model), method=self.method).fit(features, labels, weights)


@dataclass(frozen=True, kw_only=True, slots=True)
class Measuring:
    """Which rows are held back to measure by how far a regressor misses; see ``intervals``.

    Attributes:
        share: Of the labelled training rows, the newest.
        timestamp: The column that tells the newest.
    """

    share: float
    timestamp: str

    def held_back(self, table: pa.Table) -> npt.NDArray[np.bool_]:
        """As :meth:`Calibrating.held_back`."""
        return newest(table, self.timestamp, self.share, where="model.intervals.share")


def newest(table: pa.Table, timestamp: str, share: float, *, where: str) -> npt.NDArray[np.bool_]:
    """Which rows are the newest; those of one moment all are, or none is.

    Raises:
        DataError: No row would be left on one of the sides.
    """
    moments = table[timestamp].cast(pa.int64()).to_numpy()
    first = np.sort(moments)[max(len(moments) - round(share * len(moments)), 0) :]
    held: npt.NDArray[np.bool_] = moments >= first[0] if len(first) else np.zeros(len(moments), bool)
    if held.all() or not held.any():
        raise DataError(
            f"the newest {share:.0%} of {len(moments)} training rows leave none to fit on or none to hold back",
            where=where,
            next_step="choose another share, or a longer window.train",
        )
    return held
