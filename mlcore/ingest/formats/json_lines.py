"""JSON Lines: one object a line; a block at a time by pyarrow, and where that fails line by line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.json

from mlcore.errors import quoted
from mlcore.ingest.blocks import BadRow, Block, Reason, bounded_text
from mlcore.ingest.formats.convert import expected
from mlcore.ingest.formats.stream import PIECE_BYTES, pieces

MOST_LINE_BYTES = 1 << 24
"""A line of more bytes is a bad row."""
_MARK = b"\xef\xbb\xbf"


def read_json_lines(path: str, types: Mapping[str, pa.DataType]) -> Iterator[Block]:
    """The members of the types, in their order; what an object lacks is missing, other members are left out.

    Values are of JSON's types: a number in quotes is no number. Dates and moments are strings, as in CSV.

    Raises:
        DataError: The file cannot be read.
        MalformedData: Compressed data is damaged.
    """
    schema = pa.schema(list(types.items()))
    line = 1
    for text, whole in whole_lines(path):
        yield _block(path, text, schema, line) if whole else _too_long(path, text, schema, line)
        line += text.count(b"\n")


def whole_lines(path: str) -> Iterator[tuple[bytes, bool]]:
    """Pieces of whole lines; of a line that is too long its beginning, by itself, and ``False``."""
    parts: list[bytes] = []
    size, first, too_long = 0, True, False
    for piece in pieces(path):
        piece, first = piece.removeprefix(_MARK) if first else piece, False
        end = piece.rfind(b"\n") + 1
        if too_long and end:
            cut = piece.find(b"\n") + 1
            yield parts[0] + b"\n", False
            parts, size, too_long, piece, end = [], 0, False, piece[cut:], end - cut
        if end > 0:
            yield b"".join([*parts, piece[:end]]), True
            parts, size = [], 0
        if piece[end:] and not too_long:
            parts.append(piece[end:])
            size += len(parts[-1])
        if size > MOST_LINE_BYTES:
            parts, size, too_long = [parts[0][:PIECE_BYTES]], 0, True
    if parts:
        yield b"".join(parts), not too_long


def _block(path: str, text: bytes, schema: pa.Schema, line: int) -> Block:
    starts = [(number, row) for number, row in enumerate(text.split(b"\n"), line) if row.strip()]
    lines = np.array([number for number, _ in starts], np.int64)
    if not starts:
        return Block(file=path, rows=_none(schema), lines=lines)
    fast = _fast(text, schema)
    if fast is not None and fast.num_rows == len(starts):
        return Block(file=path, rows=fast, lines=lines)
    return _slow(path, starts, schema)


def _fast(text: bytes, schema: pa.Schema) -> pa.RecordBatch | None:
    try:
        table = pyarrow.json.read_json(
            pa.BufferReader(text),
            read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=len(text) + 1),
            parse_options=pyarrow.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
        ).select(schema.names)
        table.validate(full=True)  # strings that are no UTF-8
    except (pa.ArrowException, KeyError):
        return None
    return table.combine_chunks().to_batches()[0] if table.num_rows else None


def _slow(path: str, rows: list[tuple[int, bytes]], schema: pa.Schema) -> Block:
    good: list[list[Any]] = []
    lines: list[int] = []
    bad: list[BadRow] = []
    for line, raw in rows:
        try:
            good.append(_values(raw, schema))
            lines.append(line)
        except _Fault as fault:
            bad.append(
                BadRow(
                    file=path, line=line, reason=fault.reason, message=str(fault), column=fault.column,
                    text=bounded_text(raw[:4096]),
                )
            )  # fmt: skip
    columns = [pa.array([row[i] for row in good], field.type) for i, field in enumerate(schema)]
    batch = pa.RecordBatch.from_arrays(columns, schema=schema)
    return Block(file=path, rows=batch, lines=np.array(lines, np.int64), bad=tuple(bad))


class _Fault(Exception):
    def __init__(self, reason: Reason, message: str, column: str | None = None) -> None:
        super().__init__(message)
        self.reason, self.column = reason, column


class _Written(float):
    """A number as it is written, for a decimal column keeps its digits."""

    def __init__(self, text: str) -> None:
        self.text = text


def _values(raw: bytes, schema: pa.Schema) -> list[Any]:
    try:
        row = json.loads(raw.decode(), parse_float=_Written)
    except UnicodeDecodeError as error:
        shown = quoted(raw[error.start : error.start + 8])
        raise _Fault(Reason.UNDECODABLE, f"the bytes {shown} are not utf-8") from error
    except (ValueError, RecursionError) as error:
        raise _Fault(Reason.UNPARSABLE, f"the line is not JSON: {quoted(str(error))}") from error
    if not isinstance(row, dict):
        raise _Fault(Reason.UNPARSABLE, "the line is not a JSON object")
    return [_value(row.get(field.name), field) for field in schema]


def _value(value: Any, field: pa.Field) -> Any:
    if value is None:
        return None
    kind = field.type
    try:
        if isinstance(value, str) and (pa.types.is_temporal(kind) or pa.types.is_decimal(kind)):
            return pa.scalar(value).cast(kind).as_py()
        if pa.types.is_decimal(kind) and isinstance(value, int | float) and not isinstance(value, bool):
            return pa.scalar(value.text if isinstance(value, _Written) else str(value)).cast(kind).as_py()
        if isinstance(value, _JSON_TYPES.get(kind.id, ())) and not (isinstance(value, bool) and kind != pa.bool_()):
            number: Any = value
            return pa.scalar(float(number) if kind == pa.float64() else number, kind).as_py()
    except (pa.ArrowException, OverflowError, UnicodeError, ValueError):
        pass
    message = f"column {field.name}: {quoted(value, limit=60)} is not {expected(kind)}"
    raise _Fault(Reason.UNPARSABLE, message, field.name)


_JSON_TYPES: dict[int, tuple[type, ...]] = {
    pa.string().id: (str,),
    pa.int64().id: (int,),
    pa.float64().id: (int, float),
    pa.bool_().id: (bool,),
    pa.date32().id: (),
    pa.timestamp("us").id: (),
}


def _too_long(path: str, text: bytes, schema: pa.Schema, line: int) -> Block:
    bad = BadRow(
        file=path, line=line, reason=Reason.UNPARSABLE, message=f"the line has more than {MOST_LINE_BYTES} bytes",
        column=None, text=bounded_text(text[:4096]),
    )  # fmt: skip
    return Block(file=path, rows=_none(schema), lines=np.array([], np.int64), bad=(bad,))


def _none(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([], kind) for kind in schema.types], schema=schema)
