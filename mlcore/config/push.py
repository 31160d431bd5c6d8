"""``push``: who has a say before a model becomes the champion, and what it may cost to serve."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field, model_validator

from mlcore.config.destinations import DestinationConfig, FolderConfig
from mlcore.config.fields import ByteSize, Duration, Section
from mlcore.config.rollout import Rollout


class Infra(Section):
    max_latency_p99: Duration = timedelta(seconds=1)
    max_latency_p50: Duration | None = None
    max_memory: ByteSize = 2**31
    max_size: ByteSize | None = Field(default=None, description="Of the model's files")
    timeout: Duration = Field(default=timedelta(seconds=300), description="For start, loading and all requests")


class Push(Section):
    """Who else has a say before a model becomes the champion, and what it may cost to serve."""

    approval: bool = Field(default=False, description="Whether a person must approve of every new champion")
    approval_timeout: Duration = Field(
        default=timedelta(days=7), description="Under Airflow: no answer by then means no; a run waits so long"
    )
    infra: Infra = Infra()
    rollout: Rollout | None = Field(
        default=None, description="How it is tried beside the champion first; by default it is not"
    )
    destinations: tuple[DestinationConfig, ...] = Field(
        default=(), description="What follows the registry's aliases: folders and buckets that servers watch, your own"
    )

    @model_validator(mode="after")
    def _places_differ(self) -> Push:
        urls = [one.url.rstrip("/") for one in self.destinations if isinstance(one, FolderConfig)]
        if len(set(urls)) < len(urls):
            raise ValueError("destinations: two of them are one folder; name both aliases in one of them")
        return self
