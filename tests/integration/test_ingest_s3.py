"""Tables on an object store: a local S3 server in a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlcore.errors import DataError
from mlcore.ingest.tables import open_table

pytest.importorskip("s3fs")
pytest.importorskip("moto")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"]},
    )
    try:
        for _ in range(150):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.2)
        settings = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
        for name, value in {**settings, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}.items():
            monkeypatch.setenv(name, value)
        fsspec.filesystem("s3", skip_instance_cache=True).mkdir("lake")
        yield "s3://lake"
    finally:
        server.terminate()
        server.wait(10)


def test_files_globs_and_folders_are_read_from_s3(bucket: str) -> None:
    """CSV, a glob and a partitioned folder of Parquet; a missing object is told."""
    with fsspec.open(f"{bucket}/t/day.csv", "wb") as file:
        file.write(b"a,b\n1,x\n2,\n")
    for year in (2013, 2014):
        with fsspec.open(f"{bucket}/p/year={year}/part.parquet", "wb") as file:
            pq.write_table(pa.table({"a": [year]}), file)
    assert open_table(f"{bucket}/t/day.csv").read().to_pylist() == [{"a": 1, "b": "x"}, {"a": 2, "b": None}]
    assert open_table(f"{bucket}/t/*.csv").read().num_rows == 2
    assert open_table(f"{bucket}/p").read().to_pylist() == [{"a": 2013, "year": "2013"}, {"a": 2014, "year": "2014"}]
    with pytest.raises(DataError):
        open_table(f"{bucket}/gone.csv").read()
