"""Errors as data: runners turn exceptions into text, and the reader should see what was raised."""

from __future__ import annotations

import json
from pathlib import Path

import mlcore.errors
from mlcore.errors import MlcoreError

Failure = str
"""An error in JSON, or empty."""


def record_of(error: MlcoreError) -> Failure:
    """What is needed to raise the error where the job was started."""
    known = next(kind.__name__ for kind in type(error).__mro__ if kind.__module__ == mlcore.errors.__name__)
    record = {"type": known, "what": error.what, "where": error.where, "next_step": error.next_step}
    return json.dumps(record)


def raise_recorded(path: Path) -> None:
    """Raise the error that a job recorded in this file, and remove the file.

    Raises:
        MlcoreError: What was raised in the job; nothing where there is no such file.
    """
    if not path.exists():
        return
    record = json.loads(path.read_bytes())
    path.unlink()
    kind: type[MlcoreError] = getattr(mlcore.errors, record["type"])
    raise kind(record["what"], where=record["where"], next_step=record["next_step"])
