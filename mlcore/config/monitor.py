"""``monitor``: when drift, decay or age of the champion ask for retraining."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from mlcore.config.fields import Duration, Length, Schedule, Section


class Drift(Section):
    """A feature drifts when its distance is at least ``min_distance`` and beyond what the reference's own days show."""

    min_distance: float = Field(default=0.1, gt=0, le=1)
    max_features: int | None = Field(
        default=None,
        ge=0,
        description="Retrain when more features than this drift; by default as many as chance makes of them",
    )
    without: tuple[str, ...] = Field(default=(), description="Features whose drift does not matter")


class Performance(Section):
    """When the champion has decayed: its metric on newly labelled rows is worse than when it was pushed."""

    metric: str = Field(default="roc_auc", description="By default the first of evaluation.metrics")
    max_decay: float = Field(default=0.05, ge=0)


class Retrain(Section):
    max_age: Duration | None = None


class Monitor(Section):
    schedule: Schedule
    current: Length = timedelta(days=7)
    report_rows: int = Field(default=20_000, ge=100, le=200_000)
    drift: Drift = Drift()
    performance: Performance = Performance()
    retrain: Retrain = Retrain()
