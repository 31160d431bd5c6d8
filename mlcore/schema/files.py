"""A schema from a file of any of its forms, told by the file's ending."""

from __future__ import annotations

import json
from pathlib import Path

from mlcore.errors import quoted
from mlcore.schema.constraints import InvalidSchema
from mlcore.schema.schema import Schema

PBTXT = (".pbtxt", ".textproto", ".txtpb")
JSON = ".json"


def is_pbtxt(path: Path) -> bool:
    """Whether a file is TFX's text proto, by its ending."""
    return path.suffix in PBTXT


def read_schema_file(path: Path) -> Schema:
    """The schema of a file: ``.pbtxt`` is TFX's, ``.json`` an artifact's, anything else YAML.

    Raises:
        DataError: The file cannot be read.
        InvalidSchema: It holds no schema.
    """
    if is_pbtxt(path):
        from mlcore.schema.pbtxt import read_pbtxt

        return read_pbtxt(path)
    from mlcore.schema.yaml_file import parse_yaml, read_text

    text = read_text(path)
    if path.suffix != JSON:
        return parse_yaml(text, where=str(path))
    try:
        return Schema.from_json(json.loads(text))
    except json.JSONDecodeError as error:
        raise InvalidSchema(
            f"this is no JSON: {quoted(str(error))}", where=str(path), next_step="correct the file"
        ) from error


def format_schema(schema: Schema, path: Path | None, *, header: str = "") -> str:
    """The text of a new file, in the form of its ending; YAML without one."""
    if path is not None and is_pbtxt(path):
        from mlcore.schema.pbtxt import format_pbtxt

        return format_pbtxt(schema)
    if path is not None and path.suffix == JSON:
        return json.dumps(schema.to_json(), indent=2, ensure_ascii=False) + "\n"
    from mlcore.schema.yaml_file import format_yaml

    return format_yaml(schema, header=header)
