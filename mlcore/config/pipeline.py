"""The pipeline file: every key a user may write, what it means and what it may hold.

``extra="forbid"`` everywhere: a misspelt key is an error that names it, never a silent default.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    Tag,
    model_validator,
)

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

    type: Literal["csv"]
    path: str = Field(min_length=1)
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    encoding: str = "utf-8"
    null_values: tuple[str, ...] = ("",)


_PASSWORD = re.compile(r"://[^/@]*:([^@]*)@|[?&](?:ssl)?password=([^&]*)")
_POSTGRES = ("postgres://", "postgresql://", "postgresql+psycopg2://", "${")


class PostgresSource(Section):
    """Rows of a PostgreSQL table or query, divided into spans by ``data.event_timestamp``.

    Give ``table`` or ``query``, and ``url`` or ``connection``. ``${NAME}`` in the URL is replaced by the environment
    variable, so that no secret stands in the file; ``connection`` is an Airflow connection, ``AIRFLOW_CONN_<NAME>``.
    """

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


class Data(Section):
    source: CsvSource
    columns: dict[str, ColumnType] = Field(min_length=1)
    event_timestamp: str
    key: tuple[str, ...] = Field(min_length=1)
    span: Duration
    label: Label

    @model_validator(mode="after")
    def _columns_exist(self) -> Data:
        for name, column in (
            ("event_timestamp", self.event_timestamp),
            ("label.column", self.label.column),
            *((f"key.{index}", column) for index, column in enumerate(self.key)),
        ):
            if column not in self.columns:
                raise ValueError(f"{name}: column {column!r} is not in data.columns ({', '.join(self.columns)})")
        if self.columns[self.event_timestamp] != "timestamp":
            raise ValueError(f"event_timestamp: column {self.event_timestamp!r} must be of type timestamp")
        return self


class Window(Section):
    train: Duration
    eval: Duration


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
    current: Duration = timedelta(days=7)
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

    @model_validator(mode="after")
    def _references_exist(self) -> PipelineConfig:
        columns = self.data.columns
        for name, feature in self.features.items():
            column = feature.column or name
            if column not in columns:
                raise ValueError(f"features.{name}: column {column!r} is not in data.columns ({', '.join(columns)})")
            if column == self.data.label.column:
                raise ValueError(f"features.{name}: column {column!r} is the label's: a model must not see it")
        for part in self.evaluation.slices:
            for column in part:
                if column not in columns:
                    raise ValueError(f"evaluation.slices: column {column!r} is not in data.columns")
        for name, length in (("train", self.window.train), ("eval", self.window.eval)):
            if length % self.data.span:
                raise ValueError(f"window.{name}: {length} is not a whole number of data.span ({self.data.span})")
        return self
