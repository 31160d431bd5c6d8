"""How a pipeline, its two DAGs and their runs are called."""

from __future__ import annotations

from mlcore.config.settings import Settings

ACTION_PREFIX = "models_"
"""Of the DAGs that do something to a pipeline's registered models; they are told which one."""

MONITOR_SUFFIX = "_monitor"
RETRAIN_PREFIX = "retrain__"
_MONITOR_RUN_PREFIX = "monitor__"


def run_name(run_id: str, *, monitoring: bool) -> str:
    """A run's name in the metadata store.

    Both DAGs of a pipeline name their runs alike, and one pipeline's run names are unique.
    """
    return _MONITOR_RUN_PREFIX + run_id if monitoring else run_id


def pipeline_of(dag_id: str, settings: Settings) -> str | None:
    """The pipeline a DAG belongs to; ``None`` for DAGs that are not ours."""
    for name in (dag_id, dag_id.removesuffix(MONITOR_SUFFIX)):
        if name.isidentifier() and (settings.pipelines / f"{name}.yaml").is_file():
            return name
    return None
