"""Jobs on the real FnApiRunner."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.beam_jobs import merged, state_of

from mlcore.beam.combine import Shard, accumulate
from mlcore.config.beam import Beam
from mlcore.errors import ArtifactCorrupt, ArtifactError, ArtifactMissing, ConfigError, DataError
from mlcore.statistics.accumulate import DatasetAccumulator
from mlcore.statistics.files import FILE_NAME, read, read_merged, to_bytes
from mlcore.statistics.spans import StatisticsJob, span_statistics


def parquet(path: Path, values: Sequence[int]) -> Path:
    pq.write_table(
        pa.table({"x": pa.array(values, pa.int64()), "y": pa.array([0.5] * len(values), pa.float64())}), path
    )
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def listed(batches: Iterable[pa.RecordBatch]) -> bytes:
    """The values in the order read, and the columns there are."""
    read_ = list(batches)
    values = [value for batch in read_ for value in batch.column("x").to_pylist()]
    if 13 in values:
        raise DataError("thirteen is no number", where="x", next_step="leave it out")
    return f"{','.join(read_[0].schema.names)}:{values};".encode()


def joined(states: Sequence[bytes]) -> bytes:
    return b"".join(states)


@pytest.fixture
def quiet_scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder of the test's own, so that what is left there shows."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    return scratch


def test_states_are_folded_in_the_order_of_the_shards(tmp_path: Path, quiet_scratch: Path) -> None:
    """Each key has one file, its shards in the order given and not that of their names; nothing else is left."""
    paths = [parquet(tmp_path / f"{name}.parquet", [number]) for number, name in enumerate("dcba")]
    targets = {key: tmp_path / f"{key}.state" for key in ("odd", "even")}
    keys = ["even", "odd", "even", "odd"]
    shards = [Shard(key=key, path=str(path), target=str(targets[key])) for key, path in zip(keys, paths, strict=True)]
    accumulate(shards, make=listed, fold=joined, columns=["x"])
    assert targets["even"].read_bytes() == b"x:[0];x:[2];"
    assert targets["odd"].read_bytes() == b"x:[1];x:[3];"
    assert names(tmp_path) == ["a.parquet", "b.parquet", "c.parquet", "d.parquet", "even.state", "odd.state", "scratch"]
    assert list(quiet_scratch.iterdir()) == []


def test_a_large_file_is_read_in_parts(tmp_path: Path) -> None:
    """Each run of row groups leaves a state of its own, folded in the file's order; a small file stays whole."""
    large, small = tmp_path / "large.parquet", parquet(tmp_path / "small.parquet", [7, 8, 9])
    pq.write_table(pa.table({"x": list(range(7))}), large, row_group_size=2)
    shards = [Shard(key="k", path=str(path), target=str(tmp_path / "state")) for path in (large, small, large)]
    accumulate(shards, make=listed, fold=joined, columns=["x"], part_rows=4)
    divided = "x:[0, 1, 2, 3];x:[4, 5, 6];"
    assert (tmp_path / "state").read_text() == f"{divided}x:[7, 8, 9];{divided}"


def test_a_failure_in_one_part_is_that_of_the_file(tmp_path: Path) -> None:
    """The first part in order that failed is told, and the key has no file."""
    bad = tmp_path / "bad.parquet"
    pq.write_table(pa.table({"x": [1, 2, 13, 13]}), bad, row_group_size=1)
    with pytest.raises(DataError, match="thirteen"):
        accumulate([Shard(key="k", path=str(bad), target=str(tmp_path / "t"))], make=listed, fold=joined, part_rows=1)
    assert not (tmp_path / "t").exists()


def test_how_a_span_is_divided_changes_no_statistics(tmp_path: Path) -> None:
    """Any division leaves the bytes of one pass, also where there are too many different numbers to keep."""
    table = pa.table({"x": pa.array(range(90_000)), "y": pa.array([number % 7 / 4 for number in range(90_000)])})
    pq.write_table(table, tmp_path / "span.parquet", row_group_size=20_000)
    shard = Shard(key="k", path=str(tmp_path / "span.parquet"), target=str(tmp_path / "state"))
    whole = to_bytes(DatasetAccumulator.of(table.to_batches()))
    for part_rows in (1, 40_000, 1 << 20):
        accumulate([shard], make=state_of, fold=merged, part_rows=part_rows)
        assert (tmp_path / "state").read_bytes() == whole


def test_a_file_without_rows_has_columns(tmp_path: Path) -> None:
    """An empty Parquet file gives the state of no rows instead of none."""
    path, target = parquet(tmp_path / "empty.parquet", []), tmp_path / "state"
    accumulate([Shard(key="k", path=str(path), target=str(target))], make=listed, fold=joined)
    assert target.read_bytes() == b"x,y:[];"


def test_what_a_worker_raises_reaches_the_caller(tmp_path: Path, quiet_scratch: Path) -> None:
    """The first failure in order, with its type, place and advice; its key has no file, another key has."""
    good, bad = parquet(tmp_path / "good.parquet", [1]), parquet(tmp_path / "bad.parquet", [13])
    shards = [
        Shard(key="a", path=str(good), target=str(tmp_path / "a")),
        Shard(key="a", path=str(bad), target=str(tmp_path / "a")),
        Shard(key="b", path=str(good), target=str(tmp_path / "b")),
        Shard(key="c", path=str(tmp_path / "gone.parquet"), target=str(tmp_path / "c")),
    ]
    with pytest.raises(DataError) as caught:
        accumulate(shards, make=listed, fold=joined)
    assert type(caught.value) is DataError
    assert (caught.value.what, caught.value.where, caught.value.next_step) == (
        "thirteen is no number",
        "x",
        "leave it out",
    )
    assert names(tmp_path) == ["b", "bad.parquet", "good.parquet", "scratch"]
    assert list(quiet_scratch.iterdir()) == []


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    """A file that is gone, that is no Parquet, that is cut off, or that lacks a column."""
    whole = parquet(tmp_path / "whole.parquet", list(range(1000)))
    (tmp_path / "text.parquet").write_bytes(b"no Parquet at all")
    (tmp_path / "cut.parquet").write_bytes(whole.read_bytes()[:-200])
    for name, error, columns, reason in (
        ("gone", ArtifactMissing, ["x"], "gone"),
        ("text", ArtifactCorrupt, ["x"], "cannot be read"),
        ("cut", ArtifactCorrupt, ["x"], "cannot be read"),
        ("whole", ArtifactCorrupt, ["x", "z"], "'z' is missing"),
    ):
        path = tmp_path / f"{name}.parquet"
        with pytest.raises(error, match=reason) as caught:
            accumulate(
                [Shard(key="k", path=str(path), target=str(tmp_path / "t"))], make=listed, fold=joined, columns=columns
            )
        assert caught.value.where == str(path)
    assert not (tmp_path / "t").exists()


def test_a_result_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """A key whose folder is not there fails with the place; others are written."""
    good = parquet(tmp_path / "good.parquet", [1])
    lost = tmp_path / "no-such-folder" / "state"
    shards = [
        Shard(key="a", path=str(good), target=str(tmp_path / "a")),
        Shard(key="b", path=str(good), target=str(lost)),
    ]
    with pytest.raises(ArtifactError, match="cannot be written") as caught:
        accumulate(shards, make=listed, fold=joined)
    assert caught.value.where == str(lost)
    assert (tmp_path / "a").read_bytes() == b"x,y:[1];"


def test_an_object_store_is_as_good_as_a_disk(tmp_path: Path) -> None:
    """Inputs and outputs may be URLs: workers and caller share nothing else."""
    from upath import UPath

    root = UPath("memory://beam-accumulate")
    root.mkdir(exist_ok=True)
    (root / "in.parquet").write_bytes(parquet(tmp_path / "in.parquet", [1, 2]).read_bytes())
    accumulate([Shard(key="k", path=str(root / "in.parquet"), target=str(root / "state"))], make=listed, fold=joined)
    assert (root / "state").read_bytes() == b"x,y:[1, 2];"
    with pytest.raises(ArtifactMissing):
        accumulate([Shard(key="k", path=str(root / "no"), target=str(root / "other"))], make=listed, fold=joined)
    assert sorted(path.name for path in root.iterdir()) == ["in.parquet", "state"]


def test_no_shards_are_no_job(tmp_path: Path) -> None:
    """Nothing to do is done at once: no runner is asked, not even one that cannot be."""
    nowhere = Beam(runner="PortableRunner")
    accumulate([], make=listed, fold=joined, engine=nowhere)
    one = Shard(key="k", path=str(tmp_path / "in"), target=str(tmp_path / "state"))
    with pytest.raises(ConfigError, match="'job_endpoint'"):
        accumulate([one], make=listed, fold=joined, engine=nowhere)


def test_spans_merge_to_the_statistics_of_all_their_rows(tmp_path: Path) -> None:
    """One job over three spans, one of them empty, leaves what one pass over all rows would."""
    days = {"2013-01-01": [3, 1, 2], "2013-01-02": [], "2013-01-03": list(range(70_000))}
    jobs = []
    for label, values in days.items():
        folder = tmp_path / label
        folder.mkdir()
        jobs.append(StatisticsJob(key=label, examples=parquet(tmp_path / f"{label}.parquet", values), folder=folder))
    span_statistics(jobs)
    everything = pq.read_table(parquet(tmp_path / "all.parquet", [v for values in days.values() for v in values]))
    merged = read_merged([job.folder for job in jobs])
    assert to_bytes(merged) == to_bytes(DatasetAccumulator.of(everything.to_batches()))
    assert read(jobs[1].folder).rows == 0
    assert [names(job.folder) for job in jobs] == [[FILE_NAME]] * 3
