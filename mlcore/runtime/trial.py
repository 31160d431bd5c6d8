"""What a run has to do with a challenge: which rows a monitoring looks at, and which an inference asks both of."""

from __future__ import annotations

from datetime import datetime

from mlcore.components.challenger_evaluator import Trial
from mlcore.config.pipeline import PipelineConfig
from mlcore.config.rollout import Rollout
from mlcore.core.window import Grain, Interval, newest_mature_end, shift, span_start
from mlcore.registry.challenge import Challenge


def trial_of(config: PipelineConfig, challenge: Challenge | None, as_of: datetime) -> Trial | None:
    """The look that a run as of a moment takes.

    The rows are those after all that either model has seen, their labels mature as of then, and none after
    ``push.rollout.at_most``. How much time is over is counted in labelled data, not by a clock: a run that is started
    late, or again, looks at the same.

    Returns:
        ``None`` where there is no ``push.rollout``, nobody challenges, nothing is labelled yet, or labels of a later
        moment were looked at already: history does not decide on the present.
    """
    rollout, grain = config.push.rollout, config.data.span
    if rollout is None or challenge is None:
        return None
    trial = trial_interval(config, rollout, challenge)
    start, limit = trial.start, trial.end
    end = min(newest_mature_end(as_of, grain=grain, label_delay=config.data.label.delay), limit)
    passed = challenge.passed
    if passed is not None:
        end = passed.until
    if end <= start or any(look.until > end for look in challenge.looks):
        return None
    before = [look for look in challenge.looks if look.until < end]
    return Trial(
        move_id=challenge.move_id,
        challenger=challenge.challenger.version,
        champion=challenge.champion.version,
        look=len(before) + 1,
        judged=Interval(start=start, end=end),
        over=1.0 if end >= limit else (end - start) / rollout.at_most,
        spent=before[-1].spent if before else 0.0,
        long_enough=end - start >= rollout.at_least,
        earlier=challenge.earlier,
        passed="" if passed is None else passed.reason,
    )


def trial_interval(config: PipelineConfig, rollout: Rollout, challenge: Challenge) -> Interval:
    """All the time of which a challenge may take labelled rows: after what either model has seen, up to the longest."""
    start = _from(challenge.start, config.data.span)
    return Interval(start=start, end=_from(start + rollout.at_most, config.data.span))


def asked_beside(
    config: PipelineConfig, challenge: Challenge | None, champion: int, window: Interval
) -> Interval | None:
    """The part of an inference run's window that the challenger predicts, too: what it may be compared on.

    Args:
        config: The pipeline.
        challenge: That of now.
        champion: The version that the run predicts with: where it is another than the challenged one, by a run of the
            past, say, nothing is compared.
        window: What the run predicts.

    Returns:
        ``None`` where nobody challenges, or all of the window was seen by either model.
    """
    if challenge is None or challenge.champion.version != champion:
        return None
    start = max(_from(challenge.start, config.data.span), window.start)
    return Interval(start=start, end=window.end) if start < window.end else None


def _from(moment: datetime, grain: Grain) -> datetime:
    """The first start of a span that is not before a moment."""
    start = span_start(moment, grain)
    return start if start == moment else shift(start, grain)
