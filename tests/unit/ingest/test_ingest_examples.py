from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.small_data import DAY, make_data

from mlcore.errors import ArtifactCorrupt, ArtifactMissing, MalformedData
from mlcore.ingest.examples import FILE_NAME, ROW_GROUP_ROWS, iter_batches, read_examples, write_examples
from mlcore.ingest.spans import Ingested, SpanJob, ingest_spans


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    made = []
    for day in range(3):
        folder = tmp_path / f"day{day}"
        folder.mkdir()
        write_examples(folder, pa.table({"a": [day * 10 + i for i in range(5)], "b": ["x", None, "y", "x", "z"]}))
        made.append(folder)
    return made


def test_rows_come_back_in_the_order_of_the_folders(folders: list[Path]) -> None:
    """Reading is the concatenation of what was written, with the columns asked for in the order asked for."""
    assert read_examples(folders)["a"].to_pylist() == [0, 1, 2, 3, 4, 10, 11, 12, 13, 14, 20, 21, 22, 23, 24]
    assert read_examples(folders[:1], ["b", "a"]).column_names == ["b", "a"]
    assert pa.Table.from_batches(iter_batches(folders)).equals(read_examples(folders).combine_chunks())


def test_equal_rows_give_equal_bytes(tmp_path: Path) -> None:
    """The file depends on the rows alone, not on how the table is chunked in memory."""
    table = pa.table({"a": list(range(1000)), "s": [str(i % 7) for i in range(1000)]})
    chunked = pa.concat_tables([table.slice(0, 300), table.slice(300)])
    contents = set()
    for name, rows in (("one", table), ("two", chunked), ("three", table)):
        (tmp_path / name).mkdir()
        write_examples(tmp_path / name, rows)
        contents.add((tmp_path / name / FILE_NAME).read_bytes())
    assert len(contents) == 1


def test_row_groups_are_bounded(tmp_path: Path) -> None:
    """A big span is written in groups that fit in memory one at a time."""
    write_examples(tmp_path, pa.table({"a": range(ROW_GROUP_ROWS + 1)}))
    assert pq.ParquetFile(tmp_path / FILE_NAME).num_row_groups == 2
    assert [batch.num_rows for batch in iter_batches([tmp_path])] == [ROW_GROUP_ROWS, 1]


def test_lost_and_damaged_files_are_artifact_errors(folders: list[Path]) -> None:
    """A missing file, a cut one and one without a wanted column are told apart from bugs."""
    content = (folders[1] / FILE_NAME).read_bytes()
    (folders[1] / FILE_NAME).write_bytes(content[:-10])
    with pytest.raises(ArtifactCorrupt):
        read_examples(folders)
    (folders[1] / FILE_NAME).unlink()
    with pytest.raises(ArtifactMissing):
        list(iter_batches(folders))
    with pytest.raises(ArtifactCorrupt, match="gone"):
        read_examples(folders[:1], ["a", "gone"])


def test_spans_are_ingested_in_order(tmp_path: Path) -> None:
    """Each span's file becomes examples, and what is worth knowing of it is returned."""
    jobs = []
    for number in range(2):
        path = tmp_path / f"{number}.csv"
        path.write_text(
            "at,id,name,amount,day,ok,delay\n"
            + "".join(
                f"2013-01-02T0{i}:00:00Z,{number},n,nan,2013-01-02,true,{'NA' if i else 20}\n"
                for i in range(number + 1)
            )
        )
        folder = tmp_path / f"out{number}"
        folder.mkdir()
        jobs.append(SpanJob(span=DAY, path=path, folder=folder))
    assert ingest_spans(jobs, make_data()) == (
        Ingested(rows=1, labelled=1, non_finite={"amount": 1}),
        Ingested(rows=2, labelled=1, non_finite={"amount": 2}),
    )
    assert read_examples([job.folder for job in jobs], ["late"])["late"].to_pylist() == [1, 1, None]


def test_a_span_that_cannot_be_read_writes_nothing(tmp_path: Path) -> None:
    """A malformed span leaves its folder empty."""
    (tmp_path / "bad.csv").write_text("at,id\n")
    (tmp_path / "out").mkdir()
    with pytest.raises(MalformedData):
        ingest_spans([SpanJob(span=DAY, path=tmp_path / "bad.csv", folder=tmp_path / "out")], make_data())
    assert list((tmp_path / "out").iterdir()) == []
