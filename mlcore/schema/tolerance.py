"""How much of a fault is tolerated as a WARNING."""

from __future__ import annotations

from dataclasses import dataclass

from mlcore.schema.anomalies import Severity


@dataclass(frozen=True, kw_only=True, slots=True)
class Tolerance:
    """What is a WARNING instead of an ERROR, where the schema does not say the severity itself.

    Attributes:
        small_fraction: Unexpected categories, NaN and infinity in at most this share of the values.
        new_column: Severity of columns that the schema does not have.
        gaps_in_shape: Whether a feature with a shape may lack values as far as its presence says, without an
            anomaly of its own for the shape.
    """

    small_fraction: float = 0.0
    new_column: Severity = Severity.ERROR
    gaps_in_shape: bool = False

    def severity(self, fraction: float) -> Severity:
        """Of a fault in that share of the values."""
        return Severity.WARNING if fraction <= self.small_fraction else Severity.ERROR


STRICT = Tolerance()
"""Everything that differs from the schema is an ERROR, as in TensorFlow Data Validation."""

LENIENT = Tolerance(small_fraction=0.01, new_column=Severity.WARNING, gaps_in_shape=True)
"""What pipelines run by: a new airport in one row of ten thousand does not keep a model from being trained."""


def share(fraction: float) -> str:
    """A share as a percentage that never rounds something to nothing.

    >>> share(0.25), share(0.00001)
    ('25.0 %', '<0.1 %')
    """
    return "<0.1 %" if 0 < fraction < 0.001 else f"{100 * fraction:.1f} %"
