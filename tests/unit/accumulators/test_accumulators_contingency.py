"""What a column tells of the label: nothing by chance, all where it is a leak, from few rows to many."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from mlcore.statistics.accumulate import DatasetAccumulator
from mlcore.statistics.extract import associations
from mlcore.statistics.options import StatisticsOptions


def strengths(rows: int, seed: int) -> dict[str, float]:
    """Of columns that leak a label, in part or whole, and of such that do not."""
    chance = np.random.default_rng(seed)
    label = (chance.random(rows) < 0.3).astype(np.int64)
    table = pa.table(
        {
            "label": label,
            "copied": pa.array([f"v{each}" for each in label]),
            "split": pa.array([f"{each}-{row % 5}" for row, each in enumerate(label)]),
            "shifted": label * 10 + chance.random(rows),
            "noisy": np.where(chance.random(rows) < 0.1, 1 - label, label),
            "unique": chance.random(rows),
            "counter": np.arange(rows),
            "names": pa.array([f"name {row}" for row in range(rows)]),
            "cities": pa.array([f"city {each}" for each in chance.integers(0, 40, rows)]),
            "coin": chance.random(rows) < 0.5,
        }
    )
    found = associations(DatasetAccumulator.of(table.to_batches(), StatisticsOptions(label="label")))
    return {each.column: each.strength for each in found}


@pytest.mark.parametrize("rows", [60, 200, 1_000, 20_000])
def test_chance_tells_nothing_and_leaks_tell_all(rows: int) -> None:
    """Also of columns that are different in each row, of which a table of counts alone would say that they tell all."""
    found = [strengths(rows, seed) for seed in range(6)]
    mean = {name: float(np.mean([each[name] for each in found])) for name in found[0]}
    for leak in ("copied", "split", "shifted"):
        assert mean[leak] == pytest.approx(1.0, abs=0.01), leak
    for nothing in ("unique", "counter", "names", "cities", "coin"):
        assert mean[nothing] < (0.15 if rows < 1_000 else 0.02), nothing
    truth = 1 - _entropy(0.1) / _entropy(0.3 * 0.9 + 0.7 * 0.1)  # near what the noise leaves
    assert mean["noisy"] == pytest.approx(truth, abs=0.15)


def _entropy(share: float) -> float:
    return float(-share * np.log(share) - (1 - share) * np.log(1 - share))
