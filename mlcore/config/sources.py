"""``data.source``: where rows come from, a class a type."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Annotated, ClassVar, Literal, Self

from pydantic import ConfigDict, Discriminator, Field, JsonValue, Tag, field_validator, model_validator

from mlcore.config.fields import Pattern, Section

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
