"""Training examples and a TransformGraph to a model."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlcore.components.base import Component, Inputs, Outputs, Payload
from mlcore.config.pipeline import PipelineConfig
from mlcore.core.digests import digest_json
from mlcore.core.types import ArtifactType, Json
from mlcore.core.window import Interval, iso
from mlcore.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

    from mlcore.training.calibrate import Calibrating, Measuring
    from mlcore.training.memory import Size
    from mlcore.training.start import Start
    from mlcore.training.train import Asked, Trained
    from mlcore.training.weights import RowWeights
    from mlcore.transform.graph import TransformGraph
    from mlcore.transform.transformer import GraphTransformer

_LOG = logging.getLogger(__name__)


class Trainer(Component):
    """Fits the estimator on the window's labelled rows; what is saved is the transform and the estimator in one."""

    inputs = {
        "examples": ArtifactType.EXAMPLES,
        "transform_graph": ArtifactType.TRANSFORM_GRAPH,
        "hyper_parameters": ArtifactType.HYPER_PARAMETERS,
        "champion": ArtifactType.MODEL,
    }
    outputs = {"model": ArtifactType.MODEL}
    code = ("training", "transform", "ingest.examples")
    libraries = ("scikit-learn", "numpy", "scipy", "skops", "pyarrow")

    @property
    def parameters(self) -> Mapping[str, Json]:
        return {
            "model": self.config.model.model_dump(mode="json", exclude={"tune"}),  # what it found is an input
            "label": self.config.data.label.name,
            "event_timestamp": self.config.data.event_timestamp,
            "without": list(self.without),
            "split": self.config.data.split.model_dump(mode="json"),
            "libraries": estimator_libraries(self.config),
        }

    def run(self, inputs: Inputs, outputs: Outputs) -> None:
        from mlcore.training.model import ModelMetadata, library_versions, save_model

        graph, model = read_graph_of(inputs), self.config.model
        window = covered(inputs["examples"])
        params = {**model.params, **self._tuned(inputs)}
        trained = self._trained(inputs, graph, params, window)
        if trained.cold_because:
            _LOG.warning("the model starts cold, not from the champion: %s", trained.cold_because)
        used: GraphTransformer = trained.pipeline[0]
        metadata = ModelMetadata(
            feature_names=used.graph.feature_names,
            label=self.config.data.label.name,
            classes=trained.classes,
            estimator=model.estimator,
            params=params,
            libraries=library_versions(model.estimator),
            rows=trained.rows,
            unlabelled=trained.unlabelled,
            train_start=iso(window.start),
            train_end=iso(window.end),
            started_from=trained.started_from,
            cold_because=trained.cold_because,
            blocks_of=trained.blocks_of,
            epochs=model.epochs if trained.blocks_of else 1,
        )
        save_model(outputs["model"].path, trained.pipeline, used.graph.to_json(), metadata)
        outputs["model"].properties.update(
            rows=trained.rows,
            train_start=metadata.train_start,
            train_end=metadata.train_end,
            without=list(self.without),
            split=digest_json(self.config.data.split.model_dump(mode="json")),
            **self._about_the_start(trained),
        )

    def _trained(self, inputs: Inputs, graph: TransformGraph, params: Mapping[str, Json], window: Interval) -> Trained:
        from mlcore.ingest.examples import iter_batches
        from mlcore.training.estimators import resolve_estimator
        from mlcore.training.memory import BLOCK_ROWS, needs_streaming
        from mlcore.training.start import way_of
        from mlcore.training.train import only_by_blocks, train, train_streaming
        from mlcore.transform.transformer import GraphTransformer
        from mlcore.transform.unseen import learnt_from

        model, transformer = self.config.model, GraphTransformer.of(graph)
        start, holding = self._start(inputs, graph), self._holding()
        paths, columns = inputs.paths("examples"), training_columns(self.config, graph.training_contract)
        estimator = resolve_estimator(model.estimator, params)
        if model.warm_start:
            way_of(estimator)  # one that never can is told in the first run, not in the second
        size = size_of(paths, columns, features=len(graph.feature_names))
        streams = needs_streaming(size, model.max_memory, type(estimator)) or only_by_blocks(start, estimator)
        asked: Asked = {
            "label": self.config.data.label.name,
            "estimator": model.estimator,
            "params": params,
            "weights": row_weights(self.config, window),
            "holding": holding,
            "start": start,
        }

        def unseen(fitted_on: pa.Table) -> GraphTransformer:
            return GraphTransformer.of(learnt_from(graph, fitted_on))

        if not streams:
            further = [holding.timestamp] if holding else []
            rows = read_training_rows(self.config, paths, [*graph.training_contract, *further])
            return train(
                rows, transformer, unseen=lambda fitted: GraphTransformer.of(learnt_from(graph, fitted)), **asked
            )

        def source(wanted: Sequence[str]) -> Iterator[pa.RecordBatch]:
            return iter_batches(paths, wanted, batch_rows=BLOCK_ROWS)

        return train_streaming(source, transformer, columns=columns, epochs=model.epochs, **asked)

    def _start(self, inputs: Inputs, graph: TransformGraph) -> Start | None:
        """The champion to start from, where the pipeline asks for it and there is one."""
        from mlcore.training.model import load_model, read_metadata
        from mlcore.training.start import Start, unwrapped

        champion = inputs.optional("champion") if "champion" in inputs else None
        if champion is None:
            return None
        pipeline, about = load_model(champion.path), read_metadata(champion.path)
        its: GraphTransformer = pipeline[0]
        features = [one.spec for one in its.graph.features] == [one.spec for one in graph.features]
        return Start(
            digest=champion.artifact.digest,
            estimator=about.estimator,
            model=unwrapped(pipeline[-1]),
            transformer=its,
            alike=features and about.label == self.config.data.label.name,
        )

    def _about_the_start(self, trained: Trained) -> dict[str, Json]:
        """For the record of the run; nothing where no champion was asked for."""
        if not self.config.model.warm_start:
            return {}
        return {"started_from": trained.started_from, "cold_because": trained.cold_because}

    def _tuned(self, inputs: Inputs) -> Mapping[str, Json]:
        from mlcore.training.tune import read_tuned

        found = inputs.optional("hyper_parameters") if "hyper_parameters" in inputs else None
        return {} if found is None else read_tuned(found.path).params

    def _holding(self) -> Calibrating | Measuring | None:
        from mlcore.training.calibrate import Calibrating, Measuring

        model, timestamp = self.config.model, self.config.data.event_timestamp
        if model.calibration is not None:
            return Calibrating(method=model.calibration.method, share=model.calibration.share, timestamp=timestamp)
        return None if model.intervals is None else Measuring(share=model.intervals.share, timestamp=timestamp)

    def summary(self, outputs: Inputs) -> str:
        model = outputs.one("model").artifact
        return f"{model.properties['rows']} rows, model {model.digest.removeprefix('sha256:')[:12]}"


def estimator_libraries(config: PipelineConfig) -> dict[str, Json]:
    """Name and version of an estimator's own library: with another version another model is fitted."""
    from mlcore.training.model import distributions_of, library_versions

    estimator = config.model.estimator
    versions = library_versions(estimator)
    return {name: versions[name] for name in distributions_of(estimator)}


def row_weights(config: PipelineConfig, window: Interval) -> RowWeights | None:
    """How much rows of a window count, if not equally."""
    from mlcore.training.weights import RowWeights

    given = config.model.weights
    if given is None:
        return None
    return RowWeights(
        column=given.column,
        half_life=given.half_life,
        timestamp=config.data.event_timestamp,
        end=window.end,
        classes=given.classes,
    )


def training_columns(config: PipelineConfig, columns: Iterable[str]) -> list[str]:
    """Some columns of rows to fit on, their label, and what their weights are made from; each once."""
    weights = config.model.weights
    timestamp = config.data.event_timestamp if weights and weights.half_life else None
    further = [weights.column if weights else None, timestamp, config.data.label.name]
    return list(dict.fromkeys([*columns, *filter(None, further)]))


def read_training_rows(config: PipelineConfig, examples: Sequence[Path], columns: Iterable[str]) -> pa.Table:
    """The rows of some examples, with their :func:`training_columns`."""
    from mlcore.ingest.examples import read_examples

    return read_examples(examples, training_columns(config, columns))


def size_of(examples: Sequence[Path], columns: Sequence[str], *, features: int) -> Size:
    """How much the rows of some examples are: their number is known, the first ones tell how large one is."""
    from mlcore.ingest.examples import iter_batches, row_groups
    from mlcore.training.memory import BLOCK_ROWS, Size

    first = next((one for one in iter_batches(examples, columns, batch_rows=BLOCK_ROWS) if one.num_rows), None)
    row_bytes = 0 if first is None else -(-first.nbytes // first.num_rows)
    groups = row_groups(examples)
    return Size(rows=sum(groups), group_rows=max(groups, default=0), row_bytes=row_bytes, features=features)


def read_graph_of(inputs: Inputs) -> TransformGraph:
    """The graph that the window's transform made."""
    from mlcore.transform.graph import read_graph

    return read_graph(inputs.one("transform_graph").path)


def covered(examples: Sequence[Payload]) -> Interval:
    """The interval from the first to the last span of some inputs."""
    spans = [payload.artifact.span for payload in examples if payload.artifact.span is not None]
    if not spans:
        raise DataError("there are no spans to read", next_step="choose a window with at least one span")
    return Interval(start=min(span.start for span in spans), end=max(span.end for span in spans))
