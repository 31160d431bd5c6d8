"""``features`` and ``model``: what the model sees, and what it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import ConfigDict, Field, JsonValue, field_validator, model_validator

from mlcore.config.fields import ByteSize, Duration, Section
from mlcore.config.tune import Tune

Step = str | dict[str, dict[str, JsonValue]]


class Feature(Section):
    """One input of the model: a mapper by name, or a list of steps, and the columns it reads.

    A step of a list is the name of a mapper, or the name with its options: ``{clip: {low: 0}}``. Beside a single name,
    keys beyond these are the mapper's own and are checked by it. The column is that of the feature's own name by
    default.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    transform: str | tuple[Step, ...]
    column: str | None = None
    columns: tuple[str, ...] = Field(default=(), description="Where the first step reads several")
    doc: str = ""
    owner: str = ""

    @field_validator("transform", mode="before")
    @classmethod
    def _named_steps(cls, value: Any) -> Any:
        if isinstance(value, str):
            return value
        if not isinstance(value, list | tuple) or not value:
            raise ValueError("write the name of a mapper, or a list of steps")
        return tuple(_step(step) for step in value)

    @model_validator(mode="after")
    def _one_way(self) -> Feature:
        if self.column is not None and self.columns:
            raise ValueError("write column or columns, not both")
        if self.chained and self.options:
            key = next(iter(self.options))
            raise ValueError(f"{key[:60]!r} is no key of a feature with a list of steps; write it into its step")
        return self

    @property
    def options(self) -> dict[str, JsonValue]:
        return dict(self.model_extra or {})

    @property
    def chained(self) -> bool:
        """Whether ``transform`` is a list."""
        return not isinstance(self.transform, str)

    @property
    def steps(self) -> tuple[tuple[str, dict[str, JsonValue]], ...]:
        """Name and options of each step."""
        if isinstance(self.transform, str):
            return ((self.transform, self.options),)
        return tuple((step, {}) if isinstance(step, str) else next(iter(step.items())) for step in self.transform)

    def columns_of(self, name: str) -> tuple[str, ...]:
        """The columns that the feature of this name reads first."""
        return self.columns or (self.column or name,)


def _step(step: Any) -> Any:
    if isinstance(step, str):
        return step
    if not isinstance(step, Mapping) or len(step) != 1:
        raise ValueError(f"a step is a name, or one name with its options such as {{clip: {{low: 0}}}}: {step!r:.80}")
    ((name, options),) = step.items()
    if options is not None and not isinstance(options, Mapping):
        raise ValueError(f"the options of {name!r:.60} are no mapping")
    return {name: dict(options or {})}


class Weights(Section):
    """How much a training row counts: the product of what is given."""

    column: str | None = Field(default=None, description="Holds the weight: finite, not negative, never missing")
    half_life: Duration | None = Field(
        default=None, description="A row that is so much older than the window's end counts half"
    )
    classes: Literal["balanced"] | dict[str, float] | None = Field(
        default=None, description="balanced: every class counts the same in all; or a factor a class"
    )

    @model_validator(mode="after")
    def _something(self) -> Weights:
        if self.column is None and self.half_life is None and self.classes is None:
            raise ValueError("say how rows are weighed: by column, half_life or classes")
        return self


class Calibration(Section):
    """The newest rows of the training window are held back, and the fitted model's probabilities set right by them."""

    method: Literal["isotonic", "sigmoid"] = "isotonic"
    share: float = Field(default=0.2, gt=0, lt=1, description="Of the labelled training rows")


class Intervals(Section):
    """The newest rows of the training window are held back to measure by how far a regressor's predictions miss."""

    share: float = Field(default=0.2, gt=0, lt=1, description="Of the labelled training rows")


class Model(Section):
    """An estimator that follows scikit-learn's conventions, and how it is fitted."""

    estimator: str = Field(pattern=r"^[A-Za-z_][\w]*(\.[A-Za-z_][\w]*)+$")
    params: dict[str, JsonValue] = Field(default_factory=dict)
    weights: Weights | None = None
    calibration: Calibration | None = Field(default=None, description="Of a classifier's probabilities")
    intervals: Intervals | None = Field(default=None, description="Of a regressor's predictions, for any confidence")
    max_memory: ByteSize | None = Field(
        default=None,
        description="If fitting on all rows at once needs more, they are streamed through the estimator's partial_fit",
    )
    epochs: int = Field(default=1, ge=1, le=10_000, description="How often rows that are streamed are gone through")
    warm_start: bool = Field(default=False, description="Go on from the champion of the run's time")
    tune: Tune | None = None

    @model_validator(mode="after")
    def _one_use_of_rows_held_back(self) -> Model:
        if self.calibration and self.intervals:
            raise ValueError("calibration is of a classifier, intervals are of a regressor: write one of them")
        return self

    @model_validator(mode="after")
    def _searched_or_given(self) -> Model:
        for name in self.tune.search if self.tune else ():
            if name in self.params:
                raise ValueError(f"params.{name} is also in tune.search; leave it out of params")
        return self
