"""``evaluation``: the metrics, the slices and the criteria that a model must meet."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from mlcore.config.fields import Section

DEFAULT_METRICS = {
    "binary": ("roc_auc", "log_loss", "brier", "calibration_error"),
    "multiclass": ("log_loss", "accuracy", "roc_auc", "calibration_error"),
    "regression": ("rmse", "mae", "r2"),
    "ranking": ("ndcg", "mrr"),
}
TIME_BUCKETS = ("hour", "day", "week", "month", "year", "hour_of_day", "day_of_week")
_TERM = re.compile(r"(.+?)\[([^\[\]]*)\]")


@dataclass(frozen=True, kw_only=True, slots=True)
class SliceTerm:
    """One part of a slice.

    Attributes:
        column: What it cuts.
        edges: Where ranges of a number begin, ascending; none: every value is a slice.
        bucket: Of a time: one of ``TIME_BUCKETS``.
    """

    column: str
    edges: tuple[float, ...] = ()
    bucket: str | None = None

    def __str__(self) -> str:
        cut = self.bucket or ",".join(f"{edge:g}" for edge in self.edges)
        return f"{self.column}[{cut}]" if cut else self.column


def parse_slice_term(text: str) -> SliceTerm:
    """``origin``, ``distance[500,1000]`` or ``time_hour[month]``.

    Raises:
        ValueError: It is none of these.

    >>> parse_slice_term("distance[500,1000]").edges
    (500.0, 1000.0)
    """
    match = _TERM.fullmatch(text)
    if match is None:
        return SliceTerm(column=text)
    if match[2].strip() in TIME_BUCKETS:
        return SliceTerm(column=match[1], bucket=match[2].strip())
    try:
        edges = tuple(float(edge) for edge in match[2].split(","))
    except ValueError:
        raise ValueError(
            f"{text[:60]!r} is no slice: write ascending numbers, or one of {', '.join(TIME_BUCKETS)}, between [ and ]"
        ) from None
    if any(low >= high for low, high in pairwise(edges)):
        raise ValueError(f"{text[:60]!r}: the numbers where ranges begin must ascend")
    return SliceTerm(column=match[1], edges=edges)


SliceTerms = tuple[tuple[str, ...], ...]


def _parsed(slices: SliceTerms) -> SliceTerms:
    for terms in slices:
        for term in terms:
            parse_slice_term(term)
    return slices


class Criterion(Section):
    """What all criteria have.

    Attributes:
        mode: ``dry_run``: judged and told, never blocking; ``disabled``: not judged.
        slices: Where it must hold: ``[]`` is all rows, and the default; ``all`` is every slice of the evaluation. With
            several, the level of each follows Holm's procedure.
        insufficient_data: What becomes of a metric that is not there, or of a slice that is too small.
    """

    metric: str
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    mode: Literal["enabled", "dry_run", "disabled"] = "enabled"
    slices: Literal["all"] | SliceTerms = ((),)
    insufficient_data: Literal["block", "pass", "warn"] = "block"

    @field_validator("slices")
    @classmethod
    def _slices_parse(cls, value: Literal["all"] | SliceTerms) -> Literal["all"] | SliceTerms:
        return value if value == "all" else _parsed(value)


class ValueCriterion(Criterion):
    """The metric's bound on the safe side must reach ``threshold``, or its interval lie within ``between``."""

    threshold: float | None = None
    between: tuple[float, float] | None = None

    @model_validator(mode="after")
    def _one_bound(self) -> ValueCriterion:
        if (self.threshold is None) == (self.between is None):
            raise ValueError("write threshold, between: [least, most], or against: champion")
        return self


class ChampionCriterion(Criterion):
    """Against the champion on the same rows: not worse by ``max_regression``, or better by ``min_improvement``.

    Attributes:
        max_regression: Non-inferiority: it may be worse by so much; 0 where neither is given.
        min_improvement: Superiority: it must be better by more than this.
        block_on: ``unproven``: a slice blocks unless it is surely not worse than allowed; ``worse``: it blocks only
            where it is surely worse than allowed.
        repeated_tests: ``spend``: the later a challenger of the same champion, the surer it must be, so that chance
            promotes one that is not better in at most ``1 - confidence`` of champions' lives; ``ignore``: every one is
            judged alike. By default ``spend`` for superiority.
    """

    against: Literal["champion"]
    max_regression: float | None = Field(default=None, ge=0)
    min_improvement: float | None = Field(default=None, ge=0)
    block_on: Literal["unproven", "worse"] = "unproven"
    repeated_tests: Literal["spend", "ignore"] | None = None

    @model_validator(mode="after")
    def _one_margin(self) -> ChampionCriterion:
        if self.max_regression is not None and self.min_improvement is not None:
            raise ValueError("write max_regression (not worse) or min_improvement (better), not both")
        if self.min_improvement is not None and self.block_on == "worse":
            raise ValueError("block_on: worse goes with max_regression; an improvement has to be proven")
        return self

    @property
    def spends(self) -> bool:
        """Whether earlier tests count."""
        return self.repeated_tests == "spend" or (self.repeated_tests is None and self.min_improvement is not None)


def _criterion_kind(value: object) -> str:
    given = value if isinstance(value, Mapping) else getattr(value, "__dict__", {})
    return "champion" if "against" in given else "threshold"


AnyCriterion = Annotated[
    Annotated[ValueCriterion, Tag("threshold")] | Annotated[ChampionCriterion, Tag("champion")],
    Discriminator(_criterion_kind),
]


class Fairness(Section):
    """Gaps between the groups of columns, with intervals; they are told, and block nothing."""

    columns: tuple[str, ...] = Field(min_length=1)
    threshold: float = Field(default=0.5, ge=0, le=1)


class Importance(Section):
    """How much worse the model is without a feature: it is permuted, and the model asked again.

    Attributes:
        rows: At most, by the hash of the key; fewer where there are very many features.
        repeats: Permutations of each feature.
    """

    rows: int = Field(default=5000, ge=500)
    repeats: int = Field(default=5, ge=2, le=100)


class Evaluation(Section):
    """How a model is judged.

    Attributes:
        weight: A column: how much each row counts.
        cluster: A column: rows with equal values may depend on one another; by default the day of the event.
        query: A column: rows with equal values are ranked together.
    """

    metrics: tuple[str, ...] = Field(default=(), description="By default those that suit what is predicted")
    slices: SliceTerms = ((),)
    min_slice_rows: int = Field(default=100, ge=1)
    weight: str | None = None
    cluster: str | None = None
    query: str | None = None
    fairness: Fairness | None = None
    importance: Importance | None = Field(default=Importance(), description="null: not measured")
    validation_criteria: tuple[AnyCriterion, ...] = ()

    @field_validator("slices")
    @classmethod
    def _slices_parse(cls, value: SliceTerms) -> SliceTerms:
        return _parsed(value)

    @model_validator(mode="before")
    @classmethod
    def _lists(cls, data: Any) -> Any:
        """``slices: [origin]`` means ``[[origin]]``."""
        if isinstance(data, Mapping) and isinstance(data.get("slices"), list | tuple):
            slices = [[terms] if isinstance(terms, str) else terms for terms in data["slices"]]
            return {**data, "slices": slices}
        return data

    def metrics_of(self, task: str) -> tuple[str, ...]:
        """Those that are asked for; where none are, those that suit the task."""
        return self.metrics or DEFAULT_METRICS[task]

    @property
    def measured_slices(self) -> SliceTerms:
        """Those that are asked for, and those that a criterion needs."""
        return tuple(dict.fromkeys((*self.slices, *self._criteria_slices)))

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """The columns it reads, by the key that names them."""
        named = [("weight", self.weight), ("cluster", self.cluster), ("query", self.query)]
        listed = [(f"fairness.columns.{index}", column) for index, column in enumerate(self._fair_columns)]
        sliced = [("slices", parse_slice_term(term).column) for terms in self.measured_slices for term in terms]
        return (*sliced, *((name, column) for name, column in named if column is not None), *listed)

    @property
    def _fair_columns(self) -> tuple[str, ...]:
        return self.fairness.columns if self.fairness else ()

    @property
    def _criteria_slices(self) -> SliceTerms:
        asked = (criterion.slices for criterion in self.validation_criteria)
        return tuple(terms for slices in asked if slices != "all" for terms in slices)
