"""Every log line of a step says which pipeline, run, node and execution it is about."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from mlcore.masking import masked

_CONTEXT: ContextVar[tuple[tuple[str, object], ...]] = ContextVar("mlcore_log_context", default=())


@contextmanager
def log_context(**values: object) -> Iterator[None]:
    """Add ``values`` to the log lines of the body."""
    token = _CONTEXT.set((*_CONTEXT.get(), *values.items()))
    try:
        yield
    finally:
        _CONTEXT.reset(token)


class ContextFormatter(logging.Formatter):
    """A formatter that appends the ids of the step a line belongs to."""

    def format(self, record: logging.LogRecord) -> str:
        line = masked(super().format(record))
        ids = " ".join(f"{key}={value}" for key, value in _CONTEXT.get())
        return f"{line} [{ids}]" if ids else line


def install_record_factory() -> None:
    """For processes whose handlers are another's (Airflow's): put the ids into the message of mlcore's records."""
    previous = logging.getLogRecordFactory()

    def factory(*args: object, **kwargs: object) -> logging.LogRecord:
        record = previous(*args, **kwargs)
        named = isinstance(record.name, str)  # structlog copies records by way of a nameless one
        if named and record.name.startswith("mlcore") and _CONTEXT.get():
            ids = " ".join(f"{key}={value}" for key, value in _CONTEXT.get())
            record.msg = f"{record.msg} [{ids.replace('%', '%%') if record.args else ids}]"
        return record

    logging.setLogRecordFactory(factory)
