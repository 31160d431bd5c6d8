"""Runs on an MLflow server: which there are, and how one is written so that it can be written again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, TypeVar

from mlcore.core.digests import canonical_json
from mlcore.tracking.files import local
from mlcore.tracking.records import RunStatus, TrackedDataset, TrackedRun, milliseconds
from mlcore.tracking.server import MlflowServer

KEY, STATE, PIPELINE = "mlcore.key", "mlcore.state", "mlcore.pipeline"
OURS = "mlcore."
PARENT = "mlflow.parentRunId"
_PAGE = 500
_METRICS_AT_ONCE = 500
_AT_ONCE = 100
_T = TypeVar("_T")


def held_runs(server: MlflowServer) -> dict[str, list[Any]]:
    """The server's runs of the pipeline by key, the oldest first; of each key there should be one."""
    found: dict[str, list[Any]] = {}
    token = None
    while True:
        page = server.client.search_runs(
            [server.experiment_id],
            filter_string=f"tags.`{PIPELINE}` = '{server.names.pipeline}'",
            max_results=_PAGE,
            order_by=["attributes.start_time ASC"],
            page_token=token,
        )
        for run in page:
            if KEY in run.data.tags:
                found.setdefault(run.data.tags[KEY], []).append(run)
        token = page.token
        if not token:
            return found


def state_of(run: Any) -> str:
    """The state that a run was written in; empty while it is being written."""
    return str(run.data.tags.get(STATE, ""))


def write_run(server: MlflowServer, run: TrackedRun, held: Any | None, parent: str | None) -> str:
    """Write all of a run, whatever of it is there already; tells its id.

    Args:
        server: Where to.
        run: What is to be there.
        held: What is there. Numbers and parameters cannot be changed in MLflow: a run that holds others is deleted
            there and written anew.
        parent: Id of the run it belongs to.
    """
    client = server.client
    if held is not None and not _continues(held, run):
        client.delete_run(held.info.run_id)
        held = None
    tags = {**run.tags, KEY: run.key, **({PARENT: parent} if parent else {})}
    if held is None:
        held = client.create_run(
            server.experiment_id, start_time=milliseconds(run.started_at), tags=tags, run_name=run.name
        )
    elif state_of(held):
        client.delete_tag(held.info.run_id, STATE)  # until all of it is there
    run_id = str(held.info.run_id)
    _log(client, run_id, run, tags)
    for name in held.data.tags:
        if name.startswith(OURS) and name not in tags and name != STATE:
            client.delete_tag(run_id, name)
    if run.datasets:
        client.log_inputs(run_id, [_dataset(one) for one in run.datasets])
    for place, folder in run.folders.items():
        with local(folder) as files:
            client.log_artifacts(run_id, str(files), place)
    if run.status is RunStatus.RUNNING:
        client.update_run(run_id, status=run.status.value)
    else:
        client.set_terminated(run_id, run.status.value, milliseconds(run.finished_at) if run.finished_at else None)
    client.set_tag(run_id, STATE, run.state)
    return run_id


def _continues(held: Any, run: TrackedRun) -> bool:
    """Whether what is there is a part of what is to be there."""
    wanted = {metric.key for metric in run.metrics}
    values = {(metric.key, metric.value) for metric in run.metrics}
    return (
        held.info.start_time == milliseconds(run.started_at)
        and all(run.params.get(name) == value for name, value in held.data.params.items())
        and all(
            (name, value) in values if name in wanted else not run.whole for name, value in held.data.metrics.items()
        )
    )


def _log(client: Any, run_id: str, run: TrackedRun, tags: Mapping[str, str]) -> None:
    from mlflow.entities import Metric, Param, RunTag

    for metrics in batched(run.metrics, _METRICS_AT_ONCE):
        client.log_batch(run_id, metrics=[Metric(one.key, one.value, one.timestamp, one.step) for one in metrics])
    for params in batched(run.params.items(), _AT_ONCE):
        client.log_batch(run_id, params=[Param(name, value) for name, value in params])
    for some in batched(tags.items(), _AT_ONCE):
        client.log_batch(run_id, tags=[RunTag(name, value) for name, value in some])


def _dataset(dataset: TrackedDataset) -> Any:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    return DatasetInput(
        Dataset(
            name=dataset.name,
            digest=dataset.digest,
            source_type="code",
            source=canonical_json(dict(dataset.source)).decode(),
            profile=canonical_json(dict(dataset.profile)).decode(),
        ),
        [InputTag("mlflow.data.context", dataset.context)],
    )


def batched(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """Lists of at most so many items, in order."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
