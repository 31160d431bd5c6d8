"""What becomes of executions whose work raises: recorded with the reason, and their files removed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from mlcore.core.types import ExecutionState
from mlcore.errors import REFUSALS, ComponentFailed, MlcoreError, quoted, system_refused
from mlcore.masking import masked
from mlcore.runtime.session import Session


@contextmanager
def attempt(session: Session, execution_ids: Sequence[int]) -> Iterator[None]:
    """Record what the body raises on the executions, and raise it as an ``MlcoreError``.

    The record is best effort: where the database itself is what failed, the next attempt finds the executions
    RUNNING with nobody holding their lock, and cancels them.
    """
    try:
        yield
    except MlcoreError as error:
        _record(session, execution_ids, str(error), ExecutionState.FAILED)
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in REFUSALS:
            refused = system_refused(error, tempfile.gettempdir())
            _record(session, execution_ids, str(refused), ExecutionState.FAILED)
            raise refused from error
        _record(session, execution_ids, f"{type(error).__name__}: {error}", ExecutionState.FAILED)
        raise ComponentFailed(
            f"{type(error).__name__}: {quoted(masked(str(error)), 500)}",
            where=f"execution {execution_ids[0]}",
            next_step="the chained traceback says where; correct it and run again: nothing was published",
        ) from error
    except BaseException as error:
        _record(session, execution_ids, f"interrupted by {type(error).__name__}", ExecutionState.CANCELED)
        raise


def _record(session: Session, execution_ids: Sequence[int], reason: str, state: ExecutionState) -> None:
    with suppress(MlcoreError):
        for execution_id in execution_ids:
            session.metadata.fail(execution_id, masked(reason), state=state)
