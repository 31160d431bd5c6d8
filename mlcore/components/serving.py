"""The serving log's spans, read and profiled as the data's are: what training data is compared with to find skew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlcore.components.base import SpanComponent, SpanTask
from mlcore.components.example_gen import ExampleGen
from mlcore.components.statistics_gen import StatisticsGen
from mlcore.config.pipeline import PipelineConfig
from mlcore.core.types import ArtifactType, Json
from mlcore.errors import ConfigError


class ServingExampleGen(ExampleGen):
    """Reads each span's requests once, as ``data.serving`` says: the columns of features, typed; no label."""

    output = ArtifactType.SERVING_EXAMPLES
    code = (*ExampleGen.code, "components.example_gen")
    labelled = False

    def __init__(self, config: PipelineConfig) -> None:
        serving = config.serving
        if serving is None:
            raise ConfigError(f"pipeline {config.name} has no data.serving", next_step="name its serving log there")
        super().__init__(serving)

    @property
    def parameters(self) -> Mapping[str, Json]:
        return {key: value for key, value in super().parameters.items() if key != "label"}


class ServingStatisticsGen(SpanComponent):
    """Profiles the requests of each span once."""

    input = ArtifactType.SERVING_EXAMPLES
    output = ArtifactType.SERVING_STATISTICS
    code = StatisticsGen.code
    libraries = StatisticsGen.libraries

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
                    options=StatisticsOptions(end=task.span.end),
                )
                for task in tasks
            ],
            engine=self.config.beam,
        )
