"""The TransformGraph: every feature's mapper and fitted constants, as one value.

The payload of a TransformGraph artifact:

    transform_graph/
    └── transform_graph.json    canonical JSON of the graph
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mlcore.core.digests import canonical_json, digest_bytes
from mlcore.core.types import Json
from mlcore.errors import ArtifactCorrupt, ArtifactMissing, DataError, quoted
from mlcore.transform.analyzers import ANALYZERS
from mlcore.transform.contract import conform
from mlcore.transform.mappers import Mapper
from mlcore.transform.specs import FeatureSpec, columns_read
from mlcore.transform.state import AnalyzerState

FILE_NAME = "transform_graph.json"
_FORMAT = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class FittedFeature:
    """A feature and what its mapper learnt from the training rows; empty where it learns nothing."""

    spec: FeatureSpec
    constants: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class TransformGraph:
    """Rows to the estimator's matrix; element by element, so that a row's result does not depend on its neighbours."""

    features: tuple[FittedFeature, ...]

    @property
    def feature_names(self) -> tuple[str, ...]:
        return tuple(feature.spec.name for feature in self.features)

    @cached_property
    def contract(self) -> dict[str, str]:
        """Type name by column: what :meth:`apply` must be given."""
        return columns_read([feature.spec for feature in self.features])

    @cached_property
    def categorical_mask(self) -> tuple[bool, ...]:
        """Which features are codes of categories."""
        return tuple(mapper.categorical for mapper in self._mappers)

    @cached_property
    def _mappers(self) -> tuple[Mapper, ...]:
        return tuple(feature.spec.mapper() for feature in self.features)

    def apply(self, rows: pa.Table | pa.RecordBatch) -> npt.NDArray[np.float64]:
        """A C-contiguous matrix, one row a row and one column a feature; what is not known is NaN.

        Raises:
            DataError: A column is missing or of another type.
        """
        columns = conform(rows, self.contract)
        matrix = np.empty((rows.num_rows, len(self.features)), dtype=np.float64)
        for index, (feature, mapper) in enumerate(zip(self.features, self._mappers, strict=True)):
            read = [columns[name] for name, _ in feature.spec.columns]
            matrix[:, index] = mapper.filled(mapper.apply(read, feature.constants))
        return matrix

    def to_json(self) -> bytes:
        """Canonical: equal graphs have equal bytes."""
        features: list[Json] = [
            {
                "name": feature.spec.name,
                "transform": feature.spec.transform,
                "columns": [[name, kind] for name, kind in feature.spec.columns],
                "options": dict(feature.spec.options),
                "constants": dict(feature.constants),
            }
            for feature in self.features
        ]
        return canonical_json({"format": _FORMAT, "features": features})

    @property
    def digest(self) -> str:
        return digest_bytes(self.to_json())

    @classmethod
    def from_json(cls, data: bytes | str) -> TransformGraph:
        """Parse what :meth:`to_json` wrote.

        Raises:
            ArtifactCorrupt: It is something else.
        """
        try:
            document = json.loads(data)
            if document["format"] != _FORMAT:
                raise ValueError(f"format {document['format']}")
            graph = cls(tuple(_feature(entry) for entry in document["features"]))
            _ = graph._mappers
        except (ValueError, KeyError, TypeError) as error:
            raise ArtifactCorrupt(
                f"a transform graph cannot be read: {quoted(str(error))}", next_step="train the model again"
            ) from error
        return graph


@lru_cache(maxsize=8)
def parsed_graph(text: str) -> TransformGraph:
    """The graph of a JSON text, parsed once in a process."""
    return TransformGraph.from_json(text)


def fit(specs: Sequence[FeatureSpec], state: AnalyzerState) -> TransformGraph:
    """The graph of features whose analyzers saw the training rows.

    Raises:
        DataError: The state is of other features, or of no rows.
    """
    if state.rows == 0:
        raise DataError(
            "there are no training rows to fit the features on",
            next_step="choose a longer window.train, or check that the source has rows in it",
        )
    return TransformGraph(tuple(_fitted(spec, state) for spec in specs))


def _fitted(spec: FeatureSpec, state: AnalyzerState) -> FittedFeature:
    mapper = spec.mapper()
    if mapper.analyzer is None:
        return FittedFeature(spec=spec)
    analyzer = state.analyzers.get((mapper.analyzer, spec.columns[0][0]))
    if not isinstance(analyzer, ANALYZERS[mapper.analyzer]):
        raise DataError(
            f"the analyzer state knows nothing of feature {spec.name}",
            where=f"{mapper.analyzer} of column {spec.columns[0][0]}",
            next_step="analyze the spans with the same features",
        )
    return FittedFeature(spec=spec, constants=mapper.fit(analyzer))


def _feature(entry: Any) -> FittedFeature:
    spec = FeatureSpec(
        name=str(entry["name"]),
        transform=str(entry["transform"]),
        columns=tuple((str(name), str(kind)) for name, kind in entry["columns"]),
        options=dict(entry["options"]),
    )
    return FittedFeature(spec=spec, constants=dict(entry["constants"]))


def write_graph(folder: Path, graph: TransformGraph) -> None:
    """Write ``transform_graph.json`` into a folder that exists."""
    (folder / FILE_NAME).write_bytes(graph.to_json())


def read_graph(folder: Path) -> TransformGraph:
    """The graph of a folder.

    Raises:
        ArtifactMissing: The file is not there.
        ArtifactCorrupt: The file is something else.
    """
    path = folder / FILE_NAME
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ArtifactMissing(
            f"cannot open the transform graph: {error.strerror or error}",
            where=str(path),
            next_step="run the pipeline again: lost outputs are made again",
        ) from error
    return TransformGraph.from_json(data)
