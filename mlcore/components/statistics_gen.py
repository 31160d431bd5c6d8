"""Examples to Statistics, a span at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlcore.components.base import SpanComponent, SpanTask, split_folders
from mlcore.core.types import ArtifactType, Json

_MAKERS = ("accumulate", "columns", "container", "files", "missing", "options", "slices", "spans", "strings", "tally")


class StatisticsGen(SpanComponent):
    """Profiles every column of each span once, all new spans in one Beam job; windows merge what is kept."""

    input = ArtifactType.EXAMPLES
    output = ArtifactType.STATISTICS
    code = (  # where it runs changes nothing, nor how what it made is shown
        *(f"statistics.{name}" for name in _MAKERS),
        "accumulators",
        "beam.combine",
        "beam.files",
    )
    libraries = ("pyarrow", "numpy")

    @property
    def parameters(self) -> Mapping[str, Json]:
        return {"label": self.config.data.label.name}

    def run(self, tasks: Sequence[SpanTask]) -> None:
        from mlcore.ingest.examples import FILE_NAME
        from mlcore.statistics.options import StatisticsOptions
        from mlcore.statistics.spans import StatisticsJob, span_statistics

        folders = [
            (task, task.source.path / name, task.output.path / name)
            for task in tasks
            for name in split_folders(self.config.data.split)
        ]
        for _, _, written in folders:
            written.mkdir(exist_ok=True)
        span_statistics(
            [
                StatisticsJob(
                    key=f"{task.span.label}/{written.name}",
                    examples=examples / FILE_NAME,
                    folder=written,
                    options=StatisticsOptions(label=self.config.data.label.name, end=task.span.end),
                )
                for task, examples, written in folders
            ],
            engine=self.config.beam,
        )
