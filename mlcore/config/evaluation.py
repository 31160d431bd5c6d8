"""``evaluation``: the metrics, the slices and the criteria that a model must meet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from mlcore.config.fields import Section


class ValueCriterion(Section):
    """The metric's confidence bound on the safe side must reach ``threshold``."""

    metric: str
    threshold: float
    confidence: float = Field(default=0.95, gt=0.5, lt=1)


class ChampionCriterion(Section):
    """Not worse than the champion on the same rows by more than ``max_regression``, at ``confidence``."""

    metric: str
    against: Literal["champion"]
    max_regression: float = Field(default=0.0, ge=0)
    confidence: float = Field(default=0.95, gt=0.5, lt=1)


def _criterion_kind(value: object) -> str:
    given = value if isinstance(value, Mapping) else getattr(value, "__dict__", {})
    return "champion" if "against" in given else "threshold"


Criterion = Annotated[
    Annotated[ValueCriterion, Tag("threshold")] | Annotated[ChampionCriterion, Tag("champion")],
    Discriminator(_criterion_kind),
]


class Evaluation(Section):
    metrics: tuple[str, ...] = ("roc_auc", "log_loss", "brier", "calibration_error")
    slices: tuple[tuple[str, ...], ...] = ((),)
    min_slice_rows: int = Field(default=100, ge=1)
    validation_criteria: tuple[Criterion, ...] = ()
