"""A challenge as the web page and the command line see it: who, how far it has come, and what the next look needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from mlcore.config.evaluation import ChampionCriterion
from mlcore.config.pipeline import PipelineConfig
from mlcore.config.rollout import Rollout
from mlcore.core.types import Artifact, ArtifactState
from mlcore.core.window import Grain, Interval, in_words, iso, shift
from mlcore.errors import ArtifactError
from mlcore.evaluation.challenge_file import Difference, read_challenge
from mlcore.evaluation.spending import confidence_of, share_left
from mlcore.registry.challenge import Challenge, Look, LookVerdict
from mlcore.runtime.session import Session
from mlcore.runtime.trial import trial_interval


@dataclass(frozen=True, kw_only=True, slots=True)
class LookReport:
    """A look with what it found.

    Attributes:
        predicted: Of so many rows both models' stored predictions were compared.
        differences: Of challenger and champion; none where its files are gone.
    """

    look: Look
    predicted: int = 0
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class NextLook:
    """What the look after these needs, and how sure it has to be.

    Attributes:
        until: It sees labels up to here at least.
        as_of: The first monitoring that does.
        share: The part of the chance of error that it has.
        confidences: Of each metric's interval by which it decides, on all rows.
        last: Whether it decides whatever it finds.
        missing: What keeps it from deciding: too few rows so far, too little time.
    """

    until: datetime
    as_of: datetime
    share: float
    confidences: Mapping[str, float]
    last: bool
    missing: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """A challenge that is over: who against whom, how many looks it took, and the last of them."""

    looks: int
    last: Look


@dataclass(frozen=True, kw_only=True, slots=True)
class ChallengeReport:
    """All there is to say of the challengers of a pipeline.

    Attributes:
        challenge: The one under way.
        rollout: ``push.rollout``, without which nothing compares them.
        looks: Of the challenge under way, oldest first.
        allowed: How many looks it may have: one a span of labelled rows.
        tried: The time of labelled rows that a decision may take, and what of it is over.
        following: ``None`` where nobody looks again.
        ended: Newest first.
    """

    pipeline: str
    challenge: Challenge | None
    rollout: Rollout | None
    looks: tuple[LookReport, ...] = ()
    allowed: int = 0
    tried: tuple[str, str] = ("", "")
    following: NextLook | None = None
    ended: tuple[Ended, ...] = ()

    @property
    def state(self) -> str:
        """What is decided, in words."""
        if self.challenge is None:
            return "nobody challenges the champion"
        if self.challenge.passed is not None:
            look = self.challenge.passed.look
            return f"passed at look {look}; it waits for approval, for a pin to be gone, or for the next monitoring"
        if self.rollout is None:
            return "push.rollout is not set: nothing compares them"
        return "undecided" if self.looks else "not looked at yet"


def report_challenge(session: Session, config: PipelineConfig) -> ChallengeReport:
    """How the challenge of a pipeline stands, from what was recorded: nothing is computed anew."""
    challenge, every = session.registry.challenge(config.name), session.registry.looks(config.name)
    rollout = config.push.rollout
    current = () if challenge is None else challenge.looks
    ended = _ended([look for look in every if look not in current])
    if challenge is None or rollout is None:
        return ChallengeReport(pipeline=config.name, challenge=challenge, rollout=rollout, ended=ended)
    interval, grain = trial_interval(config, rollout, challenge), config.data.span
    seen = current[-1].until if current else interval.start
    return ChallengeReport(
        pipeline=config.name,
        challenge=challenge,
        rollout=rollout,
        looks=_looks(session, current),
        allowed=_count(interval, grain),
        tried=(_length(interval.start, seen), _length(interval.start, interval.end)),
        following=_following(config, rollout, challenge, interval),
        ended=ended,
    )


def _looks(session: Session, looks: Sequence[Look]) -> tuple[LookReport, ...]:
    artifacts = session.metadata.artifacts([look.artifact_id for look in looks])
    return tuple(_with_file(session, look, artifact) for look, artifact in zip(looks, artifacts, strict=True))


def _with_file(session: Session, look: Look, artifact: Artifact) -> LookReport:
    """What a look found, from its file; what the registry says of it where the file is gone or damaged."""
    if artifact.state is not ArtifactState.LIVE:
        return LookReport(look=look)
    try:
        document = read_challenge(session.artifacts.path(artifact.uri))
    except ArtifactError:
        return LookReport(look=look)
    return LookReport(look=look, predicted=document.predicted, differences=document.differences)


def _following(config: PipelineConfig, rollout: Rollout, challenge: Challenge, interval: Interval) -> NextLook | None:
    looks = challenge.looks
    seen = looks[-1].until if looks else interval.start
    if challenge.passed is not None or seen >= interval.end:
        return None
    until = min(shift(seen, config.data.span), interval.end)
    share = share_left((until - interval.start) / rollout.at_most, looks[-1].spent if looks else 0.0)
    criteria = rollout.criteria_or(config.evaluation.validation_criteria)
    rows = looks[-1].rows if looks else 0
    missing = []
    if rows < rollout.min_rows:
        missing.append(f"{rollout.min_rows - rows:,} more labelled rows (min_rows {rollout.min_rows:,})")
    if until - interval.start < rollout.at_least:
        short = rollout.at_least - (until - interval.start)
        missing.append(f"{in_words(short)} more of them after it (at_least {in_words(rollout.at_least)})")
    return NextLook(
        until=until,
        as_of=until + config.data.label.delay,
        share=share,
        confidences={
            one.metric: confidence_of(one, earlier_tests=challenge.earlier, share=share or 1.0)
            for one in criteria
            if isinstance(one, ChampionCriterion)
        },
        last=until >= interval.end,
        missing=tuple(missing),
    )


def _ended(looks: Sequence[Look]) -> tuple[Ended, ...]:
    """Those looks, challenge by challenge."""
    grouped = groupby(sorted(looks, key=lambda look: (look.move_id, look.champion, look.look)), key=_challenge_of)
    found = [list(of_one) for _, of_one in grouped]
    return tuple(Ended(looks=len(of_one), last=of_one[-1]) for of_one in reversed(found))


def _challenge_of(look: Look) -> tuple[int, int]:
    return look.move_id, look.champion


def _count(interval: Interval, grain: Grain) -> int:
    return sum(1 for _ in interval.spans(grain))


def _length(start: datetime, end: datetime) -> str:
    return in_words(end - start) if end > start else "nothing"


def verdict_in_words(verdict: LookVerdict) -> str:
    """What became of a challenge by its last look."""
    return {
        LookVerdict.PASSED: "passed",
        LookVerdict.REFUSED: "refused",
        LookVerdict.CONTINUED: "ended undecided: replaced, or ended by hand",
    }[verdict]


def facts(report: ChallengeReport) -> dict[str, str]:
    """The challenge under way, a line each; for people."""
    challenge, rollout = report.challenge, report.rollout
    if challenge is None:
        return {}
    found = {
        "challenger": f"version {challenge.challenger.version} ({challenge.challenger.digest[:19]})",
        "champion": f"version {challenge.champion.version} ({challenge.champion.digest[:19]})",
        "since": iso(challenge.since),
        "compared from": f"{iso(challenge.start)}, where the windows of both end",
    }
    if rollout is None:
        return {**found, "decision": report.state}
    rows = report.looks[-1].look.rows if report.looks else 0
    spent = report.looks[-1].look.spent if report.looks else 0.0
    answers = (
        f"canary: {100 * rollout.share:.3g}% of requests" if rollout.mode == "canary" else "shadow: asked, never told"
    )
    return {
        **found,
        "in a server": answers,
        "looks": f"{len(report.looks)} of at most {report.allowed}",
        "labelled rows": f"{rows:,} of at least {rollout.min_rows:,}",
        "labelled time": f"{report.tried[0]} of at most {report.tried[1]}, at least {in_words(rollout.at_least)}",
        "chance of error spent": f"{spent:.1%}",
        "decision": report.state,
    }
