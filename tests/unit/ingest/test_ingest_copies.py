"""Remote files that are needed twice: once for their digest, once for their rows."""

from __future__ import annotations

import io
from collections.abc import Iterator

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlcore.core.digests import digest_bytes
from mlcore.errors import DataError
from mlcore.ingest import copies
from mlcore.ingest.copies import keeping_copies
from mlcore.ingest.formats.parquet import read_parquet
from mlcore.ingest.places import digest_of, list_files, open_binary

URL = "memory:///copies/day.parquet"
"""As its file system names it."""


@pytest.fixture
def content() -> Iterator[bytes]:
    """A file of 3 MB on a file system that is not this machine's."""
    written = io.BytesIO()
    pq.write_table(pa.table({"a": range(400_000)}), written)
    with fsspec.open(URL, "wb") as file:
        file.write(written.getvalue())
    yield written.getvalue()
    fsspec.filesystem("memory").store.clear()


def test_what_was_read_for_its_digest_is_not_fetched_again(content: bytes) -> None:
    """Its rows are those of the digest's bytes, whatever became of the file since; from several places at a time."""
    with keeping_copies():
        assert digest_of(URL, list_files(URL)) == digest_bytes(content)
        fsspec.filesystem("memory").store.clear()
        blocks = list(read_parquet(URL, {"a": pa.int64()}))
        assert [block.rows.column("a")[0].as_py() for block in blocks[:2]] == [0, 65_536]
        assert sum(block.total for block in blocks) == 400_000
        with open_binary(URL) as first, open_binary(URL) as second:
            assert first.read(100) == content[:100]
            assert second.seek(-10, io.SEEK_END) == len(content) - 10
            assert second.read() == content[-10:]
            assert first.read() == content[100:]
    with pytest.raises(DataError, match="no such file"):
        open_binary(URL)


def test_without_room_a_file_is_fetched_again(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is not filled with copies: the digest is the same, and nothing is kept."""
    monkeypatch.setattr(copies, "SHARE", 1 << 50)
    with keeping_copies():
        assert digest_of(URL, list_files(URL)) == digest_bytes(content)
        fsspec.filesystem("memory").store.clear()
        with pytest.raises(DataError, match="no such file"):
            open_binary(URL)
