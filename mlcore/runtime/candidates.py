"""What is particular to nodes that work for one of several models of a pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mlcore.errors import ComponentFailed, MlcoreError, quoted

_KEY = "model"


@contextmanager
def naming(candidate: str | None) -> Iterator[None]:
    """Errors within say which of a pipeline's several models they are of; with ``None`` they stay as they are."""
    try:
        yield
    except MlcoreError as error:
        if candidate:
            error.what = f"model {candidate}: {error.what}"
            if error.where == _KEY or error.where.startswith(f"{_KEY}."):
                error.where = f"models.{candidate}{error.where.removeprefix(_KEY)}"
        raise
    except Exception as error:
        if not candidate:
            raise
        raise ComponentFailed(
            f"model {candidate}: {type(error).__name__}: {quoted(str(error), 500)}",
            where=f"models.{candidate}",
            next_step="the chained traceback says where; correct it and run again: nothing was published",
        ) from error
