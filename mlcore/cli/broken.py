"""What is told of an error that nobody foresaw: one message, and the traceback in a file, both without secrets."""

from __future__ import annotations

import tempfile
import traceback

from mlcore.errors import MlcoreError, quoted
from mlcore.masking import masked

_LONG = 300


def unforeseen(error: Exception) -> MlcoreError:
    """An error that is no ``MlcoreError``, in words.

    A traceback on the terminal hides what happened from who did nothing wrong, and may quote a password of an address;
    who mends it needs all of it.
    """
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "mlcore" in frame.filename] or frames
    where = f"{ours[-1].filename}:{ours[-1].lineno}" if ours else ""
    return MlcoreError(
        f"mlcore broke: {type(error).__name__}: {quoted(str(error), limit=_LONG)}",
        where=where,
        next_step=f"this is a fault of mlcore: report it{_kept(error)}; what was complete is kept",
    )


def _kept(error: Exception) -> str:
    """Where the traceback is, if there is room for it."""
    text = masked("".join(traceback.format_exception(error)))
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="mlcore-error-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as file:
            file.write(text)
    except OSError:
        return f" with this traceback: {text}"
    return f" with the traceback, which is in {file.name}"
