"""The payload of a Model artifact.

    model/
    ├── model.skops             Pipeline(transform, estimator) in canonical skops form
    ├── transform_graph.json    the TransformGraph that is inside it, to read
    └── model.json              what it is: see ModelMetadata

The bytes of all three depend on the rows, the configuration and the libraries' versions: never on when or where.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlcore.core.digests import canonical_json
from mlcore.core.payloads import read_payload
from mlcore.core.types import Json
from mlcore.errors import ArtifactCorrupt, ModelError, quoted
from mlcore.training.audit import ALLOWED_TYPES, audit, check_trees
from mlcore.training.canonical import canonical_dumps

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

MODEL_FILE = "model.skops"
GRAPH_FILE = "transform_graph.json"
METADATA_FILE = "model.json"
LIBRARIES = ("numpy", "scikit-learn", "scipy", "skops")


def library_versions(estimator: str = "") -> dict[str, str]:
    """The installed versions that decide a model's bits; of an estimator by its import path also its own library's."""
    return {name: _version(name) for name in (*LIBRARIES, *distributions_of(estimator))}


def distributions_of(estimator: str) -> tuple[str, ...]:
    """The distributions of an estimator's top-level package, where that is not scikit-learn or this one."""
    package = estimator.partition(".")[0]
    return () if package in ("", "sklearn", "mlcore") else tuple(sorted(set(packages_distributions().get(package, ()))))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelMetadata:
    """What a model is, beside its bytes.

    Attributes:
        feature_names: The estimator's inputs, in order.
        label: Name of the label column.
        classes: The label's values in the order of ``predict_proba``; empty for a regressor.
        estimator: Import path of its class.
        params: Its parameters as configured.
        rows: Rows it was fitted on.
        unlabelled: Rows of the window that were left out.
        train_start: First moment of the training window, ISO 8601.
        train_end: First moment after it.
        threads: Of BLAS and OpenMP while fitting.
        libraries: Versions it was made with.
        started_from: Digest of the Model artifact that it went on from; empty where it started cold.
        cold_because: Why it did, though there was a champion to start from.
        blocks_of: Rows that ``partial_fit`` was given at once; 0 where all rows were fitted on at once.
        epochs: How often rows that came in blocks were gone through.
    """

    feature_names: tuple[str, ...]
    label: str
    classes: tuple[Json, ...]
    estimator: str
    params: Mapping[str, Json]
    rows: int
    unlabelled: int
    train_start: str
    train_end: str
    threads: int = 1
    libraries: Mapping[str, str] = field(default_factory=library_versions)
    started_from: str = ""
    cold_because: str = ""
    blocks_of: int = 0
    epochs: int = 1

    def to_json(self) -> bytes:
        document = asdict(self)
        return canonical_json({**document, "classes": list(self.classes), "feature_names": list(self.feature_names)})

    @classmethod
    def from_json(cls, data: bytes) -> ModelMetadata:
        """Parse what :meth:`to_json` wrote.

        Raises:
            ArtifactCorrupt: It is something else.
        """
        try:
            document: dict[str, Any] = json.loads(data)
            known = {one.name: document[one.name] for one in fields(cls) if one.name in document}
            known["feature_names"], known["classes"] = tuple(known["feature_names"]), tuple(known["classes"])
            return cls(**known)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ArtifactCorrupt(
                f"the model's metadata cannot be read: {quoted(str(error))}", next_step="train the model again"
            ) from error


def save_model(folder: Path, pipeline: Pipeline, graph: bytes, metadata: ModelMetadata) -> None:
    """Write a model folder.

    Args:
        folder: Exists and is empty.
        pipeline: Fitted ``Pipeline(transform, estimator)``.
        graph: Canonical JSON of the TransformGraph inside it.
        metadata: What it is.

    Raises:
        ModelError: The estimator holds something that skops cannot save, or that could not be loaded again.
    """
    try:
        data = canonical_dumps(pipeline)
    except Exception as error:
        raise ModelError(
            f"{type(pipeline[-1]).__name__} cannot be saved by skops: {quoted(str(error))}",
            where=metadata.estimator,
            next_step="choose an estimator that skops supports",
        ) from error
    audit(data, metadata.estimator)
    (folder / MODEL_FILE).write_bytes(data)
    (folder / GRAPH_FILE).write_bytes(graph)
    (folder / METADATA_FILE).write_bytes(metadata.to_json())


def load_model(folder: Path) -> Pipeline:
    """The pipeline of a model folder; its predictions are those of the one that was saved, bit for bit.

    Raises:
        ArtifactMissing: The file is not there.
        UntrustedModel: The file holds a type that is not on the allow-list, or trees that point outside of themselves.
        ModelError: The file cannot be read.
    """
    import skops.io

    path = folder / MODEL_FILE
    data = read_payload(path, "the model's file")
    audit(data, str(path))
    try:
        pipeline = skops.io.loads(data, trusted=list(ALLOWED_TYPES))
    except Exception as error:
        raise ModelError(
            f"the model file cannot be loaded: {quoted(str(error))}",
            where=str(path),
            next_step=f"use the library versions named in {METADATA_FILE}, or train the model again",
        ) from error
    check_trees(pipeline, str(path))
    return pipeline


def read_metadata(folder: Path) -> ModelMetadata:
    """What the model of a folder is.

    Raises:
        ArtifactMissing: The file is not there.
        ArtifactCorrupt: The file is something else.
    """
    return ModelMetadata.from_json(read_payload(folder / METADATA_FILE, "the model's metadata"))
