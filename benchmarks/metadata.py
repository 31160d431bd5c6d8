"""Publishing transactions a second and the lineage of a deep chain, on a fresh embedded PostgreSQL, durability on.

    python benchmarks/metadata.py [--transactions 10000] [--depth 10000]

One publication is what one component costs: begin (RUNNING, contexts, one input) and publish (two artifacts, COMPLETE,
cache entry), two round trips and two commits. The reference, on 10,000 of them: ML Metadata 1.16 wrote 52 a second,
0.94 CPU ms each, and showed at most 100 hops.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil

from mlcore.core.types import ArtifactType, NewArtifact, NewExecution
from mlcore.metadata.lineage import Direction
from mlcore.metadata.store import MetadataStore, Publication, migrate
from mlcore.platform.postgres import MLCORE_DATABASE, EmbeddedPostgres

REFERENCE_A_SECOND = 52.0


def publish(store: MetadataStore, name: str, inputs: list[int]) -> int:
    """One execution that reads ``inputs`` and makes two artifacts; the id of the first."""
    execution = NewExecution(component="Bench", pipeline="bench", run="bench", fingerprint=name)
    begun = store.begin(execution, {"in": inputs})
    made = [
        NewArtifact(type=ArtifactType.MODEL, uri=f"{name}/{part}", digest="sha256:0", pipeline="bench")
        for part in ("a", "b")
    ]
    (outputs,) = store.publish([Publication(execution_id=begun.id, outputs={"out": made})])
    return outputs["out"][0].id


def server_cpu_seconds(home: Path) -> float:
    """What the server's processes under a home folder have used so far."""
    used = 0.0
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.name().startswith("postgres") and process.cwd().startswith(str(home)):
                used += sum(process.cpu_times()[:2])
    return used


def publishing(store: MetadataStore, transactions: int, depth: int, home: Path) -> tuple[int, int]:
    """Publish; the first ``depth`` in a chain. Ids of the chain's ends."""
    first = last = publish(store, "first", [])
    served = server_cpu_seconds(home)
    wall, cpu = time.perf_counter(), time.process_time()
    for number in range(transactions):
        made = publish(store, f"{number}", [last])
        if number < depth:
            last = made
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    rate = transactions / wall
    served = 1e3 * (server_cpu_seconds(home) - served) / transactions
    each = f"{1e3 * cpu / transactions:.2f} CPU ms each, {served:.2f} of the server"
    print(f"publish    {rate:8.0f} a second, {each}: ", end="")
    print(f"{rate / REFERENCE_A_SECOND:.1f}x ML Metadata")
    return first, last


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--transactions", type=int, default=10_000)
    parser.add_argument("--depth", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mlcore-bench-") as home:
        server = EmbeddedPostgres(Path(home))
        server.start()
        try:
            measure(server.url(MLCORE_DATABASE), options.transactions, options.depth, Path(home))
        finally:
            server.stop()


def measure(url: str, transactions: int, depth: int, home: Path) -> None:
    """Print every figure."""
    migrate(url)
    store = MetadataStore.open(url)
    first, last = publishing(store, transactions, depth, home)
    walks: tuple[tuple[int, Direction], ...] = ((last, "up"), (first, "down"))
    for start, direction in walks:
        started = time.perf_counter()
        nodes = store.lineage(start, direction)
        print(f"lineage    {1e3 * (time.perf_counter() - started):8.0f} ms {direction}, {len(nodes)} artifacts")
    store.close()


if __name__ == "__main__":
    main()
