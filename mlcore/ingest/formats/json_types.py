"""The types of the members of JSON Lines, over the whole file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

import pyarrow as pa

from mlcore.errors import MalformedData, quoted
from mlcore.ingest.formats.json_lines import whole_lines


def infer_json_types(files: Sequence[str]) -> dict[str, pa.DataType]:
    """The members' types, in the order in which they are first seen; whole numbers among numbers are numbers.

    Of several types the one that most values have is the member's: the others' rows are bad, as are lines that are
    no JSON object.

    Raises:
        MalformedData: Most values of a member are lists or objects, or no type is that of most.
        DataError: A file cannot be read.
    """
    seen: dict[str, Counter[type]] = {}
    for file in files:
        for text, whole in whole_lines(file):
            for raw in text.split(b"\n") if whole else ():
                if raw.strip():
                    _look(raw, seen)
    return {name: _type(name, kinds, files[0]) for name, kinds in seen.items()}


def _look(raw: bytes, seen: dict[str, Counter[type]]) -> None:
    try:
        row = json.loads(raw.decode())
    except (ValueError, RecursionError):
        return
    if not isinstance(row, dict):
        return
    for name, value in row.items():
        kinds = seen.setdefault(name, Counter())
        if value is not None:
            kinds[float if type(value) is int and not -(2**63) <= value < 2**63 else type(value)] += 1


def _type(name: str, kinds: Counter[type], where: str) -> pa.DataType:
    if not kinds:
        return pa.string()
    numbers = kinds[int] + kinds[float]
    groups = {str: kinds[str], bool: kinds[bool], float: numbers, list: kinds[list] + kinds[dict]}
    most = max(groups, key=groups.__getitem__)
    if sum(count == groups[most] for count in groups.values()) > 1:
        found = ", ".join(f"{count} {kind.__name__}" for kind, count in groups.items() if count)
        raise _malformed(f"{quoted(name, limit=40)} is of several types: {found}", where)
    if most is list:
        raise _malformed(f"{quoted(name, limit=40)} is a list or an object in {groups[list]} rows", where)
    if most is float:
        return pa.float64() if kinds[float] else pa.int64()
    return pa.string() if most is str else pa.bool_()


def _malformed(what: str, where: str) -> MalformedData:
    return MalformedData(what, where=where, next_step="write one flat object a line, each member of one type")
