"""``schema.pbtxt``: a schema as TFX writes it, the text form of ``tensorflow.metadata.v0.Schema``.

Nothing is lost in either direction. What TensorFlow Metadata has and this schema has not (image and language domains,
tensor representations, ...) is kept as text in ``extra``, named in a warning, not checked, and written back. What this
schema has and TensorFlow Metadata has not (owner, severities, dates) is written as an annotation tag, ``mlcore:{...}``.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlcore.errors import DataError, quoted
from mlcore.schema.constraints import DatasetConstraints, InvalidSchema, NumericValueComparator
from mlcore.schema.pbtxt_features import (
    fill_feature,
    give,
    put_annotation,
    severity_from_own,
    take,
    take_annotation,
    take_feature,
    take_message,
)
from mlcore.schema.schema import Feature, Schema

_LOG = logging.getLogger(__name__)
_COUNTS = ("min_examples_count", "max_examples_count")
_COMPARATORS = ("num_examples_drift_comparator", "num_examples_version_comparator")
_THRESHOLDS = ("min_fraction_threshold", "max_fraction_threshold")


def read_pbtxt(path: Path) -> Schema:
    """The schema of a ``schema.pbtxt``.

    Raises:
        DataError: The file cannot be read.
        InvalidSchema: It is no such schema; the message names the line.
    """
    try:
        text = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"cannot read the schema: {error}", where=str(path), next_step="check that it is a UTF-8 text file"
        ) from error
    return parse_pbtxt(text, where=str(path))


def parse_pbtxt(text: str, *, where: str = "schema.pbtxt") -> Schema:
    """The schema of a text proto.

    Raises:
        InvalidSchema: It is no such schema; a field that there is not is named with its line.
    """
    from google.protobuf import text_format  # type: ignore[import-untyped]
    from tensorflow_metadata.proto.v0 import schema_pb2  # type: ignore[import-untyped]

    message = schema_pb2.Schema()
    try:
        text_format.Parse(text, message)
    except text_format.ParseError as error:
        raise InvalidSchema(
            f"this is no schema.pbtxt: line and column {quoted(str(error), 300)}",
            where=f"{where}, line {error.GetLine()}",
            next_step="correct the line; the text form of a tensorflow.metadata.v0.Schema is expected",
        ) from error
    _warn_of_what_is_only_kept(schema := _take_schema(message), where)
    return schema


def format_pbtxt(schema: Schema) -> str:
    """The text proto of a schema, its features in order of their names."""
    from google.protobuf import text_format

    return str(text_format.MessageToString(to_message(schema)))


def to_message(schema: Schema) -> Any:
    """The schema as a ``tensorflow.metadata.v0.Schema``."""
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    message = schema_pb2.Schema()
    shared = {feature.string_domain.name for feature in schema.features if feature.string_domain}
    for feature in schema.features:
        filled = message.feature.add()
        fill_feature(filled, feature)
        if feature.string_domain is not None:
            _put_string_domain(message, filled, feature, shared)
        text_format.Merge(feature.extra, filled)
    message.default_environment.extend(schema.default_environment)
    _put_dataset_constraints(message, schema.dataset_constraints)
    put_annotation(message, {"severity": {key.value: value.value for key, value in schema.severity.items()}})
    text_format.Merge(schema.extra, message)
    return message


def _put_string_domain(message: Any, filled: Any, feature: Feature, shared: set[str]) -> None:
    """Beside the features, as TensorFlow Data Validation writes it, unless another domain has the feature's name."""
    domain = feature.string_domain
    assert domain is not None
    if not domain.name and feature.name in shared:
        filled.string_domain.value.extend(domain.values)
        return
    filled.domain = domain.name or feature.name
    if all(known.name != filled.domain for known in message.string_domain):
        message.string_domain.add(name=filled.domain, value=domain.values)


def _put_dataset_constraints(message: Any, constraints: DatasetConstraints) -> None:
    if constraints == DatasetConstraints():
        return
    give(message.dataset_constraints, constraints, _COUNTS)
    for name in _COMPARATORS:
        comparator = getattr(constraints, name)
        if comparator is not None:
            filled = getattr(message.dataset_constraints, name)
            filled.SetInParent()
            give(filled, comparator, _THRESHOLDS)


def _take_schema(message: Any) -> Schema:
    from google.protobuf import text_format

    features = tuple(take_feature(feature, message) for feature in message.feature)
    used = {feature.domain for feature in message.feature if feature.domain}
    for kind in ("string_domain", "float_domain", "int_domain"):
        kept = [domain for domain in getattr(message, kind) if domain.name not in used]
        message.ClearField(kind)
        getattr(message, kind).extend(kept)
    message.ClearField("feature")
    environments = tuple(message.default_environment)
    message.ClearField("default_environment")
    constraints = _take_dataset_constraints(message)
    own, tags, comments = take_annotation(message)
    put_annotation(message, {}, tags, comments)  # a schema has neither: they stay in ``extra``
    return Schema(
        features=_without_needless_names(features),
        dataset_constraints=constraints,
        default_environment=environments,
        severity=severity_from_own(own),
        extra=text_format.MessageToString(message),
    )


def _without_needless_names(features: tuple[Feature, ...]) -> tuple[Feature, ...]:
    """A domain that one feature has, and that is called like it, needs no name."""
    users = Counter(feature.string_domain.name for feature in features if feature.string_domain)
    named = []
    for feature in features:
        domain = feature.string_domain
        if domain is not None and domain.name == feature.name and users[domain.name] == 1:
            feature = replace(feature, string_domain=replace(domain, name=""))
        named.append(feature)
    return tuple(named)


def _take_dataset_constraints(message: Any) -> DatasetConstraints:
    if not message.HasField("dataset_constraints"):
        return DatasetConstraints()
    filled = message.dataset_constraints
    comparators: dict[str, Any] = {
        name: NumericValueComparator(**(take_message(filled, name, _THRESHOLDS) or {}))
        for name in _COMPARATORS
        if filled.HasField(name)
    }
    constraints = DatasetConstraints(**take(filled, _COUNTS), **comparators)
    if not filled.ListFields():
        message.ClearField("dataset_constraints")
    return constraints


def _warn_of_what_is_only_kept(schema: Schema, where: str) -> None:
    kept = [(f"feature {quoted(feature.name, 60)}", feature.extra) for feature in schema.features if feature.extra]
    if schema.extra:
        kept.append(("the schema", schema.extra))
    for name, extra in kept:
        _LOG.warning("%s: of %s, %s is kept, and not checked", where, name, quoted(" ".join(extra.split())))
