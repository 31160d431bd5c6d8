"""A file of any supported format as a table of few types, for the commands that need no pipeline."""

from __future__ import annotations

import io
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from mlcore.errors import DataError, MalformedData, quoted

if TYPE_CHECKING:
    import pyarrow as pa

_PARQUET = (".parquet", ".pq")
_LINES = (".jsonl", ".ndjson")
_COMPRESSED = (".gz", ".zst")


def read_table(path: Path, texts: Collection[str] = ()) -> pa.Table:
    """The rows of a CSV, JSON Lines or Parquet file, plain or compressed by gzip or zstd.

    The values of a CSV column are whole numbers, numbers or strings, as in TensorFlow Data Validation: the first of
    these that all of them are. An empty cell is a missing value; ``nan`` and ``inf`` are numbers.

    Args:
        path: The file, by its name's ending; CSV where that says nothing.
        texts: Columns whose values are strings, whatever they look like.

    Raises:
        DataError: The file cannot be read.
        MalformedData: It is not what its name says.
    """
    import pyarrow as pa

    suffix = next((suffix for suffix in reversed(path.suffixes) if suffix not in _COMPRESSED), "").lower()
    try:
        if suffix in _PARQUET:
            import pyarrow.parquet as pq

            return pq.read_table(path)
        from mlcore.ingest.compression import read_decompressed

        text = read_decompressed(path)
        return _lines(text) if suffix in _LINES else _csv(text, texts)
    except OSError as error:
        raise DataError(
            f"cannot read the file: {error.strerror or error}",
            where=str(path),
            next_step="check that it is there and that this user may read it",
        ) from error
    except pa.ArrowException as error:
        raise MalformedData(
            f"the file cannot be parsed: {quoted(str(error))}",
            where=str(path),
            next_step="give it the ending of its format: .csv, .jsonl or .parquet, and .gz or .zst where compressed",
        ) from error


def _csv(text: bytes, texts: Collection[str]) -> pa.Table:
    import pyarrow as pa
    import pyarrow.csv

    if not text.strip():
        return pa.table({})
    names = pyarrow.csv.open_csv(io.BytesIO(text)).schema.names
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise pa.ArrowInvalid(f"column {quoted(twice)} is there twice")
    read = pyarrow.csv.read_csv(
        io.BytesIO(text),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.binary()), null_values=[""], strings_can_be_null=True
        ),
    )
    columns = [_typed(read.column(index), name in texts) for index, name in enumerate(read.column_names)]
    return pa.table(columns, names=read.column_names)


def _typed(column: pa.ChunkedArray, is_text: bool) -> pa.ChunkedArray:
    """Bytes as whole numbers, numbers, strings, or bytes where some are no UTF-8; each value is parsed once."""
    import pyarrow as pa
    import pyarrow.compute as pc

    encoded = column.combine_chunks().dictionary_encode()
    try:
        values = encoded.dictionary.cast(pa.string())
    except pa.ArrowInvalid:
        return column
    if not is_text and len(values):
        trimmed = pc.utf8_ltrim(pc.utf8_trim_whitespace(values), characters="+")
        whole = pc.all(pc.match_substring_regex(trimmed, "^-?[0-9]+$")).as_py()
        for type_ in (pa.int64(), pa.float64()) if whole else (pa.float64(),):
            try:
                return pa.chunked_array([trimmed.cast(type_).take(encoded.indices)])
            except pa.ArrowInvalid:
                continue
    return pa.chunked_array([values.take(encoded.indices)])


def _lines(text: bytes) -> pa.Table:
    import pyarrow as pa
    import pyarrow.json

    return pyarrow.json.read_json(io.BytesIO(text)) if text.strip() else pa.table({})
