"""Files that hold many spans, each read once: for the digests of its spans, and for the rows of those that are new.

Imports nothing heavy before it reads: whoever resolves a window may have one.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from mlcore.config.data import Data
from mlcore.core.window import Span

if TYPE_CHECKING:
    from mlcore.ingest.division import Division


class Divisions(AbstractContextManager["Divisions"]):
    """What was read of shared files, until it is closed: in memory up to a bound, and else in temporary files."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._found: dict[tuple[str, Span], Division] = {}

    def __exit__(self, *error: object) -> None:
        self._found.clear()
        self._stack.close()

    def get(self, path: Path, span: Span) -> Division | None:
        """What was read of a span of a file, if it was."""
        return self._found.get((str(path), span))

    def read(self, data: Data, path: Path, spans: Sequence[Span], *, digested: bool = False) -> Division:
        """Read a file for some of its spans.

        Args:
            data: What a row is.
            path: The file, or a place of several.
            spans: Those that are wanted, each once.
            digested: Whether their digests are.

        Raises:
            DataError: It cannot be read as configured, or a row is bad and none may be.
        """
        from mlcore.ingest.division import Division
        from mlcore.ingest.sources import read_blocks

        with ExitStack() as stack:
            division = stack.enter_context(Division(data, spans, shared=True, digested=digested))
            division.read(read_blocks(data, path, min(spans)))
            self._stack.push(stack.pop_all())
        self._found |= {(str(path), span): division for span in spans}
        return division
