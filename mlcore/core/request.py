"""What was asked of a run, before anything is looked up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from mlcore.core.types import Json
from mlcore.core.window import Grain, iso, utc


@dataclass(frozen=True, kw_only=True, slots=True)
class RunRequest:
    """One run of one pipeline.

    Attributes:
        run: Name of the run, unique within the pipeline; Airflow's run id, or one of the command line's.
        as_of: The moment the run may know of. Everything a run reads follows from it, never from a clock.
        force_push: Move the champion although a gate said no, or a newer champion is there.
        reason: Why the run was asked for, kept with whatever it changes.
        train: Length of the training window, where it differs from the pipeline's.
        eval: Length of the evaluation window, where it differs from the pipeline's.
        origin: Where it runs: Airflow's DAG, run, task and try, or the command line's host and process; with ``as_of``,
            by which a later run of the same moment finds what this one knew.
    """

    pipeline: str
    run: str
    as_of: datetime
    force_push: bool = False
    reason: str = ""
    train: Grain | None = None
    eval: Grain | None = None
    origin: Mapping[str, Json] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "as_of", utc(self.as_of, name="as_of"))
        object.__setattr__(self, "origin", {**self.origin, "as_of": iso(self.as_of)})
