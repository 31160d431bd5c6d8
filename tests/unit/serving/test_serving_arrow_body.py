"""Arrow streams from anywhere: what would become too much is refused before it becomes it."""

from __future__ import annotations

import resource
import struct
from collections.abc import Callable

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlcore.errors import RequestRefused
from mlcore.serving.arrow_body import read_stream

MOST = 1 << 20


def stream(table: pa.Table, **options: object) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


ROWS = pa.table(
    {
        "size": pa.array([1.5, None, 2.5]),
        "colour": pa.array(["red", None, "blue"]),
        "coded": pa.array(["a", "b", "a"]).dictionary_encode(),
        "seen": pa.array(["x" * 20, "y", None], pa.string_view()),
        "other": pa.array([[1], [2, 3], None]),
    }
)


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_what_was_sent_is_read(compression: str | None) -> None:
    """Plain, compressed, with dictionaries, views and columns that nobody reads."""
    read = read_stream(stream(ROWS, compression=compression), ["size", "colour", "coded", "seen"], most_bytes=MOST)
    assert read.equals(ROWS)


def many_strings() -> pa.Table:
    return pa.table({"colour": pa.DictionaryArray.from_arrays(pa.array([0] * 10_000, pa.int8()), ["x" * 100_000])})


def many_views() -> pa.Table:
    data = b"x" * 100_000
    views = struct.pack("<i4sii", len(data), data[:4], 0, 0) * 3_000
    buffers = [None, pa.py_buffer(views), pa.py_buffer(data)]
    return pa.table({"colour": pa.Array.from_buffers(pa.string_view(), 3_000, buffers)})


BOMBS: dict[str, Callable[[], bytes]] = {
    "compressed": lambda: stream(pa.table({"size": pa.array([0.0] * (1 << 19))}), compression="zstd"),
    "compressed by lz4": lambda: stream(pa.table({"size": pa.array([0.0] * (1 << 19))}), compression="lz4"),
    "a column nobody reads": lambda: stream(pa.table({"other": ["x" * (1 << 22)]}), compression="zstd"),
    "rows of no bytes": lambda: stream(pa.table({"size": pa.nulls(1 << 26)})),
    "a compressed dictionary": lambda: stream(
        pa.table({"colour": pa.array(["x" * (1 << 22)]).dictionary_encode()}), compression="zstd"
    ),
    "one string many times": lambda: stream(many_strings(), compression="zstd"),
    "one view many times": lambda: stream(many_views(), compression="zstd"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_unread(name: str) -> None:
    """However a few bytes become many: the message says how many, and the memory stays as it was."""
    body = BOMBS[name]()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(RequestRefused, match=r"becomes [0-9,]+ bytes when it is read, more than the 1,048,576 allowed"):
        read_stream(body, ["size", "colour"], most_bytes=MOST)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10


def test_a_length_that_lies_is_refused() -> None:
    """A compressed buffer that says it is small and is not cannot be read, and one that says it is huge is not."""
    body = bytearray(stream(pa.table({"size": pa.array([0.5] * 4096)}), compression="zstd"))
    told = struct.pack("<q", 4096 * 8)
    at = body.index(told)
    for number, words in ((16, "no Arrow stream"), (1 << 50, "bytes when it is read"), (-7, "no Arrow stream")):
        body[at : at + 8] = struct.pack("<q", number)
        with pytest.raises(RequestRefused, match=words):
            read_stream(bytes(body), ["size"], most_bytes=MOST)


def test_a_dictionary_of_lists_is_refused() -> None:
    """What has no bound by its longest value is not read as a column."""
    table = pa.table({"colour": pa.DictionaryArray.from_arrays(pa.array([0, 0], pa.int8()), pa.array([["x"]]))})
    with pytest.raises(RequestRefused):
        read_stream(stream(table), ["colour"], most_bytes=MOST)


@given(st.data())
def test_changed_bytes_are_read_or_refused(data: st.DataObject) -> None:
    """Any byte of a stream may be another: rows come out, or a refusal, and nothing else."""
    body = bytearray(stream(ROWS, compression="lz4"))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        read = read_stream(bytes(body), ["size", "colour", "coded", "seen"], most_bytes=MOST)
    except RequestRefused:
        return
    assert read.num_rows * 8 <= MOST
