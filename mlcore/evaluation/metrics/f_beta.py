"""F-beta score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlcore.evaluation.metrics.averages import Decided
from mlcore.evaluation.sample import Bools, Floats


@dataclass(frozen=True)
class FBeta(Decided):
    """Harmonic mean of precision and recall, the recall counted ``beta`` squared times (van Rijsbergen, 1979).

    It is the ratio ``(1 + b2) TP / (b2 (TP + FN) + TP + FP)``.
    """

    name = "f_beta"
    higher_is_better = True
    interval = "wald"
    undefined = "no row has the label 1, or is predicted positive"
    beta: float = 1.0

    def counts(self, truth: Bools, said: Bools) -> tuple[Floats, Floats]:
        squared = self.beta**2
        right: Floats = (1.0 + squared) * (truth & said).astype(np.float64)
        return right, squared * truth.astype(np.float64) + said.astype(np.float64)
