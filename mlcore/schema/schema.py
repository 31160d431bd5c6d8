"""The schema of a pipeline's examples, and its file.

schema/
└── schema.json    canonical JSON: equal schemas have equal bytes
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlcore.core.digests import canonical_json
from mlcore.core.types import Json
from mlcore.errors import ArtifactCorrupt, ArtifactMissing, MlcoreError, quoted
from mlcore.schema.summary import FeatureType

FILE_NAME = "schema.json"
_VERSION = 1


class InvalidSchema(MlcoreError):
    """A schema that contradicts itself, or JSON that is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StringDomain:
    """The values a string feature may have.

    Attributes:
        values: Sorted, each once.
        min_mass: Share of the values present that must be among them.
    """

    values: tuple[str, ...]
    min_mass: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", tuple(sorted(set(self.values))))
        _check_share("min_mass", self.min_mass)


@dataclass(frozen=True, kw_only=True, slots=True)
class Range:
    """The finite numbers a feature had, or may have.

    Attributes:
        enforced: Whether a number outside is an anomaly; an inferred range only describes.
    """

    minimum: float
    maximum: float
    enforced: bool = False

    def __post_init__(self) -> None:
        if not self.minimum <= self.maximum:
            raise InvalidSchema(f"range from {self.minimum} to {self.maximum} is empty")


@dataclass(frozen=True, kw_only=True, slots=True)
class Feature:
    """What one column should look like.

    Attributes:
        name: The column.
        type: The type of its values.
        required: Whether every row should have a value; a few without are a WARNING.
        min_fraction: Share of the rows that must have a value; fewer are an ERROR.
        min_count: Rows that must have a value; 0 for a feature that may be missing altogether.
        domain: The values of a string feature; ``None``: any.
        range: The numbers of a numeric feature.
        allow_nan: Whether NaN is no anomaly.
        allow_infinite: Whether infinity is no anomaly.
    """

    name: str
    type: FeatureType
    required: bool = False
    min_fraction: float = 0.0
    min_count: int = 1
    domain: StringDomain | None = None
    range: Range | None = None
    allow_nan: bool = False
    allow_infinite: bool = False

    def __post_init__(self) -> None:
        _check_share(f"{self.name}.min_fraction", self.min_fraction)
        if self.min_count < 0:
            raise InvalidSchema(f"{self.name}.min_count is {self.min_count}: it cannot be negative")
        if self.domain is not None and self.type is not FeatureType.STRING:
            raise InvalidSchema(f"{self.name} is of type {self.type}: only strings have a domain")


@dataclass(frozen=True, kw_only=True, slots=True)
class Schema:
    """What a dataset should look like.

    Attributes:
        features: Sorted by name, each once.
        min_examples: Rows a dataset must have.
    """

    features: tuple[Feature, ...]
    min_examples: int = 1

    def __post_init__(self) -> None:
        names = [feature.name for feature in self.features]
        if len(set(names)) < len(names):
            raise InvalidSchema("a feature is there twice", where=quoted(sorted(names)))
        object.__setattr__(self, "features", tuple(sorted(self.features, key=lambda feature: feature.name)))

    def to_json(self) -> dict[str, Json]:
        """The schema as JSON."""
        return {
            "version": _VERSION,
            "min_examples": self.min_examples,
            "features": [_feature_to_json(feature) for feature in self.features],
        }

    @classmethod
    def from_json(cls, value: Json) -> Schema:
        """The schema of what :meth:`to_json` gave.

        Raises:
            InvalidSchema: It is not such JSON.
        """
        try:
            return _schema_from_json(value)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidSchema(
                f"this is no schema: {type(error).__name__} {quoted(str(error))}",
                next_step="compare it with a schema.json that the platform wrote",
            ) from error


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


def _check_share(name: str, value: float) -> None:
    if not 0.0 <= value <= 1.0:
        raise InvalidSchema(f"{name} is {value}: a share lies between 0 and 1")


def _feature_to_json(feature: Feature) -> Json:
    value: dict[str, Json] = {
        "name": feature.name,
        "type": feature.type.value,
        "required": feature.required,
        "min_fraction": feature.min_fraction,
        "min_count": feature.min_count,
        "allow_nan": feature.allow_nan,
        "allow_infinite": feature.allow_infinite,
    }
    if feature.domain is not None:
        value["domain"] = {"values": list(feature.domain.values), "min_mass": feature.domain.min_mass}
    if feature.range is not None:
        bounds = feature.range
        value["range"] = {"minimum": bounds.minimum, "maximum": bounds.maximum, "enforced": bounds.enforced}
    return value


def _schema_from_json(value: Any) -> Schema:
    if value["version"] != _VERSION:
        raise ValueError(f"version {value['version']!r} is not {_VERSION}")
    return Schema(
        features=tuple(_feature_from_json(feature) for feature in value["features"]),
        min_examples=value["min_examples"],
    )


def _feature_from_json(value: dict[str, Any]) -> Feature:
    rest = dict(value)
    domain, bounds = rest.pop("domain", None), rest.pop("range", None)
    return Feature(
        type=FeatureType(rest.pop("type")),
        domain=None if domain is None else StringDomain(values=tuple(domain["values"]), min_mass=domain["min_mass"]),
        range=None if bounds is None else Range(**bounds),
        **rest,
    )
