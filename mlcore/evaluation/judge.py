"""One model judged: measured, compared, drawn, and held to its criteria, with the rows prepared once."""

from __future__ import annotations

from dataclasses import replace
from typing import Unpack

import pyarrow as pa

from mlcore.config.evaluation import Evaluation as EvaluationConfig
from mlcore.evaluation.curves import curves_of
from mlcore.evaluation.evaluate import CONFIDENCE
from mlcore.evaluation.fairness import gaps
from mlcore.evaluation.files import Judgement
from mlcore.evaluation.gates import FALLBACKS, decide
from mlcore.evaluation.importance import Importances, with_warning
from mlcore.evaluation.measure import measure_slices
from mlcore.evaluation.metrics import metrics
from mlcore.evaluation.rows import About, Column, prepare
from mlcore.evaluation.sample import Floats


def judge(
    labels: Column,
    scores: Floats,
    others: Floats,
    *,
    columns: pa.Table,
    config: EvaluationConfig,
    is_champion: bool,
    earlier_tests: int = 0,
    share: float = 1.0,
    **about: Unpack[About],
) -> Judgement:
    """Judge a model by the criteria of its pipeline.

    Args:
        labels: Of each row; rows without a label are left out.
        scores: The model's.
        others: The champion's for the same rows; where there is none, those of a constant prediction.
        columns: A table of the same rows that holds the columns of the slices, and of the key.
        config: Metrics, slices and criteria.
        is_champion: Whether there is a champion.
        earlier_tests: How many challengers were tested against it before.
        share: Of the chance to promote a model wrongly, the part that this judgement has.
        about: Task, clusters, weights and the like: :class:`~mlcore.evaluation.rows.About`.

    Raises:
        ConfigError: A metric or a slice's column is unknown, or has no meaning for the task or the criterion.
        DataError: No row has a label, or one cannot be.
        ModelError: A score cannot be.
    """
    rows = prepare(labels, [scores, others], columns, _coded_slices(config), about)
    evaluation = measure_slices(rows.of_first(), config, CONFIDENCE)
    if is_champion:
        comparison, dummy = measure_slices(rows, config, CONFIDENCE), None
    else:
        fallbacks = tuple(name for name in FALLBACKS if rows.task in metrics()[name].tasks)
        overall = {"metrics": tuple(dict.fromkeys((*config.metrics_of(rows.task.value), *fallbacks))), "slices": ((),)}
        asked = config.model_copy(update={**overall, "validation_criteria": ()})
        comparison, dummy = None, measure_slices(rows, asked, CONFIDENCE)
    verdict = decide(
        config.validation_criteria, evaluation, comparison, dummy=dummy, earlier_tests=earlier_tests, share=share
    )
    return Judgement(
        evaluation=evaluation,
        comparison=comparison,
        dummy=dummy,
        verdict=verdict,
        curves=curves_of(rows, CONFIDENCE),
        gaps=()
        if config.fairness is None
        else gaps(rows.of_first(), config.fairness, config.min_slice_rows, CONFIDENCE),
    )


def with_importances(judgement: Judgement, found: Importances | None) -> Judgement:
    """The judgement with what each feature is worth, and a warning where one is nearly the whole model."""
    if found is None:
        return judgement
    verdict = None if judgement.verdict is None else with_warning(judgement.verdict, found)
    return replace(judgement, importances=found, verdict=verdict)


def _coded_slices(config: EvaluationConfig) -> tuple[tuple[str, ...], ...]:
    fair = () if config.fairness is None else tuple((column,) for column in config.fairness.columns)
    return (*config.measured_slices, *fair)
