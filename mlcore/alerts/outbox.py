"""Alerts on their way: one small file each, so that none is sent twice and none is lost with the process that sends.

::

    <folder>/pending/<key>.json     to be sent
    <folder>/sent/<key>             was sent (or had nowhere to go): an equal one is not taken again
    <folder>/failed/<key>.json      could not be delivered
    <folder>/lock                   held by the process that sends
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mlcore.config.settings import Settings
from mlcore.core.digests import digest_json
from mlcore.core.types import Json
from mlcore.errors import AlertError

_LOG = logging.getLogger(__name__)
_KEEP_SECONDS = 30 * 86_400
_MAX_PENDING = 1000


class Outbox:
    """A folder of alerts. ``put`` is quick and never waits; ``drain`` sends, one process at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def of(cls, settings: Settings) -> Outbox:
        """The installation's."""
        return cls(settings.home / "alerts")

    def put(self, event: dict[str, Json]) -> bool:
        """Take an event, unless an equal one was taken before.

        Returns:
            Whether it is new.

        Raises:
            AlertError: So many are waiting that nothing can be delivering them.
        """
        for name in ("pending", "sent", "failed"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        key = digest_json(event).rpartition(":")[2][:40]
        pending = self._pending(key)
        if pending.exists() or (self._folder / "sent" / key).exists():
            return False
        if sum(1 for _ in pending.parent.iterdir()) >= _MAX_PENDING:
            raise AlertError(
                f"{_MAX_PENDING} alerts wait to be sent: this one is dropped",
                where=str(pending.parent),
                next_step="see why none is delivered, in the scheduler's log",
            )
        temporary = pending.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps(event))
        temporary.rename(pending)
        return True

    def waiting(self) -> bool:
        """Whether there is anything to send."""
        return any((self._folder / "pending").glob("*.json"))

    def drain(self, handle: Callable[[dict[str, Json]], None], *, pauses_seconds: tuple[float, ...] = (2, 10)) -> int:
        """Send all that waits; what cannot be delivered is tried again after each pause, then put aside.

        Returns:
            How many could not be delivered.
        """
        undelivered = 0
        with self._exclusive():
            while found := sorted((self._folder / "pending").glob("*.json"), key=lambda path: path.stat().st_mtime_ns):
                for path in found:
                    undelivered += not self._handle(path, handle, pauses_seconds)
            self._forget_old()
        return undelivered

    def _handle(self, path: Path, handle: Callable[[dict[str, Json]], None], pauses_seconds: tuple[float, ...]) -> bool:
        for pause in (*pauses_seconds, None):
            try:
                handle(json.loads(path.read_text()))
            except Exception as error:
                _LOG.warning("alert %s: %s", path.stem, error)
                if pause is not None:
                    time.sleep(pause)
            else:
                (self._folder / "sent" / path.stem).touch()
                path.unlink()
                return True
        path.rename(self._folder / "failed" / path.name)
        _LOG.error("alert %s was not delivered, and lies in %s", path.stem, self._folder / "failed")
        return False

    def _forget_old(self) -> None:
        oldest = time.time() - _KEEP_SECONDS
        for path in (self._folder / "sent").iterdir():
            if path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)

    def _pending(self, key: str) -> Path:
        return self._folder / "pending" / f"{key}.json"

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # released by the kernel however the process ends
            yield
