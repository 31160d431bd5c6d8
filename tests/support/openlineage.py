"""What OpenLineage says an event must be: by the classes its own client generates from the published JSON Schemas.

They are turned back into JSON Schemas here, stricter than the published ones: nothing is allowed that they do not name.
Our own facets are held against the files of ``docs/reference/openlineage``.
"""

from __future__ import annotations

import inspect
import json
import types
import typing
from collections.abc import Iterator, Mapping
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

import attr
from jsonschema import Draft202012Validator, FormatChecker
from openlineage.client import event_v2, facet_v2
from openlineage.client.generated import base
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from mlcore.tracking.openlineage.facets import OWN, STANDARD

ROOT = Path(__file__).parents[2]
OWN_SCHEMAS = ROOT / "docs" / "reference" / "openlineage"
_FORMATS = {
    "runId": "uuid",
    **dict.fromkeys(("eventTime", "nominalStartTime", "nominalEndTime"), "date-time"),
    **dict.fromkeys(("producer", "schemaURL", "_producer", "_schemaURL"), "uri"),
}
_PLACES = {"run": "RunFacet", "job": "JobFacet", "facets": "DatasetFacet", "inputFacets": "InputDatasetFacet"}


@cache
def facet_class(name: str) -> type[Any]:
    """The client's class of a published facet."""
    for module in vars(facet_v2).values():
        if inspect.ismodule(module) and hasattr(module, name):
            found: type[Any] = getattr(module, name)
            return found
    raise AssertionError(f"OpenLineage has no facet {name}")


def problems(event: Mapping[str, Any]) -> list[str]:
    """All that is wrong with an event; nothing, where nothing is."""
    found = list(_errors(_event_validator(), event))
    for place, key, facet, kind in _facets(event):
        found += [f"{place}.{key}: {problem}" for problem in _facet_problems(key, facet, kind)]
    return found


def _facets(event: Mapping[str, Any]) -> Iterator[tuple[str, str, Any, str]]:
    """Every facet with its place, its key and what kind of facet belongs there."""
    for part in ("run", "job"):
        yield from ((part, key, facet, _PLACES[part]) for key, facet in event[part].get("facets", {}).items())
    for side, special, kind in (
        ("inputs", "inputFacets", "InputDatasetFacet"),
        ("outputs", "outputFacets", "OutputDatasetFacet"),
    ):
        for index, dataset in enumerate(event[side]):
            where = f"{side}[{index}]"
            yield from ((where, key, facet, "DatasetFacet") for key, facet in dataset.get("facets", {}).items())
            yield from ((where, key, facet, kind) for key, facet in dataset.get(special, {}).items())


def _facet_problems(key: str, facet: Mapping[str, Any], kind: str) -> Iterator[str]:
    if key in OWN:
        name = OWN[key].rpartition("/")[2]
        if not name.endswith(kind):
            yield f"{name} is no {kind}"
        yield from (
            f"{error.json_path}: {error.message}" for error in _own_validator(OWN[key]).iter_errors({key: facet})
        )
        return
    cls = facet_class(STANDARD[key].rpartition("/")[2])
    if not issubclass(cls, getattr(base, kind)):
        yield f"{cls.__name__} is no {kind}"
    if facet["_schemaURL"] != cls._get_schema():
        yield f"{facet['_schemaURL']} is not {cls._get_schema()}"
    yield from _errors(_validator(cls), facet)


def _errors(validator: Draft202012Validator, document: Any) -> Iterator[str]:
    yield from (f"{error.json_path}: {error.message}" for error in validator.iter_errors(document))


@cache
def _event_validator() -> Draft202012Validator:
    return Draft202012Validator(_schema_of(event_v2.RunEvent), format_checker=FormatChecker())


@cache
def _validator(cls: type[Any]) -> Draft202012Validator:
    return Draft202012Validator(_schema_of(cls), format_checker=FormatChecker())


def _schema_of(cls: type[Any], *around: type[Any]) -> dict[str, Any]:
    """A JSON Schema of a class of the client: its fields, and no others; of one within itself only that it is one."""
    if cls in around:
        return {"type": "object"}
    hints = typing.get_type_hints(cls)
    fields = attr.fields(cls)
    return {
        "type": "object",
        "properties": {one.name: _of_type(hints[one.name], one.name, *around, cls) for one in fields},
        "required": [one.name for one in fields if one.default is attr.NOTHING or one.name.startswith("_p")],
        "additionalProperties": False,
    }


def _of_type(hint: Any, name: str, *around: type[Any]) -> dict[str, Any]:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _of_type(next(one for one in arguments if one is not type(None)), name, *around)
    if origin is list:
        return {"type": "array", "items": _of_type(arguments[0], "", *around)}
    if origin is dict:
        facets = inspect.isclass(arguments[1]) and issubclass(arguments[1], base.BaseFacet)
        return {"type": "object", "additionalProperties": {} if facets else _of_type(arguments[1], "", *around)}
    if inspect.isclass(hint) and issubclass(hint, Enum):
        return {"enum": [one.value for one in hint]}
    if attr.has(hint):
        return _schema_of(hint, *around)
    plain = {str: "string", int: "integer", float: "number", bool: "boolean"}[hint]
    return {"type": plain, **({"format": _FORMATS[name]} if name in _FORMATS else {})}


@cache
def _own_validator(path: str) -> Draft202012Validator:
    document = json.loads((OWN_SCHEMAS / f"{path}.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(document)
    bases = {name: _open_schema(getattr(base, name)) for name in ("RunFacet", "DatasetFacet")}
    spec = Resource(contents={"$defs": bases}, specification=DRAFT202012)
    registry = Registry().with_resource("https://openlineage.io/spec/2-0-2/OpenLineage.json", spec)
    return Draft202012Validator(_closed(document), registry=registry, format_checker=FormatChecker())


def _open_schema(cls: type[Any]) -> dict[str, Any]:
    return {**_schema_of(cls), "additionalProperties": True}


def _closed(document: dict[str, Any]) -> dict[str, Any]:
    """The same, and no member beside those it names."""
    for facet in document["$defs"].values():
        if "allOf" in facet:
            facet["unevaluatedProperties"] = False
    return document
