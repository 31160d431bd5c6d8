"""Lineage events while a run goes on: a thread beside it delivers what is due, and is waited for briefly at its end.

A run neither waits for the thread while it works nor learns what became of it: what could not be delivered is due
still, with the next run or ``mlcore lineage sync``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from mlcore.config.lineage import Lineage
from mlcore.config.pipeline import PipelineConfig
from mlcore.errors import MlcoreError
from mlcore.runtime.interop.lineage import Busy, Within, deliver
from mlcore.runtime.session import Session
from mlcore.tracking.openlineage.destinations import Destination, destination_of

_LOG = logging.getLogger(__name__)
_FIRST_LOOK_SECONDS, _LOOK_SECONDS, _PATIENCE_SECONDS = 0.3, 2.0, 30.0
"""Until the thread first looks what is due, between looks, and after a look that was in vain."""


@contextmanager
def telling(session: Session, config: PipelineConfig, home: Path) -> Iterator[None]:
    """Deliver the events of what happens within, where the pipeline's file says where to.

    Args:
        session: Our stores; open for as long.
        config: The pipeline.
        home: What a relative path of a file starts at.
    """
    destination = _destination(session, config, home)
    if destination is None or config.lineage is None:
        yield
        return
    courier = Courier(session, config, config.lineage, destination)
    courier.start()
    try:
        yield
    finally:
        courier.close(config.lineage.max_wait.total_seconds())


def _destination(session: Session, config: PipelineConfig, home: Path) -> Destination | None:
    if config.lineage is None:
        return None
    try:
        return destination_of(config.lineage, home, session.variables)
    except MlcoreError as error:
        _LOG.warning("no lineage events are delivered: %s", error)
        return None


class Courier:
    """Delivers in a thread of its own until it is closed."""

    def __init__(self, session: Session, config: PipelineConfig, given: Lineage, destination: Destination) -> None:
        self._session, self._config, self._given, self._destination = session, config, given, destination
        self._closing = Event()
        self._deadline = Within(None)
        self._failed = ""
        self._thread = Thread(target=self._work, name=f"lineage of {config.name}", daemon=True)

    def start(self) -> None:
        """From now on."""
        self._thread.start()

    def close(self, seconds: float) -> None:
        """Deliver what is left; what takes longer than ``seconds``, or failed a moment ago, is put off."""
        self._deadline = Within(seconds)
        self._closing.set()
        self._thread.join(seconds + self._given.timeout.total_seconds())
        if self._thread.is_alive():
            self._failed = self._failed or f"nothing is heard of {self._destination.shown}"
        if self._failed:
            _LOG.warning("lineage events wait, all else is done: %s", self._failed)

    def _work(self) -> None:
        wait = _FIRST_LOOK_SECONDS
        while not self._closing.wait(wait):
            wait = _LOOK_SECONDS if self._look() else _PATIENCE_SECONDS
        self._look()

    def _look(self) -> bool:
        """Deliver what is due; whether all of it was."""
        try:
            outcome = deliver(
                self._session, self._config, self._given, self._destination, until=lambda: self._deadline()
            )
        except Exception as error:  # whatever it is, the run is none the worse for it
            _LOG.debug("lineage events could not be told", exc_info=True)
            self._failed = str(error)
            return False
        if isinstance(outcome.error, Busy):
            return True  # a task beside this one delivers what it finds until there is no more
        self._failed = str(outcome.error) if outcome.error else ""
        return outcome.error is None
