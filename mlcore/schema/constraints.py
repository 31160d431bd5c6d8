"""What a schema may ask of one feature or of a dataset, by the names of TensorFlow Metadata's ``schema.proto``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from mlcore.errors import MlcoreError


class InvalidSchema(MlcoreError, ValueError):
    """A schema that contradicts itself, or a document that is none."""


class LifecycleStage(StrEnum):
    """How far a feature is; only stages that are in use are validated.

    ``PLANNED``, ``ALPHA``, ``DEPRECATED``, ``DEBUG_ONLY`` and ``DISABLED`` are not: their column may be there or not,
    and hold anything.
    """

    PLANNED = "PLANNED"
    ALPHA = "ALPHA"
    BETA = "BETA"
    PRODUCTION = "PRODUCTION"
    DEPRECATED = "DEPRECATED"
    DEBUG_ONLY = "DEBUG_ONLY"
    DISABLED = "DISABLED"
    VALIDATION_DERIVED = "VALIDATION_DERIVED"

    @property
    def validated(self) -> bool:
        """Whether a feature in this stage is checked at all."""
        return self in (LifecycleStage.BETA, LifecycleStage.PRODUCTION, LifecycleStage.VALIDATION_DERIVED)


class HistogramSource(StrEnum):
    """Which histogram a Jensen-Shannon divergence of numbers is computed from."""

    STANDARD = "STANDARD"
    QUANTILES = "QUANTILES"


class IntegerTimeFormat(StrEnum):
    """What an integer that is a time counts."""

    UNIX_DAYS = "UNIX_DAYS"
    UNIX_SECONDS = "UNIX_SECONDS"
    UNIX_MILLISECONDS = "UNIX_MILLISECONDS"
    UNIX_MICROSECONDS = "UNIX_MICROSECONDS"
    UNIX_NANOSECONDS = "UNIX_NANOSECONDS"


@dataclass(frozen=True, kw_only=True, slots=True)
class Presence:
    """How many rows must have a value; the default asks for none.

    Attributes:
        min_fraction: Share of the rows that must have a value; fewer are an ERROR.
        min_count: Rows that must have a value.
        warn_fraction: Share of the rows that should have a value; fewer are a WARNING. Not in TensorFlow Metadata.
    """

    min_fraction: float = 0.0
    min_count: int = 0
    warn_fraction: float = 0.0

    def __post_init__(self) -> None:
        check_share("presence.min_fraction", self.min_fraction)
        check_share("presence.warn_fraction", self.warn_fraction)
        check_count("presence.min_count", self.min_count)

    @property
    def required(self) -> bool:
        """Whether the column must be there at all."""
        return self.min_count > 0 or self.min_fraction > 0


@dataclass(frozen=True, kw_only=True, slots=True)
class ValueCount:
    """How many values a row may have, where it has the feature at all."""

    min: int | None = None
    max: int | None = None

    def __post_init__(self) -> None:
        check_bounds("value_count", self.min, self.max)
        check_count("value_count.min", self.min)


@dataclass(frozen=True, kw_only=True, slots=True)
class StringDomain:
    """The values a string feature may have.

    Attributes:
        values: Sorted, each once.
        min_domain_mass: Share of the values present that must be among them.
        name: Of a domain that several features share, or that is not called like its feature; empty otherwise.
    """

    values: tuple[str, ...]
    min_domain_mass: float = 1.0
    name: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", tuple(sorted(set(self.values))))
        check_share("string_domain.min_domain_mass", self.min_domain_mass)


@dataclass(frozen=True, kw_only=True, slots=True)
class IntDomain:
    """The whole numbers a feature may have, both bounds included.

    Attributes:
        is_categorical: Whether the numbers are identifiers, compared by value and not by size.
    """

    min: int | None = None
    max: int | None = None
    is_categorical: bool = False

    def __post_init__(self) -> None:
        check_bounds("int_domain", self.min, self.max)


@dataclass(frozen=True, kw_only=True, slots=True)
class FloatDomain:
    """The numbers a feature may have, both bounds included; they bind finite numbers only."""

    min: float | None = None
    max: float | None = None
    disallow_nan: bool = False
    disallow_inf: bool = False
    is_categorical: bool = False

    def __post_init__(self) -> None:
        check_bounds("float_domain", self.min, self.max)


@dataclass(frozen=True, kw_only=True, slots=True)
class BoolDomain:
    """A truth value that is stored as a string, or as the numbers 0 and 1 where no strings are given."""

    true_value: str | None = None
    false_value: str | None = None

    def __post_init__(self) -> None:
        if self.true_value is not None and self.true_value == self.false_value:
            raise InvalidSchema("bool_domain: true_value and false_value are the same")


@dataclass(frozen=True, kw_only=True, slots=True)
class TimeDomain:
    """A time that is stored as a string of a format (as in ``strptime``), or as a whole number."""

    string_format: str | None = None
    integer_format: IntegerTimeFormat | None = None

    def __post_init__(self) -> None:
        if (self.string_format is None) == (self.integer_format is None):
            raise InvalidSchema("time_domain: give either string_format or integer_format")


@dataclass(frozen=True, kw_only=True, slots=True)
class UniqueConstraints:
    """How many different values a string or categorical feature may have."""

    min: int | None = None
    max: int | None = None

    def __post_init__(self) -> None:
        check_bounds("unique_constraints", self.min, self.max)
        check_count("unique_constraints.min", self.min)


@dataclass(frozen=True, kw_only=True, slots=True)
class FeatureComparator:
    """How far a distribution may be from another one; each threshold lies in 0 to 1, and more is an anomaly.

    Attributes:
        infinity_norm: Greatest difference of one value's share.
        jensen_shannon_divergence: Approximate, base 2, of the histograms or of the values' shares.
        normalized_abs_difference: Greatest difference of one value's count, relative to the counts of both datasets.
        source: Histogram for the Jensen-Shannon divergence of numbers; ``STANDARD`` where not given.
    """

    infinity_norm: float | None = None
    jensen_shannon_divergence: float | None = None
    normalized_abs_difference: float | None = None
    source: HistogramSource | None = None

    def __post_init__(self) -> None:
        for name in ("infinity_norm", "jensen_shannon_divergence", "normalized_abs_difference"):
            value = getattr(self, name)
            if value is not None:
                check_share(f"comparator.{name}", value)


@dataclass(frozen=True, kw_only=True, slots=True)
class NumericValueComparator:
    """What a number may be, relative to the one before: ``before * min <= now <= before * max``."""

    min_fraction_threshold: float | None = None
    max_fraction_threshold: float | None = None

    def __post_init__(self) -> None:
        check_bounds("comparator", self.min_fraction_threshold, self.max_fraction_threshold)
        check_count("comparator.min_fraction_threshold", self.min_fraction_threshold)


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetConstraints:
    """What is asked of a dataset as a whole.

    Attributes:
        num_examples_drift_comparator: Rows against those of the span before.
        num_examples_version_comparator: Rows against those of the version before of the same span.
    """

    min_examples_count: int | None = None
    max_examples_count: int | None = None
    num_examples_drift_comparator: NumericValueComparator | None = None
    num_examples_version_comparator: NumericValueComparator | None = None

    def __post_init__(self) -> None:
        check_bounds("dataset_constraints", self.min_examples_count, self.max_examples_count)
        check_count("dataset_constraints.min_examples_count", self.min_examples_count)


def check_share(name: str, value: float) -> None:
    """Refuse what is no share."""
    if not 0.0 <= value <= 1.0:
        raise InvalidSchema(f"{name} is {value}: a share lies between 0 and 1")


def check_count(name: str, value: float | None) -> None:
    """Refuse what is no count."""
    if value is not None and not value >= 0:
        raise InvalidSchema(f"{name} is {value}: it cannot be negative")


def check_bounds(name: str, low: float | None, high: float | None) -> None:
    """Refuse bounds between which nothing lies, and those that are not finite."""
    for bound in (low, high):
        if bound is not None and not math.isfinite(bound):
            raise InvalidSchema(f"{name}: {bound} is no bound; leave the bound out instead")
    if low is not None and high is not None and low > high:
        raise InvalidSchema(f"{name} from {low} to {high} is empty")
