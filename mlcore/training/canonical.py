"""One byte string per model: the skops format without what varies between equal models.

``skops.io.dumps`` writes addresses of objects as ids and file names, and the time of writing into the archive. Here

- ids that nothing shares are left out, the others are numbered in the order of the document;
- arrays are stored under the hash of their content;
- bytes that mean nothing are zero: padding of structured arrays, and a field that scikit-learn leaves unset in leaves;
- the elements of sets are sorted;
- entries are stored uncompressed, in the order of their names, with one fixed time.

``skops.io.loads`` reads the result as it reads its own.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections import Counter
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from mlcore.training.audit import members
from mlcore.training.boosters import nodes

_SCHEMA = "schema.json"
_OF_THE_MOMENT = frozenset({"model_guid", "train_finish_time"})
_EPOCH = (1980, 1, 1, 0, 0, 0)
_PERMISSIONS = 0o600 << 16
_SHARED_BY_VALUE = frozenset({"JsonNode", "TypeNode", "FunctionNode"})
"""Loaders of immutable things: sharing them is the interpreter's business, not the model's."""

Node = dict[str, Any]


def canonical_dumps(model: object) -> bytes:
    """The model in skops format; equal models give equal bytes in every process.

    Raises:
        TypeError: A part of the model is of a kind that skops cannot save.
    """
    import skops.io

    _forget_the_time(model)
    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(model))) as archive:
        schema = json.loads(archive.read(_SCHEMA))
        contents = {name: _canonical_entry(name, archive.read(name)) for name in archive.namelist() if name != _SCHEMA}
    names = {name: _content_name(name, data) for name, data in contents.items()}
    document = _Renumbering(schema, names).apply()
    entries = {names[name]: data for name, data in contents.items()}
    entries[_SCHEMA] = json.dumps(document, separators=(",", ":")).encode()
    return _archive(entries)


def _forget_the_time(model: object) -> None:
    """CatBoost writes into a model when it was fitted and a number of its own."""
    for part in members(model):
        if type(part).__module__.partition(".")[0] == "catboost" and part.is_fitted():
            metadata = part.get_metadata()
            for name in _OF_THE_MOMENT.intersection(metadata.keys()):
                metadata[name] = ""


def _archive(entries: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(entries):
            info = zipfile.ZipInfo(name, date_time=_EPOCH)
            info.external_attr = _PERMISSIONS
            info.create_system = 3
            archive.writestr(info, entries[name])
    return buffer.getvalue()


def _content_name(name: str, data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:40] + PurePosixPath(name).suffix


def _canonical_entry(name: str, data: bytes) -> bytes:
    if not name.endswith(".npy"):
        return data
    array = np.load(io.BytesIO(data), allow_pickle=False)
    if array.dtype.fields is None:
        return data
    clean = np.zeros(array.shape, dtype=array.dtype)
    for field in array.dtype.names or ():
        clean[field] = array[field]
    _clear_unset_fields(clean)
    buffer = io.BytesIO()
    np.save(buffer, clean, allow_pickle=False)
    return buffer.getvalue()


def _clear_unset_fields(nodes: np.ndarray[Any, Any]) -> None:
    """``sklearn.tree._tree.Tree`` does not set ``missing_go_to_left`` in leaves: it holds whatever memory held."""
    names = nodes.dtype.names or ()
    if "left_child" in names and "missing_go_to_left" in names:
        nodes["missing_go_to_left"][nodes["left_child"] == -1] = 0


class _Renumbering:
    """The schema with its ids and file names replaced."""

    def __init__(self, schema: Node, names: dict[str, str]) -> None:
        self._schema = schema
        self._names = names
        self._uses = Counter(node["__id__"] for node in nodes(schema) if "__id__" in node)
        self._numbers: dict[int, int] = {}

    def apply(self) -> Node:
        replaced: Node = self._replaced(self._schema)
        return replaced

    def _replaced(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._replaced(item) for item in value]
        if not isinstance(value, dict):
            return value
        if "__loader__" not in value:
            return {key: self._replaced(item) for key, item in value.items()}
        node = {key: item for key, item in value.items() if key != "__id__"}
        if node["__loader__"] == "SetNode":
            node["content"] = sorted(node["content"], key=self._content_key)
        result = self._identity(value)
        result.update((key, self._named(key, item)) for key, item in node.items())
        return result

    def _identity(self, node: Node) -> Node:
        identity = node.get("__id__")
        if identity is None or self._uses[identity] < 2 or node["__loader__"] in _SHARED_BY_VALUE:
            return {}
        return {"__id__": self._numbers.setdefault(identity, len(self._numbers) + 1)}

    def _named(self, key: str, item: Any) -> Any:
        if key == "file" and isinstance(item, str):
            return self._names[item]
        return self._replaced(item)

    def _content_key(self, node: Node) -> str:
        """What a node is, whatever its number: the order of the elements of a set must not depend on numbers."""
        return json.dumps(_without_ids(node, self._names), sort_keys=True)


def _without_ids(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [_without_ids(item, names) for item in value]
    if isinstance(value, dict):
        return {
            key: names.get(item, item) if key == "file" and isinstance(item, str) else _without_ids(item, names)
            for key, item in value.items()
            if key != "__id__"
        }
    return value
