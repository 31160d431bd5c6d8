"""``push``: who has a say before a model becomes the champion, and what it may cost to serve."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from mlcore.config.fields import ByteSize, Duration, Section


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
