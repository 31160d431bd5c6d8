"""A model in MLflow's format.

    MLmodel                      flavour, signature, where the example is
    model/                       the payload of our Model artifact, byte for byte
    code/mlcore_model.py         what MLflow loads it with
    code/mlcore-<version>.zip    what that needs of mlcore
    input_example.json           rows of the evaluation, and the same as a request to a server
    serving_input_example.json
    requirements.txt             pinned, as they were where the model was trained
    python_env.yaml, conda.yaml  the same for MLflow's environments

Equal models and environments give equal bytes, but for the ids that the server gave.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlcore
from mlcore.core.digests import canonical_json
from mlcore.core.types import Json
from mlcore.tracking.files import copy_files
from mlcore.training.model import LIBRARIES, distributions_of, read_metadata
from mlcore.transform.graph import read_graph

if TYPE_CHECKING:
    import pyarrow as pa

LOADER = "mlcore_model"
_FLAVOUR = "python_function"  # mlflow.pyfunc says so, too, and takes seconds to import
MODEL_FOLDER = "model"
EXAMPLE_ROWS = 5
SERVED = (*LIBRARIES, "pandas", "pyarrow", "pydantic", "threadpoolctl")
"""The distributions that loading a model and asking it need; all others are theirs."""

_PARTS = ("__init__.py", "errors.py", "masking.py", "accumulators", "config", "core", "training", "transform")
"""Of mlcore, what loading a model and asking it need."""

_EPOCH = (1980, 1, 1, 0, 0, 0)
_EXAMPLE, _SERVING_EXAMPLE = "input_example.json", "serving_input_example.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelSource:
    """What a model is written from.

    Attributes:
        folder: The payload of the Model artifact.
        digest: Of the artifact.
        examples: Rows as a server would be asked, if there are any.
        distributions: Version by name of what was installed where it was trained.
        python: Version of Python there, for instance ``3.11.9``.
        created_at: When it was registered.
    """

    folder: Path
    digest: str
    examples: pa.Table | None
    distributions: Mapping[str, str]
    python: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Ids:
    """What the server calls a model and where it keeps it."""

    model_id: str
    run_id: str | None
    location: str


def write_flavour(folder: Path, source: ModelSource, ids: Ids) -> None:
    """Write a model in MLflow's format into a folder that exists and is empty.

    Raises:
        ArtifactMissing: A file of the model is not there.
    """
    from mlflow.models import Model
    from mlflow.models.model import MLMODEL_FILE_NAME

    (folder / MODEL_FOLDER).mkdir()
    copy_files(source.folder, folder / MODEL_FOLDER)
    _write_code(folder / "code")
    _write_environment(folder, source)
    model = Model(
        artifact_path=ids.location,
        run_id=ids.run_id,
        model_id=ids.model_id,
        model_uuid=ids.model_id,
        utc_time_created=str(source.created_at.replace(tzinfo=None)),
        signature=_signature(folder / MODEL_FOLDER),
        metadata={"mlcore": {"digest": source.digest, "columns": read_graph(folder / MODEL_FOLDER).contract}},
    )
    model.add_flavor(
        _FLAVOUR,
        loader_module=LOADER,
        python_version=source.python,
        data=MODEL_FOLDER,
        code="code",
        env={"virtualenv": "python_env.yaml", "conda": "conda.yaml"},
    )
    if source.examples is not None and source.examples.num_rows:
        model.saved_input_example_info = _write_example(folder, source.examples)
    model.save(folder / MLMODEL_FILE_NAME)


def _signature(model: Path) -> Any:
    """Of the columns that the transform reads, and of the scores.

    MLflow's ``long`` cannot hold what is not known: integers are of any type, as one writes them in JSON.
    """
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema, TensorSpec
    from mlflow.types.schema import AnyType

    kinds = {
        "string": DataType.string,
        "float64": DataType.double,
        "bool": DataType.boolean,
        "date": DataType.datetime,
        "timestamp": DataType.datetime,
    }
    classes = read_metadata(model).classes
    columns = [ColSpec(kinds.get(kind) or AnyType(), name) for name, kind in read_graph(model).contract.items()]
    shape = (-1,) if classes in ((), (0, 1)) else (-1, len(classes))
    return ModelSignature(inputs=Schema(columns), outputs=Schema([TensorSpec(np.dtype(np.float64), shape)]))


def _write_example(folder: Path, rows: pa.Table) -> dict[str, Any]:
    example: dict[str, Json] = {"columns": list(rows.column_names), "data": _cells(rows)}
    (folder / _EXAMPLE).write_bytes(canonical_json(example))
    (folder / _SERVING_EXAMPLE).write_bytes(canonical_json({"dataframe_split": example}))
    return {
        "artifact_path": _EXAMPLE,
        "serving_input_path": _SERVING_EXAMPLE,
        "type": "dataframe",
        "pandas_orient": "split",
    }


def _cells(rows: pa.Table) -> list[Json]:
    """Rows as JSON has them: moments in UTC without their zone, what is not known as null."""
    columns = [[_cell(value) for value in rows[name].to_pylist()] for name in rows.column_names]
    return [list(row) for row in zip(*columns, strict=True)]


def _cell(value: Any) -> Json:
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    return str(value)


def _write_code(folder: Path) -> None:
    package = Path(mlcore.__file__).parent
    folder.mkdir()
    (folder / f"{LOADER}.py").write_bytes((package / "tracking" / f"{LOADER}.py").read_bytes())
    (folder / f"mlcore-{mlcore.__version__}.zip").write_bytes(archive_of(package))


def archive_of(package: Path) -> bytes:
    """The same bytes for the same files."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in _PARTS:
            found = package / part
            for path in sorted(found.rglob("*.py")) if found.is_dir() else [found]:
                name = f"mlcore/{path.relative_to(package).as_posix()}"
                archive.writestr(zipfile.ZipInfo(name, _EPOCH), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return written.getvalue()


def _write_environment(folder: Path, source: ModelSource) -> None:
    import yaml

    pinned = requirements(folder / MODEL_FOLDER, source.distributions)
    (folder / "requirements.txt").write_text("".join(f"{line}\n" for line in pinned), encoding="utf-8")
    virtual = {"python": source.python, "build_dependencies": ["pip"], "dependencies": ["-r requirements.txt"]}
    (folder / "python_env.yaml").write_text(yaml.safe_dump(virtual, sort_keys=False), encoding="utf-8")
    conda = {
        "name": "mlflow-env",
        "channels": ["conda-forge"],
        "dependencies": [f"python={source.python}", "pip", {"pip": list(pinned)}],
    }
    (folder / "conda.yaml").write_text(yaml.safe_dump(conda, sort_keys=False), encoding="utf-8")


def requirements(model: Path, distributions: Mapping[str, str]) -> Sequence[str]:
    """What a server needs: pinned to what was installed where the model was trained, MLflow itself to ours.

    The libraries that decide the model's bits are those that it names.
    """
    from mlflow.version import VERSION

    metadata = read_metadata(model)
    names = sorted({*SERVED, *distributions_of(metadata.estimator)})
    known = {**{name: distributions.get(name, "") for name in names}, **metadata.libraries}
    pinned = [f"{name}=={found}" for name, found in sorted(known.items()) if found]
    return [f"mlflow=={VERSION}", *pinned]
