"""Whether to retrain, and why, in words a person can act on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from math import exp
from pathlib import Path

from mlcore.config.monitor import Monitor
from mlcore.core.digests import canonical_json
from mlcore.core.types import Json
from mlcore.errors import ArtifactCorrupt, ArtifactMissing, quoted
from mlcore.monitoring.decay import Answers, Estimate, Performance
from mlcore.monitoring.drift import FeatureDrift

FILE_NAME = "decision.json"
_NAMED_FEATURES = 5
_FLAGGED_BY_CHANCE = 0.02
_FALSE_ALARMS = 0.05
"""Share of the reports that may ask for retraining although nothing drifted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RetrainDecision:
    """The monitor's verdict.

    Attributes:
        retrain: Whether a retraining run should be started.
        reasons: Why, and last what drifted without being a reason by itself; where it should not be, what was looked at
            and found in order.
    """

    retrain: bool
    reasons: tuple[str, ...]

    def to_json(self) -> dict[str, Json]:
        """The decision as JSON."""
        return {"retrain": self.retrain, "reasons": list(self.reasons)}


def decide(
    drift: Sequence[FeatureDrift], performance: Performance | None, age: timedelta | None, config: Monitor
) -> RetrainDecision:
    """Retrain when too many features drifted, when quality decayed, or when the champion is old.

    Args:
        drift: Every feature's verdict.
        performance: The champion's quality; ``None`` where it was not measured.
        age: Time from the end of the champion's training data to the moment of the run; ``None`` where not known.
        config: The pipeline's thresholds.
    """
    found = (_drift(drift, config), _performance(performance, config), _age(age, config))
    causes = [reason for is_cause, reason in found if is_cause]
    if not causes:
        return RetrainDecision(retrain=False, reasons=tuple(reason for _, reason in found))
    (drift_is_cause, drifted), *_ = found
    explains = any(item.drifted for item in drift) and not drift_is_cause
    return RetrainDecision(retrain=True, reasons=(*causes, *([drifted] if explains else [])))


def write_decision(folder: Path, decision: RetrainDecision, performance: Performance | None) -> None:
    """Write ``decision.json`` into a folder that exists."""
    value: dict[str, Json] = {**decision.to_json(), "performance": asdict(performance) if performance else None}
    (folder / FILE_NAME).write_bytes(canonical_json(value))


def read_decision(folder: Path) -> tuple[RetrainDecision, Performance | None]:
    """Read ``decision.json``.

    Raises:
        ArtifactMissing: It is not there.
        ArtifactCorrupt: It holds no decision.
    """
    path = folder / FILE_NAME
    try:
        value = json.loads(path.read_bytes())
        decision = RetrainDecision(retrain=value["retrain"], reasons=tuple(value["reasons"]))
        return decision, None if value["performance"] is None else _performance_from_json(value["performance"])
    except OSError as error:
        raise ArtifactMissing(
            f"cannot open the decision: {error.strerror or error}", where=str(path), next_step="run the monitor again"
        ) from error
    except (ValueError, TypeError, KeyError) as error:
        raise ArtifactCorrupt(
            f"the decision cannot be read: {quoted(str(error))}", where=str(path), next_step="run the monitor again"
        ) from error


def by_chance(features: int) -> int:
    """How many features may be flagged by chance alone: more are in at most one report of twenty.

    Counted as independent, each flagged in two reports of a hundred; under days that resemble those before, 0.3 to
    1.7 % were in simulation.

    >>> [by_chance(count) for count in (1, 10, 20, 200)]
    [0, 1, 2, 8]
    """
    mean = features * _FLAGGED_BY_CHANCE
    count, term = 0, exp(-mean)
    within = term
    while within < 1 - _FALSE_ALARMS:
        count += 1
        term *= mean / count
        within += term
    return count


def _drift(features: Sequence[FeatureDrift], config: Monitor) -> tuple[bool, str]:
    drifted = sorted((item for item in features if item.drifted), key=lambda item: (-item.distance, item.feature))
    stated = config.drift.max_features
    allowed = by_chance(len(features)) if stated is None else stated
    if not drifted:
        return False, f"none of {len(features)} features drifted"
    named = "; ".join(str(item) for item in drifted[:_NAMED_FEATURES])
    more = f"; and {len(drifted) - _NAMED_FEATURES} more" if len(drifted) > _NAMED_FEATURES else ""
    if len(drifted) > allowed:
        return True, f"{len(drifted)} of {len(features)} features drifted, more than {allowed}: {named}{more}"
    return (
        False,
        f"{len(drifted)} of {len(features)} features drifted, no more than the {allowed} allowed: {named}{more}",
    )


def _performance(performance: Performance | None, config: Monitor) -> tuple[bool, str]:
    on = f" ({performance.answers})" if performance and performance.answers else ""
    if performance is None or performance.now is None or performance.worse_by is None:
        return False, f"{config.performance.metric} was not measured: too few rows with mature labels{on}"
    figures = f"{performance.metric} was {performance.at_push} at push and is {performance.now} now{on}"
    if performance.decayed:
        return True, f"{figures}: worse by {performance.worse_by:.3f}, more than {config.performance.max_decay:g}"
    if performance.worse_by > config.performance.max_decay:
        return False, f"{figures}: worse by {performance.worse_by:.3f}, which may be chance"
    return False, f"{figures}: not worse by more than {config.performance.max_decay:g}"


def _age(age: timedelta | None, config: Monitor) -> tuple[bool, str]:
    limit = config.retrain.max_age
    if age is None or limit is None:
        return False, "the champion's age does not matter"
    if age > limit:
        return True, f"the champion's training data ended {_days(age)} ago, more than {_days(limit)}"
    return False, f"the champion's training data ended {_days(age)} ago, at most {_days(limit)} are allowed"


def _days(length: timedelta) -> str:
    days = length / timedelta(days=1)
    return f"{days:.3g} day{'' if days == 1 else 's'}"


def _performance_from_json(value: dict[str, Json]) -> Performance:
    at_push, now, answers = value.pop("at_push"), value.pop("now"), value.pop("answers")
    if not isinstance(at_push, dict):
        raise ValueError("at_push is no estimate")
    return Performance(
        at_push=Estimate(**at_push),  # type: ignore[arg-type]
        now=Estimate(**now) if isinstance(now, dict) else None,  # type: ignore[arg-type]
        answers=Answers(**answers) if isinstance(answers, dict) else None,  # type: ignore[arg-type]
        **value,  # type: ignore[arg-type]
    )
