"""Examples to Statistics, a span at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlcore.components.base import SpanComponent, SpanTask
from mlcore.core.types import ArtifactType, Json


class StatisticsGen(SpanComponent):
    """Profiles every column of each span once, all new spans in one Beam job; windows merge what is kept."""

    input = ArtifactType.EXAMPLES
    output = ArtifactType.STATISTICS
    code = ("statistics", "accumulators", "beam.combine", "beam.files")  # where it runs changes nothing
    libraries = ("pyarrow", "numpy")

    @property
    def parameters(self) -> Mapping[str, Json]:
        return {"label": self.config.data.label.name}

    def run(self, tasks: Sequence[SpanTask]) -> None:
        from mlcore.ingest.examples import FILE_NAME
        from mlcore.statistics.options import StatisticsOptions
        from mlcore.statistics.spans import StatisticsJob, span_statistics

        span_statistics(
            [
                StatisticsJob(
                    key=task.span.label,
                    examples=task.source.path / FILE_NAME,
                    folder=task.output.path,
                    options=StatisticsOptions(label=self.config.data.label.name, end=task.span.end),
                )
                for task in tasks
            ],
            engine=self.config.beam,
        )
