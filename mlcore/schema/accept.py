"""The smallest change of a schema after which an anomaly is none."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from mlcore.errors import ConfigError, quoted
from mlcore.schema.anomalies import Anomaly, AnomalyType, Severity
from mlcore.schema.constraints import FloatDomain, IntDomain, LifecycleStage, Presence, UniqueConstraints, ValueCount
from mlcore.schema.schema import DOMAINS, Feature, Schema
from mlcore.schema.summary import FeatureType

_Edit = Callable[[Feature, Anomaly], Feature]


def accept(schema: Schema, anomaly: Anomaly, *, environment: str | None = None) -> Schema:
    """The schema with the least change that lets the data of an anomaly pass.

    A bound moves to what was observed, unexpected values join the domain, a missing column is DEPRECATED (or, with an
    environment, not expected there), a new one is described. A kind that no key of the schema speaks of becomes a
    WARNING of that feature.

    Raises:
        ConfigError: The anomaly does not say what was observed, or is of a feature that the schema lacks.
    """
    type_ = anomaly.type
    if type_ is AnomalyType.SCHEMA_NEW_COLUMN and anomaly.feature and schema.feature(anomaly.feature) is None:
        new = Feature(name=anomaly.feature, type=FeatureType(_observed(anomaly, str)))
        return replace(schema, features=(*schema.features, new))
    if anomaly.feature is None:
        return _accept_dataset(schema, anomaly)
    feature = schema.feature(anomaly.feature)
    if feature is None:
        raise ConfigError(
            f"the schema has no feature {quoted(anomaly.feature)}",
            next_step="look at the schema: mlcore schema show SCHEMA",
        )
    if environment is not None and type_ in _MISSING:
        changed = _not_in(feature, environment)
    elif environment is not None and type_ is AnomalyType.SCHEMA_NEW_COLUMN:
        changed = _in(feature, environment)
    else:
        changed = _EDITS.get(type_, _as_warning)(feature, anomaly)
    if changed == feature:
        changed = _as_warning(feature, anomaly)
    return _with(schema, changed)


def _with(schema: Schema, changed: Feature) -> Schema:
    """The schema with a feature in place of the one of its name; the others of a shared domain share the new values."""
    domain = changed.string_domain
    features = []
    for feature in schema.features:
        if feature.name == changed.name:
            feature = changed
        elif domain is not None and domain.name and feature.string_domain and feature.string_domain.name == domain.name:
            feature = replace(feature, string_domain=replace(feature.string_domain, values=domain.values))
        features.append(feature)
    return replace(schema, features=tuple(features))


def _accept_dataset(schema: Schema, anomaly: Anomaly) -> Schema:
    constraints = schema.dataset_constraints
    for type_, name in (
        (AnomalyType.DATASET_LOW_NUM_EXAMPLES, "min_examples_count"),
        (AnomalyType.DATASET_HIGH_NUM_EXAMPLES, "max_examples_count"),
    ):
        if anomaly.type is type_:
            count: dict[str, Any] = {name: int(_observed(anomaly, int))}
            return replace(schema, dataset_constraints=replace(constraints, **count))
    bounds = {
        AnomalyType.COMPARATOR_LOW_NUM_EXAMPLES: "min_fraction_threshold",
        AnomalyType.COMPARATOR_HIGH_NUM_EXAMPLES: "max_fraction_threshold",
    }
    bound = bounds.get(anomaly.type)
    if bound is None:
        return replace(schema, severity={**schema.severity, anomaly.type: Severity.WARNING})
    ratio = _observed(anomaly, int, float)
    changes: dict[str, Any] = {}
    for name in ("num_examples_drift_comparator", "num_examples_version_comparator"):
        comparator = getattr(constraints, name)
        if comparator is not None and getattr(comparator, bound) == anomaly.expected:
            changes[name] = replace(comparator, **{bound: _outwards(ratio, up=bound.startswith("max"))})
    return replace(schema, dataset_constraints=replace(constraints, **changes))


def _observed(anomaly: Anomaly, *types: type) -> Any:
    value = anomaly.observed
    if isinstance(value, types) and not isinstance(value, bool):
        return value
    raise ConfigError(
        f"the anomaly {anomaly.type} does not say what was observed (it says {quoted(value)})",
        where=anomaly.feature or "dataset",
        next_step="give --anomalies the file that mlcore data validate --json wrote",
    )


def _outwards(value: float, *, up: bool) -> float:
    """Rounded to three digits behind the point, away from what the data has."""
    return (math.ceil(value * 1000) if up else math.floor(value * 1000)) / 1000


def _not_in(feature: Feature, environment: str) -> Feature:
    here = tuple(name for name in feature.in_environment if name != environment)
    away = tuple(dict.fromkeys((*feature.not_in_environment, environment)))
    return replace(feature, in_environment=here, not_in_environment=away)


def _in(feature: Feature, environment: str) -> Feature:
    away = tuple(name for name in feature.not_in_environment if name != environment)
    return replace(feature, in_environment=(*feature.in_environment, environment), not_in_environment=away)


def _as_warning(feature: Feature, anomaly: Anomaly) -> Feature:
    return replace(feature, severity={**feature.severity, anomaly.type: Severity.WARNING})


def _deprecate(feature: Feature, anomaly: Anomaly) -> Feature:
    return replace(feature, lifecycle_stage=LifecycleStage.DEPRECATED)


def _change_type(feature: Feature, anomaly: Anomaly) -> Feature:
    kind = FeatureType(_observed(anomaly, str))
    unfit: dict[str, Any] = {name: None for name, types in DOMAINS.items() if kind not in types}
    return replace(feature, type=kind, **unfit)


def _add_values(feature: Feature, anomaly: Anomaly) -> Feature:
    domain = feature.string_domain
    observed = _observed(anomaly, dict, list)
    if domain is None:
        return feature
    return replace(feature, string_domain=replace(domain, values=(*domain.values, *map(str, observed))))


def _lower_fraction(feature: Feature, anomaly: Anomaly) -> Feature:
    presence, seen = feature.presence, _outwards(float(_observed(anomaly, int, float)), up=False)
    return replace(
        feature,
        presence=replace(
            presence, min_fraction=min(presence.min_fraction, seen), warn_fraction=min(presence.warn_fraction, seen)
        ),
        **_without_shape(feature),
    )


def _without_shape(feature: Feature) -> dict[str, Any]:
    """A shape asks for a value in every row; what may be missing has a number of values instead."""
    if feature.shape != (1,):
        return {}
    return {"shape": None, "value_count": ValueCount(min=1, max=1)}


def _lower_count(feature: Feature, anomaly: Anomaly) -> Feature:
    return replace(feature, presence=replace(feature.presence, min_count=int(_observed(anomaly, int))))


def _loosen_shape(feature: Feature, anomaly: Anomaly) -> Feature:
    changed = replace(feature, **_without_shape(feature)) if feature.shape == (1,) else replace(feature, shape=None)
    if anomaly.expected == 0 and changed.presence.min_fraction == 1.0:
        changed = replace(changed, presence=Presence(min_count=max(changed.presence.min_count, 1)))
    return changed


def _domain_bound(name: str, bound: str) -> _Edit:
    def edit(feature: Feature, anomaly: Anomaly) -> Feature:
        domain: IntDomain | FloatDomain | None = getattr(feature, name)
        if domain is None:
            return feature
        seen = _observed(anomaly, int, float)
        if name == "int_domain":
            seen = math.ceil(seen) if bound == "max" else math.floor(seen)
        changes: dict[str, Any] = {name: replace(domain, **{bound: seen})}
        return replace(feature, **changes)

    return edit


def _allow(flag: str) -> _Edit:
    def edit(feature: Feature, anomaly: Anomaly) -> Feature:
        domain = replace(feature.float_domain or FloatDomain(), **{flag: False})
        return replace(feature, float_domain=None if domain == FloatDomain() else domain)

    return edit


def _drop(*names: str) -> _Edit:
    def edit(feature: Feature, anomaly: Anomaly) -> Feature:
        empty: dict[str, Any] = {name: () if name == "value_counts" else None for name in names}
        return replace(feature, **empty)

    return edit


def _unique_bound(bound: str) -> _Edit:
    def edit(feature: Feature, anomaly: Anomaly) -> Feature:
        constraints = feature.unique_constraints or UniqueConstraints()
        return replace(feature, unique_constraints=replace(constraints, **{bound: int(_observed(anomaly, int))}))

    return edit


def _value_bound(bound: str) -> _Edit:
    def edit(feature: Feature, anomaly: Anomaly) -> Feature:
        if feature.value_count is None:
            return feature
        return replace(feature, value_count=replace(feature.value_count, **{bound: int(_observed(anomaly, int))}))

    return edit


def _threshold(name: str) -> _Edit:
    def edit(feature: Feature, anomaly: Anomaly) -> Feature:
        seen = min(_outwards(float(_observed(anomaly, int, float)), up=True), 1.0)
        changes: dict[str, Any] = {}
        for comparator in ("drift_comparator", "skew_comparator"):
            limits = getattr(feature, comparator)
            if limits is not None and getattr(limits, name) == anomaly.expected:
                changes[comparator] = replace(limits, **{name: seen})
        return replace(feature, **changes)

    return edit


_MISSING = (AnomalyType.SCHEMA_MISSING_COLUMN, AnomalyType.FEATURE_TYPE_NOT_PRESENT)
_EDITS: Mapping[AnomalyType, _Edit] = {
    **dict.fromkeys(_MISSING, _deprecate),
    AnomalyType.UNEXPECTED_DATA_TYPE: _change_type,
    AnomalyType.INVALID_FEATURE_SHAPE: _loosen_shape,
    AnomalyType.VALUE_NESTEDNESS_MISMATCH: _drop("value_counts"),
    AnomalyType.FEATURE_TYPE_LOW_FRACTION_PRESENT: _lower_fraction,
    AnomalyType.FEATURE_TYPE_LOW_NUMBER_PRESENT: _lower_count,
    AnomalyType.FEATURE_TYPE_LOW_NUMBER_VALUES: _value_bound("min"),
    AnomalyType.FEATURE_TYPE_HIGH_NUMBER_VALUES: _value_bound("max"),
    AnomalyType.FEATURE_TYPE_LOW_UNIQUE: _unique_bound("min"),
    AnomalyType.FEATURE_TYPE_HIGH_UNIQUE: _unique_bound("max"),
    AnomalyType.FEATURE_TYPE_NO_UNIQUE: _drop("unique_constraints"),
    AnomalyType.ENUM_TYPE_UNEXPECTED_STRING_VALUES: _add_values,
    AnomalyType.ENUM_TYPE_INVALID_UTF8: _drop("string_domain"),
    AnomalyType.INT_TYPE_SMALL_INT: _domain_bound("int_domain", "min"),
    AnomalyType.INT_TYPE_BIG_INT: _domain_bound("int_domain", "max"),
    AnomalyType.INT_TYPE_NOT_INT_STRING: _drop("int_domain"),
    AnomalyType.FLOAT_TYPE_SMALL_FLOAT: _domain_bound("float_domain", "min"),
    AnomalyType.FLOAT_TYPE_BIG_FLOAT: _domain_bound("float_domain", "max"),
    AnomalyType.FLOAT_TYPE_STRING_NOT_FLOAT: _drop("float_domain"),
    AnomalyType.FLOAT_TYPE_HAS_NAN: _allow("disallow_nan"),
    AnomalyType.FLOAT_TYPE_HAS_INF: _allow("disallow_inf"),
    AnomalyType.BOOL_TYPE_SMALL_INT: _drop("bool_domain"),
    AnomalyType.BOOL_TYPE_BIG_INT: _drop("bool_domain"),
    AnomalyType.BOOL_TYPE_UNEXPECTED_STRING: _drop("bool_domain"),
    AnomalyType.BOOL_TYPE_UNEXPECTED_FLOAT: _drop("bool_domain"),
    AnomalyType.COMPARATOR_L_INFTY_HIGH: _threshold("infinity_norm"),
    AnomalyType.COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH: _threshold("jensen_shannon_divergence"),
    AnomalyType.COMPARATOR_NORMALIZED_ABSOLUTE_DIFFERENCE_HIGH: _threshold("normalized_abs_difference"),
}
