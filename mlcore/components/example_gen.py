"""Source files to Examples, a span at a time."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import ClassVar

from mlcore.components.base import SpanComponent, SpanTask
from mlcore.core.types import SPAN_FRAGMENT, ArtifactType, Json

_LOG = logging.getLogger(__name__)


class ExampleGen(SpanComponent):
    """Reads each span's file once, checks it and keeps its rows, typed and labelled.

    Attributes:
        labelled: Whether its rows have outcomes to make labels of.
    """

    input = ArtifactType.SOURCE_FILE
    output = ArtifactType.EXAMPLES
    code: ClassVar[tuple[str, ...]] = ("ingest", "core")
    libraries = ("pyarrow",)
    labelled: ClassVar[bool] = True

    @property
    def parameters(self) -> Mapping[str, Json]:
        data: dict[str, Json] = self.config.data.model_dump(mode="json")
        for key in ("complete", "serving"):
            del data[key]  # which say when spans are used and what they are compared with, not what is in them
        source = self.config.data.source
        return {**data, "source": source.model_dump(mode="json", exclude=source.places)}

    def run(self, tasks: Sequence[SpanTask]) -> None:
        from mlcore.ingest.spans import SpanJob, ingest_spans

        jobs = [
            SpanJob(
                span=task.span,
                path=task.source.path,
                folder=task.output.path,
                shared=SPAN_FRAGMENT in task.source.artifact.uri,
            )
            for task in tasks
        ]
        for task, ingested in zip(tasks, ingest_spans(jobs, self.config.data, labelled=self.labelled), strict=True):
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
