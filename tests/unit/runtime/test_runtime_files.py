"""Spans of sources of files: found, told from earlier versions, and digested, wherever they are."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fsspec
import pytest
from pydantic import ValidationError

from mlcore.config.data import Complete
from mlcore.config.sources import CsvSource
from mlcore.core.window import Grain, Interval, parse_moment
from mlcore.errors import DataError
from mlcore.ingest.places import list_files, name_of, open_binary
from mlcore.runtime.sources.files import Absent, Found, find_files, stamp_now

DAYS = tuple(
    Interval(start=parse_moment("2024-01-01T00:00Z"), end=parse_moment("2024-01-04T00:00Z")).spans(timedelta(days=1))
)
DAY = timedelta(days=1)
Put = Callable[[str, bytes], None]


@pytest.fixture(params=["local", "memory"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A folder on the disk, or one of a file system that is only reached by its URL."""
    return str(tmp_path) if request.param == "local" else f"memory://{tmp_path.name}"


@pytest.fixture
def put(root: str) -> Put:
    def write(name: str, content: bytes) -> None:
        with fsspec.open(f"{root}/{name}", "wb", auto_mkdir=True) as file:
            file.write(content)

    return write


def find(root: str, pattern: str, grain: Grain = DAY, marker: str | None = None) -> list[Found | Absent]:
    source = CsvSource(type="csv", path=f"{root}/{pattern}")
    return find_files(source, DAYS, Path("/nowhere"), grain=grain, marker=marker and f"{root}/{marker}")


def there(found: Found | Absent) -> Found:
    assert isinstance(found, Found)
    return found


def test_files_of_a_span_are_one_thing(root: str, put: Put) -> None:
    """A glob's files are digested in the order of their names; what their names are is of no account."""
    for name, content in (("a", b"1"), ("b", b"2")):
        put(f"2024-01-01/{name}.csv", content)
        put(f"2024-01-02/x{name}.csv", content)
    put("2024-01-02/_SUCCESS", b"")
    put("2024-01-03/a.csv", b"2")
    put("2024-01-03/b.csv", b"1")
    for pattern in ("{YYYY}-{MM}-{DD}/*.csv", "{YYYY}-{MM}-{DD}", "{YYYY}-{MM}-{DD}/"):
        first, second, third = (there(found) for found in find(root, pattern))
        assert first.digest() == second.digest() != third.digest()
        assert first.stamp["files"] == 2
        assert first.stamp == stamp_now(first.uri)
        assert first.stamp != second.stamp


def test_what_was_written_since_has_another_stamp(root: str, put: Put) -> None:
    """A file more, a file less, and other bytes in one."""
    put("d/a.csv", b"1")
    put("d/b.csv", b"2")
    seen = [stamp_now(f"{root}/d")]
    for name, content in (("d/b.csv", b"345"), ("d/c.csv", b"")):
        put(name, content)
        seen.append(stamp_now(f"{root}/d"))
        assert seen[-1] == stamp_now(f"{root}/d")
    fsspec.core.url_to_fs(root)[0].rm(fsspec.core.url_to_fs(f"{root}/d/c.csv")[1])
    seen.append(stamp_now(f"{root}/d"))
    assert seen[3] == seen[1]
    assert len({str(stamp) for stamp in seen}) == 3
    assert stamp_now(f"{root}/e") == {}


def test_the_columns_that_folders_name_are_content(root: str, put: Put) -> None:
    """Equal bytes in folders of other names are other rows; one file has the digest of its bytes where none does."""
    put("year=2024/a.csv", b"1")
    put("year=2025/a.csv", b"1")
    put("a.csv", b"1")
    digests = [there(find(root, f"{name}a.csv")[0]).digest for name in ("year=2024/", "year=2025/", "")]
    assert len({digest() for digest in digests}) == 3


def test_a_file_of_many_spans_is_found_for_each(root: str, put: Put) -> None:
    """Each has a uri and a digest of its own, and all are new when the file is."""
    put("2024-01.csv", b"1")
    spans = [there(found) for found in find(root, "{YYYY}-{MM}.csv")]
    assert [span.uri.rpartition("#")[2] for span in spans] == ["span=2024-01-01", "span=2024-01-02", "span=2024-01-03"]
    assert len({span.digest() for span in spans}) == 3
    assert all(stamp_now(span.uri) == span.stamp for span in spans)


def test_a_marker_says_which_spans_are_complete(root: str, put: Put) -> None:
    """One without it is not there, whatever files it has."""
    for day in (1, 2):
        put(f"2024-01-0{day}/a.csv", b"1")
    put("2024-01-02/_SUCCESS", b"")
    first, second, third = find(root, "{YYYY}-{MM}-{DD}/*", marker="{YYYY}-{MM}-{DD}/_SUCCESS")
    assert isinstance(first, Absent)
    assert first.reason == "are not complete (no marker file)"
    assert first.place.endswith("2024-01-01/_SUCCESS")
    assert isinstance(second, Found)
    assert isinstance(third, Absent)


def test_a_web_server_that_tells_nothing_is_read_to_see_what_changed(tmp_path: Path) -> None:
    """Without an ETag the content is its own stamp; a query is no part of a name."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        (tmp_path / "a.csv").write_bytes(b"a\n1\n")
        url = f"http://127.0.0.1:{server.server_port}/a.csv"
        before = stamp_now(url)
        (tmp_path / "a.csv").write_bytes(b"a\n2\n")
        assert before.keys() == {"content"}
        assert stamp_now(url) != before
        assert stamp_now(f"{url}.gone") == {}
        assert name_of(f"{url}?token=x.parquet") == "a.csv"
    finally:
        server.shutdown()
        server.server_close()


def test_remote_files_are_read_as_local_ones_are(put: Put, root: str) -> None:
    """Lines, pieces, jumps and ends."""
    put("t.bin", bytes(range(256)) * 1000)
    with open_binary(f"{root}/t.bin") as file:
        assert file.read(3) == b"\x00\x01\x02"
        file.seek(-1, io.SEEK_END)
        assert file.read() == b"\xff"
        assert file.read(1) == b""
        file.seek(256)
        assert file.readline() == bytes(range(11))
        assert file.tell() == 267


@pytest.mark.parametrize("url", ["nothing://x/{YYYY}.csv", "s3://user:secret@host/{YYYY}.csv", "memory://{XX}.csv"])
def test_a_place_that_cannot_be_is_refused(url: str) -> None:
    """Unknown protocols where they are looked for; secrets and unknown placeholders where they are written."""
    with pytest.raises((DataError, ValidationError)) as caught:
        find_files(CsvSource(type="csv", path=url), DAYS, Path("/nowhere"), grain=DAY)
    if isinstance(caught.value, DataError):
        assert "protocol" in caught.value.next_step
    else:
        assert "path" in str(caught.value)
    with pytest.raises(ValidationError):
        Complete(marker="{XX}.done")


def test_the_order_of_names_is_the_order_of_files(root: str, put: Put) -> None:
    """Whatever the order in which they were written or are listed."""
    for name in ("b/2.csv", "a/10.csv", "a/9.csv", "b/.hidden", "_temporary/3.csv"):
        put(f"d/{name}", b"1")
    names = [file.path.rpartition("/d/")[2] for file in list_files(f"{root}/d")]
    assert names == ["a/10.csv", "a/9.csv", "b/2.csv"]
    for pattern in ("d/*/*.csv", "d/*", "d/**", "d/**/*.csv", "[d]/*"):
        assert list_files(f"{root}/{pattern}") == list_files(f"{root}/d"), pattern
    assert len(list_files(f"{root}/d/_temp*")) == len(list_files(f"{root}/d/_temporary")) == 1


class _Handler(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None: ...


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    """The memory file system is the process's own."""
    yield
    fsspec.filesystem("memory").store.clear()
