"""Serving single rows: ``mlcore serve`` beside ``mlflow models serve`` with the same model, and a swap under load.

    python benchmarks/serve.py [--seconds 20] [--connections 32] [--swap-seconds 60] [--rate 200]

A gradient boosting of 100 trees on twelve columns, two of them categories, is trained by two runs of a pipeline. The
client is a process of its own with so many connections, each of which asks again when it has its answer. Then it asks
at a fixed rate while the champion is rolled back, and promoted again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.append(sys.path.pop(0))  # beside this file lies one that is named as a module of the standard library

DAYS, ROWS_A_DAY = 16, 2_000
NUMBERS = tuple(f"number_{index}" for index in range(10))
COLUMNS = ("id", "at", *NUMBERS, "carrier", "origin", "outcome")
ROW: dict[str, object] = {**dict.fromkeys(NUMBERS, 0.25), "carrier": "c3", "origin": "o1"}
PIPELINE = f"""
name: served
schedule: "0 6 * * *"
start_date: 2024-01-08
data:
  source: {{type: csv, path: "data/{{YYYY}}-{{MM}}-{{DD}}.csv"}}
  columns: {{id: int64, at: timestamp, {", ".join(f"{name}: float64" for name in NUMBERS)}, carrier: string, origin: string, outcome: float64}}
  event_timestamp: at
  key: [id]
  span: P1D
  label: {{name: late, column: outcome, above: 0}}
window: {{train: P10D, eval: P4D}}
features:
  {chr(10).join(f"  {name}: {{transform: numeric}}" for name in NUMBERS).strip()}
  carrier: {{transform: vocabulary}}
  origin: {{transform: vocabulary}}
model:
  estimator: sklearn.ensemble.HistGradientBoostingClassifier
  params: {{max_iter: 100}}
evaluation:
  metrics: [roc_auc]
  validation_criteria: [{{metric: roc_auc, threshold: 0.5}}]
push: {{infra: {{max_latency_p99: PT10S, max_memory: 4GiB}}}}
"""  # noqa: E501


@dataclass(slots=True)
class Asked:
    """What a client saw."""

    seconds: list[float] = field(default_factory=list)
    moments: list[float] = field(default_factory=list)
    versions: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)

    def told(self, wall: float) -> str:
        ordered = sorted(self.seconds)
        middle, high = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)]
        return (
            f"{len(ordered) / wall:8.1f} a second, median {middle * 1e3:7.2f} ms, p99 {high * 1e3:7.2f} ms,"
            f" failed {dict(self.failed) or 0}, versions {dict(self.versions)}"
        )


class Connection:
    """One HTTP connection that is kept."""

    def __init__(self, port: int, request: bytes) -> None:
        self._port = port
        self._request = request
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, asked: Asked) -> None:
        started = time.perf_counter()
        try:
            status, headers, _ = await self._exchange()
        except (OSError, asyncio.IncompleteReadError) as error:
            asked.failed[type(error).__name__] += 1
            self._streams = None
            return
        asked.seconds.append(time.perf_counter() - started)
        asked.moments.append(time.time())
        if status != 200:
            asked.failed[str(status)] += 1
        asked.versions[headers.get("mlcore-model-version", "")] += 1

    async def _exchange(self) -> tuple[int, dict[str, str], bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(self._request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers["content-length"]))
        return int(head[0].split()[1]), headers, body


def post(path: str, body: object) -> bytes:
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(content)}"
    )
    return head.encode() + b"\r\n\r\n" + content


async def as_fast(port: int, request: bytes, connections: int, seconds: float) -> Asked:
    """Every connection asks again when it has its answer."""
    asked, end = Asked(), time.perf_counter() + seconds

    async def one() -> None:
        connection = Connection(port, request)
        while time.perf_counter() < end:
            await connection.ask(asked)

    await asyncio.gather(*(one() for _ in range(connections)))
    return asked


async def at_a_rate(port: int, request: bytes, rate: int, seconds: float) -> Asked:
    """A request every 1/rate seconds, whether earlier ones were answered or not."""
    asked, free, tasks = Asked(), [Connection(port, request) for _ in range(rate)], set()
    start = time.perf_counter()

    async def one(connection: Connection) -> None:
        await connection.ask(asked)
        free.append(connection)

    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, start + number / rate - time.perf_counter()))
        task = asyncio.create_task(one(free.pop() if free else Connection(port, request)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    return asked


def make_project(home: Path) -> None:
    import numpy as np

    (home / "config" / "pipelines").mkdir(parents=True)
    (home / "data").mkdir()
    (home / "config" / "pipelines" / "served.yaml").write_text(PIPELINE, encoding="utf-8")
    for day in range(DAYS):
        random = np.random.default_rng(day)
        start = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day)
        lines = [",".join(COLUMNS)]
        for number, values in enumerate(random.normal(size=(ROWS_A_DAY, len(NUMBERS) + 1)).tolist()):
            at = (start + timedelta(seconds=number * 40)).isoformat()
            cells = [day * ROWS_A_DAY + number, at, *values[:-1], f"c{number % 16}", f"o{number % 3}"]
            lines.append(",".join(map(str, [*cells, values[0] + values[-1]])))
        (home / "data" / f"{date(2024, 1, 1) + timedelta(days=day)}.csv").write_text("\n".join(lines) + "\n")


def mlcore(home: Path, *arguments: str) -> list[str]:
    del home
    return [sys.executable, "-m", "mlcore.cli.main", *arguments]


@contextmanager
def serving(command: list[str], port: int, environ: dict[str, str], home: Path, ready: str) -> Iterator[float]:
    """A server that answers; what it used of the processor is told by its children's times when it has ended."""
    with (home / "server.log").open("ab") as log:
        server = subprocess.Popen(command, env=environ, cwd=home, stdout=log, stderr=log)
        try:
            for _ in range(1_200):
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}{ready}", timeout=5):
                        break
                except (urllib.error.URLError, OSError):
                    time.sleep(0.1)
            yield time.perf_counter()
        finally:
            server.terminate()
            server.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def client(arguments: argparse.Namespace) -> None:
    """The client's process."""
    asked = asyncio.run(
        as_fast(arguments.port, arguments.request.encode(), arguments.connections, arguments.seconds)
        if arguments.rate is None
        else at_a_rate(arguments.port, arguments.request.encode(), arguments.rate, arguments.seconds)
    )
    document = {"seconds": asked.seconds, "moments": asked.moments, "versions": asked.versions, "failed": asked.failed}
    sys.stdout.write(json.dumps(document))


def start_client(port: int, request: bytes, *, seconds: float, **choices: int) -> subprocess.Popen[str]:
    extra = [word for name, value in choices.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, __file__, "client", "--port", str(port), "--request", request.decode()]
    return subprocess.Popen([*command, "--seconds", str(seconds), *extra], stdout=subprocess.PIPE, text=True)


def asked_by(process: subprocess.Popen[str]) -> Asked:
    found = json.loads(process.communicate()[0])
    return Asked(found["seconds"], found["moments"], Counter(found["versions"]), Counter(found["failed"]))


def measure(home: Path, options: argparse.Namespace) -> None:
    from mlcore.metadata.migrate import migrate
    from mlcore.platform.postgres import EmbeddedPostgres

    make_project(home)
    database = EmbeddedPostgres(home / "postgres")
    database.start()
    try:
        url = database.url("postgres")
        migrate(url)
        environ = {**os.environ, "MLCORE_PROJECT": str(home), "MLCORE_HOME": str(home / "home"),
                   "MLCORE_DATABASE_URL": url}  # fmt: skip
        for moment in ("2024-01-15T06:00Z", "2024-01-16T06:00Z"):
            command = mlcore(home, "run", "served", "--at", moment)
            subprocess.run(command, env=environ, check=True, stdout=subprocess.DEVNULL)
        ours(home, environ, options)
        peer(home, environ, options)
    finally:
        database.stop()


def ours(home: Path, environ: dict[str, str], options: argparse.Namespace) -> None:
    port, request = free_port(), post("/v1/predict", {"row": ROW})
    command = mlcore(home, "serve", "served", "--port", str(port))
    with serving(command, port, environ, home, "/readyz"):
        asked_by(start_client(port, request, seconds=3, connections=options.connections))
        fast = asked_by(start_client(port, request, seconds=options.seconds, connections=options.connections))
        print(f"mlcore serve  {fast.told(options.seconds)}", flush=True)
        one = asked_by(start_client(port, request, seconds=options.seconds / 2, connections=1))
        print(f"  one at a time {one.told(options.seconds / 2)}", flush=True)
        swap(port, request, home, environ, options)


def swap(port: int, request: bytes, home: Path, environ: dict[str, str], options: argparse.Namespace) -> None:
    """A fixed rate, calm at first; then a promotion and a rollback."""
    calm = asked_by(start_client(port, request, seconds=options.swap_seconds / 2, rate=options.rate))
    print(f"  {options.rate} a second, calm  {calm.told(options.swap_seconds / 2)}", flush=True)
    running = start_client(port, request, seconds=options.swap_seconds, rate=options.rate)
    for words in (("rollback", "served"), ("promote", "served", "2", "--reason", "benchmark")):
        time.sleep(options.swap_seconds / 3)
        subprocess.run(mlcore(home, "models", *words), env=environ, check=True, stdout=subprocess.DEVNULL)
    swapped = asked_by(running)
    print(f"  with two swaps     {swapped.told(options.swap_seconds)}", flush=True)
    median = sorted(calm.seconds)[len(calm.seconds) // 2]
    high = sorted(swapped.seconds)[int(len(swapped.seconds) * 0.99)]
    print(f"  p99 with swaps is {high / median:.2f} times the median of the calm seconds", flush=True)


def peer(home: Path, environ: dict[str, str], options: argparse.Namespace) -> None:
    model = home / "flavour"
    write_peer(home, environ, model)
    port = free_port()
    names = list(ROW)
    body = {"dataframe_split": {"columns": names, "data": [list(ROW.values())]}}
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(model), "--env-manager", "local"]
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"
    settings = {**environ, "PATH": path, "MLFLOW_TRACKING_URI": f"file:{home / 'mlruns'}"}
    with serving([*command, "-p", str(port), "--workers", "1"], port, settings, home, "/ping"):
        request = post("/invocations", body)
        asked_by(start_client(port, request, seconds=3, connections=options.connections))
        fast = asked_by(start_client(port, request, seconds=options.seconds, connections=options.connections))
        print(f"mlflow models serve  {fast.told(options.seconds)}", flush=True)


def write_peer(home: Path, environ: dict[str, str], folder: Path) -> None:
    """The champion in MLflow's format."""
    from mlcore.config.settings import Settings
    from mlcore.runtime.session import open_session
    from mlcore.tracking.flavour import Ids, ModelSource, write_flavour
    from mlcore.training.model import library_versions

    with open_session(Settings.from_environ(environ)) as stores:
        version = stores.registry.find("served")
        (artifact,) = stores.metadata.artifacts([version.artifact_id])
        source = ModelSource(
            folder=stores.artifacts.path(artifact.uri),
            digest=artifact.digest,
            examples=None,
            distributions=library_versions(),
            python=".".join(map(str, sys.version_info[:3])),
            created_at=version.created_at,
        )
        folder.mkdir()
        write_flavour(folder, source, Ids(model_id="m-" + "0" * 32, run_id=None, location=str(home)))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("what", nargs="?", choices=("client",), help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--request", help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--swap-seconds", type=float, default=60)
    parser.add_argument("--rate", type=int)
    options = parser.parse_args()
    if options.what == "client":
        client(options)
        return
    options.rate = options.rate or 200
    with tempfile.TemporaryDirectory(prefix="mlcore-bench-") as folder:
        measure(Path(folder), options)


if __name__ == "__main__":
    main()
