"""Publishing transactions a second and the lineage of a deep chain, on a fresh embedded PostgreSQL, durability on.

    python benchmarks/metadata.py [--transactions 10000] [--depth 10000] [--processes 4] [--peer PYTHON]

What is counted, each in rounds that alternate, so that all meet the same disk and the same neighbours:

- ``disk``: commits a second of one row into a table of two columns, by one connection: more than that nobody can have.
- ``ML Metadata``: its publishing transactions, an execution with two outputs in one ``put_execution``, by the Python
  named with ``--peer`` (``pip install ml-metadata==1.16.0``). Without it ratios are to 52 a second, what it once wrote.
- ``publish``: ours, that makes two artifacts LIVE and their execution COMPLETE and findable.
- ``component``: what one component costs in all, two transactions: begin (RUNNING, one input) and publish.
- ``processes``: components by several processes at once, as Airflow's tasks are.

Lineage is the median of nine walks; ``read`` includes building every artifact found.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg2
from numpy import median
from sqlalchemy import make_url

from mlcore.core.types import ArtifactType, NewArtifact, NewExecution
from mlcore.metadata.lineage import Direction
from mlcore.metadata.store import MetadataStore, Publication, migrate
from mlcore.platform.postgres import MLCORE_DATABASE, EmbeddedPostgres

REFERENCE_A_SECOND = 52.0
# Into a SQLite file, as its local deployments have it; every transaction also has the event of an input.
PEER = """
import json, sys, time
from ml_metadata.metadata_store.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as pb

config = pb.ConnectionConfig()
config.sqlite.filename_uri = sys.argv[1]
config.sqlite.connection_mode = pb.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
store = MetadataStore(config)
artifact_type = store.put_artifact_type(pb.ArtifactType(name="Model"))
execution_type = store.put_execution_type(pb.ExecutionType(name="Bench"))
context_type = store.put_context_type(pb.ContextType(name="run"))
contexts = store.get_contexts_by_id(store.put_contexts([pb.Context(type_id=context_type, name=str(time.time_ns()))]))
inputs = []
wall, cpu = time.perf_counter(), time.process_time()
for number in range(int(sys.argv[2])):
    execution = pb.Execution(type_id=execution_type, last_known_state=pb.Execution.COMPLETE)
    outputs = [
        (
            pb.Artifact(type_id=artifact_type, uri=f"{number}/{part}", state=pb.Artifact.LIVE),
            pb.Event(type=pb.Event.OUTPUT),
        )
        for part in ("a", "b")
    ]
    _, ids, _ = store.put_execution(execution, inputs + outputs, contexts)
    made = pb.Artifact(id=ids[-2], type_id=artifact_type, uri=f"{number}/a", state=pb.Artifact.LIVE)
    inputs = [(made, pb.Event(type=pb.Event.INPUT))]
print(json.dumps({"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}))
"""
ROUNDS = 5


@dataclass
class Clock:
    """Wall seconds by part."""

    parts: dict[str, float] = field(default_factory=lambda: {"begin": 0.0, "publish": 0.0})

    def timed(self, part: str, work: Any) -> Any:
        started = time.perf_counter()
        done = work()
        self.parts[part] += time.perf_counter() - started
        return done


def component(store: MetadataStore, name: str, inputs: list[int], clock: Clock) -> int:
    """One execution that reads ``inputs`` and makes two artifacts; the id of the first."""
    execution = NewExecution(component="Bench", pipeline="bench", run="bench", fingerprint=name)
    begun = clock.timed("begin", lambda: store.begin(execution, {"in": inputs}))
    made = [
        NewArtifact(type=ArtifactType.MODEL, uri=f"{name}/{part}", digest="sha256:0", pipeline="bench")
        for part in ("a", "b")
    ]
    publication = Publication(execution_id=begun.id, outputs={"out": made})
    (outputs,) = clock.timed("publish", lambda: store.publish([publication]))
    first: int = outputs["out"][0].id
    return first


class Chain:
    """Components of one process, the first ``depth`` of them each reading what the one before made."""

    def __init__(self, store: MetadataStore, depth: int) -> None:
        self._store, self._depth, self._number = store, depth, 0
        self.first = self.last = component(store, "first", [], Clock())
        self.cpu = 0.0

    def add(self, count: int, clock: Clock) -> None:
        cpu = time.process_time()
        for _ in range(count):
            made = component(self._store, f"chain {self._number}", [self.last], clock)
            self._number += 1
            if self._number <= self._depth:
                self.last = made
        self.cpu += time.process_time() - cpu


def disk(url: str, count: int) -> float:
    """Commits of one row a second."""
    parsed = make_url(url)
    connection = psycopg2.connect(host=parsed.query["host"], dbname=parsed.database, user=parsed.username)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS disk (id bigint GENERATED ALWAYS AS IDENTITY, word text)")
        started = time.perf_counter()
        for _ in range(count):
            cursor.execute("INSERT INTO disk (word) VALUES ('a row')")
        rate = count / (time.perf_counter() - started)
    connection.close()
    return rate


def peer(python: str, file: Path, count: int) -> tuple[float, float]:
    """ML Metadata's transactions a second, and the CPU seconds of one."""
    done = subprocess.run([python, "-c", PEER, str(file), str(count)], check=True, capture_output=True, text=True)
    said = json.loads(done.stdout.splitlines()[-1])
    return count / said["wall"], said["cpu"] / count


def _side_by_side(url: str, name: str, count: int, ready: Any, spans: Any) -> None:
    store = MetadataStore.open(url)
    last = component(store, f"{name} first", [], Clock())
    ready.wait()
    started = time.time()
    for number in range(count):
        last = component(store, f"{name} {number}", [last], Clock())
    spans.put((started, time.time()))
    store.close()


def processes(url: str, number: int, count: int, round_: int) -> float:
    """Components a second of ``number`` processes at once."""
    spawn = multiprocessing.get_context("spawn")
    ready, spans = spawn.Barrier(number), spawn.Queue()
    workers = [
        spawn.Process(target=_side_by_side, args=(url, f"{round_} {worker}", count // number, ready, spans))
        for worker in range(number)
    ]
    for worker in workers:
        worker.start()
    measured = [spans.get(timeout=600) for _ in workers]
    for worker in workers:
        worker.join()
    seconds: float = max(end for _, end in measured) - min(start for start, _ in measured)
    return (count // number) * number / seconds


def server_cpu_seconds(home: Path) -> float:
    """What the server's processes under a home folder have used so far."""
    used = 0.0
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.name().startswith("postgres") and process.cwd().startswith(str(home)):
                used += sum(process.cpu_times()[:2])
    return used


def publishing(url: str, home: Path, options: argparse.Namespace) -> tuple[int, int]:
    """Publish in rounds and print every rate. Ids of the chain's ends."""
    store = MetadataStore.open(url)
    chain = Chain(store, options.depth)
    each = max(1, options.transactions // ROUNDS)
    rates: dict[str, list[float]] = {name: [] for name in ("disk", "ML Metadata", "publish", "component", "processes")}
    served = peer_cpu = 0.0
    for number in range(ROUNDS):
        rates["disk"].append(disk(url, each))
        if options.peer:
            rate, peer_cpu = peer(options.peer, home / "peer.sqlite", max(1, each // 10))
            rates["ML Metadata"].append(rate)
        clock, before = Clock(), server_cpu_seconds(home)
        chain.add(each, clock)
        served += server_cpu_seconds(home) - before
        rates["publish"].append(each / clock.parts["publish"])
        rates["component"].append(each / sum(clock.parts.values()))
        rates["processes"].append(processes(url, options.processes, each, number))
    store.close()
    base = rates.pop("ML Metadata") or [REFERENCE_A_SECOND] * ROUNDS
    print(f"ML Metadata {median(base):8.0f} a second" + (f", {1e3 * peer_cpu:.2f} CPU ms each" if options.peer else ""))
    for name, found in rates.items():
        times = median([ours / theirs for ours, theirs in zip(found, base, strict=True)])
        print(
            f"{name:11} {median(found):8.0f} a second ({min(found):.0f} to {max(found):.0f}), {times:.1f}x ML Metadata"
        )
    done = each * ROUNDS
    print(f"component   {1e3 * chain.cpu / done:8.2f} CPU ms of its process, {1e3 * served / done:.2f} of the server")
    return chain.first, chain.last


def walks(url: str, first: int, last: int) -> None:
    """Print the medians of walks in both directions."""
    store = MetadataStore.open(url)
    ends: tuple[tuple[int, Direction], ...] = ((last, "up"), (first, "down"))
    for start, direction in ends:
        walked, read, cpu = [], [], []
        for _ in range(9):
            wall, used = time.perf_counter(), time.process_time()
            nodes = store.lineage(start, direction)
            walked.append(time.perf_counter() - wall)
            cpu.append(time.process_time() - used)
            artifacts = [node.artifact for node in nodes]
            read.append(time.perf_counter() - wall)
        print(
            f"lineage     {1e3 * median(walked):8.0f} ms {direction}, {len(artifacts)} artifacts, "
            f"{nodes[-1].depth} deep ({1e3 * median(cpu):.0f} CPU ms of the process; {1e3 * median(read):.0f} ms read)"
        )
    store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--transactions", type=int, default=10_000)
    parser.add_argument("--depth", type=int, default=10_000)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--peer", help="a Python that has ml-metadata")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mlcore-bench-") as home:
        server = EmbeddedPostgres(Path(home))
        server.start()
        try:
            url = server.url(MLCORE_DATABASE)
            migrate(url)
            walks(url, *publishing(url, Path(home), options))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
