"""A first schema, from data that is taken to be good."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mlcore.schema.constraints import FloatDomain, IntDomain, Presence, StringDomain, ValueCount
from mlcore.schema.schema import Feature, Schema
from mlcore.schema.summary import DatasetSummary, FeatureSummary, FeatureType


@dataclass(frozen=True, kw_only=True, slots=True)
class InferenceOptions:
    """What a schema is inferred by; the defaults are TensorFlow Data Validation's.

    Attributes:
        max_string_domain_size: A string feature with more different values gets no domain: it is an identifier or text.
        min_occurrences: A domain is inferred only where its values occur this often on average: where they hardly
            repeat, new values are to be expected.
        spare_missing: Share of the rows that may be without a value, beyond what was missing.
        missing_factor: Of a feature that lacked values, how many times the share that it lacked may be missing;
            ``None``: any number of rows but one may be without it.
        disallow_new_non_finite: Whether NaN and infinity are anomalies in a feature that had none.
        enforce_ranges: Whether the least and the greatest number become bounds.
    """

    max_string_domain_size: int = 100
    min_occurrences: int = 1
    spare_missing: float = 0.0
    missing_factor: float | None = None
    disallow_new_non_finite: bool = False
    enforce_ranges: bool = False


TFDV = InferenceOptions()

TOLERANT = InferenceOptions(min_occurrences=5, spare_missing=0.1, missing_factor=3, disallow_new_non_finite=True)
"""What a pipeline without a schema of its own is checked by: a schema that nobody has looked at must not stop a run for
what the next week's data is like.

What a sensor lacks comes in spells: in the weather of 2013, pressure is missing from 12 % of two months and from 31 %
of the week after. So the share of rows without a value may rise to three times what it was and a tenth more before it
is an ERROR; a feature that always had a value and lacks some is a WARNING. A string feature whose values hardly repeat
has no domain. NaN and infinity are anomalies where there were none.
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
        shape=(1,) if complete else None,
        value_count=ValueCount(min=1, max=1) if feature.present and not complete else None,
        string_domain=_string_domain(feature, options),
        int_domain=_int_domain(feature) if options.enforce_ranges else None,
        float_domain=_float_domain(feature, options),
    )


def _presence(feature: FeatureSummary, options: InferenceOptions) -> Presence:
    if not feature.present:
        return Presence()
    missing = 1.0 - feature.fraction
    if missing and options.missing_factor is None:
        return Presence(min_count=1)
    least = 1.0 - (options.spare_missing + missing * (options.missing_factor or 0))
    return Presence(
        min_count=1,
        min_fraction=math.floor(max(0.0, least) * 1000) / 1000,
        warn_fraction=1.0 if not missing and least < 1 else 0.0,
    )


def _string_domain(feature: FeatureSummary, options: InferenceOptions) -> StringDomain | None:
    values = feature.values
    if feature.type is not FeatureType.STRING or not values or not feature.values_complete:
        return None
    if len(values) > options.max_string_domain_size or len(values) * options.min_occurrences > feature.present:
        return None
    return StringDomain(values=tuple(values))


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
