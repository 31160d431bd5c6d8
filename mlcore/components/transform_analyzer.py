"""Examples to what the features need to know of them, a span at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlcore.components.base import SpanComponent, SpanTask
from mlcore.core.types import ArtifactType, Json


class TransformAnalyzer(SpanComponent):
    """Accumulates what the features must know of the rows of each training span once, all new spans in one Beam job."""

    input = ArtifactType.EXAMPLES
    output = ArtifactType.ANALYZER_STATE
    code = ("transform", "accumulators", "beam.combine", "beam.files", "beam.jobs")  # where it runs changes nothing
    libraries = ("pyarrow", "numpy")

    @property
    def parameters(self) -> Mapping[str, Json]:
        """What is analyzed: prose about a feature, and options that only fitting needs, are no part of it."""
        from mlcore.transform.analysis import analyses, columns_analyzed
        from mlcore.transform.specs import specs_of

        specs = specs_of(self.config)
        columns: dict[str, Json] = {**columns_analyzed(specs)}
        return {"analyses": [list(key) for key in analyses(specs)], "columns": columns}

    def run(self, tasks: Sequence[SpanTask]) -> None:
        from mlcore.ingest.examples import FILE_NAME
        from mlcore.transform.spans import analyze_spans
        from mlcore.transform.specs import specs_of

        analyze_spans(
            [task.source.path / FILE_NAME for task in tasks],
            [task.output.path for task in tasks],
            specs_of(self.config),
            engine=self.config.beam,
        )
