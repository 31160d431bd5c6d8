"""From an Airflow run to a ``RunRequest``: the one place where a run's moment is resolved under Airflow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from mlcore.airflow.naming import run_name
from mlcore.config.fields import parse_length
from mlcore.core.request import RunRequest
from mlcore.core.types import GraphKind, Json
from mlcore.core.window import Grain, iso, parse_moment, utc
from mlcore.errors import ConfigError, WindowError, quoted

_INTERVAL_RUNS = ("scheduled", "backfill")


@dataclass(frozen=True, kw_only=True, slots=True)
class AirflowRun:
    """What a task is told about the run it belongs to.

    Attributes:
        run_type: scheduled, backfill, manual, asset_triggered, ...
        data_interval_end: End of the run's data interval; manual and asset-triggered runs may have none.
        params: The run's parameters, as the DAG declares them and the trigger form or ``conf`` set them.
        task_id: The task that asks, with its try, for the record.
        moment: The run's logical date, or when it may start; with ``clear_number`` what other tools know the run by.
    """

    dag_id: str
    run_id: str
    run_type: str
    data_interval_end: datetime | None
    params: Mapping[str, Json] = field(default_factory=dict)
    task_id: str = ""
    try_number: int = 1
    moment: datetime | None = None
    clear_number: int = 0

    @property
    def origin(self) -> dict[str, Json]:
        """Where an execution ran, and what asked for it: kept with it in the metadata store."""
        report = self.params.get("report")
        asked: dict[str, Json] = {} if report is None else {"report": report}
        if self.moment is not None:
            asked |= {"run_moment": iso(self.moment), "clear_number": self.clear_number}
        names: dict[str, Json] = {"dag_id": self.dag_id, "run_id": self.run_id, "task_id": self.task_id}
        return {**names, "try_number": self.try_number, **asked}


def resolve_request(run: AirflowRun, *, pipeline: str, kind: GraphKind) -> RunRequest:
    """The request of a run of any kind.

    Raises:
        WindowError: The run has neither a data interval nor ``as_of``, or a parameter is no date or duration.
        ConfigError: The parameters contradict the run.
    """
    force_push, reason = run.params.get("force_push") is True, _text(run.params, "reason")
    if force_push and not reason:
        raise ConfigError(
            "a forced push needs a reason: it is kept in the champion's history",
            where=f"params of {run.dag_id} {run.run_id}",
            next_step="trigger the run again with reason filled in",
        )
    return RunRequest(
        pipeline=pipeline,
        run=run_name(run.run_id, kind=kind),
        as_of=resolve_as_of(run),
        force_push=force_push,
        reason=reason or f"{run.run_type} run",
        train=_duration(run.params, "train"),
        eval=_duration(run.params, "eval"),
        origin=run.origin,
    )


def resolve_as_of(run: AirflowRun) -> datetime:
    """The moment the run may know of: its parameter ``as_of``, else the end of its data interval; never a clock.

    Raises:
        WindowError: It has neither, or it has an interval that ``as_of`` contradicts.
    """
    override = _text(run.params, "as_of")
    if override and run.run_type in _INTERVAL_RUNS:
        raise WindowError(
            f"a {run.run_type} run takes its moment from its data interval, and as_of {quoted(override)} was given too",
            where=f"{run.dag_id} {run.run_id}",
            next_step="leave as_of out of the backfill's conf; trigger a manual run for another moment",
        )
    if override:
        return parse_moment(override, name="as_of")
    if run.data_interval_end is not None:
        return utc(run.data_interval_end, name="data_interval_end")
    raise WindowError(
        f"this {run.run_type} run has no data interval and no as_of: its window cannot be resolved",
        where=f"{run.dag_id} {run.run_id}",
        next_step='trigger it with a moment, for instance conf {"as_of": "2013-03-11T06:00Z"}',
    )


def _text(params: Mapping[str, Json], key: str) -> str:
    value = params.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ConfigError(f"parameter {key} must be text, not {quoted(value)}", next_step="correct the run's conf")
    return value.strip()


def _duration(params: Mapping[str, Json], key: str) -> Grain | None:
    text = _text(params, key)
    if not text:
        return None
    try:
        return parse_length(text)
    except ValueError as error:
        raise WindowError(
            f"parameter {key}: {quoted(text)} is not an ISO 8601 duration", next_step="write it like P60D"
        ) from error
