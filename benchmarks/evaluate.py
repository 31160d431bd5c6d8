"""Evaluation with intervals: CPU seconds and memory, for a small file of many slices and for millions of rows.

    python benchmarks/evaluate.py [--only small large resampled] [--rows 5000000]

small: 20,000 rows, 13 metrics, 56 slices (origin, carrier, month x origin, all), every one with its interval.
large: 5,000,000 rows, 13 metrics, 200 slices, rows of one day not independent.
resampled: as many rows and slices, and metrics whose intervals are resampled: lift, operating points, one of a
project's own. Rows are independent; or of 28 days, which are left out one at a time.

CPU seconds do not count imports, nor the making of the rows. The reference, TensorFlow Model Analysis 0.47.1, installs
on no Python above 3.10: it took 26 CPU s for the small one without intervals, 175 with bootstrap intervals of 7 metrics
on 4 slices, and 34 with the jackknife.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa

from mlcore.evaluation.metrics import metric

METRICS = (
    "roc_auc", "average_precision", "log_loss", "brier", "accuracy", "precision", "recall", "specificity", "f_beta",
    "calibration", "calibration_error", "mean_prediction", "mae",
)  # fmt: skip
KINDS = ("small", "large", "resampled")
RESAMPLED = ("lift", "recall_at_precision(precision=0.3)", "specificity_at_recall", "evaluate.median_score")
TFMA_CPU_SECONDS = {
    "the same without intervals": 26.0,
    "7 metrics of 4 slices with bootstrap intervals": 175.0,
    "7 metrics of 4 slices with jackknife intervals": 34.0,
}


@metric(higher_is_better=True)
def median_score(labels: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> float:
    """A metric of one's own: the weighted median score of the positive rows."""
    positive = labels == 1
    totals = np.cumsum(weights[positive])
    order = scores[positive]  # an evaluation's rows are in the order of their scores
    return float(order[np.searchsorted(totals, totals[-1] / 2)])


def scored(rows: int, carriers: int) -> tuple[pa.Table, np.ndarray]:
    """Rows with a label, a score, and columns to slice by."""
    generator = np.random.default_rng(7)
    scores = generator.beta(2, 6, rows)
    table = pa.table(
        {
            "label": (generator.random(rows) < scores).astype(np.int8),
            "origin": np.array(["EWR", "JFK", "LGA"])[generator.integers(0, 3, rows)],
            "carrier": np.array([f"C{number:03}" for number in range(carriers)])[generator.integers(0, carriers, rows)],
            "month": generator.integers(1, 13, rows),
            "day": generator.integers(0, 28, rows),
        }
    )
    return table, scores


def measure(rows: int, carriers: int, *, clustered: bool, metrics: tuple[str, ...] = METRICS) -> None:
    from mlcore.config.evaluation import Evaluation
    from mlcore.evaluation.evaluate import evaluate

    config = Evaluation(metrics=metrics, slices=(("origin",), ("carrier",), ("month", "origin")), min_slice_rows=1)
    small, scores = scored(1000, 2)  # what is imported when it is first needed
    evaluate(small["label"], scores, columns=small, config=config, clusters=small["day"])
    table, scores = scored(rows, carriers)
    before = time.process_time()
    found = evaluate(table["label"], scores, columns=table, config=config, clusters=table["day"] if clustered else None)
    spent = time.process_time() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    values = sum(len(result.metrics) for result in found.results)
    how = "rows of a day not independent" if clustered else "rows independent"
    print(
        f"{rows:,} rows ({how}), {len(metrics)} metrics, {len(found.results)} slices, {values:,} values with intervals:"
    )
    print(f"  mlcore:                            {spent:8.2f} CPU s, {peak:,.0f} MB")
    if metrics is METRICS and rows == 20_000:
        for name, seconds in TFMA_CPU_SECONDS.items():
            print(f"  TensorFlow Model Analysis, published: {seconds:5g} CPU s, {name} ({seconds / spent:,.0f} times)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    for name in arguments.only:
        if not arguments.here:  # a process each, so that the peak is its own
            command = [sys.executable, __file__, "--here", "--only", name, "--rows", str(arguments.rows)]
            subprocess.run(command, check=True)
        elif name == "small":
            measure(20_000, 16, clustered=False)
        elif name == "large":
            measure(arguments.rows, 160, clustered=True)
        else:
            for clustered in (False, True):
                measure(arguments.rows, 160, clustered=clustered, metrics=RESAMPLED)


if __name__ == "__main__":
    main()
