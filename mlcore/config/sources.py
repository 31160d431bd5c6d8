"""``data.source``: where rows come from, a class a type."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import entry_points
from typing import Annotated, ClassVar, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import ConfigDict, Discriminator, Field, JsonValue, Tag, field_validator, model_validator

from mlcore.config.fields import Pattern, Section

_SOME_MOMENT = datetime(2013, 1, 31, 10, 20, 30, tzinfo=UTC)
_SECRET = re.compile(r"://[^/@]*:[^/@]+@")


class FileSource(Section):
    """A source whose spans are files."""

    places: ClassVar[set[str]] = {"path"}
    """Keys that say where rows are, not what they mean: equal rows of elsewhere are no news."""
    path: Pattern

    @model_validator(mode="after")
    def _without_secret(self) -> Self:
        """Checked for the whole section: the message for one key would quote it."""
        if _SECRET.search(self.path):
            raise ValueError("path is a URL with a password; leave it out, and give it to the process's environment")
        return self


class CsvSource(FileSource):
    """CSV files with a header, found by a pattern of each span's start: ``{YYYY}``, ``{MM}``, ``{DD}``, ``{HH}``.

    A path, a glob, a folder or a URL of any of these (``s3://lake/{YYYY}/{MM}/{DD}/*.csv.gz``). A file that ends in
    ``.gz`` or ``.zst`` is decompressed. A relative path starts at the project folder.
    """

    type: Literal["csv"]
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    quote: str = Field(default='"', max_length=1, description="Stands around cells; empty: quotes are ordinary text")
    encoding: str = "utf-8"
    null_values: tuple[str, ...] = ("",)
    quoted_nulls: bool = Field(default=True, description='false: "" is an empty string, and only a bare cell missing')
    decimal: Literal[".", ","] = Field(default=".", description="Stands before the decimals of a number")
    true_values: tuple[str, ...] = Field(default=("1", "true", "TRUE", "True"), min_length=1)
    false_values: tuple[str, ...] = Field(default=("0", "false", "FALSE", "False"), min_length=1)
    formats: dict[str, str] = Field(
        default={}, description="By column, how its dates or moments are written, as in datetime.strptime: %d.%m.%Y"
    )
    timezone: str | None = Field(default=None, description="Of moments without an offset, for instance Europe/Berlin")

    @field_validator("formats")
    @classmethod
    def _can_be_read(cls, value: dict[str, str]) -> dict[str, str]:
        for column, form in value.items():
            try:
                datetime.strptime(_SOME_MOMENT.strftime(form), form)  # noqa: DTZ007
            except ValueError as error:
                raise ValueError(f"{column}: {form[:60]!r} is no format of dates: {error}") from None
            if "%" not in form:
                raise ValueError(f"{column}: {form[:60]!r} is no format of dates, write for instance %d.%m.%Y")
        return value

    @field_validator("timezone")
    @classmethod
    def _is_known(cls, value: str | None) -> str | None:
        try:
            return value if value is None else ZoneInfo(value).key
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"there is no time zone {value!r:.60}; write one like Europe/Berlin or UTC") from None

    @model_validator(mode="after")
    def _true_is_not_false(self) -> Self:
        both = sorted(set(self.true_values) & set(self.false_values))
        if both:
            raise ValueError(f"{both[0]!r} is in true_values and in false_values")
        return self

    def check_formats(self, columns: Mapping[str, str]) -> None:
        """Raises ``ValueError`` where a format is of a column that holds neither dates nor moments, or of no moment."""
        for column, form in self.formats.items():
            kind = columns.get(column)
            if kind not in ("date", "timestamp"):
                raise ValueError(f"formats: {column!r} is no date or timestamp of data.columns")
            if kind == "timestamp" and "%z" not in form and self.timezone is None:
                raise ValueError(f"formats.{column}: no offset (%z) is read, so timezone must say whose clock it was")


class JsonLinesSource(FileSource):
    """JSON Lines files: an object a line, whose members are the columns; ``path`` as for CSV."""

    type: Literal["json_lines"]


class ParquetSource(FileSource):
    """Parquet files; ``path`` as for CSV. ``year=2013`` in the name of a folder is a column."""

    type: Literal["parquet"]


SOURCE_TYPES = ("csv", "json_lines", "parquet", "postgres")
SOURCE_PLUGINS = "mlcore.sources"
"""The group of the entry points that read further formats: by the source's type, a function."""


class PluginSource(FileSource):
    """Files in a format that an installed package reads; ``path`` as for CSV, other keys are the format's."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str

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


class PostgresAddress(Section):
    """Where a PostgreSQL database is: give ``url`` or ``connection``.

    ``${NAME}`` in the URL is replaced by the environment variable, so that no secret stands in the file;
    ``connection`` is an Airflow connection, ``AIRFLOW_CONN_<NAME>``.
    """

    url: str | None = Field(default=None, repr=False)
    connection: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        if (self.url is None) == (self.connection is None):
            raise ValueError("give either url or connection")
        return self

    @model_validator(mode="after")
    def _without_password(self) -> Self:
        """Checked for the whole section: the message for one key would quote it."""
        found = _PASSWORD.search(self.url or "")
        if found and "${" not in (found[1] or found[2] or ""):
            raise ValueError("url holds a password; write ${NAME} in its place and set NAME in the environment")
        if self.url and not self.url.startswith(_POSTGRES):
            raise ValueError("url is no PostgreSQL URL; write postgresql://user:${NAME}@host:5432/database, or ${NAME}")
        return self


class PostgresSource(PostgresAddress):
    """Rows of a PostgreSQL table or query, divided into spans by ``data.event_timestamp``.

    Give ``table`` or ``query``, and ``url`` or ``connection``.
    """

    places: ClassVar[set[str]] = {
        "table", "query", "url", "connection", "partition_by", "connections", "updated_at",
    }  # fmt: skip
    """Keys that say where rows are and who reads them, not what they mean: equal rows of elsewhere are no news."""

    type: Literal["postgres"]
    table: str | None = Field(default=None, min_length=1, description="A table or view: public.flights")
    query: str | None = Field(default=None, min_length=1, description="One SELECT")
    partition_by: str | None = Field(default=None, description="An integer column whose ranges are read side by side")
    connections: int = Field(default=2, ge=1, le=16, description="How many connections read at once")
    updated_at: str | None = Field(
        default=None, description="A timestamp column that every change raises: unchanged spans are told by it"
    )

    @model_validator(mode="after")
    def _one_of_each(self) -> PostgresSource:
        if (self.table is None) == (self.query is None):
            raise ValueError("give either table or query")
        return self


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
