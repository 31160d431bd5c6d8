"""Mean absolute percentage error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlcore.errors import ConfigError
from mlcore.evaluation.metrics.base import REGRESSION, Measured, Metric, mean_of
from mlcore.evaluation.sample import Sample


@dataclass(frozen=True)
class Mape(Metric):
    """Mean of ``|prediction - label| / max(|label|, floor)``: labels near 0 do not blow it up.

    Attributes:
        floor: In the label's unit, more than 0.
    """

    name = "mape"
    higher_is_better = False
    tasks = REGRESSION
    most = None
    floor: float = 1.0

    def __post_init__(self) -> None:
        if not self.floor > 0:
            raise ConfigError(
                f"mape: floor {self.floor:g} is not more than 0", next_step="choose one in the label's unit"
            )

    def measure(self, sample: Sample) -> Measured:
        return mean_of(sample, np.abs(sample.scores - sample.labels) / np.maximum(np.abs(sample.labels), self.floor))
