"""``push.destinations``: where the models that aliases name are shown beside the registry."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, JsonValue, Tag, field_validator, model_validator

from mlcore.config.fields import Duration, Section

_SECRET = re.compile(r"://[^/@]*:[^/@]+@")
_CLASS = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_ALIAS = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
_FOLDER = "folder"


class _Destination(Section):
    """What every destination has."""

    aliases: tuple[_ALIAS, ...] = Field(
        default=("champion",), min_length=1, description="Shown there: champion, previous, challenger, or your own"
    )
    max_wait: Duration = Field(
        default=timedelta(minutes=10), description="How long a push may wait for it before the rest is put off"
    )

    @field_validator("aliases")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError("an alias is there twice")
        return value


class FolderConfig(_Destination):
    """A folder or a bucket with a subfolder a version, and a pointer an alias for servers that watch it.

    ``${NAME}`` in ``url`` is replaced by the environment variable. A relative path starts at the project folder.
    """

    type: Literal["folder"]
    url: str = Field(min_length=1, repr=False, description="A path, s3://bucket/models, gs://... or abfs://...")
    keep: int = Field(default=3, ge=1, description="So many of the newest versions stay, beside those that are shown")
    format: Literal["mlcore", "mlflow"] = Field(default="mlcore", description="mlflow: as MLflow loads and serves it")

    @model_validator(mode="after")
    def _without_secret(self) -> FolderConfig:
        """Checked for the whole section: the message for one key would quote it."""
        if _SECRET.search(self.url) and "${" not in self.url:
            raise ValueError("url holds a password; write ${NAME} in its place, or give it to the environment")
        return self

    @property
    def options(self) -> dict[str, Any]:
        return {"url": self.url, "keep": self.keep, "format": self.format}

    @property
    def shown(self) -> str:
        """What it is called in logs: as it is written, with no secret in it."""
        return f"{self.type} {self.url}"


class PluginConfig(_Destination):
    """A destination of the project's own: the import path of its class; other keys are its options."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str

    @field_validator("type")
    @classmethod
    def _importable(cls, value: str) -> str:
        if value == "mlflow":
            raise ValueError("MLflow follows the registry by tracking.mlflow; write that block, and nothing here")
        if not _CLASS.fullmatch(value):
            raise ValueError(
                f"there is no destination of type {value[:60]!r}; write {_FOLDER}, or the import path of a class"
            )
        return value

    @property
    def options(self) -> dict[str, JsonValue]:
        return dict(self.model_extra or {})

    @property
    def shown(self) -> str:
        """What it is called in logs; options may hold what nobody is to see."""
        return self.type


def _kind(value: object) -> str:
    kind = value.get("type") if isinstance(value, Mapping) else getattr(value, "type", None)
    return _FOLDER if kind == _FOLDER else "plugin"


DestinationConfig = Annotated[
    Annotated[FolderConfig, Tag(_FOLDER)] | Annotated[PluginConfig, Tag("plugin")], Discriminator(_kind)
]
