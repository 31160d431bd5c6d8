"""The parameters of a run, which Airflow shows as a form and checks before the run is created."""

from __future__ import annotations

from airflow.sdk import Param

from mlcore.config.pipeline import PipelineConfig
from mlcore.core.window import Grain, in_words

_MOMENT = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?(Z|[+-][0-9]{2}:?[0-9]{2})$"
_DURATION = r"^P([0-9]+[YMW]|[0-9]+D(T[0-9]+H)?|T[0-9]+H)$"


def moment_params() -> dict[str, Param]:
    """Parameters of ``<name>_monitor`` and ``<name>_inference``."""
    return {"as_of": _as_of()}


def retraining_params(config: PipelineConfig) -> dict[str, Param]:
    """Parameters of ``<name>``."""
    return {
        "as_of": _as_of(),
        "reason": Param("", type="string", maxLength=500, title="Reason", description="Why; kept for the record."),
        "force_push": Param(
            default=False,
            type="boolean",
            title="Force push",
            description="Make the new model the champion whatever the gates say. Needs a reason.",
        ),
        "train": _length("Training window", config.window.train),
        "eval": _length("Evaluation window", config.window.eval),
        "report": Param(
            None,
            type=["null", "integer"],
            title="Drift report",
            description="Id of the report that asked for this run; the monitor fills it in.",
        ),
    }


def _as_of() -> Param:
    return Param(
        None,
        type=["null", "string"],
        # No format "date-time": whether it refuses 2013-03-11T06:00Z depends on what else happens to be installed.
        pattern=_MOMENT,
        title="As of",
        description="The moment the run may know of, such as 2013-03-11T06:00Z. Empty: the end of its data interval.",
    )


def _length(title: str, length: Grain | None) -> Param:
    usual = "the training window's spans" if length is None else in_words(length)
    return Param(
        None,
        type=["null", "string"],
        pattern=_DURATION,
        title=title,
        description=f"An ISO 8601 duration such as P30D. Empty: the pipeline's, {usual}.",
    )
