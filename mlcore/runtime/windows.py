"""The windows of runs: the pipeline's, with what a request overrides. Each kind of run has its own."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time

from mlcore.config.pipeline import PipelineConfig
from mlcore.core.request import RunRequest
from mlcore.core.window import (
    Interval,
    MonitorWindow,
    TrainingWindow,
    held_back,
    resolve_inference_window,
    resolve_monitor_window,
    resolve_window,
)
from mlcore.errors import MlcoreError


def training_window(config: PipelineConfig, request: RunRequest) -> TrainingWindow:
    """The window of a retraining run: the pipeline's, with what the request overrides."""
    return resolve_window(
        request.as_of,
        grain=config.data.span,
        train=request.train or config.window.train,
        evaluation=request.eval or config.window.eval if config.data.split.by == "time" else None,
        label_delay=config.data.label.delay,
    )


def tuning_intervals(config: PipelineConfig, request: RunRequest, candidate: str | None = None) -> tuple[Interval, ...]:
    """What hyperparameters are searched on: the training window of the newest moment of ``model.tune.every``.

    Of several models, of each that is tuned or of the one that is named, less the spans by which one is chosen.
    """
    models = [config.models[candidate]] if candidate else config.models.values() or [config.model]
    found = []
    for tune in (model.tune for model in models if model.tune is not None):
        as_of = request.as_of
        if tune.every is not None:
            first = datetime.combine(config.start_date, time(), tzinfo=UTC)
            as_of = first + (as_of - first) // tune.every * tune.every
        window = training_window(config, replace(request, as_of=as_of)).train
        found.append(_older_part(config, window) if config.models else window)
    return tuple(found)


def _older_part(config: PipelineConfig, window: Interval) -> Interval:
    spans = list(window.spans(config.data.span))
    fitted, _ = held_back(len(spans), config.selection.held(len(spans)), 0)
    return Interval(start=window.start, end=spans[fitted.stop - 1].end)


def monitor_window(config: PipelineConfig, request: RunRequest) -> MonitorWindow:
    """The window of a monitoring run."""
    if config.monitor is None:
        raise MlcoreError(f"pipeline {config.name} has no monitor block")
    return resolve_monitor_window(
        request.as_of,
        grain=config.data.span,
        current=config.monitor.current,
        label_delay=config.data.label.delay,
    )


def inference_window(config: PipelineConfig, request: RunRequest) -> Interval:
    """The window of an inference run."""
    if config.inference is None:
        raise MlcoreError(f"pipeline {config.name} has no inference block")
    return resolve_inference_window(request.as_of, grain=config.data.span, length=config.inference.window)


def awaited_until(config: PipelineConfig, request: RunRequest) -> datetime | None:
    """Until when a run waits for late spans; ``None`` where the pipeline does not wait.

    Counted from the run's moment and not from its start: a run of the past, as a backfill has them, waits for nothing.
    """
    wait = config.data.complete.wait
    return None if wait is None else request.as_of + wait
