"""Whether an MLflow server holds what it should: every difference, in words. Nothing is written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlcore.artifacts.digests import digest_folder
from mlcore.core.temporary import temporary_folder
from mlcore.errors import quoted
from mlcore.tracking.files import local
from mlcore.tracking.models import FILES
from mlcore.tracking.records import TrackedRun, milliseconds
from mlcore.tracking.runs import OURS, PARENT, STATE
from mlcore.tracking.server import MlflowServer


def run_differences(server: MlflowServer, run: TrackedRun, held: Any, parent: str | None) -> Iterator[str]:
    """What a run is on the server and should not be, or should be and is not."""
    tags = {name: value for name, value in held.data.tags.items() if name.startswith(OURS) or name in run.tags}
    wanted = {**run.tags, STATE: run.state, "mlcore.key": run.key}
    pairs: list[tuple[str, object, object]] = [
        ("status", held.info.status, run.status.value),
        ("start", held.info.start_time, milliseconds(run.started_at)),
        ("end", held.info.end_time, milliseconds(run.finished_at) if run.finished_at else None),
        ("parent", held.data.tags.get(PARENT), parent),
    ]
    yield from (f"{name} is {quoted(there)}, not {quoted(here)}" for name, there, here in pairs if there != here)
    yield from _values("parameter", held.data.params, run.params, extras=run.whole)
    yield from _values("tag", tags, wanted, extras=True)
    yield from _values("metric", _numbers(server, run, held), _own_numbers(run), extras=run.whole)
    yield from _dataset_differences(run, held)
    for place, folder in run.folders.items():
        with local(folder) as own, temporary_folder("tracking") as scratch:
            if not _is_there(server, held, place):
                yield f"files {place} are not there"
            elif digest_folder(_fetched(server, held, place, scratch)) != digest_folder(own):
                yield f"files {place} are others"


def version_differences(server: MlflowServer, held: Any, digest: str) -> Iterator[str]:
    """Whether the files of a registered version are whole, and those of our model among them."""
    from mlflow.artifacts import download_artifacts

    if not held.model_id:
        return  # collected before it could be mirrored
    model = server.client.get_logged_model(held.model_id)
    with temporary_folder("tracking") as scratch:
        folder = Path(
            download_artifacts(
                artifact_uri=model.artifact_location, dst_path=str(scratch), tracking_uri=server.names.uri
            )
        )
        if digest_folder(folder) != held.tags.get(FILES):
            yield "its files are not those that were uploaded"
        if digest_folder(folder / "model") != digest:
            yield "its model is not ours"


def _values(what: str, there: Mapping[str, Any], here: Mapping[str, Any], *, extras: bool) -> Iterator[str]:
    for name in sorted(there.keys() | here.keys()):
        if name not in there:
            yield f"{what} {name} is not there"
        elif name not in here:
            if extras:
                yield f"{what} {name} is there, and not ours"
        elif there[name] != here[name]:
            yield f"{what} {name} is {quoted(there[name])}, not {quoted(here[name])}"


def _own_numbers(run: TrackedRun) -> dict[str, list[tuple[int, float]]]:
    found: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for metric in run.metrics:
        found[metric.key].append((metric.step, metric.value))
    return found


def _numbers(server: MlflowServer, run: TrackedRun, held: Any) -> dict[str, list[tuple[int, float]]]:
    """By name the steps and values: asked for one by one only where there are several steps."""
    found = {name: [(0, value)] for name, value in held.data.metrics.items()}
    for name, own in _own_numbers(run).items():
        if name in found and [step for step, _ in own] != [0]:
            history = server.client.get_metric_history(held.info.run_id, name)
            found[name] = sorted({(metric.step, metric.value) for metric in history})
    return found


def _dataset_differences(run: TrackedRun, held: Any) -> Iterator[str]:
    inputs = held.inputs.dataset_inputs if held.inputs else []
    there = {(one.dataset.name, one.dataset.digest) for one in inputs}
    here = {(one.name, one.digest) for one in run.datasets}
    yield from (f"data set {name} ({digest}) is not there" for name, digest in sorted(here - there))
    yield from (f"data set {name} ({digest}) is there, and not ours" for name, digest in sorted(there - here))


def _is_there(server: MlflowServer, held: Any, place: str) -> bool:
    return bool(server.client.list_artifacts(held.info.run_id, place))


def _fetched(server: MlflowServer, held: Any, place: str, scratch: Path) -> Path:
    return Path(server.client.download_artifacts(held.info.run_id, place, str(scratch)))
