"""Bulk inference: a model on many rows by a Beam job, against a plain loop that calls the same pipeline.

    python benchmarks/inference.py [--rows 1000000 34000000]

Both read the same Parquet file in the same batches of 65,536 rows and call the exported pipeline; the loop throws the
scores away, the job writes keys and predictions. Each runs in a process of its own; memory is the process's peak.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.append(sys.path.pop(0))  # beside this file lies one that is named as a module of the standard library

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

GROUP_ROWS = 65_536
NUMBERS = tuple(f"number_{index}" for index in range(10))


def rows_of(start: int, count: int) -> pa.RecordBatch:
    """Keys, ten numbers and two categories, the same every time."""
    random = np.random.default_rng(start)
    columns = {"id": pa.array(np.arange(start, start + count))}
    columns |= {name: pa.array(random.normal(size=count), mask=random.random(count) < 0.02) for name in NUMBERS}
    columns["carrier"] = pa.array(random.integers(0, 16, count).astype(str))
    columns["origin"] = pa.array(random.integers(0, 3, count).astype(str))
    noise = random.normal(size=count)
    known = np.nan_to_num(columns["number_0"].to_numpy(zero_copy_only=False))
    columns["late"] = pa.array((known + noise > 0).astype(np.int8))
    return pa.record_batch(columns)


def make_model(folder: Path) -> None:
    """A gradient boosting of 100 trees on 50,000 rows."""
    from mlcore.config.model import Feature
    from mlcore.training.model import ModelMetadata, save_model
    from mlcore.training.train import train
    from mlcore.transform.fitting import fit
    from mlcore.transform.specs import specs_from_config
    from mlcore.transform.state import analyze
    from mlcore.transform.transformer import GraphTransformer

    features = {name: Feature(transform="numeric") for name in NUMBERS}
    features |= {name: Feature(transform="vocabulary") for name in ("carrier", "origin")}
    types = dict.fromkeys(NUMBERS, "float64") | {"carrier": "string", "origin": "string"}
    specs = specs_from_config(features, types)
    batch = rows_of(0, 50_000)
    transformer = GraphTransformer.of(fit(specs, analyze(batch, specs)))
    estimator = "sklearn.ensemble.HistGradientBoostingClassifier"
    trained = train(
        pa.Table.from_batches([batch]), transformer, label="late", estimator=estimator, params={"max_iter": 100}
    )
    folder.mkdir()
    metadata = ModelMetadata(
        feature_names=transformer.graph.feature_names, label="late", classes=trained.classes, estimator=estimator,
        params={}, rows=trained.rows, unlabelled=0, train_start="", train_end="",
    )  # fmt: skip
    save_model(folder, trained.pipeline, b"{}", metadata)


def loop(model: Path, rows: Path, out: Path) -> None:
    """The peer: read, predict, forget."""
    del out
    from mlcore.training.model import load_model
    from mlcore.training.predict import predict_scores

    pipeline = load_model(model)
    with pq.ParquetFile(rows) as file:
        names = [name for name in file.schema_arrow.names if name not in ("id", "late")]
        for batch in file.iter_batches(batch_size=GROUP_ROWS, columns=names, use_threads=False):
            predict_scores(pipeline, pa.Table.from_batches([batch]))


def job(model: Path, rows: Path, out: Path) -> None:
    """Ours: a Beam job in this process that writes keys and predictions."""
    from mlcore.beam.convert import Source
    from mlcore.inference.bulk import Scoring, predict_files

    out.mkdir()
    scoring = Scoring(model=str(model), version=1, carried=("id",))
    predict_files([Source(path=str(rows), folder=str(out), prefix="rows")], scoring)


def measured(name: str, model: Path, rows: Path, out: Path) -> dict[str, float]:
    """One contender in a process of its own."""
    command = [sys.executable, __file__, "--contender", name, "--paths", str(model), str(rows), str(out)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measure every size."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--contender", choices=("loop", "job"))
    parser.add_argument("--paths", type=Path, nargs=3)
    given = parser.parse_args()
    if given.contender:
        started, cpu = time.perf_counter(), time.process_time()
        {"loop": loop, "job": job}[given.contender](*given.paths)
        from mlcore.deployment.probe import peak_memory_bytes

        measures = (time.perf_counter() - started, time.process_time() - cpu, peak_memory_bytes())
        sys.stdout.write(json.dumps(dict(zip(("wall", "cpu", "peak"), measures, strict=True))) + "\n")
        return
    with tempfile.TemporaryDirectory() as scratch:
        model = Path(scratch) / "model"
        make_model(model)
        for count in given.rows:
            report(Path(scratch), model, count)


def report(scratch: Path, model: Path, count: int) -> None:
    """One size: both contenders on the same file."""
    path = scratch / f"{count}.parquet"
    with pq.ParquetWriter(path, rows_of(0, 1).schema) as writer:
        for start in range(0, count, GROUP_ROWS):
            writer.write_batch(rows_of(start, min(GROUP_ROWS, count - start)))
    sys.stdout.write(f"{count:,} rows, {path.stat().st_size >> 20} MB of Parquet\n")
    plain = measured("loop", model, path, scratch / "none")
    ours = measured("job", model, path, scratch / f"{count}-out")
    for name, found in (("loop", plain), ("job", ours)):
        sys.stdout.write(
            f"  {name:<5} {found['cpu']:7.2f} CPU s, {found['wall']:7.2f} s wall,"
            f" peak {found['peak'] / 2**20:6.0f} MB\n"
        )
    sys.stdout.write(f"  speed of the job: {plain['wall'] / ours['wall']:.2f} of the loop's\n")
    path.unlink()


if __name__ == "__main__":
    main()
