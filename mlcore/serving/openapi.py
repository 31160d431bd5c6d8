"""What a server takes and gives, in OpenAPI: it follows the model that is served."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fastapi.openapi.utils import get_openapi

if TYPE_CHECKING:
    from fastapi import FastAPI

    from mlcore.serving.models import Served

_KINDS: Mapping[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "int64": {"type": "integer", "format": "int64"},
    "float64": {"type": "number", "format": "double"},
    "bool": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "timestamp": {"type": "string", "format": "date-time"},
}


def document(app: FastAPI, served: Served | None) -> dict[str, Any]:
    """The app's description; of the rows, what the present model reads."""
    found = get_openapi(title=app.title, version=app.version, routes=app.routes)
    if served is None:
        return found
    found["info"]["description"] = f"{served.version.pipeline}, version {served.version.version}"
    row = {
        "type": "object",
        "required": list(served.fields.read),
        "properties": {name: {**_KINDS[kind], "nullable": True} for name, kind in served.fields.read.items()},
    }
    one_or_many = [
        {"type": "object", "required": ["row"], "properties": {"row": row}},
        {"type": "object", "required": ["rows"], "properties": {"rows": {"type": "array", "items": row}}},
    ]
    prediction = {name: _of_arrow(str(kind)) for name, kind in zip(*_answers(served), strict=True)}
    answer = {
        "type": "object",
        "properties": {
            "model_version": {"type": "integer"},
            "predictions": {"type": "array", "items": {"type": "object", "properties": prediction}},
        },
    }
    asked = found["paths"]["/v1/predict"]["post"]
    asked["requestBody"] = {"required": True, "content": {"application/json": {"schema": {"oneOf": one_or_many}}}}
    asked["responses"]["200"]["content"] = {"application/json": {"schema": answer}}
    return found


def _answers(served: Served) -> tuple[list[str], list[Any]]:
    schema = served.scorer.answers
    return schema.names[:-1], schema.types[:-1]


def _of_arrow(kind: str) -> dict[str, Any]:
    return {"double": {"type": "number"}, "int64": {"type": "integer"}, "string": {"type": "string"}}.get(kind, {})
