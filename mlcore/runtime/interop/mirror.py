"""The mirror: what our store says of a pipeline, written to an MLflow server that lacks it.

Every run that was written carries the digest of what it was written from; every version the digest of its model. So
what is missing is what differs, however long the server was away, and whatever a killed mirror left half-done is done
again. Two mirrors of one pipeline wait for each other.
"""

from __future__ import annotations

import logging
import platform
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

from mlcore.config.pipeline import PipelineConfig
from mlcore.core.types import Artifact, ArtifactState, ArtifactType, Execution, SplitName
from mlcore.errors import ArtifactMissing, MlcoreError
from mlcore.registry.names import PREVIOUS
from mlcore.registry.records import AliasMove, ModelVersion
from mlcore.runtime.session import Session
from mlcore.runtime.waiting import waiting
from mlcore.tracking.mapping import RunFacts, newest, state_of, tracked_runs
from mlcore.tracking.server import MlflowServer, Names, reach

if TYPE_CHECKING:
    import pyarrow as pa

    from mlcore.tracking.flavour import Ids, ModelSource
    from mlcore.tracking.models import NewVersion
    from mlcore.tracking.records import TrackedRun

_LOG = logging.getLogger(__name__)
_BEGINS = "ExampleGen"
"""Every run of a graph begins with it; executions under other names are no runs to be mirrored."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Synced:
    """What a mirror had to write."""

    runs: int = 0
    versions: int = 0
    moves: int = 0

    def __str__(self) -> str:
        if not (self.runs or self.versions or self.moves):
            return "nothing was missing"
        return f"{self.runs} runs and {self.versions} versions written, {self.moves} aliases moved"


@dataclass(frozen=True)
class Truth:
    """Our side of one pipeline, read once."""

    session: Session
    config: PipelineConfig

    @property
    def pipeline(self) -> str:
        return self.config.name

    @cached_property
    def runs(self) -> dict[str, tuple[Execution, ...]]:
        """The executions that count of every run, the oldest run first."""
        found = sorted(self.session.metadata.nodes(self.pipeline), key=attrgetter("run"))
        by_run = {run: newest(tuple(executions)) for run, executions in groupby(found, key=attrgetter("run"))}
        known = {run: each for run, each in by_run.items() if any(one.component == _BEGINS for one in each)}
        return dict(sorted(known.items(), key=lambda item: item[1][0].id))

    @cached_property
    def versions(self) -> tuple[ModelVersion, ...]:
        return self.session.registry.versions(self.pipeline)

    @cached_property
    def version_of(self) -> dict[str, int]:
        """By run the version that it pushed."""
        return {push.run: push.version for push in self.session.registry.pushes(self.pipeline)}

    def state(self, run: str) -> str:
        return state_of(self.runs[run], self.version_of.get(run))

    def tracked(self, run: str) -> tuple[TrackedRun, ...]:
        """What the server should hold of a run and its candidates."""
        metadata, executions = self.session.metadata, self.runs[run]
        ids = [one.id for one in executions]
        facts = RunFacts(
            pipeline=self.pipeline,
            run=run,
            executions=executions,
            outputs=metadata.outputs_of(ids),
            inputs=metadata.inputs_of(ids),
            version=self.version_of.get(run),
            folder=self.folder,
        )
        return tracked_runs(facts)

    def folder(self, artifact: Artifact) -> Path:
        return self.session.artifacts.path(artifact.uri)

    def model(self, version: ModelVersion) -> Artifact:
        return self.session.metadata.present([version.artifact_id])[0]

    def source(self, version: ModelVersion) -> ModelSource:
        """What a version's files are written from.

        Raises:
            ArtifactMissing: They are not there.
        """
        from mlcore.runtime.environment import read_environment
        from mlcore.tracking.flavour import ModelSource

        metadata, model = self.session.metadata, self.model(version)
        self.session.artifacts.verify(model)
        maker = metadata.producers([model.id]).get(model.id)
        made = metadata.outputs(maker.id) if maker else {}
        environments = [one for found in made.values() for one in found if one.type is ArtifactType.ENVIRONMENT]
        live = [one for one in environments if one.state is ArtifactState.LIVE]
        environment = read_environment(self.folder(live[0])) if live else None
        return ModelSource(
            folder=self.folder(model),
            digest=model.digest,
            examples=self._examples(version),
            distributions=environment.distributions if environment else {},
            python=environment.python.split()[-1] if environment else platform.python_version(),
            created_at=version.created_at,
        )

    def _examples(self, version: ModelVersion) -> pa.Table | None:
        """The first rows that a version was evaluated on, if they are still there."""
        from mlcore.ingest.examples import read_examples
        from mlcore.tracking.flavour import EXAMPLE_ROWS
        from mlcore.transform.graph import read_graph

        metadata = self.session.metadata
        evaluator = metadata.producers([version.evaluation_id]).get(version.evaluation_id)
        if evaluator is None:
            return None
        for examples in metadata.inputs(evaluator.id).get("examples", ()):
            folder = self.folder(examples)
            split = folder / SplitName.EVALUATION
            columns = list(read_graph(self.folder(self.model(version))).contract)
            try:
                rows = read_examples([split if split.exists() else folder], columns)
            except MlcoreError as error:
                _LOG.info("no input example of version %d: %s", version.version, error.what)
                return None
            if rows.num_rows:
                return rows.slice(0, EXAMPLE_ROWS)
        return None


def sync(session: Session, config: PipelineConfig, names: Names, tell: Callable[[str], None] = _LOG.info) -> Synced:
    """Write what the server lacks of a pipeline; may be killed at any moment, and done again.

    Args:
        session: Our stores.
        config: The pipeline.
        names: The server, and what the pipeline is called there.
        tell: Told of every step, for people who wait.

    Raises:
        TrackingError: The server cannot be reached or refuses.
    """
    reach(names)
    server = MlflowServer(names)
    with session.metadata.exclusive([f"mlflow {config.name}"], on_wait=waiting), server.told():
        truth = Truth(session, config)
        ids, runs = _sync_runs(server, truth, tell)
        versions = _sync_versions(server, truth, ids, tell)
        moves = _sync_aliases(server, truth, tell)
    return Synced(runs=runs, versions=versions, moves=moves)


def _sync_runs(server: MlflowServer, truth: Truth, tell: Callable[[str], None]) -> tuple[dict[str, str], int]:
    """The ids of all runs by key, and how many had to be written."""
    from mlcore.tracking import runs

    held = runs.held_runs(server)
    for doubles in held.values():
        for double in doubles[1:]:
            server.client.delete_run(double.info.run_id)
    present = {key: found[0] for key, found in held.items()}
    ids = {key: str(run.info.run_id) for key, run in present.items()}
    written = 0
    for name in truth.runs:
        keys = [key for key in present if key == name or key.startswith(f"{name}/")]
        if name in keys and all(runs.state_of(present[key]) == truth.state(name) for key in keys):
            continue
        tell(f"run {name}")
        for run in truth.tracked(name):
            ids[run.key] = runs.write_run(server, run, present.get(run.key), ids[run.parent] if run.parent else None)
        written += 1
    return ids, written


def _sync_versions(server: MlflowServer, truth: Truth, ids: Mapping[str, str], tell: Callable[[str], None]) -> int:
    from mlcore.tracking import models

    if not truth.versions:
        return 0
    models.ensure_model(server, truth.config.description)
    held = models.registered(server)
    missing = [version for version in truth.versions if version.digest not in held]
    for version in missing:
        tell(f"version {version.version}")
        models.register(server, _new_version(truth, version, ids))
    return len(missing)


def _new_version(truth: Truth, version: ModelVersion, ids: Mapping[str, str]) -> NewVersion:
    from mlcore.tracking.flavour import write_flavour
    from mlcore.tracking.models import NewVersion

    try:
        source = truth.source(version)
    except ArtifactMissing:
        source = None

    def write(source: ModelSource, folder: Path, ids: Ids) -> None:
        write_flavour(folder, source, ids)

    return NewVersion(
        number=version.version,
        digest=version.digest,
        run_id=ids.get(_key(truth, version), ids.get(version.run)),
        description=description_of(version),
        tags={"mlcore.pipeline": version.pipeline, "mlcore.run": version.run},
        write=partial(write, source) if source else None,
    )


def description_of(version: ModelVersion) -> str:
    """What MLflow shows of a version."""
    return (
        f"trained on {version.train_start:%Y-%m-%d} to {version.train_end:%Y-%m-%d}, "
        f"evaluated up to {version.window_end:%Y-%m-%d}"
    )


def _key(truth: Truth, version: ModelVersion) -> str:
    """Of the run that made a version: the candidate's own, where there were several."""
    if version.run not in truth.runs:
        return version.run
    for run in truth.tracked(version.run)[1:]:
        if run.tags.get("mlcore.digest") == version.digest:
            return run.key
    return version.run


def _sync_aliases(server: MlflowServer, truth: Truth, tell: Callable[[str], None]) -> int:
    """Tell the moves that the server was not told, in order; then see that every alias is where it belongs."""
    from mlcore.tracking import models

    model = models.held_model(server)
    if model is None:
        return 0
    registry = truth.session.registry
    history, wanted = registry.history(truth.pipeline), registry.aliases(truth.pipeline)
    numbers = _numbers(server, truth)
    place: dict[str, str | None] = {alias: str(number) for alias, number in model.aliases.items()}
    ours = {PREVIOUS, *(move.alias for move in history)}
    moved = 0
    for alias, version in _steps(history[models.moved(model) :], wanted, ours):
        number = None if version is None else numbers[version]
        if place.get(alias) == number:
            continue
        tell(f"alias {alias} to {'nothing' if version is None else f'version {version}'}")
        models.move(server, alias, number)
        place[alias] = number
        moved += 1
    if models.moved(model) != len(history):
        models.note_moves(server, len(history))
    return moved


def _steps(
    told: Sequence[AliasMove], wanted: Mapping[str, int], ours: Collection[str]
) -> Iterator[tuple[str, int | None]]:
    """Moves that were not told yet, then every alias that we ever had to where it is."""
    yield from ((move.alias, move.to_version) for move in told)
    yield from ((alias, wanted.get(alias)) for alias in sorted({*ours, *wanted}))


def _numbers(server: MlflowServer, truth: Truth) -> dict[int, str]:
    """MLflow's number of each of our versions."""
    from mlcore.tracking import models

    held = models.registered(server)
    return {one.version: str(held[one.digest][0].version) for one in truth.versions if one.digest in held}
