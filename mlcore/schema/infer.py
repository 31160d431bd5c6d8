"""A first schema, from data that is taken to be good."""

from __future__ import annotations

import math

from mlcore.schema.schema import Feature, Range, Schema, StringDomain
from mlcore.schema.summary import DatasetSummary, FeatureSummary, FeatureType

MAX_DOMAIN_VALUES = 100
"""A string feature with more values than this gets no domain: it is an identifier, or text."""

MIN_OCCURRENCES = 5
"""A domain is inferred only where its values occur this often on average: fewer, and new values are to be expected."""

SPARE_MISSING = 0.1
MISSING_FACTOR = 3
"""Values may be missing from this many times the share of rows they were missing from, and a tenth of the rows more.

What a sensor lacks comes in spells: in the weather of 2013, pressure is missing from 12 % of two months and from 31 %
of the week after.
"""


def infer(summary: DatasetSummary) -> Schema:
    """The schema that the data meets, with some room for what the next data will be like.

    - A feature that always has a value is required. The share of rows without a value may rise to three times what it
      was, plus a tenth, before it is an ERROR; a feature that never had a value may stay away.
    - A string feature with few values that occur often has a domain of those values.
    - Ranges of numbers are kept as they were, and not enforced.
    - NaN and infinity are allowed where the data had them.
    """
    return Schema(features=tuple(_feature(feature) for feature in summary.features))


def _feature(feature: FeatureSummary) -> Feature:
    missing = 1.0 - feature.fraction
    return Feature(
        name=feature.name,
        type=feature.type,
        required=0 < feature.present == feature.rows,
        min_fraction=_min_fraction(missing) if feature.present else 0.0,
        min_count=1 if feature.present else 0,
        domain=_domain(feature),
        range=_range(feature),
        allow_nan=feature.nan > 0,
        allow_infinite=feature.infinite > 0,
    )


def _min_fraction(missing: float) -> float:
    least = max(0.0, 1.0 - (SPARE_MISSING + MISSING_FACTOR * missing))
    return math.floor(least * 1000) / 1000


def _domain(feature: FeatureSummary) -> StringDomain | None:
    values = feature.values
    if feature.type is not FeatureType.STRING or not values or not feature.values_complete:
        return None
    if len(values) > MAX_DOMAIN_VALUES or len(values) * MIN_OCCURRENCES > feature.present:
        return None
    return StringDomain(values=tuple(values))


def _range(feature: FeatureSummary) -> Range | None:
    if feature.minimum is None or feature.maximum is None:
        return None
    return Range(minimum=feature.minimum, maximum=feature.maximum)
