"""``lineage``: where OpenLineage events of executions and alias moves go."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from mlcore.config.fields import Duration, Section

SCHEMAS = "urn:mlcore:openlineage:facets"
_VARIABLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")


class Lineage(Section):
    """A file, or an HTTP endpoint, that is told what every execution read and made.

    ``${NAME}`` in ``url`` and ``token`` is replaced by the environment variable; neither may hold a secret itself.
    """

    file: str | None = Field(
        default=None, min_length=1, description="JSON Lines, appended to; a relative path starts at MLCORE_HOME"
    )
    url: str | None = Field(
        default=None, min_length=1, repr=False, description="An address without a path means /api/v1/lineage there"
    )
    token: str | None = Field(default=None, repr=False, description="${NAME}: sent as a bearer token")
    namespace: str = Field(default="mlcore", min_length=1, max_length=200, description="Of our jobs")
    airflow_namespace: str = Field(
        default="default", min_length=1, max_length=200, description="What Airflow's own OpenLineage provider is given"
    )
    schemas: str = Field(
        default=SCHEMAS,
        pattern=r"^[a-z][a-z0-9+.-]*:\S+$",
        description="Where the JSON Schemas of our own facets are published: what their _schemaURL begins with",
    )
    timeout: Duration = Field(default=timedelta(seconds=3), description="For the endpoint's answer to one event")
    max_wait: Duration = Field(
        default=timedelta(seconds=10), description="How long the end of a run or task may wait for what is not sent yet"
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.file is None) == (self.url is None):
            raise ValueError("write either file or url")
        if self.token is not None and self.url is None:
            raise ValueError("token is for url; a file needs none")
        return self

    @field_validator("file")
    @classmethod
    def _local(cls, value: str | None) -> str | None:
        if value and "://" in value:
            raise ValueError("file is a path of this machine, no URL")
        return value

    @model_validator(mode="after")
    def _no_secret(self) -> Self:
        """Secrets stand in the environment. Checked for the whole section: the message for one key would quote it."""
        if self.token is not None and not _VARIABLE.fullmatch(self.token):
            raise ValueError("token is the secret itself; write ${NAME} and set NAME in the environment")
        if self.url is not None and not _VARIABLE.fullmatch(self.url):
            _check_url(self.url)
        return self


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("url is no URL; write http://host:5000, or ${NAME}") from None
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError("url is no HTTP address; write http://host:5000, or ${NAME}")
    if "@" in parts.netloc:
        raise ValueError("url holds a user or a password; write token: ${NAME} and set NAME in the environment")
