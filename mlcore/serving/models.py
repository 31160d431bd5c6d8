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
from mlcore.errors import MlcoreError
from mlcore.inference.scorer import VERSION, Scorer
from mlcore.registry.records import ModelVersion
from mlcore.runtime.session import Session
from mlcore.serving.fields import Fields

if TYPE_CHECKING:
    from mlcore.serving.metrics import Metrics

_LOG = logging.getLogger(__name__)
Answer = dict[str, Json]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Served:
    """A loaded version and what it reads."""

    version: ModelVersion
    scorer: Scorer
    fields: Fields

    def answer_rows(self, rows: Sequence[pa.RecordBatch]) -> list[Answer]:
        """What it says of each batch's one or more rows, in their order."""
        table = pa.Table.from_batches(rows)
        answers: list[Answer] = self.scorer.answer(table.combine_chunks()).drop_columns([VERSION]).to_pylist()
        return answers


class Models:
    """Follows one alias of one pipeline.

    Attributes:
        current: What is served; nothing until :meth:`refresh` has found a version.
        checked: When the registry last answered, in seconds of the monotonic clock.
    """

    def __init__(
        self,
        session: Session,
        config: PipelineConfig,
        name: str,
        metrics: Metrics,
        *,
        confidence: float | None = None,
    ) -> None:
        self.current: Served | None = None
        self.checked = 0.0
        self._session = session
        self._config = config
        self._name = name
        self._metrics = metrics
        self._confidence = confidence
        self._told = ""

    def refresh(self) -> None:
        """Serve the version that the name stands for now. A request that is being answered keeps the one it has.

        Raises:
            NoChampion: There is none.
            MlcoreError: The registry cannot be read, or the model cannot be loaded.
        """
        version = self._session.registry.find(self._config.name, self._name)
        self.checked = time.monotonic()
        if self.current is not None and self.current.version.digest == version.digest:
            return
        self.current = self._load(version)
        self._metrics.serves(version.version)
        _LOG.info("serving version %d of %s", version.version, self._config.name)

    async def follow(self, executor: Executor, every_seconds: float) -> None:
        """Refresh for ever; what goes wrong is told once, and the present model goes on serving."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(every_seconds)
            try:
                await loop.run_in_executor(executor, self.refresh)
            except MlcoreError as error:
                self._metrics.refresh_failures.inc()
                self._tell(str(error))
            else:
                self._told = ""

    def _tell(self, text: str) -> None:
        if text != self._told:
            _LOG.warning("the present model goes on serving: %s", text)
            self._told = text

    def _load(self, version: ModelVersion) -> Served:
        (artifact,) = self._session.metadata.artifacts([version.artifact_id])
        self._session.artifacts.verify(artifact)
        place = self._session.artifacts.path(artifact.uri)
        scorer = Scorer.load(place, version=version.version, confidence=self._confidence)
        fields = Fields(read=scorer.columns, known=frozenset(self._config.data.all_columns) - set(scorer.columns))
        served = Served(version=version, scorer=scorer, fields=fields)
        served.answer_rows([fields.batch([dict.fromkeys(scorer.columns)])])  # the first answer is slow: it is ours
        return served
