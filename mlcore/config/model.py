"""``features`` and ``model``: what the model sees, and what it is."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, JsonValue, model_validator

from mlcore.config.fields import Duration, Section


class Feature(Section):
    """One input of the model: a mapper by name, the column it reads (the feature's own name by default).

    Keys beyond these are the mapper's own and are checked by it.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    transform: str
    column: str | None = None
    doc: str = ""
    owner: str = ""

    @property
    def options(self) -> dict[str, JsonValue]:
        return dict(self.model_extra or {})


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


class Model(Section):
    """An estimator that follows scikit-learn's conventions, and how it is fitted."""

    estimator: str = Field(pattern=r"^[A-Za-z_][\w]*(\.[A-Za-z_][\w]*)+$")
    params: dict[str, JsonValue] = Field(default_factory=dict)
    weights: Weights | None = None
    calibration: Calibration | None = None
