"""The proof that an MLflow server holds what our store says of a pipeline, and nothing else of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from mlcore.config.pipeline import PipelineConfig
from mlcore.registry.names import PREVIOUS
from mlcore.runtime.interop.mirror import Truth
from mlcore.runtime.session import Session
from mlcore.tracking.server import MlflowServer, Names, reach


def check(
    session: Session, config: PipelineConfig, names: Names, tell: Callable[[str], None] = lambda _: None
) -> tuple[str, ...]:
    """Every difference, in words; none: both sides are equal, down to the bytes of every file.

    Args:
        session: Our stores.
        config: The pipeline.
        names: The server, and what the pipeline is called there.
        tell: Told of every step, for people who wait.

    Raises:
        TrackingError: The server cannot be reached.
    """
    reach(names)
    server, truth = MlflowServer(names), Truth(session, config)
    with server.told():
        if server.client.get_experiment_by_name(names.experiment) is None:
            return (f"experiment {names.experiment} is not there",) if truth.runs else ()
        return (
            *_run_differences(server, truth, tell),
            *_version_differences(server, truth, tell),
            *_alias_differences(server, truth),
        )


def _run_differences(server: MlflowServer, truth: Truth, tell: Callable[[str], None]) -> Iterator[str]:
    from mlcore.tracking.compare import run_differences
    from mlcore.tracking.runs import held_runs

    held = held_runs(server)
    expected = set()
    for name in truth.runs:
        tell(f"run {name}")
        for run in truth.tracked(name):
            expected.add(run.key)
            found = held.get(run.key, [])
            if len(found) != 1:
                yield f"run {run.key} is there {len(found)} times"
                continue
            parent = held.get(run.parent, [None])[0] if run.parent else None
            for one in run_differences(server, run, found[0], str(parent.info.run_id) if parent else None):
                yield f"run {run.key}: {one}"
    yield from (f"run {key} is there, and not ours" for key in sorted(held.keys() - expected))


def _version_differences(server: MlflowServer, truth: Truth, tell: Callable[[str], None]) -> Iterator[str]:
    from mlcore.tracking.compare import version_differences
    from mlcore.tracking.models import registered

    held = registered(server)
    for version in truth.versions:
        tell(f"version {version.version}")
        found: list[Any] = held.pop(version.digest, [])
        if len(found) != 1:
            yield f"version {version.version} is there {len(found)} times"
            continue
        if int(found[0].version) != version.version:
            yield f"version {version.version} is number {found[0].version} there"
        for one in version_differences(server, found[0], version.digest):
            yield f"version {version.version}: {one}"
    others = (one for found in held.values() for one in found)
    yield from (f"version {one.version} of {server.names.model} is there, and not ours" for one in others)


def _alias_differences(server: MlflowServer, truth: Truth) -> Iterator[str]:
    from mlcore.tracking.models import held_model, registered

    model = held_model(server)
    digests = {one.version: one.digest for one in truth.versions}
    held = {str(one.version): digest for digest, found in registered(server).items() for one in found}
    there = {alias: held.get(str(number), "") for alias, number in (model.aliases if model else {}).items()}
    here = {alias: digests[version] for alias, version in truth.session.registry.aliases(truth.pipeline).items()}
    ours = {PREVIOUS, *here, *(move.alias for move in truth.session.registry.history(truth.pipeline))}
    for alias in sorted(ours):
        if there.get(alias) != here.get(alias):
            yield f"alias {alias} names another version"
