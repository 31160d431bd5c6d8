"""A sample of what the served model was asked, in JSON Lines, a span a file: what ``data.serving`` reads."""

from __future__ import annotations

import json
import logging
import os
import queue
import random
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlcore.core.patterns import fill
from mlcore.core.window import Grain, iso, span_at
from mlcore.serving.metrics import Metrics

_LOG = logging.getLogger(__name__)
_MOST_WAITING = 1_000
SERVED = "mlcore"
"""The field of a line that says what was answered, and by whom; it is no column of the data."""
SHADOWS = "shadow"
"""The folder beside the log's files for what shadows answered: those rows were asked once, not twice."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """What a version said of the rows of a request.

    Attributes:
        role: ``champion``, ``challenger`` (of a canary) or ``shadow``.
        answers: One a row; none where the request failed.
        beside: Of a shadow, what the champion answered.
    """

    version: int
    role: str
    answers: Sequence[Mapping[str, Any]] = ()
    beside: Answered | None = None

    def of(self, row: int) -> dict[str, Any]:
        """Of one row, for the log."""
        found: dict[str, Any] = {"model_version": self.version, "role": self.role}
        if row < len(self.answers):
            found["answer"] = dict(self.answers[row])
        return found if self.beside is None else {**found, "beside": self.beside.of(row)}


class RequestLog:
    """Writes beside the requests: they never wait for it, and where it cannot keep up rows are counted and left out.

    Every row has the fields it came with; where it has no event timestamp, the time it was asked at; and under
    ``mlcore`` which version answered what, in what role. Each worker appends to a file of its own,
    ``<name>-<process><ending>``: the pattern of ``data.serving`` ends in ``*``. What shadows answered lies in the
    folder ``shadow`` beside.

    Args:
        pattern: Path of a span's file, with ``{YYYY}`` and so on.
        share: How many of all rows are kept, between 0 and 1.
        grain: Length of a span.
        moment: The name of the event timestamp.
        metrics: Counts what is left out.
    """

    def __init__(self, pattern: str, *, share: float, grain: Grain, moment: str, metrics: Metrics) -> None:
        self._pattern = pattern
        self._share = share
        self._grain = grain
        self._moment = moment
        self._metrics = metrics
        self._random = random.Random()  # noqa: S311 - a sample, no secret
        self._waiting: queue.Queue[tuple[list[dict[str, Any]], str] | None] = queue.Queue(_MOST_WAITING)
        self._thread = threading.Thread(target=self._write_all, name="request-log", daemon=True)
        self._thread.start()

    def add(self, rows: Sequence[Mapping[str, Any]], answered: Answered) -> None:
        """Keep a sample of the rows, with what was answered."""
        kept = [
            {**row, SERVED: answered.of(number)}
            for number, row in enumerate(rows)
            if self._random.random() < self._share
        ]
        if not kept:
            return
        now = iso(datetime.now(UTC))
        for row in kept:
            row.setdefault(self._moment, now)
        try:
            self._waiting.put_nowait((kept, SHADOWS if answered.beside else ""))
        except queue.Full:
            self._metrics.dropped.inc(len(kept))

    def close(self) -> None:
        """Write what waits."""
        self._waiting.put(None)
        self._thread.join(timeout=10)

    def _write_all(self) -> None:
        while (waiting := self._waiting.get()) is not None:
            rows, folder = waiting
            try:
                self._write(rows, folder)
            except OSError as error:
                self._metrics.dropped.inc(len(rows))
                _LOG.warning("the request log cannot be written: %s", error)

    def _write(self, rows: Sequence[Mapping[str, Any]], folder: str) -> None:
        pattern = Path(fill(self._pattern, span_at(datetime.now(UTC), self._grain), key="--log"))
        path = pattern.parent / folder / f"{pattern.stem}-{os.getpid()}{pattern.suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write("".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows))
