"""Universal Binary JSON, the form of XGBoost's models, read without trusting it: https://ubjson.org (draft 12)."""

from __future__ import annotations

from typing import Any

import numpy as np

_DEEPEST = 64
_NUMBERS = {b"i": ">i1", b"U": ">u1", b"I": ">i2", b"l": ">i4", b"L": ">i8", b"d": ">f4", b"D": ">f8"}
_WORDS = {b"Z": None, b"T": True, b"F": False}


def read_ubjson(data: bytes) -> Any:
    """The document; arrays whose type is stated once are NumPy arrays.

    Raises:
        ValueError: It is no such document, or goes on after its end.
    """
    reader = _Reader(data)
    value = reader.value(reader.take(1), 0)
    if reader.at != len(data):
        raise ValueError(f"{len(data) - reader.at} bytes after the end")
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        if count < 0 or self.at + count > len(self._data):
            raise ValueError(f"{count} bytes wanted at {self.at} of {len(self._data)}")
        self.at += count
        return self._data[self.at - count : self.at]

    def value(self, kind: bytes, depth: int) -> Any:
        if depth > _DEEPEST:
            raise ValueError(f"more than {_DEEPEST} containers in one another")
        if kind in _WORDS:
            return _WORDS[kind]
        if kind in _NUMBERS:
            return self._number(kind)
        if kind == b"C":
            return self.take(1).decode("ascii")
        if kind == b"S":
            return self._text()
        if kind == b"[":
            return self._array(depth + 1)
        if kind == b"{":
            return self._object(depth + 1)
        raise ValueError(f"unknown type {kind!r} at {self.at}")

    def _number(self, kind: bytes) -> int | float:
        wanted = np.dtype(_NUMBERS[kind])
        found: int | float = np.frombuffer(self.take(wanted.itemsize), wanted)[0].item()
        return found

    def _size(self) -> int:
        found = self._number(self._kind_of_size())
        if found < 0:
            raise ValueError(f"a size of {found} at {self.at}")
        return int(found)

    def _kind_of_size(self) -> bytes:
        kind = self.take(1)
        if kind not in (b"i", b"U", b"I", b"l", b"L"):
            raise ValueError(f"no size but {kind!r} at {self.at}")
        return kind

    def _text(self) -> str:
        return self.take(self._size()).decode("utf-8")

    def _header(self) -> tuple[bytes, int | None]:
        """Type and count of a container, where they are stated at its beginning."""
        kind, count = b"", None
        if self._data[self.at : self.at + 1] == b"$":
            self.take(1)
            kind = self.take(1)
            if self._data[self.at : self.at + 1] != b"#":
                raise ValueError(f"a type without a count at {self.at}")
        if self._data[self.at : self.at + 1] == b"#":
            self.take(1)
            count = self._size()
            if count > len(self._data):
                raise ValueError(f"a count of {count} at {self.at}")
        return kind, count

    def _array(self, depth: int) -> Any:
        kind, count = self._header()
        if kind in _NUMBERS and count is not None:
            wanted = np.dtype(_NUMBERS[kind])
            return np.frombuffer(self.take(count * wanted.itemsize), wanted)
        if count is not None:
            return [self.value(kind or self.take(1), depth) for _ in range(count)]
        found = []
        while (mark := self.take(1)) != b"]":
            found.append(self.value(mark, depth))
        return found

    def _object(self, depth: int) -> dict[str, Any]:
        kind, count = self._header()
        if kind:
            raise ValueError(f"an object of one type at {self.at}")
        found: dict[str, Any] = {}
        while len(found) != count:
            if count is None and self._data[self.at : self.at + 1] == b"}":
                self.take(1)
                break
            name = self._text()
            if name in found:
                raise ValueError(f"the name {name[:50]!r} twice")
            found[name] = self.value(self.take(1), depth)
        return found
