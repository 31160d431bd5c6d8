"""Precision."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlcore.evaluation.metrics.averages import Decided
from mlcore.evaluation.sample import Bools, Floats


@dataclass(frozen=True)
class Precision(Decided):
    """Share of the rows predicted positive that are."""

    name = "precision"
    higher_is_better = True
    undefined = "no row is predicted positive"

    def counts(self, truth: Bools, said: Bools) -> tuple[Floats, Floats]:
        return (truth & said).astype(np.float64), said.astype(np.float64)
