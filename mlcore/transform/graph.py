"""The TransformGraph: every feature's steps and fitted constants, as one value.

The payload of a TransformGraph artifact:

    transform_graph/
    └── transform_graph.json    canonical JSON of the graph
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mlcore.core.digests import canonical_json, digest_bytes
from mlcore.core.payloads import read_payload
from mlcore.core.types import Json
from mlcore.errors import ArtifactCorrupt, ConfigError, DataError, quoted
from mlcore.transform.chain import BoundStep, bind, run
from mlcore.transform.contract import conform
from mlcore.transform.steps import FeatureSpec, StepSpec, Typed, columns_of_training, columns_read
from mlcore.transform.values import Floats, to_floats

FILE_NAME = "transform_graph.json"
MOST_OUTPUTS = 16_384
MOST_BYTES = 4 << 30
_FORMAT = 2
_BLOCK_NUMBERS = 1 << 18
"""Numbers of a block of rows: they stay in the processor's cache while their features are computed."""
_LEAST_BLOCK = 1 << 10
_MOST_BLOCK = 1 << 15


@dataclass(frozen=True, kw_only=True, slots=True)
class FittedFeature:
    """A feature and what its steps learnt from the training rows.

    Attributes:
        spec: The feature.
        constants: Of each step; empty where it learns nothing.
    """

    spec: FeatureSpec
    constants: tuple[Mapping[str, Json], ...] = ()


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A fitted feature, ready to run: names of its outputs, those of its steps' extras first to last after its own."""

    columns: tuple[str, ...]
    steps: tuple[BoundStep, ...]
    names: tuple[str, ...]
    extras: int
    categorical: bool


@dataclass(frozen=True)
class TransformGraph:
    """Rows to the estimator's matrix; row by row, so that a row's result does not depend on its neighbours."""

    features: tuple[FittedFeature, ...]

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """The columns of the matrix."""
        return tuple(name for compiled in self._compiled for name in compiled.names)

    @cached_property
    def outputs(self) -> dict[str, tuple[str, ...]]:
        """Names of the matrix's columns by feature."""
        return {
            feature.spec.name: compiled.names for feature, compiled in zip(self.features, self._compiled, strict=True)
        }

    @cached_property
    def contract(self) -> dict[str, str]:
        """Type name by column: what :meth:`apply` must be given."""
        return columns_read([feature.spec for feature in self.features])

    @cached_property
    def training_contract(self) -> dict[str, str]:
        """Type name by column: what :meth:`apply_training` must be given."""
        return columns_of_training([feature.spec for feature in self.features])

    @cached_property
    def categorical_mask(self) -> tuple[bool, ...]:
        """Which columns of the matrix are codes of categories."""
        mask: list[bool] = []
        for compiled in self._compiled:
            own = len(compiled.names) - compiled.extras
            mask += [compiled.categorical] * own + [False] * compiled.extras
        return tuple(mask)

    def apply(self, rows: pa.Table | pa.RecordBatch) -> Floats:
        """A C-contiguous matrix, one row a row; what is not known is NaN.

        Raises:
            DataError: A column is missing or of another type, or the matrix would be larger than 4 GiB.
        """
        return self._matrix(rows, self.contract, training=False)

    def apply_training(self, rows: pa.Table | pa.RecordBatch) -> Floats:
        """:meth:`apply` for the rows the graph was fitted on: what learnt from the label leaves out the row's own.

        Raises:
            DataError: As :meth:`apply`.
        """
        return self._matrix(rows, self.training_contract, training=True)

    def _matrix(self, rows: pa.Table | pa.RecordBatch, contract: Mapping[str, str], *, training: bool) -> Floats:
        columns = conform(rows, contract)
        width = len(self.feature_names)
        if rows.num_rows * width * 8 > MOST_BYTES:
            raise DataError(
                f"{rows.num_rows:,} rows by {width:,} features are more than {MOST_BYTES >> 30} GiB in memory",
                where="features",
                next_step="lower top_k of one_hot, bag_of_words and tf_idf, or give fewer rows at a time",
            )
        matrix = np.empty((rows.num_rows, width), dtype=np.float64)
        block = min(max(_BLOCK_NUMBERS // max(width, 1), _LEAST_BLOCK), _MOST_BLOCK)
        for start in range(0, rows.num_rows, block):
            part = {name: column.slice(start, block) for name, column in columns.items()}
            self._fill(matrix[start : start + block], part, training)
        return matrix

    def _fill(self, matrix: Floats, rows: Mapping[str, pa.Array], training: bool) -> None:
        at = 0
        for compiled in self._compiled:
            extras: list[Floats] = []
            (result,) = run(
                compiled.steps,
                [rows[name] for name in compiled.columns],
                rows,
                extras=extras.append,
                training=training,
            )
            for made in (to_floats(result), *extras):
                width = 1 if made.ndim == 1 else made.shape[1]
                matrix[:, at : at + width] = made if made.ndim == 2 else made[:, None]
                at += width
        np.copyto(matrix, np.nan, where=np.isnan(matrix))  # one NaN: its sign depends on how a loop was unrolled

    @cached_property
    def _compiled(self) -> tuple[_Compiled, ...]:
        compiled = tuple(_compile(feature) for feature in self.features)
        names = [name for one in compiled for name in one.names]
        if len(names) > MOST_OUTPUTS:
            widest = max(self.features, key=lambda feature: len(_compile(feature).names)).spec.name
            raise ConfigError(
                f"the features make {len(names):,} columns, more than {MOST_OUTPUTS:,}",
                where=f"features.{widest}, the widest",
                next_step="lower top_k of one_hot, bag_of_words and tf_idf, or use hash",
            )
        twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
        if twice:
            raise ConfigError(
                f"two features make a column {quoted(twice[0])}", where="features", next_step="rename one of them"
            )
        return compiled

    def to_json(self) -> bytes:
        """Canonical: equal graphs have equal bytes."""
        features: list[Json] = [
            {
                "name": feature.spec.name,
                "columns": _pairs(feature.spec.columns),
                "steps": [
                    {
                        "mapper": step.mapper,
                        "options": dict(step.options),
                        "further": _pairs(step.further),
                        "learns_from": _pairs(step.learns_from),
                        "code": step.code,
                        "constants": dict(constants),
                    }
                    for step, constants in zip(feature.spec.steps, feature.constants, strict=True)
                ],
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
            _ = graph._compiled
        except (ValueError, KeyError, TypeError, AttributeError, ConfigError) as error:
            raise ArtifactCorrupt(
                f"a transform graph cannot be read: {quoted(str(error))}", next_step="train the model again"
            ) from error
        return graph


@lru_cache(maxsize=8)
def parsed_graph(text: str) -> TransformGraph:
    """The graph of a JSON text, parsed once in a process."""
    return TransformGraph.from_json(text)


def _compile(feature: FittedFeature) -> _Compiled:
    spec = feature.spec
    steps = bind(spec, feature.constants)
    extra = [name for step in steps for name in step.mapper.extra_names(spec.name)]
    last = steps[-1].mapper
    return _Compiled(
        columns=tuple(name for name, _ in spec.columns),
        steps=steps,
        names=(*last.names(spec.name, feature.constants[-1]), *extra),
        extras=len(extra),
        categorical=last.categorical,
    )


def _pairs(columns: Typed) -> list[Json]:
    return [[name, kind] for name, kind in columns]


def _typed(entries: Any) -> Typed:
    return tuple((str(name), str(kind)) for name, kind in entries)


def _feature(entry: Any) -> FittedFeature:
    steps = tuple(
        StepSpec(
            mapper=str(step["mapper"]),
            options=dict(step["options"]),
            further=_typed(step["further"]),
            learns_from=_typed(step["learns_from"]),
            code=str(step["code"]),
        )
        for step in entry["steps"]
    )
    if not steps:
        raise ValueError("a feature has no steps")
    spec = FeatureSpec(name=str(entry["name"]), columns=_typed(entry["columns"]), steps=steps)
    return FittedFeature(spec=spec, constants=tuple(dict(step["constants"]) for step in entry["steps"]))


def write_graph(folder: Path, graph: TransformGraph) -> None:
    """Write ``transform_graph.json`` into a folder that exists."""
    (folder / FILE_NAME).write_bytes(graph.to_json())


def read_graph(folder: Path) -> TransformGraph:
    """The graph of a folder.

    Raises:
        ArtifactMissing: The file is not there.
        ArtifactCorrupt: The file is something else.
    """
    return TransformGraph.from_json(read_payload(folder / FILE_NAME, "the transform graph"))
