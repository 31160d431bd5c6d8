"""The schema that people own: ``config/schemas/<pipeline>.yaml``, one block a feature, kept in git.

Reading is strict. Writing changes the keys that changed and leaves the rest of the file, comments and order included,
as it was.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import yaml as pyyaml
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.emitter import RoundTripEmitter
from ruamel.yaml.events import ScalarEvent
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from mlcore.core.types import Json
from mlcore.errors import DataError, quoted
from mlcore.schema.constraints import InvalidSchema
from mlcore.schema.document import from_document, to_document
from mlcore.schema.schema import Schema
from mlcore.schema.yaml_edit import edit
from mlcore.schema.yaml_load import load_yaml

_SHORT_LIST = 12
_SHORT_TEXT = 100
_FEATURE_DEPTH = 2
_NEVER_FOLD = 10**6
_LONGEST_KEY = 1_000
"""Of a key in one line; YAML says 1,024."""


def read_text(path: Path) -> str:
    """The text of a file.

    Raises:
        DataError: The file cannot be read.
    """
    try:
        return path.read_bytes().decode()
    except FileNotFoundError as error:
        raise DataError("there is no such file", where=str(path), next_step="check the path") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"cannot read the schema: {quoted(str(error))}", where=str(path), next_step="check that it is UTF-8 text"
        ) from error


def parse_yaml(text: str, *, where: str) -> Schema:
    """The schema of a YAML text.

    Raises:
        InvalidSchema: It is no schema; the message names the line or the key.
    """
    try:
        return from_document(load_yaml(text))
    except pyyaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise InvalidSchema(
            f"this is no YAML: {quoted(error.problem or error.context)}",
            where=f"{where}{line}",
            next_step="correct the line",
        ) from error
    except pyyaml.YAMLError as error:
        raise InvalidSchema(f"this is no YAML: {quoted(str(error))}", where=where, next_step="correct it") from error
    except InvalidSchema as error:
        raise InvalidSchema(
            error.what, where=": ".join(part for part in (where, error.where) if part), next_step=error.next_step
        ) from error


def format_yaml(schema: Schema, *, header: str = "") -> str:
    """A new file of a schema.

    Args:
        schema: What to write.
        header: Lines of comment for its top.
    """
    lines = [f"# {line}".rstrip() for line in header.splitlines()]
    for key, value in to_document(schema).items():
        if key == "features" and isinstance(value, dict) and value:
            lines.append("features:")
            for index, (name, block) in enumerate(value.items()):
                lines += [""] * (index > 0)
                lines += ["  " + line for line in _render(name, block, 1)]
        else:
            lines += _render(key, value, 0)
    return "\n".join(lines) + "\n"


def update_yaml(text: str, schema: Schema, *, where: str) -> str:
    """The text of a file, changed so that it says ``schema``; what did not change is left as it was.

    Raises:
        InvalidSchema: The text is no schema.
    """
    before = to_document(parse_yaml(text, where=where))
    after = to_document(schema)
    changed = edit(text, before, after, _render) if before != after else text
    if parse_yaml(changed, where=where) != schema:
        raise InvalidSchema(
            "the file cannot be changed without rewriting it",
            where=where,
            next_step="change it by hand: it has anchors",
        )
    return changed


def _render(key: str, value: Json, depth: int) -> list[str]:
    """The lines of a key and its value, without the indentation of their place.

    Blocks down to the keys of a feature; what these hold stands in one line where it is short.
    """
    handler = YAML(typ="rt")
    handler.Emitter = _KeysInOneLine
    handler.width = _NEVER_FOLD
    handler.indent(mapping=2, sequence=4, offset=2)
    stream = io.StringIO()
    handler.dump(CommentedMap({_text(key): _styled(value, depth + 1)}), stream)
    return stream.getvalue().splitlines()


class _KeysInOneLine(RoundTripEmitter):
    """Writes ``"a\\nb":`` where the library would write ``? "a\\nb"`` and the colon on the next line."""

    def check_simple_key(self) -> bool:
        short = isinstance(self.event, ScalarEvent) and len(ascii(self.event.value)) < _LONGEST_KEY
        return short or bool(super().check_simple_key())


def _styled(value: Json, depth: int) -> Any:
    if isinstance(value, dict):
        mapping = CommentedMap({_text(key): _styled(item, depth + 1) for key, item in value.items()})
        if depth > _FEATURE_DEPTH and _is_short(value):
            mapping.fa.set_flow_style()
        return mapping
    if isinstance(value, list):
        items = CommentedSeq(_styled(item, depth + 1) for item in value)
        if _is_short(value):
            items.fa.set_flow_style()
        return items
    return _text(value) if isinstance(value, str) else value


def _is_short(value: dict[str, Json] | list[Json]) -> bool:
    parts = value.values() if isinstance(value, dict) else [value]
    longest = max((len(part) for part in parts if isinstance(part, list)), default=0)
    return longest <= _SHORT_LIST and len(str(value)) <= _SHORT_TEXT


def _text(value: str) -> str:
    """Text that YAML 1.1 reads as something else (``NO``, ``1:30``) is quoted, for tools that are not of today."""
    resolved = pyyaml.SafeLoader("").resolve(pyyaml.ScalarNode, value, (True, False))  # type: ignore[no-untyped-call]
    plain = resolved == "tag:yaml.org,2002:str" and value.isprintable()
    return value if plain else DoubleQuotedScalarString(value)
