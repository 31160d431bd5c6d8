"""A year of hourly spans from one Parquet file: CPU, wall and memory of every component, and of the next hours' runs.

    python benchmarks/hourly.py [--hours 8760] [--rows 1000000]

Four runs, each in a process of its own: the whole window; an hour later, of the same file; an hour later again, when
the file was written anew with one more hour in it; and that one again. The third reads the file once, for nobody can
know what in it is new before; only the new hour's rows become Examples.
"""

from __future__ import annotations

import argparse
import os
import runpy
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from textwrap import dedent

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.append(sys.path.pop(0))  # beside this file lies one that is named as a module of the standard library

from mlcore.core.window import iso, parse_moment

START = parse_moment("2024-01-01T00:00Z")
EVALUATED_HOURS = 24
PIPELINE = """
    name: hourly
    schedule: "@hourly"
    start_date: 2024-01-01
    data:
      source: {{type: parquet, path: "data/{{YYYY}}.parquet"}}
      columns: {{id: int64, at: timestamp, colour: string, size: float64, weight: float64, outcome: float64}}
      event_timestamp: at
      key: [id, at]
      span: PT1H
      label: {{name: big, column: outcome, above: 0}}
    window: {{train: PT{train}H, eval: PT{evaluated}H}}
    features:
      colour: {{transform: vocabulary}}
      size: {{transform: scale_to_z_score}}
      weight: {{transform: scale_to_z_score}}
    model:
      estimator: sklearn.ensemble.HistGradientBoostingClassifier
      params: {{max_iter: 5, random_state: 7}}
    evaluation:
      metrics: [roc_auc, log_loss]
      validation_criteria: [{{metric: roc_auc, threshold: 0.6}}]
    push: {{infra: {{max_latency_p99: PT10S, max_memory: 4GiB}}}}
"""


def write_file(path: Path, hours: int, hourly: int) -> None:
    """The rows of so many hours, in the order of time; more hours begin with the rows of fewer, hour by hour."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    random = np.random.default_rng(7)
    number = np.arange(hours * hourly)
    size, noise, colour = random.random((len(number), 3)).T
    first = int(START.timestamp()) * 1_000_000
    moments = first + number // hourly * 3_600_000_000 + number % hourly * (3_600_000_000 // hourly)
    table = pa.table(
        {
            "id": number,
            "at": pa.array(moments).cast(pa.timestamp("us", tz="UTC")),
            "colour": pa.array(["red", "green", "blue"]).take(pa.array((colour * 3).astype(np.int64))),
            "size": size,
            "weight": noise * 90,
            "outcome": size + noise - 1,
        }
    )
    pq.write_table(table, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)


def run(options: argparse.Namespace) -> None:
    """One run of this process."""
    from mlcore.config.loader import load_pipeline
    from mlcore.config.settings import Settings
    from mlcore.core.request import RunRequest
    from mlcore.runtime.graphs.retraining import retraining_graph
    from mlcore.runtime.local import run_graph
    from mlcore.runtime.session import open_session

    home = Path(options.home)
    settings = Settings(project=home, home=home / "home", artifacts=str(home / "artifacts"), database_url=options.url)
    config = load_pipeline(home / "config" / "pipelines" / "hourly.yaml")
    request = RunRequest(pipeline="hourly", run=options.only, as_of=parse_moment(options.only))
    meter = runpy.run_path(str(Path(__file__).with_name("pipeline.py")))["Meter"]()
    started = time.monotonic()
    with open_session(settings) as session:
        run_graph(session, config, retraining_graph(config), request=request, observer=meter)
    wall = time.monotonic() - started
    print(f"{'all':20} {'':9} {meter.cpu:8.2f} {wall:8.2f} {meter.peak:8.0f}  CPU s, wall s, peak MB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--hours", type=int, default=8760)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--only", help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--home", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        run(options)
        return
    with tempfile.TemporaryDirectory(prefix="mlcore-bench-") as folder:
        measure(Path(folder), options)


def measure(home: Path, options: argparse.Namespace) -> None:
    from mlcore.metadata.migrate import migrate
    from mlcore.platform.postgres import EmbeddedPostgres

    (home / "config" / "pipelines").mkdir(parents=True)
    (home / "data").mkdir()
    text = dedent(PIPELINE.format(train=options.hours - EVALUATED_HOURS, evaluated=EVALUATED_HOURS))
    (home / "config" / "pipelines" / "hourly.yaml").write_text(text, encoding="utf-8")
    data, hourly = home / "data" / "2024.parquet", options.rows // options.hours
    write_file(data, options.hours + 1, hourly)
    server = EmbeddedPostgres(home / "postgres")
    server.start()
    try:
        url = server.url("postgres")
        migrate(url)
        for later, what in enumerate(("the whole window", "an hour later", "an hour later, of a new file", "again")):
            if later == 2:
                write_file(data, options.hours + 2, hourly)
            as_of = iso(START + timedelta(hours=options.hours + min(later, 2)))
            print(f"\n{what}, as of {as_of}", flush=True)
            command = [sys.executable, __file__, "--only", as_of, "--url", url, "--home", str(home)]
            subprocess.run(command, check=True)
    finally:
        server.stop()


if __name__ == "__main__":
    main()
