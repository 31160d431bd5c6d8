"""``import apache_beam`` without the one message that concerns nobody here."""

from __future__ import annotations

import logging
from importlib import import_module

_SAID = "apitools not found"


def import_beam() -> None:
    """Import Beam, less its warning that BigQuery's client is missing, which nothing here uses.

    Beam logs it to the root logger while it is imported, so it would stand at the top of every task's log. Everything
    else that Beam has to say is heard, then and later.
    """
    root = logging.getLogger()
    root.addFilter(_is_wanted)
    try:
        import_module("apache_beam")
    finally:
        root.removeFilter(_is_wanted)


def _is_wanted(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(_SAID)
