"""What strings are made of."""

from __future__ import annotations

import pyarrow as pa

from mlcore.statistics.strings import bounded, decoded, strings_of

NONE = pa.array([], pa.string())


def test_every_property_is_told_of_every_string() -> None:
    """Empty, only white space, white space at an end, beyond ASCII, damaged; lengths in characters."""
    values = ["", " ", "\t \u00a0", "a", " a", "a\u2003", "é", "a b", "x\ufffdy", "日本"]
    found = {name: counts.tolist() for name, counts in strings_of(pa.array(values), NONE).items()}
    assert found == {
        "characters": [0, 1, 3, 1, 2, 2, 1, 3, 3, 2],
        "empty": [1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        "blank": [0, 1, 1, 0, 0, 0, 0, 0, 0, 0],
        "padded": [0, 1, 1, 0, 1, 1, 0, 0, 0, 0],
        "non_ascii": [0, 0, 1, 0, 0, 1, 1, 0, 1, 1],
        "damaged": [0, 0, 0, 0, 0, 0, 0, 0, 1, 0],
        "invalid": [0] * 10,
    }


def test_a_slice_of_an_array_is_described_like_a_copy() -> None:
    """Where a string lies in memory changes nothing about it."""
    values = pa.array(["left out", " a", "", "b ", "é"])
    part = values.slice(1)
    copied = pa.array(part.to_pylist())
    mine, other = (strings_of(each, NONE) for each in (part, copied))
    assert {name: counts.tolist() for name, counts in mine.items()} == {
        name: counts.tolist() for name, counts in other.items()
    }


def test_no_strings_have_no_properties() -> None:
    """An empty array is no error."""
    assert all(len(counts) == 0 for counts in strings_of(NONE, NONE).values())


def test_bytes_that_are_no_text_are_escaped_and_told() -> None:
    """What is valid stays as it is, what is not is written with its bytes, and is counted as invalid."""
    values, invalid = decoded(pa.array([b"ok", b"caf\xc3\xa9", b"caf\xe9", b"\xff\x00"]))
    assert values.to_pylist() == ["ok", "café", "caf\\xe9", "\\xff\x00"]
    assert invalid.to_pylist() == ["caf\\xe9", "\\xff\x00"]
    assert strings_of(values, invalid)["invalid"].tolist() == [0, 0, 1, 1]


def test_valid_bytes_and_strings_have_nothing_invalid() -> None:
    """Neither needs a look at every value."""
    for values in (pa.array(["a", "b"]), pa.array([b"a", b"b"])):
        found, invalid = decoded(values)
        assert found.to_pylist() == ["a", "b"]
        assert not len(invalid)


def test_long_strings_are_kept_short_and_apart() -> None:
    """Of more than 1,024 bytes the beginning, the length and a hash; different ones stay different."""
    long = ["x" * 2_000, "x" * 1_999 + "y", "é" * 600, "x" * 1_024, "short"]
    found = bounded(pa.array(long)).to_pylist()
    assert found[3:] == long[3:]
    assert len(set(found)) == 5
    assert all(len(text) < 260 for text in found[:3])
    assert found[0].startswith("x" * 200 + "… (2000 bytes, ")
    assert found[2].startswith("é" * 200 + "… (1200 bytes, ")
