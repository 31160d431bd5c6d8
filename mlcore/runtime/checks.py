"""What a pipeline file names and only its library can confirm: estimator, mappers, metrics."""

from __future__ import annotations

from mlcore.config.pipeline import PipelineConfig
from mlcore.errors import ConfigError
from mlcore.runtime.candidates import naming


def check_pipeline(config: PipelineConfig) -> None:
    """Check everything that can be checked without data; loads the estimator's library.

    Raises:
        ConfigError: A mapper, an option or a metric is unknown.
        ModelError: The estimator is unknown, or refuses its parameters.
        InvalidSchema: The schema that people own is none.
    """
    from mlcore.evaluation.metrics import find_metric
    from mlcore.evaluation.selection import check_direction
    from mlcore.training.estimators import resolve_estimator
    from mlcore.transform.specs import specs_of

    if config.owned_schema is not None:
        from mlcore.schema.yaml_file import parse_yaml

        parse_yaml(config.owned_schema, where=f"config/schemas/{config.name}.yaml")
    specs_of(config)
    for name, alone in config.alternatives.items():
        with naming(name):
            resolve_estimator(alone.model.estimator, alone.model.params)
    _check_evaluation(config)
    if config.models:
        check_direction(config.selection.metric or config.evaluation.metrics_of(config.data.task)[0])
    if config.monitor and find_metric(config.monitor.performance.metric).higher_is_better is None:
        raise ConfigError(
            f"more of {config.monitor.performance.metric} is neither better nor worse: it cannot decay",
            where="monitor.performance.metric",
            next_step="choose a metric of which more, or less, is better",
        )


def _check_evaluation(config: PipelineConfig) -> None:
    from mlcore.evaluation.claims import check_claim
    from mlcore.evaluation.fairness import check_task
    from mlcore.evaluation.measure import chosen_metrics
    from mlcore.evaluation.task import Task

    criteria, task = config.evaluation.validation_criteria, Task(config.data.task)
    chosen_metrics(config.evaluation.metrics_of(task), task)
    if config.evaluation.fairness is not None:
        check_task(task)
    for criterion in criteria:
        (metric,) = chosen_metrics([criterion.metric], task)
        check_claim(criterion, metric)
