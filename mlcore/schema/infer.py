"""A first schema, from data that is taken to be good."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mlcore.schema.anomalies import AnomalyType, Severity
from mlcore.schema.constraints import FloatDomain, IntDomain, Presence, StringDomain, ValueCount
from mlcore.schema.schema import Feature, Schema
from mlcore.schema.summary import DatasetSummary, FeatureSummary, FeatureType


@dataclass(frozen=True, kw_only=True, slots=True)
class Room:
    """How much more may be missing than was: a share of the rows, and so many times the share that was missing."""

    spare: float
    factor: float

    def least(self, present: float) -> float:
        """The share of the rows that must have a value, of a feature that so many had; it may be negative."""
        return 1.0 - (self.spare + self.factor * (1.0 - present))


@dataclass(frozen=True, kw_only=True, slots=True)
class Gaps:
    """What may be missing of a feature.

    Attributes:
        of_complete: Share of the rows that may be without a value, of a feature that had one in every row; any row
            without one is a WARNING.
        warn: Room of a feature that lacked values before it is a WARNING.
        error: Room before it is an ERROR, but never more than leaves ``least_share`` of the values it had.
        least_share: Of the values that a feature had.
        sparse: A feature that had values in a smaller share of the rows than this must have one somewhere; it is a
            WARNING where it has none.
    """

    of_complete: float
    warn: Room
    error: Room
    least_share: float
    sparse: float


@dataclass(frozen=True, kw_only=True, slots=True)
class InferenceOptions:
    """What a schema is inferred by; the defaults are TensorFlow Data Validation's.

    Attributes:
        max_string_domain_size: A string feature with more different values gets no domain: it is an identifier or text.
        min_occurrences: A domain is inferred only where its values occur this often on average: where they hardly
            repeat, new values are to be expected.
        open_domain_mass: Share of the values that must be of the domain, where some value of it occurred less than
            ``min_occurrences`` times: where rare values come, others will.
        gaps: What may be missing; ``None``: of a feature that always had a value nothing, of others all but one value.
        disallow_new_non_finite: Whether NaN and infinity are anomalies in a feature that had none.
        enforce_ranges: Whether the least and the greatest number become bounds.
    """

    max_string_domain_size: int = 100
    min_occurrences: int = 1
    open_domain_mass: float = 1.0
    gaps: Gaps | None = None
    disallow_new_non_finite: bool = False
    enforce_ranges: bool = False


TFDV = InferenceOptions()

TOLERANT = InferenceOptions(
    min_occurrences=5,
    open_domain_mass=0.95,
    gaps=Gaps(
        of_complete=0.1,
        warn=Room(spare=0.1, factor=3),
        error=Room(spare=0.3, factor=12),
        least_share=0.25,
        sparse=0.5,
    ),
    disallow_new_non_finite=True,
)
"""What a pipeline without a schema of its own is checked by: a schema that nobody has looked at must not stop a run for
what the next week's data is like.

What a sensor lacks comes in spells, and single days are worse than two months together: in the flights of 2013 the
pressure is missing from 12 % of the first sixty days and from 70 % of the worst day later, the arrival from 4 % and, in
a blizzard, from 70 %; of the gusts, which 29 % of the rows have, whole days have none. The domain of the first sixty
days' 94 airports, of which one occurs once, lacks eleven that come later, in up to 1.6 % of a day's flights.
"""


def infer(summary: DatasetSummary, options: InferenceOptions = TFDV) -> Schema:
    """The schema that the data meets.

    - ``presence``: a feature with a value in every row must have one in every row; any other that ever had a value must
      have one in some row; one that never had a value may stay away.
    - ``shape`` of one value where every row has a value, ``value_count`` of one otherwise.
    - ``string_domain``: of a string feature with few different values, those values.
    """
    return Schema(features=tuple(_feature(feature, options) for feature in summary.features))


def _feature(feature: FeatureSummary, options: InferenceOptions) -> Feature:
    complete = 0 < feature.present == feature.rows
    return Feature(
        name=feature.name,
        type=feature.type,
        presence=_presence(feature, options),
        severity=_severity(feature, options),
        shape=(1,) if complete else None,
        value_count=ValueCount(min=1, max=1) if feature.present and not complete else None,
        string_domain=_string_domain(feature, options),
        int_domain=_int_domain(feature) if options.enforce_ranges else None,
        float_domain=_float_domain(feature, options),
    )


def _presence(feature: FeatureSummary, options: InferenceOptions) -> Presence:
    present, gaps = feature.fraction, options.gaps
    if not feature.present:
        return Presence()
    if gaps is None:
        return Presence(min_count=1, min_fraction=1.0 if present == 1.0 else 0.0)
    if present == 1.0:
        return Presence(min_count=1, min_fraction=_down(1.0 - gaps.of_complete), warn_fraction=1.0)
    if present < gaps.sparse:
        return Presence(min_count=1)
    least = max(gaps.error.least(present), gaps.least_share * present)
    return Presence(min_count=1, min_fraction=_down(least), warn_fraction=_down(max(gaps.warn.least(present), 0.0)))


def _severity(feature: FeatureSummary, options: InferenceOptions) -> dict[AnomalyType, Severity]:
    sparse = options.gaps is not None and 0 < feature.fraction < options.gaps.sparse
    return {AnomalyType.FEATURE_TYPE_NOT_PRESENT: Severity.WARNING} if sparse else {}


def _down(share: float) -> float:
    """Three digits behind the point, no more than the share itself."""
    return math.floor(round(share * 1000, 9)) / 1000


def _string_domain(feature: FeatureSummary, options: InferenceOptions) -> StringDomain | None:
    values = feature.values
    if feature.type is not FeatureType.STRING or not values or not feature.values_complete:
        return None
    if len(values) > options.max_string_domain_size or len(values) * options.min_occurrences > feature.present:
        return None
    rare = min(values.values()) < options.min_occurrences
    return StringDomain(values=tuple(values), min_domain_mass=options.open_domain_mass if rare else 1.0)


def _int_domain(feature: FeatureSummary) -> IntDomain | None:
    if feature.type is not FeatureType.INT or feature.minimum is None or feature.maximum is None:
        return None
    return IntDomain(min=math.floor(feature.minimum), max=math.ceil(feature.maximum))


def _float_domain(feature: FeatureSummary, options: InferenceOptions) -> FloatDomain | None:
    if feature.type is not FeatureType.FLOAT:
        return None
    disallow = options.disallow_new_non_finite and feature.present > 0
    domain = FloatDomain(
        min=feature.minimum if options.enforce_ranges else None,
        max=feature.maximum if options.enforce_ranges else None,
        disallow_nan=disallow and not feature.nan,
        disallow_inf=disallow and not feature.infinite,
    )
    return None if domain == FloatDomain() else domain
