"""What is wrong with a CSV file, and on which line: run only when reading it failed.

The reader converts whole columns and stops at the first fault. To name the line, the text is parsed again, slowly, by
the standard library, and the wrong value is searched for by halving the column with the reader's own conversion.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from mlcore.config.pipeline import CsvSource
from mlcore.errors import MalformedData, quoted

_NAMED_COLUMNS = 40
_EXPECTED = {
    pa.int64(): "a whole number",
    pa.float64(): "a number",
    pa.bool_(): "true or false",
    pa.date32(): "a date like 2013-01-31",
    pa.timestamp("us", tz="UTC"): "a moment with an offset like 2013-01-31T10:00:00Z",
}


def check_header(text: bytes, source: CsvSource, wanted: Sequence[str], path: Path) -> None:
    """Every wanted column is in the header, once.

    Raises:
        MalformedData: With the missing columns, and those the file has.
    """
    try:
        header = next((cells for _, cells in _records(text, source)), [])
    except UnicodeDecodeError as error:
        raise _wrong_encoding(error, text, source, path) from error
    missing = [name for name in wanted if name not in header]
    twice = [name for name in wanted if header.count(name) > 1]
    if missing:
        raise MalformedData(
            f"the file lacks {_columns(missing)}; it has {_columns(header)}",
            where=f"{path}:1",
            next_step="correct the export, or data.columns and data.source.delimiter in the pipeline file",
        )
    if twice:
        raise MalformedData(
            f"the header names {_columns(twice)} more than once",
            where=f"{path}:1",
            next_step="give each column of the export a name of its own",
        )


def explain(
    error: Exception, text: bytes, source: CsvSource, types: dict[str, pa.DataType], path: Path
) -> MalformedData:
    """The first fault of a file that could not be converted, as an error that names its line."""
    try:
        records = list(_records(text, source))
    except UnicodeDecodeError as decode_error:
        return _wrong_encoding(decode_error, text, source, path)
    except csv.Error:
        return _unexplained(error, path)
    (_, header), *rows = records
    for line, cells in rows:
        if len(cells) != len(header):
            return MalformedData(
                f"the line has {len(cells)} cells and the header {len(header)}",
                where=f"{path}:{line}",
                next_step="correct the line; quote cells that hold the delimiter, and deliver the file whole",
            )
    return _wrong_value(header, rows, source, types, path) or _unexplained(error, path)


def line_of_row(text: bytes, source: CsvSource, row: int) -> int:
    """The line on which a row of the table starts; the header is line 1."""
    for index, (line, _) in enumerate(_records(text, source)):
        if index == row + 1:
            return line
    raise IndexError(row)


def _records(text: bytes, source: CsvSource) -> Iterator[tuple[int, list[str]]]:
    """Each record with the line it starts on; blank lines are none. Decodes as it goes."""
    encoding = "utf-8-sig" if source.encoding.lower().replace("_", "-") in ("utf-8", "utf8") else source.encoding
    lines = csv.reader(io.TextIOWrapper(io.BytesIO(text), encoding, newline=""), delimiter=source.delimiter)
    start = 1
    for cells in lines:
        if cells:
            yield start, cells
        start = lines.line_num + 1


def _wrong_value(
    header: Sequence[str],
    rows: Sequence[tuple[int, list[str]]],
    source: CsvSource,
    types: dict[str, pa.DataType],
    path: Path,
) -> MalformedData | None:
    found = []
    for name, kind in types.items():
        cells = [row[header.index(name)] for _, row in rows]
        index = first_failure(cells, lambda part, kind=kind: _converts(part, source, kind))  # type: ignore[misc]
        if index is not None:
            found.append((rows[index][0], name, cells[index], kind))
    if not found:
        return None
    line, name, cell, kind = min(found, key=lambda fault: fault[0])
    return MalformedData(
        f"column {name}: {quoted(cell, limit=60)} is not {_EXPECTED.get(kind, 'text')}",
        where=f"{path}:{line}",
        next_step=f"correct the value; change the type of {name} in data.columns, or name the text that stands for "
        "a missing value in data.source.null_values",
    )


def first_failure(cells: Sequence[str], converts: Callable[[Sequence[str]], bool]) -> int | None:
    """Index of the first cell that does not convert, by halving; ``None`` when all do."""
    if converts(cells):
        return None
    low, high = 0, len(cells)  # cells[:low] converts, cells[:high] does not
    while high - low > 1:
        middle = (low + high) // 2
        if converts(cells[low:middle]):
            low = middle
        else:
            high = middle
    return low


def _converts(cells: Sequence[str], source: CsvSource, kind: pa.DataType) -> bool:
    from mlcore.ingest.csv_reader import convert

    buffer = io.StringIO()
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL, delimiter=source.delimiter)
    writer.writerow(["value"])
    writer.writerows([cell] for cell in cells)
    text = buffer.getvalue().encode("utf-8", "surrogateescape")
    try:
        convert(text, source.model_copy(update={"encoding": "utf-8"}), {"value": kind})
    except pa.ArrowInvalid:
        return False
    return True


def _wrong_encoding(error: UnicodeDecodeError, text: bytes, source: CsvSource, path: Path) -> MalformedData:
    try:
        text.decode(source.encoding)
    except UnicodeDecodeError as whole:  # the error of a stream counts from its last block
        error = whole
    line = text.count(b"\n", 0, error.start) + 1
    return MalformedData(
        f"the bytes {quoted(bytes(error.object[error.start : error.start + 8]))} are not {source.encoding}",
        where=f"{path}:{line}",
        next_step="write the file's real encoding as data.source.encoding (often cp1252 or latin-1), or export UTF-8",
    )


def _unexplained(error: Exception, path: Path) -> MalformedData:
    return MalformedData(
        f"the file cannot be parsed: {quoted(str(error), limit=300)}",
        where=str(path),
        next_step="check its quotes and its delimiter (data.source.delimiter)",
    )


def _columns(names: Sequence[str]) -> str:
    shown = ", ".join(quoted(name, limit=40) for name in names[:_NAMED_COLUMNS])
    more = f" and {len(names) - _NAMED_COLUMNS} more" if len(names) > _NAMED_COLUMNS else ""
    return f"the column{'' if len(names) == 1 else 's'} {shown or '(none)'}{more}"
