"""Arrays in one run of bytes: what comes back, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from mlcore.statistics.container import Array, narrowed, of_signed, packed, signed, unpacked, widened

ARRAYS: list[Array] = [
    np.arange(5, dtype=np.int64),
    np.zeros((0, 4), np.uint32),
    np.array([[1.5, -2.0], [np.inf, 0.25]]),
    np.frombuffer(b"abc", np.uint8),
]
CONTENT = packed({"a": [1, None, "é"]}, ARRAYS)


def test_what_was_packed_comes_back() -> None:
    """The document and every array: type, shape and values."""
    document, arrays = unpacked(CONTENT)
    assert document == {"a": [1, None, "é"]}
    for mine, other in zip(ARRAYS, arrays, strict=True):
        assert (mine.dtype, mine.shape) == (other.dtype, other.shape)
        assert mine.tobytes() == other.tobytes()


def test_equal_contents_have_equal_bytes() -> None:
    """Whatever order of bytes and of memory the arrays have."""
    turned = [array.astype(array.dtype.newbyteorder(">")) for array in ARRAYS]
    turned[2] = np.asfortranarray(turned[2])
    assert packed({"a": [1, None, "é"]}, turned) == CONTENT


@pytest.mark.parametrize("size", range(0, len(CONTENT), 7))
def test_every_truncation_is_refused(size: int) -> None:
    """However many bytes are there: too few are an error, never a shorter array."""
    with pytest.raises(ValueError):  # noqa: PT011 - what it says depends on where it was cut
        unpacked(CONTENT[:size])


@pytest.mark.parametrize("content", [CONTENT + b"\0" * 8, b"PAR1" + CONTENT[4:], CONTENT[8:]])
def test_other_bytes_are_refused(content: bytes) -> None:
    """Bytes behind the last array, other first bytes, none of them."""
    with pytest.raises(ValueError):  # noqa: PT011
        unpacked(content)


def test_counts_take_as_few_bytes_as_they_need() -> None:
    """One, two, four or eight a count, by the largest of an array."""
    counts = [np.array(each, np.int64) for each in ([], [0, 255], [256, 65_535], [65_536], [2**32, 2**62])]
    widths, content = narrowed(counts)
    assert widths.tolist() == [1, 1, 2, 4, 8]
    assert len(content) == 2 + 4 + 4 + 16
    lengths = np.array([len(each) for each in counts])
    assert [each.tolist() for each in widened(widths, lengths, content)] == [each.tolist() for each in counts]


def test_signed_rows_take_as_few_bytes_as_they_need() -> None:
    """Each row by itself, a row of zeros none; they come back in their order."""
    rows = np.array([[0, 0], [127, -127], [128, 0], [0, -(2**31) + 1], [2**31, 0], [-(2**62), 1], [0, 0]], np.int64)
    widths, content = signed([rows[:3], rows[3:]])
    assert widths.tolist() == [0, 1, 2, 4, 8, 8, 0]
    assert len(content) == 2 * (1 + 2 + 4 + 8 + 8)
    assert of_signed(widths, content, 2).tolist() == rows.tolist()
    nothing = signed([])
    assert of_signed(*nothing, 2).shape == (0, 2)
