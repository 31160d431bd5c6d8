"""Stored statistics: damage is told from data, wherever it is."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pyarrow as pa
import pytest

from mlcore.errors import ArtifactCorrupt
from mlcore.statistics.accumulate import DatasetAccumulator
from mlcore.statistics.files import from_bytes, to_bytes
from mlcore.statistics.options import StatisticsOptions


@pytest.fixture(scope="module")
def content() -> bytes:
    """Every kind of column; strings and numbers beyond what is counted exactly."""
    generator = np.random.default_rng(2)
    rows = 40_000
    table = pa.table(
        {
            "id": [f"{number:x}" for number in range(rows)],
            "amount": generator.normal(size=rows),
            "colour": pa.array([("red", "blue", None)[value] for value in generator.integers(0, 3, rows)]),
            "label": generator.integers(0, 2, rows),
            "weight": generator.random(rows),
        }
    )
    return to_bytes(DatasetAccumulator.of(table.to_batches(), StatisticsOptions(label="label", weight="weight")))


def test_many_values_come_back_to_the_byte(content: bytes) -> None:
    """What is read is written as it was, also what stands for too many values to be counted."""
    found = from_bytes(content)
    assert not found.columns["id"].values.complete
    assert not found.columns["amount"].values.complete
    assert to_bytes(found) == content


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.9999])
def test_a_truncated_file_is_corrupt(content: bytes, share: float) -> None:
    """Cut anywhere, it is an error that says what to do."""
    with pytest.raises(ArtifactCorrupt, match="these are no statistics") as error:
        from_bytes(content[: int(len(content) * share)])
    assert error.value.next_step


def test_a_damaged_header_is_corrupt(content: bytes) -> None:
    """Each of the first bytes overwritten: an error of ours, or the same statistics; nothing else."""
    for place in range(0, 160, 3):
        damaged = bytearray(content)
        damaged[place] ^= 0x15
        with suppress(ArtifactCorrupt):
            assert from_bytes(bytes(damaged)).rows == from_bytes(content).rows
