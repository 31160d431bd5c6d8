"""Tables on an object store: a local S3 server in a process of its own."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.s3 import S3, s3_server

from mlcore.errors import DataError
from mlcore.ingest.tables import open_table

pytest.importorskip("s3fs")
pytest.importorskip("moto")


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    with s3_server(monkeypatch) as server:
        yield server


def test_files_globs_and_folders_are_read_from_s3(s3: S3) -> None:
    """CSV, a glob and a partitioned folder of Parquet; a missing object and a missing bucket are told."""
    s3.put("s3://lake/t/day.csv", b"a,b\n1,x\n2,\n")
    for year in (2013, 2014):
        content = io.BytesIO()
        pq.write_table(pa.table({"a": [year]}), content)
        s3.put(f"s3://lake/p/year={year}/part.parquet", content.getvalue())
    s3.put("s3://lake/p/_SUCCESS", b"")
    assert open_table("s3://lake/t/day.csv").read().to_pylist() == [{"a": 1, "b": "x"}, {"a": 2, "b": None}]
    assert open_table("s3://lake/t/*.csv").read().num_rows == 2
    assert open_table("s3://lake/p").read().to_pylist() == [{"a": 2013, "year": "2013"}, {"a": 2014, "year": "2014"}]
    with pytest.raises(DataError, match="no such file"):
        open_table("s3://lake/gone.csv")
    with pytest.raises(DataError, match="no bucket 'sea'"):
        open_table("s3://sea/gone.csv")
