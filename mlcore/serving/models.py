"""The model that is served now: looked up by its alias, loaded beside the present one, and swapped for it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from mlcore.config.pipeline import PipelineConfig
from mlcore.core.types import Json
from mlcore.errors import MlcoreError, quoted
from mlcore.inference.scorer import VERSION, Scorer
from mlcore.registry.names import CHALLENGER, CHAMPION
from mlcore.registry.records import ModelVersion
from mlcore.serving.fields import Fields
from mlcore.serving.sources import ModelSource

if TYPE_CHECKING:
    from mlcore.serving.metrics import Metrics

_LOG = logging.getLogger(__name__)
_RETRY_SECONDS = 60.0
"""So long a challenger that could not be loaded is not tried again."""
Answer = dict[str, Json]
Found = Sequence[Answer] | pa.RecordBatch
"""What a model says of a request's rows: in JSON, or in columns where they came in Arrow."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Served:
    """A loaded version and what it reads."""

    version: ModelVersion
    scorer: Scorer
    fields: Fields

    def answer_rows(self, rows: Sequence[pa.RecordBatch]) -> list[Answer]:
        """What it says of each batch's one or more rows, in their order."""
        answers: list[Answer] = self.answer_table(one_batch(pa.Table.from_batches(rows))).to_pylist()
        return answers

    def answer_table(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """The same in columns."""
        return self.scorer.answer(rows).drop_columns([VERSION])


def one_batch(table: pa.Table) -> pa.RecordBatch:
    """All rows of a table, be it none, in one piece."""
    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)


class Models:
    """Follows one alias of one pipeline, and the challenger beside the champion where models are tried so.

    Attributes:
        current: What is served; nothing until :meth:`refresh` has found a version.
        challenger: What is tried beside it, if anything.
        challenger_problem: Why there is none, where one could not be loaded.
        checked: When the registry last answered, in seconds of the monotonic clock.
    """

    def __init__(
        self,
        source: ModelSource,
        config: PipelineConfig,
        name: str,
        metrics: Metrics,
        *,
        confidence: float | None = None,
    ) -> None:
        self.current: Served | None = None
        self.challenger: Served | None = None
        self.challenger_problem = ""
        self.checked = 0.0
        self._source = source
        self._config = config
        self._name = name
        self._metrics = metrics
        self._confidence = confidence
        self._told = ""
        self._tries = name == CHAMPION and config.push.rollout is not None
        self._unloadable: tuple[int, float] = (0, 0.0)

    def refresh(self) -> None:
        """Serve the version that the name stands for now. A request that is being answered keeps the one it has.

        Raises:
            NoChampion: There is none.
            MlcoreError: The registry cannot be read, or the model cannot be loaded.
        """
        version = self._source.find(self._name)
        self.checked = time.monotonic()
        self._metrics.looked()
        if self.current is None or self.current.version.digest != version.digest:
            self.current = self._load(version)
            self._metrics.serves(version.version, CHAMPION)
            _LOG.info("serving version %d of %s", version.version, self._config.name)
        if self._tries:
            self._refresh_challenger()

    def _refresh_challenger(self) -> None:
        """Follow the challenger as the champion is followed; one that cannot be loaded fails nothing but itself."""
        number = self._source.aliases().get(CHALLENGER)
        if number is None or (self.current is not None and number == self.current.version.version):
            self._tried(None)
            return
        present = self.challenger
        if present is not None and present.version.version == number:
            return
        unloadable, since = self._unloadable
        if number == unloadable and time.monotonic() - since < _RETRY_SECONDS:
            return
        try:
            found = self._load(self._source.find(number))
        except Exception as error:
            self._unloadable = (number, time.monotonic())
            self._tried(None)
            self.challenger_problem = f"version {number} cannot be loaded: {quoted(str(error))}"
            self._metrics.challenger_failed(number, "load")
            _LOG.warning("the champion answers alone: %s", self.challenger_problem)
        else:
            self._tried(found)
            _LOG.info("version %d of %s challenges", number, self._config.name)

    def _tried(self, found: Served | None) -> None:
        self.challenger, self.challenger_problem = found, ""
        self._metrics.serves(0 if found is None else found.version.version, CHALLENGER)

    async def follow(self, executor: Executor, every_seconds: float) -> None:
        """Refresh for ever; what goes wrong is told once, and the present model goes on serving."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(every_seconds)
            try:
                await loop.run_in_executor(executor, self.refresh)
            except Exception as error:  # of whatever class: stores and file systems raise what is theirs
                self._metrics.refresh_failures.inc()
                known = error if isinstance(error, MlcoreError) else None
                self._tell(str(known or MlcoreError(f"{type(error).__name__}: {quoted(str(error), 300)}")))
            else:
                self._told = ""

    def _tell(self, text: str) -> None:
        if text != self._told:
            _LOG.warning("the present model goes on serving: %s", text)
            self._told = text

    def _load(self, version: ModelVersion) -> Served:
        with self._source.files(version) as place:
            scorer = Scorer.load(place, version=version.version, confidence=self._confidence)
        fields = Fields(read=scorer.columns, known=frozenset(self._config.data.all_columns) - set(scorer.columns))
        served = Served(version=version, scorer=scorer, fields=fields)
        served.answer_rows([fields.batch([dict.fromkeys(scorer.columns)])])  # the first answer is slow: it is ours
        return served
