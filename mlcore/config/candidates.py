"""``models`` and ``selection``: several candidates of one pipeline, and how one of them is chosen in each run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from mlcore.config.fields import Name, Section
from mlcore.config.model import Model

DUMMY = "dummy"
"""The constant prediction, which is a candidate of every run."""
RESERVED = {DUMMY: "the constant prediction's", "analyzer": "that of the task transform_analyzer"}
HeldBack = Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, lt=1)]


class Candidate(Model):
    """A model among others, with all that ``model`` takes."""

    features: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="Those of the pipeline's features that it sees; by default all"
    )

    @property
    def alone(self) -> Model:
        """As the ``model`` of a pipeline that has no other."""
        return Model(**{name: getattr(self, name) for name in Model.model_fields})


class Selection(Section):
    """How a run chooses one of ``models``: on the training window's newest spans, by fits that did not see them."""

    metric: str | None = Field(default=None, description="By default the first of evaluation.metrics")
    held_back: HeldBack = Field(
        default=0.2, description="How many of the training window's newest spans, or which share of them"
    )

    def held(self, spans: int) -> int:
        """How many of so many spans are held back; at least one."""
        return self.held_back if isinstance(self.held_back, int) else max(1, round(self.held_back * spans))


def _by_name(value: Any) -> Any:
    """A list of blocks with a ``name`` each means the mapping of the names."""
    if not isinstance(value, list | tuple):
        return value
    found: dict[str, Any] = {}
    for place, block in enumerate(value):
        if not isinstance(block, Mapping) or not isinstance(block.get("name"), str):
            raise ValueError(f"{place}: give each of a list of models a name, or write a mapping of names")
        if block["name"] in found:
            raise ValueError(f"{place}: the name {block['name'][:60]!r} is there twice")
        found[block["name"]] = {key: part for key, part in block.items() if key != "name"}
    return found


def _not_reserved(value: dict[str, Candidate]) -> dict[str, Candidate]:
    for name in value:
        if name in RESERVED:
            raise ValueError(f"the name {name!r} is {RESERVED[name]}; choose another")
    return value


Candidates = Annotated[dict[Name, Candidate], BeforeValidator(_by_name), AfterValidator(_not_reserved)]
