"""The schema of a pipeline's examples, and its file as an artifact.

schema/
└── schema.json    canonical JSON: equal schemas have equal bytes

The names are those of TensorFlow Metadata's ``schema.proto``, where it has one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from mlcore.core.digests import canonical_json
from mlcore.core.types import Json
from mlcore.errors import ArtifactCorrupt, ArtifactMissing, quoted
from mlcore.schema.anomalies import AnomalyType, Severity
from mlcore.schema.constraints import (
    BoolDomain,
    DatasetConstraints,
    FeatureComparator,
    FloatDomain,
    IntDomain,
    InvalidSchema,
    LifecycleStage,
    Presence,
    StringDomain,
    TimeDomain,
    UniqueConstraints,
    ValueCount,
    check_count,
)
from mlcore.schema.summary import FeatureType

FILE_NAME = "schema.json"

DOMAINS: Mapping[str, frozenset[FeatureType]] = {
    "string_domain": frozenset({FeatureType.STRING}),
    "int_domain": frozenset({FeatureType.INT, FeatureType.STRING}),
    "float_domain": frozenset({FeatureType.FLOAT, FeatureType.STRING}),
    "bool_domain": frozenset({FeatureType.BOOL, FeatureType.INT, FeatureType.FLOAT, FeatureType.STRING}),
    "time_domain": frozenset({FeatureType.INT, FeatureType.STRING}),
}
"""The domains a feature may have, at most one of them, and the types each goes with."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Feature:
    """What one column should look like.

    Attributes:
        name: The column.
        type: The type of its values; of a list, the type of what is in it.
        presence: How many rows must have a value.
        shape: Sizes of the dimensions where every row has the same; ``(1,)`` is one value. At most one of ``shape``,
            ``value_count`` and ``value_counts``.
        value_count: How many values a row may have.
        value_counts: The same of lists in lists, the outermost first.
        string_domain, int_domain, float_domain, bool_domain, time_domain: Which values it may have; at most one.
        unique_constraints: How many different values.
        drift_comparator: How far the distribution may be from the span before.
        skew_comparator: How far the distribution may be from the serving log's.
        lifecycle_stage: How far the feature is; ``None`` is in use.
        in_environment: Environments it is in, besides the schema's ``default_environment``.
        not_in_environment: Environments it is not in.
        severity: Severity by kind of anomaly, instead of the kind's own.
        owner: Who answers for it.
        doc: What it is.
        tags: Free labels.
        extra: Of an imported ``schema.pbtxt``: fields of this feature that nothing here reads, as text proto.
    """

    name: str
    type: FeatureType
    presence: Presence = field(default_factory=Presence)
    shape: tuple[int, ...] | None = None
    value_count: ValueCount | None = None
    value_counts: tuple[ValueCount, ...] = ()
    string_domain: StringDomain | None = None
    int_domain: IntDomain | None = None
    float_domain: FloatDomain | None = None
    bool_domain: BoolDomain | None = None
    time_domain: TimeDomain | None = None
    unique_constraints: UniqueConstraints | None = None
    drift_comparator: FeatureComparator | None = None
    skew_comparator: FeatureComparator | None = None
    lifecycle_stage: LifecycleStage | None = None
    in_environment: tuple[str, ...] = ()
    not_in_environment: tuple[str, ...] = ()
    severity: Mapping[AnomalyType, Severity] = field(default_factory=dict)
    owner: str = ""
    doc: str = ""
    tags: tuple[str, ...] = ()
    extra: str = ""

    def __post_init__(self) -> None:
        given = [name for name in DOMAINS if getattr(self, name) is not None]
        if len(given) > 1:
            raise self._invalid(f"{given[0]} and {given[1]} cannot both be given")
        if given and self.type not in DOMAINS[given[0]]:
            allowed = ", ".join(sorted(DOMAINS[given[0]]))
            raise self._invalid(f"a {given[0]} does not go with type {self.type}; it goes with {allowed}")
        if sum((self.shape is not None, self.value_count is not None, bool(self.value_counts))) > 1:
            raise self._invalid("only one of shape, value_count and value_counts can be given")
        for size in self.shape or ():
            check_count(f"feature {quoted(self.name)}: shape", size)
        both = sorted(set(self.in_environment) & set(self.not_in_environment))
        if both:
            raise self._invalid(f"environment {quoted(both[0])} is both in in_environment and not_in_environment")

    def _invalid(self, what: str) -> InvalidSchema:
        return InvalidSchema(f"feature {quoted(self.name)}: {what}")

    @property
    def validated(self) -> bool:
        """Whether its lifecycle stage is one that is checked."""
        return self.lifecycle_stage is None or self.lifecycle_stage.validated


@dataclass(frozen=True, kw_only=True, slots=True)
class Schema:
    """What a dataset should look like.

    Attributes:
        features: Sorted by name, each once.
        dataset_constraints: What is asked of the dataset as a whole.
        default_environment: Environments that every feature is in, unless it says otherwise.
        severity: Severity by kind of anomaly for every feature that does not say its own.
        extra: Of an imported ``schema.pbtxt``: fields of the schema that nothing here reads, as text proto.
    """

    features: tuple[Feature, ...]
    dataset_constraints: DatasetConstraints = field(default_factory=DatasetConstraints)
    default_environment: tuple[str, ...] = ()
    severity: Mapping[AnomalyType, Severity] = field(default_factory=dict)
    extra: str = ""

    def __post_init__(self) -> None:
        names = [feature.name for feature in self.features]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise InvalidSchema("a feature is there twice", where=quoted(twice))
        object.__setattr__(self, "features", tuple(sorted(self.features, key=lambda feature: feature.name)))
        shared: dict[str, StringDomain] = {}
        for feature in self.features:
            domain = feature.string_domain
            if domain and domain.name and shared.setdefault(domain.name, domain).values != domain.values:
                raise InvalidSchema(
                    f"string_domain {quoted(domain.name)} has two sets of values", where=quoted(feature.name)
                )

    def feature(self, name: str) -> Feature | None:
        """The feature of that name, where there is one."""
        return next((feature for feature in self.features if feature.name == name), None)

    def in_environment(self, feature: Feature, environment: str | None) -> bool:
        """Whether a feature is expected in an environment; without one, every feature is.

        A feature that is not expected and there nevertheless is checked like any other.
        """
        if environment is None or environment in feature.in_environment:
            return True
        return environment in self.default_environment and environment not in feature.not_in_environment

    def required(self, feature: Feature, environment: str | None = None) -> bool:
        """Whether a dataset of an environment without the feature's column is wrong."""
        return feature.validated and feature.presence.required and self.in_environment(feature, environment)

    def severity_of(self, type_: AnomalyType, feature: str | None, otherwise: Severity) -> Severity:
        """The severity of a kind of anomaly: the feature's own word, the schema's, or ``otherwise``."""
        found = self.feature(feature) if feature is not None else None
        own = found.severity if found is not None else {}
        return own.get(type_, self.severity.get(type_, otherwise))

    def to_json(self) -> dict[str, Json]:
        """The schema as JSON, which is also the shape of the YAML file; defaults are left out."""
        from mlcore.schema.document import to_document

        return to_document(self)

    @classmethod
    def from_json(cls, value: Json) -> Schema:
        """The schema of what :meth:`to_json` gave.

        Raises:
            InvalidSchema: It is not such JSON; the message names the key.
        """
        from mlcore.schema.document import from_document

        return from_document(value)


FEATURE_KEYS = tuple(item.name for item in fields(Feature) if item.name != "name")
"""The keys of a feature's block."""


def write_schema(folder: Path, schema: Schema) -> None:
    """Write ``schema.json`` into a folder that exists."""
    (folder / FILE_NAME).write_bytes(canonical_json(schema.to_json()))


def read_schema(folder: Path) -> Schema:
    """Read ``schema.json``.

    Raises:
        ArtifactMissing: It is not there.
        ArtifactCorrupt: It holds no schema.
    """
    path = folder / FILE_NAME
    try:
        return Schema.from_json(json.loads(path.read_bytes()))
    except OSError as error:
        raise ArtifactMissing(
            f"cannot open the schema: {error.strerror or error}", where=str(path), next_step="run the pipeline again"
        ) from error
    except (ValueError, InvalidSchema) as error:
        raise ArtifactCorrupt(
            f"the schema cannot be read: {quoted(str(error))}", where=str(path), next_step="run the pipeline again"
        ) from error
