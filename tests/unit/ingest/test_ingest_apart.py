from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from support.small_data import make_data

from mlcore.errors import ArtifactMissing
from mlcore.ingest import keys
from mlcore.ingest.apart import FILE_NAME, Common, common_keys, write_hashes
from mlcore.ingest.examples import write_examples
from mlcore.ingest.keys import Keys

COLUMNS = ["customer", "order"]


def folder(path: Path, rows: list[tuple[str, int]]) -> Path:
    path.mkdir()
    table = pa.table({"customer": [row[0] for row in rows], "order": [row[1] for row in rows], "x": [0.5] * len(rows)})
    write_examples(path, table)
    with Keys() as found:
        for batch in table.to_batches(max_chunksize=3):
            found.add(batch, COLUMNS)
        write_hashes(path, found)
    return path


@pytest.mark.parametrize("most", [4, 1 << 19])
def test_keys_on_both_sides_are_counted_and_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Each key once, with the evaluation spans that have any; parts of keys in common are none."""
    monkeypatch.setattr(keys, "RUN_ROWS", most)
    train = [folder(tmp_path / f"t{day}", [("a", day * 10 + i) for i in range(10)]) for day in range(3)]
    clean = folder(tmp_path / "e0", [("b", 1), ("a", 30), ("a", 31)])
    both = folder(tmp_path / "e1", [("a", 5), ("a", 5), ("a", 17), ("c", 5), ("a", 40)])
    assert common_keys(train, [clean, both], COLUMNS) == Common(count=2, shown=(("a", 17), ("a", 5)), spans=(1,))
    assert common_keys(train, [clean], COLUMNS) is None


def test_a_hash_in_common_is_no_key_in_common(tmp_path: Path) -> None:
    """The keys themselves decide."""
    train, judged = folder(tmp_path / "t", [("a", 1)]), folder(tmp_path / "e", [("a", 2)])
    (judged / FILE_NAME).write_bytes((train / FILE_NAME).read_bytes())
    assert common_keys([train], [judged], COLUMNS) is None


def test_lost_hashes_are_told(tmp_path: Path) -> None:
    """Nothing is taken to be apart because nothing is there to look at."""
    train = folder(tmp_path / "t", [("a", 1)])
    (train / FILE_NAME).unlink()
    with pytest.raises(ArtifactMissing, match="hashes of the keys"):
        common_keys([train], [train], COLUMNS)


@pytest.mark.parametrize(
    ("key", "split", "kept_apart"),
    [
        (["id", "at"], {"by": "time"}, ()),
        (["id"], {"by": "time"}, ("id",)),
        (["id"], {"by": "hash", "evaluation": 0.2}, ()),
        (["id"], {"by": "hash", "evaluation": 0.2, "split_by": "name"}, ("id",)),
        (["id", "at"], {"by": "hash", "evaluation": 0.2, "split_by": "name"}, ()),
        (["id"], {"by": "column", "column": "name"}, ("id",)),
        (["id", "at"], {"by": "column", "column": "name"}, ()),
        (["id", "at"], {"by": "column", "column": "name", "split_by": "day"}, ("day",)),
    ],
)
def test_what_must_be_looked_at_follows_from_key_and_split(
    key: list[str], split: dict[str, object], kept_apart: tuple[str, ...]
) -> None:
    """Where the configuration itself keeps keys apart, nothing is stored and nothing is looked at."""
    assert make_data(key=key, split=split).kept_apart == kept_apart
