"""A schema as a document of mappings, lists and scalars: the shape of its JSON and of its YAML file.

version: 2
default_environment: [TRAINING, SERVING]
domains: {airport: [EWR, JFK, LGA]}        # string domains that several features share
features:
  origin: {type: string, presence: {min_fraction: 1.0}, string_domain: {name: airport}}
"""

from __future__ import annotations

import json
from difflib import get_close_matches
from functools import cache
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from mlcore.core.types import Json
from mlcore.errors import quoted
from mlcore.schema.constraints import InvalidSchema
from mlcore.schema.schema import FEATURE_KEYS, Schema

VERSION = 2
_KEYS = ("version", "default_environment", "dataset_constraints", "severity", "domains", "features", "extra")
_SHOWN_PROBLEMS = 10


def to_document(schema: Schema) -> dict[str, Json]:
    """The document of a schema; what has its default value is left out."""
    (whole,) = _adapter().dump_python((schema,), mode="json", exclude_defaults=True)
    document: dict[str, Json] = {"version": VERSION}
    document.update({key: whole[key] for key in ("default_environment", "severity", "extra") if key in whole})
    if "dataset_constraints" in whole:
        document["dataset_constraints"] = whole["dataset_constraints"]
    domains: dict[str, Json] = {}
    blocks: dict[str, Json] = {}
    for feature in whole["features"]:
        name = feature.pop("name")
        domain = feature.get("string_domain")
        if domain and domain.get("name"):
            domains[domain["name"]] = domain.pop("values")
        blocks[name] = feature
    if domains:
        document["domains"] = domains
    document["features"] = blocks
    return document


def from_document(document: Any) -> Schema:
    """The schema of a document.

    Raises:
        InvalidSchema: A key is unknown, missing or holds what it may not; the message names it.
    """
    top = dict(_mapping(document, "the schema"))
    _known(top, _KEYS, "")
    version = top.pop("version", VERSION)
    if version != VERSION:
        raise InvalidSchema(
            f"version {quoted(version)} is not {VERSION}", where="version", next_step="write the schema anew"
        )
    domains = _mapping(top.pop("domains", {}), "domains")
    blocks = _mapping(top.pop("features", None), "features")
    features = [
        _with_domain(str(name), dict(_mapping(block, f"features.{name}")), domains) for name, block in blocks.items()
    ]
    try:
        return _adapter().validate_json(json.dumps([{**top, "features": features}]), strict=True)[0]
    except TypeError as error:
        raise InvalidSchema(
            f"a value is neither text, number, list nor mapping: {quoted(str(error))}",
            next_step="put dates and times into quotes",
        ) from error
    except ValidationError as error:
        raise InvalidSchema(
            "this is no schema:\n" + "\n".join(_problems(error, [str(name) for name in blocks])),
            next_step="docs/reference/schema.md lists every key and what it may hold",
        ) from error


@cache
def _adapter() -> TypeAdapter[tuple[Schema]]:
    # Pydantic takes a configuration for plain dataclasses only inside of something else.
    return TypeAdapter(tuple[Schema], config=ConfigDict(extra="forbid"))


def _mapping(value: Any, where: str) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise InvalidSchema(f"{where} is {quoted(value)}, where a mapping of names to blocks is expected", where=where)
    return value


def _known(block: dict[Any, Any], keys: tuple[str, ...], where: str) -> None:
    for key in block:
        if key not in keys:
            guess = get_close_matches(str(key), keys, n=1)
            raise InvalidSchema(
                f"unknown key {quoted(key)}; allowed: {', '.join(keys)}"
                + (f"; did you mean {guess[0]!r}?" if guess else ""),
                where=where,
                next_step="docs/reference/schema.md lists every key and what it may hold",
            )


def _with_domain(name: str, block: dict[str, Any], domains: dict[Any, Any]) -> dict[str, Any]:
    _known(block, FEATURE_KEYS, f"features.{name}")
    domain = block.get("string_domain")
    if isinstance(domain, dict) and domain.get("name") and "values" not in domain:
        if domain["name"] not in domains:
            raise InvalidSchema(
                f"string_domain {quoted(domain['name'])} is not in domains", where=f"features.{name}.string_domain"
            )
        block["string_domain"] = {**domain, "values": domains[domain["name"]]}
    return {**block, "name": name}


def _problems(error: ValidationError, names: list[str]) -> list[str]:
    problems = error.errors(include_url=False, include_context=False)
    lines = []
    for problem in problems[:_SHOWN_PROBLEMS]:
        location = [str(part) for part in problem["loc"][1:]]
        if location[:1] == ["features"] and len(location) > 1:
            location[1] = names[int(location[1])]
        given = "" if isinstance(problem["input"], dict) else f" (given: {quoted(problem['input'])})"
        lines.append(f"  {'.'.join(location)}: {_message(problem['msg'])}{given}")
    if len(problems) > _SHOWN_PROBLEMS:
        lines.append(f"  and {len(problems) - _SHOWN_PROBLEMS} more")
    return lines


def _message(text: str) -> str:
    return text.removeprefix("Value error, ").replace("keyword argument", "key")
