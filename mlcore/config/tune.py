"""``model.tune``: which hyperparameters are searched for, how long, and how often."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Discriminator, Field, JsonValue, Tag, model_validator

from mlcore.config.fields import Delay, Duration, Section

TuneMetric = Literal[
    "log_loss", "brier", "roc_auc", "average_precision", "accuracy", "rmse", "mae", "r2"
]  # fmt: skip


AMOUNT_METRICS = frozenset({"rmse", "mae", "r2"})


class Range(Section):
    """Numbers from ``low`` to ``high``, both included; whole numbers where both are."""

    low: int | float
    high: int | float
    log: bool = Field(default=False, description="Search evenly by the logarithm")
    step: int | float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        if self.low >= self.high:
            raise ValueError(f"low ({self.low}) must be less than high ({self.high})")
        if self.log and self.low <= 0:
            raise ValueError("log needs a low above 0")
        if self.log and self.step is not None:
            raise ValueError("log and step exclude each other")
        return self


Choices = Annotated[tuple[JsonValue, ...], Field(min_length=1)]


def _kind(value: object) -> str:
    return "range" if isinstance(value, Mapping | Range) else "choices"


Space = Annotated[Annotated[Range, Tag("range")] | Annotated[Choices, Tag("choices")], Discriminator(_kind)]


class Tune(Section):
    """A search by Optuna, judged by time-ordered cross-validation inside the training window."""

    search: dict[str, Space] = Field(
        min_length=1, description="By parameter: a list, or a range {low, high, log, step}"
    )
    trials: int = Field(default=20, ge=1, le=10_000)
    max_duration: Duration | None = Field(
        default=None, description="No trial starts after so long; what is found then depends on the machine"
    )
    metric: TuneMetric | None = Field(default=None, description="By default log_loss of classes and rmse of amounts")
    folds: int = Field(default=3, ge=1, le=50, description="Each is judged on the spans after those it is fitted on")
    embargo: Delay | None = Field(
        default=None, description="Between fitted and judged spans; by default data.label.delay"
    )
    parallel: int = Field(default=1, ge=1, le=64, description="Trials at once; another number asks other trials")
    every: Duration | None = Field(
        default=None, description="Searched again so often, counted from start_date; by default in every run"
    )
