"""``features`` and ``model``: what the model sees, and what it is."""

from __future__ import annotations

from pydantic import ConfigDict, Field, JsonValue

from mlcore.config.fields import Section


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


class Model(Section):
    estimator: str = Field(pattern=r"^[A-Za-z_][\w]*(\.[A-Za-z_][\w]*)+$")
    params: dict[str, JsonValue] = Field(default_factory=dict)
