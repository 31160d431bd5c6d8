"""Training on more rows than fit in memory: peak memory and CPU by rows, streamed and at once.

    python benchmarks/training.py [--rows 300000 3000000] [--ways streamed at_once]

Ten spans of generated rows, twelve features of which one is one-hot; SGDClassifier either way, five passes at most at
once, one when streamed. Each measurement is a process of its own; what it holds after its imports and before it reads
anything is told apart. The estimate is what ``model.max_memory`` is compared with.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import psutil
import pyarrow as pa

from mlcore.config.model import Feature
from mlcore.ingest.examples import ExamplesWriter, iter_batches, read_examples, row_groups
from mlcore.training.memory import BLOCK_ROWS, Size, in_units
from mlcore.training.predict import predict_scores
from mlcore.training.train import train, train_streaming
from mlcore.transform.fitting import fit
from mlcore.transform.specs import specs_from_config
from mlcore.transform.state import analyze
from mlcore.transform.transformer import GraphTransformer

SPANS = 10
PIECE_ROWS = 50_000
NUMBERS = tuple(f"x{number}" for number in range(11))
FEATURES = {name: Feature(transform="scale_to_z_score") for name in NUMBERS} | {"kind": Feature(transform="one_hot")}
SPECS = specs_from_config(FEATURES, {**dict.fromkeys(NUMBERS, "float64"), "kind": "string"})
SGD = {"estimator": "sklearn.linear_model.SGDClassifier", "params": {"loss": "log_loss", "max_iter": 5, "tol": 1e-3}}


def piece(seed: int, rows: int) -> pa.RecordBatch:
    """Rows, the same every time."""
    random = np.random.default_rng(seed)
    numbers = {name: random.normal(number, 1 + number, rows) for number, name in enumerate(NUMBERS)}
    kind = random.integers(0, 8, rows)
    late = numbers["x0"] + (kind == 3) + random.normal(size=rows) > 0.5
    return pa.record_batch({**numbers, "kind": pa.array([f"kind {one}" for one in kind.tolist()]), "late": late})


def write(folder: Path, rows: int) -> list[Path]:
    """The spans' Examples."""
    folders = []
    for span in range(SPANS):
        folders.append(folder / f"{rows}-{span}")
        folders[-1].mkdir(parents=True)
        with ExamplesWriter(folders[-1], piece(0, 1).schema) as writer:
            for start in range(0, rows // SPANS, PIECE_ROWS):
                writer.write(piece(span * 10_000 + start, min(PIECE_ROWS, rows // SPANS - start)))
    return folders


def measure(way: str, folders: Sequence[Path]) -> dict[str, object]:
    """Train once, in this process."""
    import sklearn.linear_model  # noqa: F401 - before what is held is looked at

    before, cpu = psutil.Process().memory_info().rss, time.process_time()
    columns = [*NUMBERS, "kind", "late"]
    first = next(iter_batches(folders, columns, batch_rows=BLOCK_ROWS))
    transformer = GraphTransformer.of(fit(SPECS, analyze(first, SPECS)))
    features = len(transformer.graph.feature_names)
    groups, row_bytes = row_groups(folders), -(-first.nbytes // first.num_rows)
    size = Size(rows=sum(groups), group_rows=max(groups), row_bytes=row_bytes, features=features)
    if way == "streamed":

        def source(wanted: Sequence[str]) -> Iterator[pa.RecordBatch]:
            return iter_batches(folders, wanted, batch_rows=BLOCK_ROWS)

        trained = train_streaming(source, transformer, columns=columns, label="late", **SGD)
    else:
        trained = train(read_examples(folders, columns), transformer, label="late", **SGD)
    peak, cpu = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, time.process_time() - cpu
    unseen = pa.Table.from_batches([piece(999_999, 20_000)])
    right = (predict_scores(trained.pipeline, unseen) > 0.5) == unseen["late"].to_numpy()
    return {
        "rows": trained.rows,
        "way": way,
        "before": before,
        "peak": peak,
        "estimate": size.block_bytes if way == "streamed" else size.bytes,
        "cpu": cpu,
        "accuracy": float(right.mean()),
    }


def main() -> None:
    """Run each measurement in its own process and print a line of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[300_000, 3_000_000])
    parser.add_argument("--ways", nargs="+", default=["streamed", "at_once"])
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        print(json.dumps(measure(given.child[0], [Path(one) for one in given.child[1:]])))
        return
    with tempfile.TemporaryDirectory() as folder:
        for rows in given.rows:
            folders = write(Path(folder), rows)
            for way in given.ways:
                command = [sys.executable, __file__, "--child", way, *map(str, folders)]
                found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                more, before, guess = (
                    in_units(size) for size in (found["peak"] - found["before"], found["before"], found["estimate"])
                )
                print(
                    f"{found['rows']:>9,} rows {way:>8}: at the peak {more} above the {before} before,"
                    f" estimated {guess}; {found['cpu']:.1f} CPU s, accuracy {found['accuracy']:.3f}"
                )


if __name__ == "__main__":
    main()
