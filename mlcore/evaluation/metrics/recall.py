"""Recall."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlcore.evaluation.metrics.averages import Decided
from mlcore.evaluation.sample import Bools, Floats


@dataclass(frozen=True)
class Recall(Decided):
    """Share of the positive rows that are predicted positive; sensitivity."""

    name = "recall"
    higher_is_better = True
    undefined = "no row has the label 1"

    def counts(self, truth: Bools, said: Bools) -> tuple[Floats, Floats]:
        return (truth & said).astype(np.float64), truth.astype(np.float64)
