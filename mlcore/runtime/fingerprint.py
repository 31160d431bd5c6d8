"""Content, not clocks: the hash that decides whether work was done before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import mlcore
from mlcore.components.base import Component, SpanComponent
from mlcore.core.digests import digest_bytes, digest_json
from mlcore.core.types import Artifact, Json
from mlcore.core.window import Span, iso
from mlcore.runtime.environment import processor, python_version

_ROOT = Path(mlcore.__file__).parent
MADE_BY = "made_by"
"""In an execution's origin: what :func:`made_by` told of the code that ran."""


@cache
def code_digest(modules: tuple[str, ...]) -> str:
    """Digest of the source of modules and packages below ``mlcore``, for instance ``("training", "core.window")``."""
    files: set[Path] = set()
    for module in modules:
        path = _ROOT.joinpath(*module.split("."))
        files.update(path.rglob("*.py") if path.is_dir() else [path.with_suffix(".py")])
    return digest_json({str(file.relative_to(_ROOT)): digest_bytes(file.read_bytes()) for file in files})


@cache
def library_versions(names: tuple[str, ...]) -> dict[str, Json]:
    """Installed version by distribution; ``None`` for one that is not installed."""
    return {name: _version(name) for name in names}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def made_by(component: Component | SpanComponent) -> dict[str, Json]:
    """What decides a component's outputs beside what it is told and reads: code, libraries, Python and the processor.

    The last two are no part of a fingerprint: what another one of the same installation made is reused.
    """
    return {**_made_of(component), "python": python_version(), "processor": processor()}


def _made_of(component: Component | SpanComponent) -> dict[str, Json]:
    """Digest of the code and versions of the libraries."""
    own_module = type(component).__module__.removeprefix("mlcore.")
    return {
        "code": code_digest((own_module, *component.code)),
        "libraries": library_versions(component.libraries),
    }


def fingerprint(
    component: Component | SpanComponent, inputs: Mapping[str, Sequence[Artifact]], span: Span | None = None
) -> str:
    """Hash of a component's name and code, its parameters and its inputs' content digests, in order.

    Of work on one span it holds which: yesterday's rows in today's file are not today's. A pipeline reuses its own
    outputs alone: what another one made goes when that one needs it no more, and another's push is none of this one's.
    """
    return digest_json(
        {
            "pipeline": component.config.name,
            "component": type(component).__name__,
            **_made_of(component),
            "parameters": dict(component.parameters),
            "inputs": {key: [artifact.digest for artifact in artifacts] for key, artifacts in inputs.items()},
            **({"span": [iso(span.start), iso(span.end)]} if span is not None else {}),
        }
    )
