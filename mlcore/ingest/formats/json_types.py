"""The types of the members of JSON Lines, over the whole file."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pyarrow as pa

from mlcore.errors import MalformedData, quoted
from mlcore.ingest.formats.json_lines import whole_lines


def infer_json_types(files: Sequence[str]) -> dict[str, pa.DataType]:
    """The members' types, in the order in which they are first seen; whole numbers among numbers are numbers.

    Raises:
        MalformedData: A line is no JSON object, or a member is a list or an object, or of different types.
        DataError: A file cannot be read.
    """
    seen: dict[str, set[type]] = {}
    for file in files:
        number = 0
        for text, whole in whole_lines(file):
            for raw in text.split(b"\n") if whole else [b"{"]:
                number += 1
                if raw.strip():
                    _look(raw, seen, f"{file}:{number}")
            number -= text.endswith(b"\n") and whole
    return {name: _type(name, kinds, files[0]) for name, kinds in seen.items()}


def _look(raw: bytes, seen: dict[str, set[type]], where: str) -> None:
    try:
        row = json.loads(raw.decode())
    except (ValueError, RecursionError) as error:
        raise _malformed(f"the line is not JSON: {quoted(str(error))}", where) from error
    if not isinstance(row, dict):
        raise _malformed("the line is not a JSON object", where)
    for name, value in row.items():
        kinds = seen.setdefault(name, set())
        if value is None:
            continue
        if type(value) not in (bool, int, float, str):
            raise _malformed(f"{quoted(name, limit=40)} is a list or an object", where)
        kinds.add(float if type(value) is int and not -(2**63) <= value < 2**63 else type(value))


def _type(name: str, kinds: set[type], where: str) -> pa.DataType:
    if not kinds or kinds == {str}:
        return pa.string()
    if kinds == {bool}:
        return pa.bool_()
    if kinds <= {int, float}:
        return pa.float64() if float in kinds else pa.int64()
    found = ", ".join(sorted(kind.__name__ for kind in kinds))
    raise _malformed(f"{quoted(name, limit=40)} is of several types: {found}", where)


def _malformed(what: str, where: str) -> MalformedData:
    return MalformedData(what, where=where, next_step="write one flat object a line, each member of one type")
