"""Anomalies as values, and the file of a list of them.

anomalies/
└── anomalies.json    canonical JSON; an empty list says the data was checked and is fine
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from mlcore.core.digests import canonical_json
from mlcore.core.types import Json
from mlcore.errors import ArtifactCorrupt, ArtifactMissing, quoted

FILE_NAME = "anomalies.json"


class AnomalyType(StrEnum):
    """Kinds of anomalies.

    The first group has the names and the meaning TensorFlow Data Validation gives them; the kinds after
    ``DATASET_EMPTY`` are our own, of faults that a schema cannot state.
    """

    SCHEMA_MISSING_COLUMN = "SCHEMA_MISSING_COLUMN"
    SCHEMA_NEW_COLUMN = "SCHEMA_NEW_COLUMN"
    UNEXPECTED_DATA_TYPE = "UNEXPECTED_DATA_TYPE"
    INVALID_FEATURE_SHAPE = "INVALID_FEATURE_SHAPE"
    VALUE_NESTEDNESS_MISMATCH = "VALUE_NESTEDNESS_MISMATCH"
    FEATURE_TYPE_NOT_PRESENT = "FEATURE_TYPE_NOT_PRESENT"
    FEATURE_TYPE_LOW_FRACTION_PRESENT = "FEATURE_TYPE_LOW_FRACTION_PRESENT"
    FEATURE_TYPE_LOW_NUMBER_PRESENT = "FEATURE_TYPE_LOW_NUMBER_PRESENT"
    FEATURE_TYPE_LOW_NUMBER_VALUES = "FEATURE_TYPE_LOW_NUMBER_VALUES"
    FEATURE_TYPE_HIGH_NUMBER_VALUES = "FEATURE_TYPE_HIGH_NUMBER_VALUES"
    FEATURE_TYPE_LOW_UNIQUE = "FEATURE_TYPE_LOW_UNIQUE"
    FEATURE_TYPE_HIGH_UNIQUE = "FEATURE_TYPE_HIGH_UNIQUE"
    FEATURE_TYPE_NO_UNIQUE = "FEATURE_TYPE_NO_UNIQUE"
    ENUM_TYPE_UNEXPECTED_STRING_VALUES = "ENUM_TYPE_UNEXPECTED_STRING_VALUES"
    ENUM_TYPE_INVALID_UTF8 = "ENUM_TYPE_INVALID_UTF8"
    INT_TYPE_SMALL_INT = "INT_TYPE_SMALL_INT"
    INT_TYPE_BIG_INT = "INT_TYPE_BIG_INT"
    INT_TYPE_NOT_INT_STRING = "INT_TYPE_NOT_INT_STRING"
    FLOAT_TYPE_SMALL_FLOAT = "FLOAT_TYPE_SMALL_FLOAT"
    FLOAT_TYPE_BIG_FLOAT = "FLOAT_TYPE_BIG_FLOAT"
    FLOAT_TYPE_STRING_NOT_FLOAT = "FLOAT_TYPE_STRING_NOT_FLOAT"
    FLOAT_TYPE_HAS_NAN = "FLOAT_TYPE_HAS_NAN"
    FLOAT_TYPE_HAS_INF = "FLOAT_TYPE_HAS_INF"
    BOOL_TYPE_SMALL_INT = "BOOL_TYPE_SMALL_INT"
    BOOL_TYPE_BIG_INT = "BOOL_TYPE_BIG_INT"
    BOOL_TYPE_UNEXPECTED_STRING = "BOOL_TYPE_UNEXPECTED_STRING"
    BOOL_TYPE_UNEXPECTED_FLOAT = "BOOL_TYPE_UNEXPECTED_FLOAT"
    COMPARATOR_L_INFTY_HIGH = "COMPARATOR_L_INFTY_HIGH"
    COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH = "COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH"
    COMPARATOR_NORMALIZED_ABSOLUTE_DIFFERENCE_HIGH = "COMPARATOR_NORMALIZED_ABSOLUTE_DIFFERENCE_HIGH"
    COMPARATOR_CONTROL_DATA_MISSING = "COMPARATOR_CONTROL_DATA_MISSING"
    COMPARATOR_LOW_NUM_EXAMPLES = "COMPARATOR_LOW_NUM_EXAMPLES"
    COMPARATOR_HIGH_NUM_EXAMPLES = "COMPARATOR_HIGH_NUM_EXAMPLES"
    DATASET_LOW_NUM_EXAMPLES = "DATASET_LOW_NUM_EXAMPLES"
    DATASET_HIGH_NUM_EXAMPLES = "DATASET_HIGH_NUM_EXAMPLES"

    DATASET_EMPTY = "DATASET_EMPTY"
    UNUSUAL_VOLUME = "UNUSUAL_VOLUME"
    STALE_EVENTS = "STALE_EVENTS"
    FUTURE_EVENTS = "FUTURE_EVENTS"
    DUPLICATE_KEYS = "DUPLICATE_KEYS"
    KEYS_IN_BOTH_SPLITS = "KEYS_IN_BOTH_SPLITS"
    CONSTANT_COLUMN = "CONSTANT_COLUMN"
    SHIFTED_COLUMN = "SHIFTED_COLUMN"
    LABEL_LEAKAGE = "LABEL_LEAKAGE"
    SHIFTED_LABEL = "SHIFTED_LABEL"
    TARGET_STATISTIC = "TARGET_STATISTIC"
    TWINS_IN_BOTH_SPLITS = "TWINS_IN_BOTH_SPLITS"
    FEATURE_FROM_THE_FUTURE = "FEATURE_FROM_THE_FUTURE"
    UNIT_CHANGE = "UNIT_CHANGE"
    ROUNDED_VALUES = "ROUNDED_VALUES"
    DAMAGED_ENCODING = "DAMAGED_ENCODING"
    RENAMED_CATEGORY = "RENAMED_CATEGORY"
    BAD_ROWS = "BAD_ROWS"

    @property
    def source(self) -> str:
        """``tfdv`` for the kinds TensorFlow Data Validation has, ``mlcore`` for our own."""
        return "mlcore" if self in _OWN else "tfdv"


_OWN = frozenset(list(AnomalyType)[list(AnomalyType).index(AnomalyType.DATASET_EMPTY) :])


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
        expected: What the schema says, or what earlier data had.
        since: The first span of the dataset that shows it, where the spans were given.
        examples: A few rows that show it, their values as bounded texts, where the rows were at hand.
        remedy: What to do about it: a command that accepts it, or what to correct.
        environment: Of the schema, where the data that shows it is of one: the serving log's.
    """

    type: AnomalyType
    severity: Severity
    description: str
    feature: str | None = None
    observed: Json = None
    expected: Json = None
    since: str | None = None
    examples: tuple[Mapping[str, str | None], ...] = ()
    remedy: str = ""
    environment: str | None = None

    def __str__(self) -> str:
        since = f" (since {self.since})" if self.since else ""
        where = f" in {self.environment}" if self.environment else ""
        return f"{self.severity} {self.type} {self.feature or 'dataset'}{where}: {self.description}{since}"

    @property
    def key(self) -> tuple[AnomalyType, str | None]:
        """What tells two anomalies of one dataset apart."""
        return self.type, self.feature

    def to_json(self) -> dict[str, Json]:
        """The anomaly as JSON; ``source`` says whether the kind is TensorFlow Data Validation's or our own."""
        return {
            "feature": self.feature,
            "reason": self.type.value,
            "severity": self.severity.value,
            "description": self.description,
            "observed": self.observed,
            "expected": self.expected,
            "since": self.since,
            "examples": [dict(row) for row in self.examples],
            "remedy": self.remedy,
            "environment": self.environment,
            "source": self.type.source,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> Anomaly:
        """The anomaly of what :meth:`to_json` gave."""
        fields = {name: item for name, item in value.items() if name not in ("source", "reason")}
        rows = fields.pop("examples")
        return cls(
            **{
                **fields,
                "type": AnomalyType(str(value["reason"])),
                "severity": Severity(str(value["severity"])),
                "examples": tuple(rows) if isinstance(rows, list) else (),
            }  # type: ignore[arg-type]  # a wrong field is a TypeError
        )


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
        return tuple(Anomaly.from_json(item) for item in json.loads(path.read_bytes())["anomalies"])
    except OSError as error:
        raise ArtifactMissing(
            f"cannot open the anomalies: {error.strerror or error}", where=str(path), next_step="run the pipeline again"
        ) from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ArtifactCorrupt(
            f"the anomalies cannot be read: {quoted(str(error))}", where=str(path), next_step="run the pipeline again"
        ) from error
