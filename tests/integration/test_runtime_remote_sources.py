"""Pipelines whose data lies on an object store: found, read, corrected, refused and away."""

from __future__ import annotations

import gzip
import io
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from support.project import AS_OF, Project, Silent, day_file
from support.s3 import S3, s3_server

from mlcore.config.loader import load_pipeline
from mlcore.core.request import RunRequest
from mlcore.core.window import parse_moment, span_at
from mlcore.errors import DataError, SpanMissing, VersionGone
from mlcore.runtime.gc import collect
from mlcore.runtime.graphs.data import EXAMPLE_GEN
from mlcore.runtime.graphs.graph import Graph
from mlcore.runtime.graphs.retraining import retraining_graph
from mlcore.runtime.local import run_graph
from mlcore.runtime.sources.catalog import recorded_spans

pytest.importorskip("s3fs")
pytest.importorskip("moto")

LATER = "2024-01-11T06:00Z"
LOCAL = 'source: {type: csv, path: "data/{YYYY}-{MM}-{DD}.csv"}'
PLACE = "s3://lake/tiny/day={YYYY}-{MM}-{DD}"
TYPES = {
    "id": pa.int64(),
    "at": pa.timestamp("ms", tz="Europe/Berlin"),
    "colour": pa.large_string(),
    "size": pa.decimal128(9, 4),
    "outcome": pa.float32(),
}


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    with s3_server(monkeypatch) as server:
        yield server


def day_table(day: int) -> pa.Table:
    """A day's rows in types that are not the pipeline's."""
    text = pa.BufferReader(day_file(date(2024, 1, day)).encode())
    read = {**TYPES, "at": pa.timestamp("ms", tz="UTC")}
    table = pyarrow.csv.read_csv(text, convert_options=pyarrow.csv.ConvertOptions(column_types=read))
    return table.cast(pa.schema(list(TYPES.items())))


def put_day(s3: S3, day: int, table: pa.Table | None = None) -> None:
    """Two Parquet files of a day, and what their writer leaves beside them."""
    rows = day_table(day) if table is None else table
    for number, part in enumerate((rows.slice(0, 50), rows.slice(50))):
        content = io.BytesIO()
        pq.write_table(part, content)
        s3.put(f"{PLACE}/part-{number}.parquet".format(YYYY="2024", MM="01", DD=f"{day:02}"), content.getvalue())
    s3.put(f"{PLACE}/_SUCCESS".format(YYYY="2024", MM="01", DD=f"{day:02}"), b"")


def test_from_an_object_store_to_a_model(project: Project, s3: S3) -> None:
    """A partitioned folder a day: a corrected object makes its span anew alone, and a missing one is named."""
    project.replace(LOCAL, f'source: {{type: parquet, path: "{PLACE}/"}}')
    for day in range(1, 10):
        put_day(s3, day)
    config = load_pipeline(project.settings.pipelines / "tiny.yaml")
    nodes = retraining_graph(config).nodes
    made = Graph(nodes=nodes[: [node.name for node in nodes].index("trainer") + 1])
    request = RunRequest(pipeline="tiny", run="r", as_of=parse_moment(AS_OF))
    with project.session() as session:
        results = run_graph(session, config, made, request=request, observer=Silent())
        assert collect(session.artifacts, session.metadata, dry_run=False, min_age_seconds=0) == ()
    assert {result.node: result.summary for result in results}["example_gen"] == "8 spans, 8 new"
    assert results[-1].state.value == "COMPLETE"
    assert only_examples(project, name="again") == "8 spans, none new"
    put_day(s3, 6, day_table(6).slice(1))
    put_day(s3, 7)  # the same bytes again are no news
    assert only_examples(project, LATER, name="later") == "8 spans, 2 new"
    corrected = known_day(project, 6)
    put_day(s3, 6)  # as it was first, with its first ETags
    assert only_examples(project, LATER, name="restored") == "8 spans, none new"
    assert known_day(project, 6) != corrected
    put_day(s3, 6, day_table(6).slice(1))
    assert only_examples(project, LATER, name="corrected again") == "8 spans, none new"
    assert known_day(project, 6) == corrected
    with pytest.raises(SpanMissing, match="1 of 8 spans have no file: 2024-01-10") as error:
        only_examples(project, "2024-01-12T06:00Z", name="too early")
    assert error.value.where == "s3://lake/tiny/day=2024-01-10"
    shutil.rmtree(project.settings.artifacts)
    with pytest.raises(VersionGone, match=r"2024-01-06 .* overwritten") as gone:
        only_examples(project, name="the moment that knew it")
    assert gone.value.where == "s3://lake/tiny/day=2024-01-06"


def known_day(project: Project, day: int) -> str:
    """The digest of what is recorded as the newest version of a day, with no look at the store."""
    config = load_pipeline(project.settings.pipelines / "tiny.yaml")
    span = span_at(parse_moment(f"2024-01-{day:02}T00:00Z"), config.data.span)
    with project.session() as session:
        return recorded_spans(session, config, [span], datetime.now(UTC))[span].digest


def only_examples(project: Project, as_of: str = AS_OF, *, name: str) -> str:
    """Read the window's spans alone; what ExampleGen says of them."""
    config = load_pipeline(project.settings.pipelines / "tiny.yaml")
    request = RunRequest(pipeline="tiny", run=name, as_of=parse_moment(as_of))
    with project.session() as session:
        (result,) = run_graph(session, config, Graph(nodes=(EXAMPLE_GEN,)), request=request, observer=Silent())
    return result.summary


def test_a_server_that_refuses_or_is_away_is_told_and_tried_again(project: Project, s3: S3) -> None:
    """Wrong credentials, no bucket, nobody listening: each a clear error, and the same run works afterwards."""
    days = {day: project.data(day).read_bytes() for day in range(1, 9)}
    project.replace(LOCAL, 'source: {type: csv, path: "s3://lake/csv/{YYYY}/{MM}/{DD}/*.csv.gz"}')

    def deliver() -> None:
        for day, content in days.items():
            s3.put(f"s3://lake/csv/2024/01/{day:02}/rows.csv.gz", gzip.compress(content, mtime=0))

    deliver()
    s3.refuse(everybody=True)
    with pytest.raises(DataError, match="Access Key Id") as refused:
        only_examples(project, name="r")
    assert "credentials" in refused.value.next_step
    s3.refuse(everybody=False)
    s3.stop()
    with pytest.raises(DataError, match="Could not connect") as away:
        only_examples(project, name="r")
    assert "run again" in away.value.next_step
    s3.start("ocean")
    with pytest.raises(DataError, match="no bucket 'lake'"):
        only_examples(project, name="r")
    s3.put_bucket("lake")
    deliver()
    assert only_examples(project, name="r") == "8 spans, 8 new"


class Flaky(MemoryFileSystem):  # type: ignore[misc]
    """A file system whose connection breaks after so many reads."""

    protocol = "flaky"
    left = -1

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.removeprefix("flaky://")))

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        opened = super()._open(path, mode, **options)
        return Breaking(opened.getvalue()) if mode == "rb" else opened


class Breaking(io.BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        Flaky.left -= 1
        if Flaky.left == 0:
            raise ConnectionResetError(104, "Connection reset by peer")
        return super().read(size)


@pytest.mark.filterwarnings("ignore:UPath 'flaky'")
@pytest.mark.parametrize("reads", [1, 5, 12, 20])
def test_a_connection_that_breaks_while_files_are_read(
    project: Project, monkeypatch: pytest.MonkeyPatch, reads: int
) -> None:
    """Wherever it breaks: nothing is published of it, and the run tried again has what it would have had."""
    fsspec.register_implementation("flaky", Flaky, clobber=True)
    project.replace(LOCAL, 'source: {type: csv, path: "flaky://d/{YYYY}-{MM}-{DD}.csv"}')
    for day in range(1, 9):
        fsspec.filesystem("flaky").pipe(f"/d/2024-01-{day:02}.csv", project.data(day).read_bytes())
    monkeypatch.setattr(Flaky, "left", reads)
    with pytest.raises(DataError, match="Connection reset by peer") as broken:
        only_examples(project, name="r")
    assert broken.value.where.startswith("flaky://")
    assert only_examples(project, name="r") == "8 spans, 8 new"
    project.replace("flaky://d/{YYYY}-{MM}-{DD}.csv", "data/{YYYY}-{MM}-{DD}.csv")
    assert only_examples(project, name="local") == "8 spans, none new"  # for the same bytes are read


def test_spans_and_versions_of_tfx_on_an_object_store(project: Project, s3: S3) -> None:
    """Days since 1970 with zeros, and folders of versions: the highest that holds a file is the span's."""
    project.replace(LOCAL, 'source: {type: csv, path: "s3://lake/{SPAN:6}/v{VERSION}"}')
    number = (date(2024, 1, 1) - date(1970, 1, 1)).days
    for day in range(1, 9):
        s3.put(f"s3://lake/{number + day - 1:06}/v1/a.csv", project.data(day).read_bytes())
    s3.put(f"s3://lake/{number:06}/v2/_started", b"")
    assert only_examples(project, name="first") == "8 spans, 8 new"
    s3.put(f"s3://lake/{number:06}/v2/a.csv", project.data(1).read_bytes() + b"1,2024-01-01T00:00:00Z,red,0.5,0.5\n")
    assert only_examples(project, name="again") == "8 spans, 1 new"


def test_without_its_package_an_object_store_is_told_by_the_extra() -> None:
    """The error names what to install."""
    code = (
        "import sys; sys.modules['s3fs'] = None\n"
        "from mlcore.ingest.places import list_files\n"
        "try:\n    list_files('s3://lake/x')\n"
        "except Exception as error:\n    print(type(error).__name__, error)\n"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.startswith("DataError")
    assert "pip install 'mlcore[s3]'" in shown
