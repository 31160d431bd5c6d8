"""How a Parquet file is divided."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlcore.beam.files import batches, parts
from mlcore.errors import ArtifactCorrupt, ArtifactMissing


def parquet(path: Path, rows: int, group: int) -> str:
    pq.write_table(pa.table({"x": list(range(rows))}), path, row_group_size=group)
    return str(path)


@pytest.mark.parametrize(
    ("rows", "group", "most", "expected"),
    [
        (10, 4, 4, [range(1), range(1, 2), range(2, 3)]),
        (10, 4, 5, [range(2), range(2, 3)]),
        (10, 4, 10, [range(3)]),
        (10, 10, 1, [range(1)]),
        (8, 4, 4, [range(1), range(1, 2)]),
    ],
)
def test_parts_are_runs_of_row_groups(tmp_path: Path, rows: int, group: int, most: int, expected: list[range]) -> None:
    """A part ends with the row group that fills it; none is cut, none is empty."""
    assert parts(parquet(tmp_path / "f", rows, group), most) == expected


def test_the_parts_hold_every_row_once_and_in_order(tmp_path: Path) -> None:
    """What is read of the parts, one after the other, is what is read of the whole."""
    path = parquet(tmp_path / "f", 1_000, 30)
    read = [batch["x"].to_pylist() for part in parts(path, 70) for batch in batches(path, row_groups=part)]
    assert [value for values in read for value in values] == list(range(1_000))
    assert len(read) == 12


def test_a_file_without_rows_is_one_part(tmp_path: Path) -> None:
    """It has columns, which somebody must read."""
    assert len(parts(parquet(tmp_path / "f", 0, 1), 1)) == 1


def test_a_file_that_cannot_be_divided_is_named(tmp_path: Path) -> None:
    """One that is gone, and one that is no Parquet file."""
    (tmp_path / "text").write_bytes(b"no Parquet at all")
    for name, error in (("gone", ArtifactMissing), ("text", ArtifactCorrupt)):
        with pytest.raises(error) as caught:
            parts(str(tmp_path / name), 1)
        assert caught.value.where == str(tmp_path / name)
