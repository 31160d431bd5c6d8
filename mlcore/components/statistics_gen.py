"""Examples to Statistics, a span at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from mlcore.components.base import SpanComponent, SpanTask, split_folders
from mlcore.core.folders import split_path
from mlcore.core.types import ArtifactType, Json

_MAKERS = (
    "accumulate", "columns", "container", "files", "missing", "options", "quarantine", "slices", "spans", "strings",
    "tally",
)  # fmt: skip


class StatisticsGen(SpanComponent):
    """Profiles every column of each span once, all new spans in one Beam job; windows merge what is kept.

    Bad rows are counted beside, as the quarantine of the Examples has them.
    """

    input = ArtifactType.EXAMPLES
    output = ArtifactType.STATISTICS
    code = (  # where it runs changes nothing, nor how what it made is shown
        *(f"statistics.{name}" for name in _MAKERS),
        "accumulators",
        "beam.combine",
        "beam.files",
        "beam.jobs",
        "ingest.quarantine",
    )
    libraries = ("pyarrow", "numpy")

    @property
    def parameters(self) -> Mapping[str, Json]:
        chosen = self.config.statistics
        return {"label": self.config.data.label.name, "slices": list(chosen.columns), "weight": chosen.weight}

    def run(self, tasks: Sequence[SpanTask]) -> None:
        from mlcore.ingest.examples import FILE_NAME
        from mlcore.ingest.quarantine import read_quarantine
        from mlcore.statistics.options import StatisticsOptions
        from mlcore.statistics.quarantine import write_bad_rows
        from mlcore.statistics.spans import StatisticsJob, span_statistics

        folders = [
            (task, split_path(task.source.path, name), split_path(task.output.path, name))
            for task in tasks
            for name in split_folders(self.config.data.split)
        ]
        for _, _, written in folders:
            written.mkdir(exist_ok=True)
        for task in tasks:
            bad = Counter(row.reason.value for row in read_quarantine(task.source.path))
            write_bad_rows(task.output.path, bad)
        chosen = self.config.statistics
        span_statistics(
            [
                StatisticsJob(
                    key=f"{task.span.label}/{written.name}",
                    examples=examples / FILE_NAME,
                    folder=written,
                    options=StatisticsOptions(
                        label=self.config.data.label.name,
                        weight=chosen.weight,
                        slices=chosen.columns,
                        end=task.span.end,
                    ),
                )
                for task, examples, written in folders
            ],
            engine=self.config.beam,
        )
