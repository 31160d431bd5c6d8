"""What an evaluation says: values with intervals, by slice; and how they are written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from mlcore.core.digests import canonical_json
from mlcore.core.types import Json
from mlcore.errors import ArtifactCorrupt, quoted
from mlcore.evaluation.intervals import Spread, bounds

SliceValue = str | int | float | bool | None
SliceKey = tuple[tuple[str, SliceValue], ...]
OVERALL: SliceKey = ()
_FORMAT = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class MetricValue:
    """A metric, or a difference of two models in it, with its interval.

    Attributes:
        value: The estimate.
        lower: Lower end of the two-sided interval.
        upper: Upper end.
        confidence: Of the interval.
        rows: Rows it was computed on.
        standard_error: Of the estimate.
        clusters: Groups of rows that are independent of one another; ``None``: every row is.
        degrees: Of freedom of Student's t; ``None``: the normal distribution.
        trials: Of a proportion: the number of independent rows that would be as sure.
        least: Smallest possible value, where there is one.
        most: Largest possible value, where there is one.
    """

    value: float
    lower: float
    upper: float
    confidence: float
    rows: int
    standard_error: float
    clusters: int | None = None
    degrees: float | None = None
    trials: float | None = None
    least: float | None = None
    most: float | None = None

    @property
    def spread(self) -> Spread:
        return Spread(error=self.standard_error, clusters=self.clusters, degrees=self.degrees, trials=self.trials)

    def at(self, confidence: float) -> MetricValue:
        """The same estimate with an interval of another confidence."""
        return estimate(self.value, self.spread, rows=self.rows, confidence=confidence, limits=(self.least, self.most))

    def __str__(self) -> str:
        value, lower, upper = (f"{round(number, 4) + 0.0:.4f}" for number in (self.value, self.lower, self.upper))
        return f"{value} [{lower}, {upper}]"


def estimate(
    value: float, spread: Spread, *, rows: int, confidence: float, limits: tuple[float | None, float | None]
) -> MetricValue:
    """A value with its interval."""
    lower, upper = bounds(value, spread, confidence, limits)
    return MetricValue(
        value=value,
        lower=lower,
        upper=upper,
        confidence=confidence,
        rows=rows,
        standard_error=spread.error,
        clusters=spread.clusters,
        degrees=spread.degrees,
        trials=spread.trials,
        least=limits[0],
        most=limits[1],
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class SliceResult:
    """Metrics of the rows of one slice.

    Attributes:
        key: Column and value pairs; empty for all rows.
        rows: Rows of the slice.
        positives: Rows of the positive class among them; of several classes or none ``None``.
        metrics: By name.
        missing: Why a metric is not there, by name.
    """

    key: SliceKey
    rows: int
    positives: int | None
    metrics: Mapping[str, MetricValue] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return slice_name(self.key)


@dataclass(frozen=True, kw_only=True, slots=True)
class Slices:
    """Results of all slices: of one model (an evaluation), or differences of two (a comparison).

    Attributes:
        confidence: Of the intervals.
        results: All rows first, then slice by slice, in order of columns and values.
    """

    confidence: float
    results: tuple[SliceResult, ...]

    def __getitem__(self, key: SliceKey) -> SliceResult:
        for result in self.results:
            if result.key == key:
                return result
        raise KeyError(slice_name(key))

    @property
    def overall(self) -> SliceResult:
        """The slice of all rows."""
        return self[OVERALL]

    def to_json(self) -> bytes:
        """Canonical: equal results have equal bytes."""
        return canonical_json(self.to_document())

    def to_document(self) -> dict[str, Json]:
        """What :meth:`to_json` writes."""
        results = [result_to_document(result) for result in self.results]
        return {"format": _FORMAT, "confidence": self.confidence, "slices": list(results)}

    @classmethod
    def from_json(cls, data: bytes) -> Slices:
        """Parse what :meth:`to_json` wrote.

        Raises:
            ArtifactCorrupt: It is something else.
        """
        try:
            document = json.loads(data)
            if document["format"] != _FORMAT:
                raise ValueError(f"format {document['format']}")
            return cls(confidence=document["confidence"], results=tuple(map(result_from_document, document["slices"])))
        except (ValueError, KeyError, TypeError) as error:
            raise ArtifactCorrupt(
                f"an evaluation cannot be read: {quoted(str(error))}", next_step="evaluate the model again"
            ) from error


Evaluation = Slices
Comparison = Slices


def slice_name(key: SliceKey) -> str:
    """For people: ``all rows``, or ``origin=JFK, carrier=B6``."""
    return ", ".join(f"{column}={_bounded(value)}" for column, value in key) or "all rows"


def slice_id(key: SliceKey) -> str:
    """For programs: ``overall``, or ``origin=JFK,carrier=B6``."""
    return ",".join(f"{column}={_text(value)}" for column, value in key) or "overall"


def _bounded(value: SliceValue) -> str:
    text = _text(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _text(value: SliceValue) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "missing" if value is None else str(value)


def result_to_document(result: SliceResult) -> Json:
    """One slice's metrics for programs."""
    key: list[Json] = [[column, value] for column, value in result.key]
    metrics: dict[str, Json] = {name: asdict(value) for name, value in result.metrics.items()}
    return {
        "key": key,
        "rows": result.rows,
        "positives": result.positives,
        "metrics": metrics,
        "missing": dict(result.missing),
    }


def result_from_document(entry: Any) -> SliceResult:
    """What :func:`result_to_document` made.

    Raises:
        KeyError, TypeError: It is something else.
    """
    return SliceResult(
        key=tuple((column, value) for column, value in entry["key"]),
        rows=entry["rows"],
        positives=entry["positives"],
        metrics={name: MetricValue(**value) for name, value in entry["metrics"].items()},
        missing=entry["missing"],
    )
