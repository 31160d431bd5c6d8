"""``tracking``: where runs and registered models are mirrored to, for people and tools that look there."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from mlcore.config.fields import Duration, Section

_ASKED = "${MLFLOW_TRACKING_URI}"


class Mlflow(Section):
    """An MLflow tracking server with its model registry.

    ``${NAME}`` in ``uri`` is replaced by the environment variable. Tokens, passwords and certificates are read by
    MLflow itself, from the variables that it documents (``MLFLOW_TRACKING_TOKEN`` and others).
    """

    uri: str = Field(default=_ASKED, min_length=1, description="By default what MLFLOW_TRACKING_URI says")
    experiment: str | None = Field(default=None, min_length=1, max_length=500, description="By default the pipeline's")
    model: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_. -]+$",
        max_length=250,
        description="Name of the registered model; by default the pipeline's",
    )
    max_wait: Duration = Field(
        default=timedelta(minutes=1), description="How long the end of a run may be mirrored before it is put off"
    )

    @field_validator("uri")
    @classmethod
    def _no_password(cls, value: str) -> str:
        """Secrets stand in the environment, not in files."""
        try:
            password = urlsplit(value).password
        except ValueError as error:
            raise ValueError("uri is no URL; write http://host:5000, or ${NAME}") from error
        if password and "${" not in password:
            raise ValueError("uri holds a password; write ${NAME} in its place and set NAME in the environment")
        return value


class Tracking(Section):
    """What mirrors runs to other systems; our own store stays the truth."""

    mlflow: Mlflow | None = None
