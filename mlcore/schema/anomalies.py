"""Anomalies as values, and the file of a list of them.

anomalies/
└── anomalies.json    canonical JSON; an empty list says the data was checked and is fine
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from mlcore.core.digests import canonical_json
from mlcore.core.types import Json
from mlcore.errors import ArtifactCorrupt, ArtifactMissing, quoted

FILE_NAME = "anomalies.json"


class AnomalyType(StrEnum):
    """Kinds of anomalies, by the names TensorFlow Data Validation gives them."""

    SCHEMA_MISSING_COLUMN = "SCHEMA_MISSING_COLUMN"
    SCHEMA_NEW_COLUMN = "SCHEMA_NEW_COLUMN"
    UNEXPECTED_DATA_TYPE = "UNEXPECTED_DATA_TYPE"
    ENUM_TYPE_UNEXPECTED_STRING_VALUES = "ENUM_TYPE_UNEXPECTED_STRING_VALUES"
    FEATURE_TYPE_LOW_FRACTION_PRESENT = "FEATURE_TYPE_LOW_FRACTION_PRESENT"
    FEATURE_TYPE_NOT_PRESENT = "FEATURE_TYPE_NOT_PRESENT"
    FLOAT_TYPE_HAS_NAN = "FLOAT_TYPE_HAS_NAN"
    FLOAT_TYPE_HAS_INF = "FLOAT_TYPE_HAS_INF"
    INT_TYPE_SMALL_INT = "INT_TYPE_SMALL_INT"
    INT_TYPE_BIG_INT = "INT_TYPE_BIG_INT"
    FLOAT_TYPE_SMALL_FLOAT = "FLOAT_TYPE_SMALL_FLOAT"
    FLOAT_TYPE_BIG_FLOAT = "FLOAT_TYPE_BIG_FLOAT"
    DATASET_LOW_NUM_EXAMPLES = "DATASET_LOW_NUM_EXAMPLES"


class Severity(StrEnum):
    """``ERROR`` stops the run before training, ``WARNING`` is recorded and shown."""

    WARNING = "WARNING"
    ERROR = "ERROR"


@dataclass(frozen=True, kw_only=True, slots=True)
class Anomaly:
    """One kind of fault, in one feature or in the dataset as a whole.

    Attributes:
        type: The kind.
        severity: Whether it stops the run.
        description: One sentence for a person. It may hold values from the data, bounded; escape it before showing it.
        feature: The feature, or ``None`` for the whole dataset.
        observed: What the data has.
        expected: What the schema says.
        since: The first span of the dataset that shows it, where the spans were given.
    """

    type: AnomalyType
    severity: Severity
    description: str
    feature: str | None = None
    observed: Json = None
    expected: Json = None
    since: str | None = None

    def __str__(self) -> str:
        since = f" (since {self.since})" if self.since else ""
        return f"{self.severity} {self.type} {self.feature or 'dataset'}: {self.description}{since}"

    def to_json(self) -> dict[str, Json]:
        """The anomaly as JSON."""
        return {
            "type": self.type.value,
            "severity": self.severity.value,
            "description": self.description,
            "feature": self.feature,
            "observed": self.observed,
            "expected": self.expected,
            "since": self.since,
        }


def write_anomalies(folder: Path, anomalies: Iterable[Anomaly]) -> None:
    """Write ``anomalies.json`` into a folder that exists."""
    (folder / FILE_NAME).write_bytes(canonical_json({"anomalies": [anomaly.to_json() for anomaly in anomalies]}))


def read_anomalies(folder: Path) -> tuple[Anomaly, ...]:
    """Read ``anomalies.json``.

    Raises:
        ArtifactMissing: It is not there: silence is not a clean bill.
        ArtifactCorrupt: It holds no list of anomalies.
    """
    path = folder / FILE_NAME
    try:
        items = json.loads(path.read_bytes())["anomalies"]
        return tuple(
            Anomaly(**(item | {"type": AnomalyType(item["type"]), "severity": Severity(item["severity"])}))
            for item in items
        )
    except OSError as error:
        raise ArtifactMissing(
            f"cannot open the anomalies: {error.strerror or error}", where=str(path), next_step="run the pipeline again"
        ) from error
    except (ValueError, TypeError, KeyError) as error:
        raise ArtifactCorrupt(
            f"the anomalies cannot be read: {quoted(str(error))}", where=str(path), next_step="run the pipeline again"
        ) from error
