"""Source files to Examples, a span at a time."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from mlcore.components.base import Known, Payload, SpanComponent, SpanTask
from mlcore.config.pipeline import PipelineConfig
from mlcore.core.types import SPAN_FRAGMENT, ArtifactType, Json
from mlcore.core.window import Span

if TYPE_CHECKING:
    from mlcore.ingest.divisions import Divisions
    from mlcore.ingest.spans import Reading

_LOG = logging.getLogger(__name__)


class ExampleGen(SpanComponent):
    """Reads each span's file once, checks it and keeps its rows, typed and labelled.

    Attributes:
        labelled: Whether its rows have outcomes to make labels of.
        divisions: What was read of files of many spans when their versions were told; ``None``: nothing was.
    """

    input = ArtifactType.SOURCE_FILE
    output = ArtifactType.EXAMPLES
    code: ClassVar[tuple[str, ...]] = ("ingest", "core", "accumulators.hashing")
    libraries = ("pyarrow",)
    labelled: ClassVar[bool] = True

    def __init__(self, config: PipelineConfig) -> None:
        super().__init__(config)
        self._reading: Reading | None = None
        self.divisions: Divisions | None = None

    def learn(self, known: Known) -> None:
        self.divisions = known.divisions

    @property
    def parameters(self) -> Mapping[str, Json]:
        data: dict[str, Json] = self.config.data.model_dump(mode="json")
        for key in ("complete", "serving", "history"):
            del data[key]  # which say when spans are used and what comes to them, not what is read of them
        source = self.config.data.source
        given: dict[str, Json] = source.model_dump(mode="json", exclude=source.places)
        return {**data, "source": given, "order": list(self.config.data.columns)}  # JSON keeps no order of keys

    @contextmanager
    def working(self, sources: Sequence[Payload]) -> Iterator[None]:
        """A file of many spans is read once, however few of them are worked on at a time."""
        from mlcore.ingest.spans import Reading

        shared: dict[Path, list[Span]] = {}
        for source in sources:
            if _is_part(source) and source.artifact.span is not None:
                shared.setdefault(source.path, []).append(source.artifact.span)
        reading = Reading(self.config.data, shared, labelled=self.labelled, divisions=self.divisions)
        with reading as self._reading:
            yield
        self._reading = None

    def run(self, tasks: Sequence[SpanTask]) -> None:
        from mlcore.ingest.spans import SpanJob

        if self._reading is None:
            with self.working([task.source for task in tasks]):
                return self.run(tasks)
        jobs = [
            SpanJob(span=task.span, path=task.source.path, folder=task.output.path, shared=_is_part(task.source))
            for task in tasks
        ]
        for task, ingested in zip(tasks, self._reading.ingest(jobs), strict=True):
            task.output.properties.update(
                rows=ingested.rows,
                labelled=ingested.labelled,
                non_finite=dict(ingested.non_finite),
                empty=list(ingested.empty),
            )
            if ingested.quarantined:
                bad = sum(ingested.quarantined.values())
                task.output.properties.update(quarantined=bad, quarantine_reasons=dict(ingested.quarantined))
                reasons = ", ".join(f"{count} {reason}" for reason, count in ingested.quarantined.items())
                _LOG.warning(
                    "%s: %d of %d rows are in quarantine: %s; mlcore data quarantine %s --span %s",
                    task.span.label, bad, bad + ingested.rows, reasons, self.config.name, task.span.label,
                )  # fmt: skip
            if ingested.splits:
                task.output.properties["splits"] = dict(ingested.splits)


def _is_part(source: Payload) -> bool:
    """Whether a source is one span of a file that holds several."""
    return SPAN_FRAGMENT in source.artifact.uri
