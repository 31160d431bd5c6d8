"""One feature of a ``tensorflow.metadata.v0.Schema``, both ways.

Reading takes what it understands out of the message; what is left is kept as ``extra`` and merged back when written.
"""

from __future__ import annotations

import json
import logging
import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from mlcore.core.digests import canonical_json
from mlcore.core.types import Json
from mlcore.errors import quoted
from mlcore.schema.anomalies import AnomalyType, Severity
from mlcore.schema.constraints import (
    BoolDomain,
    FeatureComparator,
    FloatDomain,
    HistogramSource,
    IntDomain,
    IntegerTimeFormat,
    InvalidSchema,
    LifecycleStage,
    Presence,
    StringDomain,
    TimeDomain,
    UniqueConstraints,
    ValueCount,
)
from mlcore.schema.schema import DOMAINS, Feature
from mlcore.schema.summary import FeatureType

_LOG = logging.getLogger(__name__)

OWN_TAG = "mlcore:"
_BOUNDS = ("min", "max")
_FLAGS = ("disallow_nan", "disallow_inf", "is_categorical")
_THRESHOLDS = ("infinity_norm", "jensen_shannon_divergence", "normalized_abs_difference")
_TO_PROTO = {FeatureType.STRING: "BYTES", FeatureType.INT: "INT", FeatureType.FLOAT: "FLOAT", FeatureType.BOOL: "INT"}
"""Dates and times are BYTES there: as the text that a CSV file holds."""

_FROM_PROTO = {"BYTES": FeatureType.STRING, "INT": FeatureType.INT, "FLOAT": FeatureType.FLOAT}


# Writing


def fill_feature(message: Any, feature: Feature) -> None:
    """Write a feature into an empty message, all but its string domain and its ``extra``."""
    message.name = feature.name
    message.type = _enum(message, "type", _TO_PROTO.get(feature.type, "BYTES"))
    if feature.presence != Presence():
        message.presence.min_count = feature.presence.min_count
        if feature.presence.min_fraction:
            message.presence.min_fraction = feature.presence.min_fraction
    _fill_valency(message, feature)
    own = _fill_domain(message, feature)
    for name in ("drift_comparator", "skew_comparator"):
        _fill_comparator(message, name, getattr(feature, name))
    if feature.unique_constraints is not None:
        message.unique_constraints.SetInParent()
        give(message.unique_constraints, feature.unique_constraints, _BOUNDS)
    if feature.lifecycle_stage is not None:
        message.lifecycle_stage = _enum(message, "lifecycle_stage", feature.lifecycle_stage.value)
    message.in_environment.extend(feature.in_environment)
    message.not_in_environment.extend(feature.not_in_environment)
    put_annotation(message, own | _own(feature), feature.tags, feature.doc.split("\n") if feature.doc else ())


def _own(feature: Feature) -> dict[str, Json]:
    """What the message has no field for."""
    return {
        "type": "" if feature.type in _FROM_PROTO.values() else feature.type.value,
        "warn_fraction": feature.presence.warn_fraction,
        "owner": feature.owner,
        "severity": {key.value: value.value for key, value in feature.severity.items()},
    }


def _fill_valency(message: Any, feature: Feature) -> None:
    if feature.shape is not None:
        message.shape.SetInParent()
        for size in feature.shape:
            message.shape.dim.add(size=size)
    if feature.value_count is not None:
        message.value_count.SetInParent()
        give(message.value_count, feature.value_count, _BOUNDS)
    for value_count in feature.value_counts:
        give(message.value_counts.value_count.add(), value_count, _BOUNDS)


def _fill_domain(message: Any, feature: Feature) -> dict[str, Json]:
    """Write the domain; what it does not hold exactly is returned."""
    name = next((name for name in DOMAINS if getattr(feature, name) is not None), None)
    if name is None:
        return {}
    domain = getattr(feature, name)
    if isinstance(domain, StringDomain):
        if domain.min_domain_mass != 1.0:
            message.distribution_constraints.min_domain_mass = domain.min_domain_mass
        return {}
    filled = getattr(message, name)
    filled.SetInParent()
    if isinstance(domain, FloatDomain):
        give(filled, domain, _FLAGS)
        return {"float_domain": _fill_float_bounds(filled, domain)}
    if isinstance(domain, TimeDomain) and domain.integer_format is not None:
        filled.integer_format = _enum(filled, "integer_format", domain.integer_format.value)
        return {}
    give(filled, domain, (*_BOUNDS, "is_categorical", "true_value", "false_value", "string_format"))
    return {}


def _fill_float_bounds(filled: Any, domain: FloatDomain) -> dict[str, Json]:
    """The message has 32-bit bounds; exact ones that do not fit are returned, and stand there rounded outwards."""
    exact: dict[str, Json] = {}
    for name, bound, outwards in (("min", domain.min, -math.inf), ("max", domain.max, math.inf)):
        if bound is None:
            continue
        rounded = _float32(bound)
        if _shortest(rounded) != bound:
            exact[name] = bound
            if (rounded > bound) == (outwards < 0):
                rounded = _next_float32(rounded, outwards)
        if math.isfinite(rounded):
            setattr(filled, name, rounded)
    return exact


def _fill_comparator(message: Any, name: str, comparator: FeatureComparator | None) -> None:
    if comparator is None:
        return
    filled = getattr(message, name)
    filled.SetInParent()
    for threshold in _THRESHOLDS:
        value = getattr(comparator, threshold)
        if value is not None:
            getattr(filled, threshold).threshold = value
    if comparator.source is not None:
        source = filled.jensen_shannon_divergence.source
        source.type = _enum(source, "type", comparator.source.value)


def put_annotation(
    message: Any, own: Mapping[str, Json], tags: Sequence[str] = (), comments: Sequence[str] = ()
) -> None:
    """Add tags and comments, and what is our own as one tag more."""
    given: dict[str, Json] = {key: value for key, value in own.items() if value}
    own_tags = [OWN_TAG + canonical_json(given).decode()] if given else []
    if tags or comments or own_tags:
        message.annotation.tag.extend([*tags, *own_tags])
        message.annotation.comment.extend(comments)


def give(message: Any, value: Any, names: Sequence[str]) -> None:
    """Copy the attributes of a value that are set into the message's fields of the same names."""
    for name in names:
        given = getattr(value, name, None)
        if given is not None and given is not False:
            setattr(message, name, given)


# Reading


def take_feature(message: Any, schema: Any) -> Feature:
    """The feature of a message of a schema; what is understood is taken out of a copy, the rest is its ``extra``.

    Raises:
        InvalidSchema: It has no name, no type that a table can have, or a domain that there is not.
    """
    from google.protobuf import text_format  # type: ignore[import-untyped]

    rest = type(message)()
    rest.CopyFrom(message)
    name = take(rest, ("name",)).get("name")
    if not name:
        raise InvalidSchema("a feature has no name", next_step="give every feature a name")
    own, tags, comments = take_annotation(rest)
    domains = _take_domains(rest, schema, name, own)
    stage = _take_stage(rest)
    valency = _take_valency(rest)
    unique = take_message(rest, "unique_constraints", _BOUNDS)
    return Feature(
        name=name,
        type=_take_type(rest, name, own, anything=bool(domains) or bool(stage and not stage.validated)),
        presence=Presence(
            **(take_message(rest, "presence", ("min_fraction", "min_count")) or {}),
            warn_fraction=own.get("warn_fraction", 0.0),
        ),
        unique_constraints=None if unique is None else UniqueConstraints(**unique),
        drift_comparator=_take_comparator(rest, "drift_comparator"),
        skew_comparator=_take_comparator(rest, "skew_comparator"),
        lifecycle_stage=stage,
        in_environment=_take_list(rest, "in_environment"),
        not_in_environment=_take_list(rest, "not_in_environment"),
        severity=severity_from_own(own),
        owner=own.get("owner", ""),
        doc="\n".join(comments),
        tags=tags,
        extra=text_format.MessageToString(rest),
        **valency,
        **domains,
    )


def _take_type(rest: Any, name: str, own: Mapping[str, Any], *, anything: bool) -> FeatureType:
    given = _enum_name(rest, "type", rest.type)
    rest.ClearField("type")
    if "type" in own:
        return FeatureType(own["type"])
    if given == "TYPE_UNKNOWN" and anything:
        return FeatureType.STRING
    if given not in _FROM_PROTO:
        raise InvalidSchema(
            f"feature {quoted(name)} is of type {given}, which no column of a table has",
            next_step=f"give it one of the types {', '.join(_FROM_PROTO)}, or leave the feature out",
        )
    return _FROM_PROTO[given]


def _take_stage(rest: Any) -> LifecycleStage | None:
    stage = None
    if rest.lifecycle_stage:
        number = rest.lifecycle_stage
        stage = LifecycleStage(_enum_name(rest, "lifecycle_stage", number))
    elif rest.deprecated:
        stage = LifecycleStage.DEPRECATED
    rest.ClearField("lifecycle_stage")
    rest.ClearField("deprecated")
    return stage


def _take_valency(rest: Any) -> dict[str, Any]:
    if rest.HasField("shape") and all(not dim.name for dim in rest.shape.dim):
        sizes = tuple(dim.size for dim in rest.shape.dim)
        rest.ClearField("shape")
        return {"shape": sizes}
    value_count = take_message(rest, "value_count", _BOUNDS)
    if value_count is not None:
        return {"value_count": ValueCount(**value_count)}
    if rest.HasField("value_counts"):
        counts = tuple(ValueCount(**take(level, _BOUNDS)) for level in rest.value_counts.value_count)
        rest.ClearField("value_counts")
        return {"value_counts": counts}
    return {}


def _take_domains(rest: Any, schema: Any, name: str, own: Mapping[str, Any]) -> dict[str, Any]:
    kind, domain = _domain_message(rest, schema, name)
    if kind == "string_domain":
        if domain.is_categorical:
            _LOG.warning(
                "of feature %s, string_domain.is_categorical is dropped: TFX does not use it", quoted(name, 60)
            )
        mass = take_message(rest, "distribution_constraints", ("min_domain_mass",)) or {}
        return {kind: StringDomain(values=tuple(domain.value), name=domain.name, **mass)}
    found: Any = None
    if kind == "float_domain":
        found = _take_float_domain(domain, own.get(kind, {}))
    elif kind == "int_domain":
        found = IntDomain(**take(domain, (*_BOUNDS, "is_categorical")))
    elif kind == "bool_domain":
        found = BoolDomain(**take(domain, ("true_value", "false_value")))
    elif kind == "time_domain":
        found = _take_time_domain(domain)
    if kind is None or found is None:
        return {}
    _keep_rest(rest, kind, domain)
    return {kind: found}


def _keep_rest(rest: Any, kind: str, domain: Any) -> None:
    """What of a domain was not taken stays in the feature, also of a domain that stood beside the features."""
    if kind != "time_domain":
        domain.ClearField("name")
    left = bool(domain.ListFields())
    if left and not rest.HasField(kind):
        getattr(rest, kind).CopyFrom(domain)
    elif not left:
        rest.ClearField(kind)


def _take_float_domain(domain: Any, exact: Mapping[str, float]) -> FloatDomain:
    bounds = {key: _shortest(getattr(domain, key)) for key in _BOUNDS if domain.HasField(key)}
    finite = {key: bound for key, bound in bounds.items() if math.isfinite(bound)}
    _clear(domain, _BOUNDS)
    values: dict[str, Any] = {**finite, **exact, **take(domain, _FLAGS)}
    return FloatDomain(**values)


def _take_time_domain(domain: Any) -> TimeDomain | None:
    if domain.WhichOneof("format") == "string_format":
        return TimeDomain(**take(domain, ("string_format",)))
    if not domain.integer_format:
        return None
    unit = IntegerTimeFormat(_enum_name(domain, "integer_format", domain.integer_format))
    domain.ClearField("integer_format")
    return TimeDomain(integer_format=unit)


def _domain_message(rest: Any, schema: Any, name: str) -> tuple[str | None, Any]:
    """The kind of a feature's domain, and the message of it: its own, or a copy of the schema's that it names."""
    kind = rest.WhichOneof("domain_info")
    if kind is None:
        return None, None
    if kind != "domain":
        domain = getattr(rest, kind)
        if kind == "string_domain":
            copied = type(domain)()
            copied.CopyFrom(domain)
            rest.ClearField(kind)
            return kind, copied
        return kind, domain
    for shared in ("string_domain", "float_domain", "int_domain"):
        for domain in getattr(schema, shared):
            if domain.name == rest.domain:
                rest.ClearField("domain")
                copied = type(domain)()
                copied.CopyFrom(domain)
                return shared, copied
    raise InvalidSchema(f"feature {quoted(name)} has the domain {quoted(rest.domain)}, which the schema does not have")


def _take_comparator(rest: Any, name: str) -> FeatureComparator | None:
    if not rest.HasField(name):
        return None
    message = getattr(rest, name)
    thresholds = {key: getattr(message, key).threshold for key in _THRESHOLDS if message.HasField(key)}
    number = message.jensen_shannon_divergence.source.type
    source = _enum_name(message.jensen_shannon_divergence.source, "type", number) if number else None
    rest.ClearField(name)
    return FeatureComparator(**thresholds, source=None if source is None else HistogramSource(source))


def take_annotation(rest: Any) -> tuple[dict[str, Any], tuple[str, ...], tuple[str, ...]]:
    """What is our own, the other tags, and the comments, all taken out.

    Raises:
        InvalidSchema: What should be our own is no JSON.
    """
    if not rest.HasField("annotation"):
        return {}, (), ()
    own: dict[str, Any] = {}
    tags = []
    for tag in _take_list(rest.annotation, "tag"):
        if not tag.startswith(OWN_TAG):
            tags.append(tag)
            continue
        try:
            own |= dict(json.loads(tag.removeprefix(OWN_TAG)))
        except ValueError as error:
            raise InvalidSchema(f"the tag {quoted(tag)} holds no JSON", next_step="remove the tag") from error
    comments = _take_list(rest.annotation, "comment")
    if not rest.annotation.ListFields():
        rest.ClearField("annotation")
    return own, tuple(tags), comments


def severity_from_own(own: Mapping[str, Any]) -> dict[AnomalyType, Severity]:
    """Severities by kind of anomaly.

    Raises:
        InvalidSchema: One of the two is unknown.
    """
    try:
        return {AnomalyType(key): Severity(value) for key, value in own.get("severity", {}).items()}
    except ValueError as error:
        raise InvalidSchema(f"an mlcore tag has an unknown severity: {error}") from error


def take_message(message: Any, name: str, fields: Sequence[str]) -> dict[str, Any] | None:
    """Set fields of a field of the message, taken out of it; ``None`` where the message lacks it."""
    if not message.HasField(name):
        return None
    values = take(getattr(message, name), fields)
    if not getattr(message, name).ListFields():
        message.ClearField(name)
    return values


def take(message: Any, fields: Sequence[str]) -> dict[str, Any]:
    """Set fields of the message, taken out of it."""
    values = {name: getattr(message, name) for name in fields if message.HasField(name)}
    _clear(message, fields)
    return values


def _take_list(message: Any, name: str) -> tuple[str, ...]:
    values = tuple(getattr(message, name))
    message.ClearField(name)
    return values


def _clear(message: Any, fields: Sequence[str]) -> None:
    for name in fields:
        message.ClearField(name)


def _enum(message: Any, field: str, name: str) -> int:
    return int(type(message).DESCRIPTOR.fields_by_name[field].enum_type.values_by_name[name].number)


def _enum_name(message: Any, field: str, number: int) -> str:
    return str(type(message).DESCRIPTOR.fields_by_name[field].enum_type.values_by_number[number].name)


# 32-bit numbers


def _float32(value: float) -> float:
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def _shortest(value: float) -> float:
    """The shortest decimal that is this 32-bit number: 0.1, not 0.10000000149."""
    if not math.isfinite(value):
        return value
    return next(short for digits in range(6, 18) if _float32(short := float(f"{value:.{digits}g}")) == value)


def _next_float32(value: float, towards: float) -> float:
    if math.isinf(value):
        return value
    if value == 0:
        return math.copysign(2.0**-149, towards)
    bits = struct.unpack("<i", struct.pack("<f", value))[0]
    bits += 1 if (towards > 0) == (value > 0) else -1
    return float(struct.unpack("<f", struct.pack("<i", bits))[0])
