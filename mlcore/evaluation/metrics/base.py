"""What a metric is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from mlcore.evaluation.sample import Floats, Sample


class Metric(ABC):
    """A number that says how good scores are, and how much each row moves it.

    Attributes:
        name: What the pipeline file calls it.
        higher_is_better: Which way is better.
        least: Smallest possible value; ``None`` where there is none.
        most: Largest possible value; ``None`` where there is none.
        needs_both_classes: Whether it has no meaning where all rows are of one class.
    """

    name: ClassVar[str]
    higher_is_better: ClassVar[bool]
    least: ClassVar[float | None] = 0.0
    most: ClassVar[float | None] = 1.0
    needs_both_classes: ClassVar[bool] = False

    @abstractmethod
    def measure(self, sample: Sample) -> tuple[float, Floats]:
        """The value, and each row's influence on it: an array whose mean is 0."""
