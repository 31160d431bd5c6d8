"""Examples to what the features need to know of them, a span at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlcore.components.base import SpanComponent, SpanTask
from mlcore.core.types import ArtifactType, Json


class TransformAnalyzer(SpanComponent):
    """Accumulates vocabularies and moments of each training span once, all new spans in one Beam job."""

    input = ArtifactType.EXAMPLES
    output = ArtifactType.ANALYZER_STATE
    code = ("transform", "accumulators", "beam.combine", "beam.files")  # where it runs changes nothing
    libraries = ("pyarrow", "numpy")

    @property
    def parameters(self) -> Mapping[str, Json]:
        """What decides a state is which mapper reads which column; prose about a feature is no part of it."""
        return {
            name: feature.model_dump(mode="json", exclude={"doc", "owner"})
            for name, feature in self.config.features.items()
        }

    def run(self, tasks: Sequence[SpanTask]) -> None:
        from mlcore.ingest.examples import FILE_NAME
        from mlcore.transform.spans import analyze_spans
        from mlcore.transform.specs import specs_from_config

        analyze_spans(
            [task.source.path / FILE_NAME for task in tasks],
            [task.output.path for task in tasks],
            specs_from_config(self.config.features, self.config.data.columns),
            engine=self.config.beam,
        )
