"""The pipeline file: every key a user may write, what it means and what it may hold.

``extra="forbid"`` everywhere: a misspelt key is an error that names it, never a silent default.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from difflib import get_close_matches
from importlib.metadata import entry_points
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    PlainSerializer,
    PrivateAttr,
    Tag,
    TypeAdapter,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from mlcore.core.window import Grain, Months, check_grain, is_whole
from mlcore.errors import WindowError

ColumnType = Literal["string", "int64", "float64", "bool", "date", "timestamp"]

_BYTES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "kB": 10**3, "MB": 10**6, "GB": 10**9}


def _parse_bytes(value: object) -> object:
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", value)
    if match is None or (match[2] or "B") not in _BYTES:
        raise ValueError(f"not a size; write a number with one of {', '.join(_BYTES)}, for instance 1GiB")
    return int(float(match[1]) * _BYTES[match[2] or "B"])


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("must be longer than zero")
    return value


def _not_negative(value: timedelta) -> timedelta:
    if value < timedelta(0):
        raise ValueError("must not be negative")
    return value


_MONTHS = re.compile(r"P(?:(\d{1,4})Y)?(?:(\d{1,5})M)?")
_TIMEDELTA = TypeAdapter(timedelta)


def parse_length(value: object) -> Grain:
    """An ISO 8601 duration: a ``timedelta``, or whole months for ``P1M`` and ``P1Y``.

    Raises:
        ValueError: It is none, or not longer than zero.

    >>> parse_length("P60D"), parse_length("P1Y")
    (datetime.timedelta(days=60), Months(count=12))
    """
    if isinstance(value, Months):
        return value
    found = _MONTHS.fullmatch(value) if isinstance(value, str) else None
    if found and any(found.groups()):
        months = 12 * int(found[1] or 0) + int(found[2] or 0)
        if not months:
            raise ValueError("must be longer than zero")
        return Months(months)
    return _positive(_TIMEDELTA.validate_python(value))


def _span_length(value: Grain) -> Grain:
    try:
        check_grain(value)
    except WindowError as error:
        raise ValueError(f"{error.what}; {error.next_step}") from error
    return value


def _written(value: Grain) -> str:
    return str(value) if isinstance(value, Months) else str(_TIMEDELTA.dump_python(value, mode="json"))


Length = Annotated[
    timedelta | Months,
    BeforeValidator(parse_length),
    PlainSerializer(_written, when_used="json"),
    WithJsonSchema({"type": "string", "format": "duration"}),
]
Duration = Annotated[timedelta, AfterValidator(_positive)]
Delay = Annotated[timedelta, AfterValidator(_not_negative)]
ByteSize = Annotated[int, BeforeValidator(_parse_bytes), Field(gt=0)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


def _cron(value: str) -> str:
    if value.startswith("@") or len(value.split()) == 5:
        return value
    raise ValueError('not a cron expression; write five fields, for instance "0 6 * * MON", or a preset such as @daily')


class Section(BaseModel):
    """A block of the pipeline file: immutable, and strict about its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        """Pydantic's own message does not say what is allowed; this one does, and guesses what was meant."""
        if not isinstance(data, Mapping) or cls.model_config.get("extra") != "forbid":
            return data
        unknown = [str(key) for key in data if key not in cls.model_fields]
        if unknown:
            guess = get_close_matches(unknown[0], cls.model_fields, n=1)
            meant = f"; did you mean {guess[0]!r}?" if guess else ""
            raise ValueError(f"unknown key {unknown[0][:60]!r}; allowed: {', '.join(cls.model_fields)}{meant}")
        return data


class CsvSource(Section):
    """One CSV file a span, found by a pattern of its start: ``{YYYY}``, ``{MM}``, ``{DD}``, ``{HH}``.

    A file that ends in ``.gz`` or ``.zst`` is decompressed. A relative path starts at the project folder.
    """

    places: ClassVar[set[str]] = {"path"}
    type: Literal["csv"]
    path: str = Field(min_length=1)
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    quote: str = Field(default='"', max_length=1, description="Stands around cells; empty: quotes are ordinary text")
    encoding: str = "utf-8"
    null_values: tuple[str, ...] = ("",)
    quoted_nulls: bool = Field(default=True, description='false: "" is an empty string, and only a bare cell missing')


class JsonLinesSource(Section):
    """One JSON Lines file a span: an object a line, whose members are the columns; ``path`` as for CSV."""

    places: ClassVar[set[str]] = {"path"}
    type: Literal["json_lines"]
    path: str = Field(min_length=1)


class ParquetSource(Section):
    """One Parquet file a span; ``path`` as for CSV. ``year=2013`` in the name of a folder is a column."""

    places: ClassVar[set[str]] = {"path"}
    type: Literal["parquet"]
    path: str = Field(min_length=1)


SOURCE_TYPES = ("csv", "json_lines", "parquet", "postgres")
SOURCE_PLUGINS = "mlcore.sources"
"""The group of the entry points that read further formats: by the source's type, a function."""


class PluginSource(Section):
    """One file a span in a format that an installed package reads; ``path`` as for CSV, other keys are the format's."""

    model_config = ConfigDict(extra="allow", frozen=True)

    places: ClassVar[set[str]] = {"path"}
    type: str
    path: str = Field(min_length=1)

    @property
    def options(self) -> dict[str, JsonValue]:
        return dict(self.model_extra or {})

    @field_validator("type")
    @classmethod
    def _installed(cls, value: str) -> str:
        found = sorted(entry_points(group=SOURCE_PLUGINS).names)
        if value not in found:
            allowed = ", ".join(map(repr, (*SOURCE_TYPES, *found)))
            raise ValueError(f"there is no source of type {value[:60]!r}; allowed: {allowed}")
        return value


_PASSWORD = re.compile(r"://[^/@]*:([^@]*)@|[?&](?:ssl)?password=([^&]*)")
_POSTGRES = ("postgres://", "postgresql://", "postgresql+psycopg2://", "${")


class PostgresSource(Section):
    """Rows of a PostgreSQL table or query, divided into spans by ``data.event_timestamp``.

    Give ``table`` or ``query``, and ``url`` or ``connection``. ``${NAME}`` in the URL is replaced by the environment
    variable, so that no secret stands in the file; ``connection`` is an Airflow connection, ``AIRFLOW_CONN_<NAME>``.
    """

    places: ClassVar[set[str]] = {
        "table", "query", "url", "connection", "partition_by", "connections", "updated_at",
    }  # fmt: skip
    """Keys that say where rows are and who reads them, not what they mean: equal rows of elsewhere are no news."""

    type: Literal["postgres"]
    table: str | None = Field(default=None, min_length=1, description="A table or view: public.flights")
    query: str | None = Field(default=None, min_length=1, description="One SELECT")
    url: str | None = Field(default=None, repr=False)
    connection: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    partition_by: str | None = Field(default=None, description="An integer column whose ranges are read side by side")
    connections: int = Field(default=2, ge=1, le=16, description="How many connections read at once")
    updated_at: str | None = Field(
        default=None, description="A timestamp column that every change raises: unchanged spans are told by it"
    )

    @model_validator(mode="after")
    def _one_of_each(self) -> PostgresSource:
        if (self.table is None) == (self.query is None):
            raise ValueError("give either table or query")
        if (self.url is None) == (self.connection is None):
            raise ValueError("give either url or connection")
        return self

    @model_validator(mode="after")
    def _without_password(self) -> PostgresSource:
        """Checked for the whole section: the message for one key would quote it."""
        found = _PASSWORD.search(self.url or "")
        if found and "${" not in (found[1] or found[2] or ""):
            raise ValueError("url holds a password; write ${NAME} in its place and set NAME in the environment")
        if self.url and not self.url.startswith(_POSTGRES):
            raise ValueError("url is no PostgreSQL URL; write postgresql://user:${NAME}@host:5432/database, or ${NAME}")
        return self


class Label(Section):
    """What is predicted.

    ``column`` holds the raw outcome; with ``above`` the label is 1 where the outcome is greater and 0 where it is not.
    A row whose outcome is missing has no label: it is kept, and neither trained nor evaluated on.
    """

    name: str
    column: str
    above: float | None = None
    delay: Delay = timedelta(0)


class Complete(Section):
    """When a span is complete: before, it is not there, and a run waits for it or does without it."""

    marker: str | None = Field(default=None, min_length=1, description="A file that says so; a pattern as source.path")
    min_rows: int = Field(default=1, ge=1, description="A span of fewer rows is not complete")
    columns: tuple[str, ...] = Field(default=(), description="Columns without any value mean: not complete")


class TimeSplit(Section):
    """Evaluation rows come after training rows."""

    by: Literal["time"] = "time"

    @property
    def reads(self) -> tuple[tuple[str, str], ...]:
        """The columns it reads, by the key that names them."""
        return ()


class HashSplit(Section):
    """A row is for evaluation when the hash of its key, or of what it is grouped by, is among the first ``evaluation``.

    Training and evaluation rows come from the same spans; one key is always on the same side.
    """

    by: Literal["hash"]
    evaluation: float = Field(gt=0, lt=1, description="About this share of the keys is for evaluation")
    split_by: tuple[str, ...] = Field(default=(), description="Columns whose rows stay together; data.key by default")

    @model_validator(mode="before")
    @classmethod
    def _one_column(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and isinstance(data.get("split_by"), str):
            return {**data, "split_by": (data["split_by"],)}
        return data

    @property
    def reads(self) -> tuple[tuple[str, str], ...]:
        """The columns it reads, by the key that names them."""
        return tuple((f"split_by.{index}", column) for index, column in enumerate(self.split_by))


class ColumnSplit(Section):
    """A column says which rows are for what; rows with another value are for neither, and counted."""

    by: Literal["column"]
    column: str
    train: tuple[str, ...] = ("train",)
    evaluation: tuple[str, ...] = ("eval", "evaluation", "test", "validation")
    split_by: tuple[str, ...] = Field(
        default=(), description="Columns whose rows must be on one side; data.key by default"
    )

    @model_validator(mode="before")
    @classmethod
    def _lists(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        return {
            name: (value,) if name in ("train", "evaluation", "split_by") and isinstance(value, str) else value
            for name, value in data.items()
        }

    @model_validator(mode="after")
    def _apart(self) -> ColumnSplit:
        both = sorted(set(self.train) & set(self.evaluation))
        if both:
            raise ValueError(f"{both[0]!r} is named for training and for evaluation")
        return self

    @property
    def reads(self) -> tuple[tuple[str, str], ...]:
        """The columns it reads, by the key that names them."""
        return ("column", self.column), *((f"split_by.{index}", name) for index, name in enumerate(self.split_by))


Split = TimeSplit | HashSplit | ColumnSplit


def _source_kind(value: object) -> str:
    kind = value.get("type") if isinstance(value, Mapping) else getattr(value, "type", None)
    return str(kind) if kind in SOURCE_TYPES else "plugin"


Source = Annotated[
    Annotated[CsvSource, Tag("csv")]
    | Annotated[JsonLinesSource, Tag("json_lines")]
    | Annotated[ParquetSource, Tag("parquet")]
    | Annotated[PostgresSource, Tag("postgres")]
    | Annotated[PluginSource, Tag("plugin")],
    Discriminator(_source_kind),
]


class Data(Section):
    source: Source
    columns: dict[str, ColumnType] = Field(min_length=1)
    event_timestamp: str
    key: tuple[str, ...] = Field(min_length=1)
    span: Annotated[Length, AfterValidator(_span_length)]
    label: Label
    complete: Complete = Complete()
    split: Split = Field(default=TimeSplit(), discriminator="by")
    max_bad_fraction: float = Field(
        default=0.0, ge=0, lt=1, description="So much of a span's rows may be bad: they go to quarantine"
    )

    @model_validator(mode="after")
    def _columns_exist(self) -> Data:
        for name, column in (
            *((f"complete.columns.{index}", column) for index, column in enumerate(self.complete.columns)),
            *((f"split.{name}", column) for name, column in self.split.reads),
            ("event_timestamp", self.event_timestamp),
            ("label.column", self.label.column),
            *((f"key.{index}", column) for index, column in enumerate(self.key)),
        ):
            if column not in self.columns:
                raise ValueError(f"{name}: column {column!r} is not in data.columns ({', '.join(self.columns)})")
        if self.columns[self.event_timestamp] != "timestamp":
            raise ValueError(f"event_timestamp: column {self.event_timestamp!r} must be of type timestamp")
        return self


Share = Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, le=1)]


class MinSpans(Section):
    """How many spans of a window must be there: a number, or a fraction such as 0.9; by default all."""

    train: Share = 1.0
    eval: Share = 1.0


class Window(Section):
    """How much to train and evaluate on; ``eval`` is left out where ``data.split`` is not by time."""

    train: Length
    eval: Length | None = None
    min_spans: MinSpans = MinSpans()

    @model_validator(mode="before")
    @classmethod
    def _one_for_both(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and isinstance(data.get("min_spans"), int | float):
            return {**data, "min_spans": {"train": data["min_spans"], "eval": data["min_spans"]}}
        return data


class Feature(Section):
    """One input of the model: a mapper by name, the column it reads (the feature's own name by default).

    Keys beyond these are the mapper's own and are checked by it.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    transform: str
    column: str | None = None
    doc: str = ""
    owner: str = ""

    @property
    def options(self) -> dict[str, JsonValue]:
        return dict(self.model_extra or {})


class Model(Section):
    estimator: str = Field(pattern=r"^[A-Za-z_][\w]*(\.[A-Za-z_][\w]*)+$")
    params: dict[str, JsonValue] = Field(default_factory=dict)


class ValueCriterion(Section):
    """The metric's confidence bound on the safe side must reach ``threshold``."""

    metric: str
    threshold: float
    confidence: float = Field(default=0.95, gt=0.5, lt=1)


class ChampionCriterion(Section):
    """Not worse than the champion on the same rows by more than ``max_regression``, at ``confidence``."""

    metric: str
    against: Literal["champion"]
    max_regression: float = Field(default=0.0, ge=0)
    confidence: float = Field(default=0.95, gt=0.5, lt=1)


def _criterion_kind(value: object) -> str:
    given = value if isinstance(value, Mapping) else getattr(value, "__dict__", {})
    return "champion" if "against" in given else "threshold"


Criterion = Annotated[
    Annotated[ValueCriterion, Tag("threshold")] | Annotated[ChampionCriterion, Tag("champion")],
    Discriminator(_criterion_kind),
]


class Evaluation(Section):
    metrics: tuple[str, ...] = ("roc_auc", "log_loss", "brier", "calibration_error")
    slices: tuple[tuple[str, ...], ...] = ((),)
    min_slice_rows: int = Field(default=100, ge=1)
    validation_criteria: tuple[Criterion, ...] = ()


class Infra(Section):
    max_latency_p99: Duration = timedelta(seconds=1)
    max_memory: ByteSize = 2**31


class Push(Section):
    infra: Infra = Infra()


class Drift(Section):
    """A feature drifts when its distance is at least ``min_distance`` and beyond what the reference's own days show."""

    min_distance: float = Field(default=0.1, gt=0, le=1)
    max_features: int = Field(default=0, ge=0, description="Retrain when more features than this drift")


class Performance(Section):
    metric: str = "roc_auc"
    max_decay: float = Field(default=0.05, ge=0)


class Retrain(Section):
    max_age: Duration | None = None


class Monitor(Section):
    schedule: Annotated[str, AfterValidator(_cron)]
    current: Length = timedelta(days=7)
    report_rows: int = Field(default=20_000, ge=100, le=200_000)
    drift: Drift = Drift()
    performance: Performance = Performance()
    retrain: Retrain = Retrain()


class Alerts(Section):
    """Apprise URLs; ``${NAME}`` is replaced by the environment variable, so that no secret stands in the file."""

    urls: tuple[str, ...] = ()


BeamValue = bool | int | float | str


class Beam(Section):
    """Where the heavy jobs run: statistics and transform analysis of new spans. The results are the same everywhere.

    ``options`` are Beam's own, by their names without the dashes.
    """

    runner: Literal["FnApiRunner", "FlinkRunner", "SparkRunner", "DataflowRunner", "PortableRunner"] = "FnApiRunner"
    options: dict[str, BeamValue | tuple[BeamValue, ...]] = Field(default_factory=dict)


class PlatformConfig(Section):
    """What all pipelines of a project share: ``config/platform.yaml``, which need not be there."""

    beam: Beam = Beam()


class PipelineConfig(Section):
    """One model's continuous training: ``config/pipelines/<name>.yaml``."""

    name: Name
    description: str = ""
    owner: str = ""
    schedule: Annotated[str, AfterValidator(_cron)]
    start_date: date
    end_date: date | None = Field(default=None, description="No scheduled run starts after this day")
    data: Data
    window: Window
    features: dict[str, Feature] = Field(min_length=1)
    model: Model
    evaluation: Evaluation = Evaluation()
    push: Push = Push()
    monitor: Monitor | None = None
    alerts: Alerts = Alerts()
    beam: Beam | None = Field(default=None, description="By default what config/platform.yaml says")

    _owned_schema: str | None = PrivateAttr(default=None)

    @property
    def owned_schema(self) -> str | None:
        """The text of ``config/schemas/<name>.yaml``, where people own the schema; the loader reads it."""
        return self._owned_schema

    @model_validator(mode="after")
    def _references_exist(self) -> PipelineConfig:
        columns = self.data.columns
        for name, feature in self.features.items():
            column = feature.column or name
            if column not in columns:
                raise ValueError(f"features.{name}: column {column!r} is not in data.columns ({', '.join(columns)})")
            if column == self.data.label.column:
                raise ValueError(f"features.{name}: column {column!r} is the label's: a model must not see it")
            if isinstance(self.data.split, ColumnSplit) and column == self.data.split.column:
                raise ValueError(f"features.{name}: column {column!r} splits the rows: it is no feature")
        for part in self.evaluation.slices:
            for column in part:
                if column not in columns:
                    raise ValueError(f"evaluation.slices: column {column!r} is not in data.columns")
        self._check_window()
        return self

    def _check_window(self) -> None:
        by_time = isinstance(self.data.split, TimeSplit)
        if by_time and self.window.eval is None:
            raise ValueError("window.eval: missing; write how much of the newest data to evaluate on, for instance P7D")
        if not by_time and self.window.eval is not None:
            raise ValueError(
                f"window.eval: rows are split by {self.data.split.by} within window.train; leave window.eval out"
            )
        for name, length in (("train", self.window.train), ("eval", self.window.eval)):
            if length is not None and not is_whole(length, self.data.span):
                raise ValueError(f"window.{name}: {length} is not a whole number of data.span ({self.data.span})")
