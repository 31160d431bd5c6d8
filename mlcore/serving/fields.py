"""Rows of JSON as the columns a model reads; what is wrong with them is told field by field."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from difflib import get_close_matches
from typing import Any, NoReturn

import pyarrow as pa

from mlcore.core.types import Json
from mlcore.errors import RequestRefused, quoted
from mlcore.transform.contract import ARROW_TYPES

_MOST_TOLD = 20
_LARGEST = 2**63
Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """What is wrong with one field of one row."""

    row: int
    field: str
    problem: str

    def to_json(self) -> dict[str, Json]:
        return {"row": self.row, "field": self.field, "problem": self.problem}


def rows_of(body: bytes) -> list[Row]:
    """The rows of a request: ``{"row": {...}}`` or ``{"rows": [{...}, ...]}``.

    Raises:
        RequestRefused: It is no such JSON.
    """
    try:
        document = json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise _malformed(f"the body is no JSON: {quoted(str(error))}") from error
    match document:
        case {"row": dict(row), **others} if not others:
            return [row]
        case {"rows": list(rows), **others} if not others:
            if not all(isinstance(row, dict) for row in rows):
                raise _malformed("rows holds something that is no object")
            return rows
        case {"row": _, **others} if not others:
            raise _malformed("row is no object")
        case {"rows": _, **others} if not others:
            raise _malformed("rows is no list")
    raise _malformed("the body has neither row nor rows, or more than that")


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number; a value that is not known is null")


def _malformed(what: str) -> RequestRefused:
    return RequestRefused(what, next_step='send {"row": {...}} or {"rows": [{...}, ...]}, in UTF-8')


@dataclass(frozen=True, kw_only=True, slots=True)
class Fields:
    """What a row must and may have.

    Attributes:
        read: The columns that the model reads, with the names of their types: each must be there, be it null.
        known: Columns that a row may have besides, such as its key; they are not read.
    """

    read: Mapping[str, str]
    known: frozenset[str] = frozenset()

    def batch(self, rows: Sequence[Row]) -> pa.RecordBatch:
        """The rows as the model reads them.

        Raises:
            RequestRefused: Fields are missing, unknown, or hold what their type has no place for; all are named.
        """
        problems = [problem for index, row in enumerate(rows) for problem in self._names(index, row)]
        columns = {name: self._column(name, rows, problems) for name in self.read}
        if problems:
            problems.sort(key=lambda problem: problem.row)
            first = problems[0]
            more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
            raise RequestRefused(
                f"field {quoted(first.field, limit=60)} of row {first.row} {first.problem}{more}",
                next_step=f"send {', '.join(f'{name} ({kind})' for name, kind in list(self.read.items())[:40])}",
                problems=[problem.to_json() for problem in problems[:_MOST_TOLD]],
            )
        return pa.record_batch(columns)

    def _names(self, index: int, row: Row) -> list[Problem]:
        missing = [Problem(row=index, field=name, problem="is missing") for name in self.read if name not in row]
        unknown = [name for name in row if name not in self.read and name not in self.known]
        return missing + [Problem(row=index, field=name[:60], problem=self._unknown(name)) for name in unknown]

    def _unknown(self, name: str) -> str:
        near = get_close_matches(name[:60], self.read, n=1)
        return f"is unknown, {near[0]} is near" if near else "is unknown"

    def _column(self, name: str, rows: Sequence[Row], problems: list[Problem]) -> pa.Array:
        kind = self.read[name]
        convert, values = _CONVERT[kind], []
        for index, row in enumerate(rows):
            value = row.get(name)
            try:
                values.append(None if value is None else convert(value))
            except (TypeError, ValueError, OverflowError):
                problems.append(Problem(row=index, field=name, problem=f"is {_told(value)}, not {_MEANT[kind]}"))
                values.append(None)
        return pa.array(values, ARROW_TYPES[kind])


def _told(value: object) -> str:
    match value:
        case dict() | list():
            return "an object" if isinstance(value, dict) else "a list"
        case bool():
            return str(value).lower()
    return quoted(value, limit=40)


def _string(value: object) -> str:
    if type(value) is not str:
        raise TypeError
    value.encode()  # half of a surrogate pair is no text
    return value


def _integer(value: object) -> int:
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int or not -_LARGEST <= value < _LARGEST:
        raise TypeError
    return value


def _number(value: object) -> float:
    if type(value) not in (int, float):
        raise TypeError
    number = float(value)  # type: ignore[arg-type]
    if not math.isfinite(number):
        raise ValueError
    return number


def _boolean(value: object) -> bool:
    if type(value) is not bool:
        raise TypeError
    return value


def _date(value: object) -> date:
    return date.fromisoformat(_string(value))


def _moment(value: object) -> datetime:
    moment = datetime.fromisoformat(_string(value))
    if moment.tzinfo is None:
        raise ValueError
    return moment.astimezone(UTC)


_CONVERT: Mapping[str, Callable[[object], object]] = {
    "string": _string, "int64": _integer, "float64": _number, "bool": _boolean, "date": _date, "timestamp": _moment,
}  # fmt: skip
_MEANT = {
    "string": "a string", "int64": "a whole number of 64 bits", "float64": "a finite number", "bool": "true or false",
    "date": "a date such as 2013-05-01", "timestamp": "a moment with an offset such as 2013-05-01T06:00:00Z",
}  # fmt: skip
