"""What must hold when all is quiet again."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import httpx
from sqlalchemy import Connection, text
from support.crash.storm import Storm
from support.crash.world import PIPELINES, ROLES, World
from support.faults import free_port
from support.project import Silent

from mlcore.artifacts.blocks import blocks_below
from mlcore.config.loader import find_pipeline
from mlcore.core.request import RunRequest
from mlcore.core.temporary import abandoned
from mlcore.core.types import ArtifactState, ArtifactType
from mlcore.core.window import parse_moment
from mlcore.errors import MlcoreError
from mlcore.runtime.gc import collect
from mlcore.runtime.graphs.graph import Graph
from mlcore.runtime.graphs.retraining import retraining_graph
from mlcore.runtime.local import run_graph
from mlcore.runtime.session import Session, open_session

Problems = Iterator[str]
Digests = Mapping[tuple[str, str, str], frozenset[str]]
_QUIET_SECONDS = 30.0
_MADE = text(
    "SELECT pipeline, type, digest, CASE WHEN span_start IS NULL THEN"
    " concat(properties->>'train_start', '/', properties->>'train_end')"
    " ELSE concat(span_start AT TIME ZONE 'UTC', '/', span_end AT TIME ZONE 'UTC') END AS of FROM artifact"
    " WHERE type IN ('Examples', 'Statistics', 'AnalyzerState', 'Model') AND digest IS NOT NULL"
)


def run_again(storm: Storm, *, most: int) -> Problems:
    """Every window that was asked for runs to its end now, and nobody has to clear anything first."""
    for pipeline, reached in storm.reached.items():
        for moment in sorted(reached)[-most:]:
            done = storm.world.start("run", pipeline, "--at", moment, role=ROLES[0]).wait()
            if done.returncode != 0:
                yield f"a rerun of {pipeline} as of {moment} ended with {done.returncode}: {done.stderr}"


def check(storm: Storm) -> Problems:
    """All that must hold, but for what another installation made of the same data."""
    world = storm.world
    yield from _ended_well(storm)
    with open_session(world.project.settings) as session:
        for _ in range(2):  # what the first round gives up, the second removes
            collect(
                session.artifacts,
                session.metadata,
                dry_run=False,
                min_age_seconds=0,
                scratch=session.scratch,
                working=(world.temporary, *session.working[1:]),
            )
        yield from _artifacts(session)
        yield from _orphans(world, session)
    with world.connected() as connection:
        yield from _executions(connection)
        yield from _history(connection)
        yield from _looks(connection)
        for acknowledged in storm.acknowledged:
            lost = acknowledged(world, connection)
            if lost:
                yield f"acknowledged and lost: {lost}"
        yield from _champions(connection, storm)
        yield from _quiet(connection)


def _ended_well(storm: Storm) -> Problems:
    deadline = time.monotonic() + _QUIET_SECONDS
    while (left := storm.world.left_running()) and time.monotonic() < deadline:
        time.sleep(0.2)
    if left:
        yield f"processes are left: {left}"


def _quiet(connection: Connection) -> Problems:
    """Nobody holds a lock or a connection for the dead."""
    locks = connection.execute(text("SELECT pid, classid, objid FROM pg_locks WHERE locktype = 'advisory'")).all()
    if locks:
        yield f"locks are held: {locks}"
    query = text("SELECT pid, usename, state, query FROM pg_stat_activity WHERE usename = ANY(:roles)")
    connections = connection.execute(query, {"roles": list(ROLES)}).all()
    if connections:
        yield f"connections are left: {connections}"


def _executions(connection: Connection) -> Problems:
    """Nobody is said to run, and whoever did not end well has a reason."""
    query = text("SELECT id, component, state FROM execution WHERE state IN ('NEW', 'RUNNING')")
    for row in connection.execute(query):
        yield f"nobody runs, but execution {row.id} ({row.component}) is {row.state}"
    query = text("SELECT id FROM execution WHERE state IN ('FAILED', 'CANCELED') AND coalesce(error, '') = ''")
    for row in connection.execute(query):
        yield f"execution {row.id} did not end well for no reason"


def _history(connection: Connection) -> Problems:
    """One serial history of every alias: each move starts where the one before ended, and the alias is at the last."""
    at: dict[tuple[str, str], int | None] = {}
    last = None
    for row in connection.execute(text("SELECT * FROM alias_history ORDER BY id")):
        key = (row.pipeline, row.alias)
        if at.get(key) != row.from_version:
            yield f"move {row.id} of {key} starts at {row.from_version}, the one before ended at {at.get(key)}"
        if last is not None and row.moved_at < last:
            yield f"move {row.id} is older than the one before"
        at[key], last = row.to_version, row.moved_at
    placed = {(row.pipeline, row.alias): row.version for row in connection.execute(text("SELECT * FROM alias"))}
    moved = {key: version for key, version in at.items() if version is not None}
    if placed != moved:
        yield f"aliases are {placed}, moved to {moved}"
    numbers: dict[str, list[int]] = defaultdict(list)
    for row in connection.execute(text("SELECT pipeline, version FROM model_version ORDER BY pipeline, version")):
        numbers[row.pipeline].append(row.version)
    for pipeline, versions in numbers.items():
        if versions != list(range(1, len(versions) + 1)):
            yield f"versions of {pipeline} are {versions}"


def _looks(connection: Connection) -> Problems:
    """Looks at one challenger beside one champion are numbered without a gap, and each saw more than the one before."""
    query = text("SELECT * FROM challenge_history ORDER BY move_id, champion, look")
    for (move, champion), looks in itertools.groupby(
        connection.execute(query), lambda row: (row.move_id, row.champion)
    ):
        found = list(looks)
        if [look.look for look in found] != list(range(1, len(found) + 1)):
            yield f"looks of move {move} beside {champion} are numbered {[look.look for look in found]}"
        if any(one.until >= other.until or one.spent > other.spent for one, other in itertools.pairwise(found)):
            yield f"looks of move {move} beside {champion} go back: {found}"
        if any(look.verdict != "CONTINUED" for look in found[:-1]):
            yield f"looks of move {move} beside {champion} went on after the verdict: {found}"


def _champions(connection: Connection, storm: Storm) -> Problems:
    """The champions have their files; and nobody was answered by what never was one."""
    query = text(
        "SELECT pipeline, version FROM alias JOIN model_version USING (pipeline, version) WHERE alias = 'champion'"
        " AND NOT EXISTS (SELECT FROM artifact WHERE artifact.pipeline = model_version.pipeline AND type = 'Model'"
        " AND state = 'LIVE' AND artifact.digest = model_version.digest)"
    )
    for row in connection.execute(query):
        found = [
            connection.execute(text(f"SELECT * FROM {table} WHERE pipeline = :name"), {"name": row.pipeline}).all()
            for table in ("model_version", "alias_history", "artifact")
        ]
        yield f"the champion {row.version} of {row.pipeline} has no files: {found}"
    query = text("SELECT DISTINCT to_version FROM alias_history WHERE pipeline = :name AND alias = 'champion'")
    ever = set(connection.scalars(query, {"name": PIPELINES[0]}))
    if storm.served - ever:
        yield f"versions {storm.served - ever} answered, and were never champions"


def _artifacts(session: Session) -> Problems:
    """Whatever is said to be there is there, to the last byte."""
    for type_ in ArtifactType:
        for artifact in session.metadata.find_artifacts(type=type_, state=ArtifactState.LIVE, limit=1_000_000):
            if type_ is ArtifactType.PREDICTIONS and artifact.uri.startswith("/"):
                continue  # what `mlcore predict` wrote is a user's file: no folder of the store's, replaced by the next
            try:
                session.artifacts.verify(artifact, deep=True)
            except MlcoreError as error:
                yield f"artifact {artifact.id} is LIVE: {error}"


def _orphans(world: World, session: Session) -> Problems:
    """Every file of the store is of something published, and nothing temporary is left.

    The folder of a component outlives its executions: whoever removed it would do so under one that begins.
    """
    live = {world.store / uri for uri in session.metadata.live_uris() if not uri.startswith("/")}
    blocks = {world.store / one.uri for one in blocks_below(session.artifacts, PIPELINES) if one.code is not None}
    components = {folder for pipeline in PIPELINES for folder in (world.store / pipeline).iterdir() if folder.is_dir()}
    for file in set(_files(world.store)) - components:
        if file not in blocks and not any(folder in live for folder in file.parents):
            yield f"nobody's file is left in the store: {file}"
    for folder in (world.temporary, session.scratch, session.extracts):
        for file in sorted(folder.glob("*")) if folder.is_dir() else ():
            yield f"something temporary is left: {file}"
    out = world.root / "out"  # a folder of a user's, which gc knows nothing of: who writes there next removes it
    for file in set(out.glob(".*")) - set(abandoned(out, min_age_seconds=0)):
        yield f"something temporary is left that nobody will remove: {file}"


def _files(folder: Path) -> Iterable[Path]:
    return (path for path in folder.rglob("*") if path.is_file() or not any(path.iterdir()))


def served_at_last(storm: Storm) -> Problems:
    """A server that is started now serves the champion."""
    world, port = storm.world, free_port()
    query = "SELECT version FROM alias WHERE pipeline = :name AND alias = 'champion'"
    champion = world.number(query, name=PIPELINES[0])
    server = world.start("serve", PIPELINES[0], "--port", str(port), role="serving")
    found = 0
    for _ in range(300):
        try:
            answer = httpx.post(f"http://127.0.0.1:{port}/v1/predict", json={"row": {"colour": "red", "size": 0.3}})
        except httpx.TransportError:
            time.sleep(0.1)
            continue
        if answer.status_code == 200:
            found = int(answer.json()["model_version"])
            break
        time.sleep(0.1)
    with suppress(ProcessLookupError):  # it ended by itself, and says why
        os.kill(server.pid, signal.SIGTERM)
    done = server.wait()
    if found != champion:
        yield f"the server serves version {found}, the champion is {champion}: {done.returncode}, {done.stderr}"


def made(world: World) -> Digests:
    """What was made of the data, by pipeline, type and span or window: the digests."""
    found: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    with world.connected() as connection:
        for row in connection.execute(_MADE):
            found[row.pipeline, row.type, row.of].add(row.digest)
    return {key: frozenset(digests) for key, digests in found.items()}


def train(world: World, pipeline: str, moments: Iterable[str]) -> None:
    """Runs up to the model, undisturbed."""
    config = find_pipeline(world.project.settings.pipelines, pipeline)
    graph = retraining_graph(config)
    until = graph.nodes.index(graph["trainer"]) + 1
    for moment in moments:
        request = RunRequest(pipeline=pipeline, run=f"twin {moment}", as_of=parse_moment(moment))
        with open_session(world.project.settings) as session:
            run_graph(session, config, Graph(nodes=graph.nodes[:until]), request=request, observer=Silent())


def differences(ours: Digests, twins: Digests) -> Problems:
    """What was made after kills is what was made without."""
    for key, digests in twins.items():
        if key in ours and ours[key] != digests:
            yield f"{key}: {sorted(ours[key])}, undisturbed {sorted(digests)}"
