"""How a pipeline, its DAGs and their runs are called."""

from __future__ import annotations

from mlcore.config.settings import Settings
from mlcore.core.types import GraphKind

ACTION_PREFIX = "models_"
"""Of the DAGs that do something to a pipeline's registered models; they are told which one."""

RETRAIN_PREFIX = "retrain__"
_SUFFIXES = {GraphKind.RETRAINING: "", GraphKind.MONITORING: "_monitor", GraphKind.INFERENCE: "_inference"}
_RUN_PREFIXES = {GraphKind.RETRAINING: "", GraphKind.MONITORING: "monitor__", GraphKind.INFERENCE: "inference__"}


def dag_name(pipeline: str, kind: GraphKind) -> str:
    """The DAG that runs a pipeline's graph of a kind."""
    return pipeline + _SUFFIXES[kind]


def kind_of(dag_id: str, pipeline: str) -> GraphKind:
    """Which graph of its pipeline a DAG runs."""
    return next(kind for kind in GraphKind if dag_id == dag_name(pipeline, kind))


def run_name(run_id: str, *, kind: GraphKind) -> str:
    """A run's name in the metadata store.

    All DAGs of a pipeline name their runs alike, and one pipeline's run names are unique.
    """
    return _RUN_PREFIXES[kind] + run_id


def pipeline_of(dag_id: str, settings: Settings) -> str | None:
    """The pipeline a DAG belongs to; ``None`` for DAGs that are not ours."""
    for suffix in _SUFFIXES.values():
        name = dag_id.removesuffix(suffix)
        if name + suffix == dag_id and name.isidentifier() and (settings.pipelines / f"{name}.yaml").is_file():
            return name
    return None
