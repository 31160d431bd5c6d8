"""The challenger beside the champion on labelled rows that neither has seen: one more look at how they compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mlcore.components.base import Component, Inputs, Known, Outputs
from mlcore.components.challenger_inferrer import PROBLEM
from mlcore.components.evaluator import own_metrics
from mlcore.config.rollout import Rollout
from mlcore.core.types import Artifact, ArtifactType, Json
from mlcore.core.window import Interval, iso
from mlcore.errors import ConfigError

if TYPE_CHECKING:
    from mlcore.evaluation.challenge import ChallengeResult


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """What a run has to look at.

    Attributes:
        move_id, challenger, champion, look: See :class:`mlcore.registry.challenge.Look`.
        judged: The rows: after all that the two have seen, and no longer than ``push.rollout.at_most``.
        over: The part of the longest time that this is.
        spent: The share of the chance of error that earlier looks had.
        long_enough: Whether this is ``push.rollout.at_least``.
        earlier: How many other challengers were compared with this champion before.
        passed: What an earlier look said by which it passed; it waits for something else.
    """

    move_id: int
    challenger: int
    champion: int
    look: int
    judged: Interval
    over: float
    spent: float
    long_enough: bool
    earlier: int = 0
    passed: str = ""


class ChallengerEvaluator(Component):
    """Scores the same rows with both models, and says whether the challenger may replace the champion.

    Every row with a mature label counts, whichever model answered it: by what both predicted of it, where that is
    stored, else both are asked anew. A challenger that could not predict a span is refused. Where nobody challenges, or
    nothing new is labelled, it says so.

    Attributes:
        trial: What there is to look at, ``None`` for nothing.
    """

    inputs = {
        "examples": ArtifactType.EXAMPLES,
        "model": ArtifactType.MODEL,
        "champion": ArtifactType.MODEL,
        "challenger_predictions": ArtifactType.CHALLENGER_PREDICTIONS,
        "champion_predictions": ArtifactType.PREDICTIONS,
    }
    outputs = {"challenge": ArtifactType.CHALLENGE}
    code = (
        "evaluation",
        "accumulators",
        "training",
        "transform",
        "components.scoring",
        "components.served",
        "inference.predictions",
        "inference.scorer",
        "monitoring.served",
        "ingest.examples",
    )
    libraries = ("scikit-learn", "numpy", "scipy", "pyarrow")
    trial: Trial | None = None

    def learn(self, known: Known) -> None:
        self.trial = known.trial

    @property
    def parameters(self) -> Mapping[str, Json]:
        trial, data = self.trial, self.config.data
        if trial is None:
            return {}
        return {
            "rollout": self._rollout.model_dump(mode="json", include={"min_rows", "at_least", "at_most", "criteria"}),
            "evaluation": self.config.evaluation.model_dump(mode="json"),
            "label": data.label.name,
            "task": data.task,
            "key": list(data.key),
            "event_timestamp": data.event_timestamp,
            "own_metrics": own_metrics(self.config.evaluation.metrics),
            "without": list(self.without),
            "move": trial.move_id,
            "champion": trial.champion,
            "look": trial.look,
            "until": iso(trial.judged.end),
            "spent": trial.spent,
            "earlier": trial.earlier,
            "passed": trial.passed,
        }

    @property
    def _rollout(self) -> Rollout:
        if self.config.push.rollout is None:
            raise ConfigError(f"pipeline {self.config.name} has no push.rollout block")
        return self.config.push.rollout

    def run(self, inputs: Inputs, outputs: Outputs) -> None:
        from mlcore.evaluation.challenge import ChallengeResult
        from mlcore.evaluation.challenge_file import ChallengeDocument, ChallengeOutcome, write_challenge
        from mlcore.evaluation.files import write

        trial, output = self.trial, outputs["challenge"]
        if trial is None or not inputs["examples"]:
            result = ChallengeResult(outcome=ChallengeOutcome.NONE, reasons=("there is nothing new to compare",))
        else:
            result = self._compared(inputs, trial)
        document = ChallengeDocument(outcome=result.outcome, reasons=result.reasons)
        if result.judgement is not None:
            write(output.path, result.judgement)
        if trial is not None and result.outcome is not ChallengeOutcome.NONE:
            document = ChallengeDocument(
                outcome=result.outcome,
                reasons=result.reasons,
                rows=result.rows,
                predicted=result.predicted,
                spent=result.spent,
                challenger=inputs.one("model").artifact.digest,
                champion=inputs.one("champion").artifact.digest,
                move_id=trial.move_id,
                challenger_version=trial.challenger,
                champion_version=trial.champion,
                look=trial.look,
                until=iso(trial.judged.end),
                differences=result.differences,
            )
        write_challenge(output.path, document)
        output.properties.update(
            outcome=result.outcome.value,
            reasons=list(result.reasons),
            rows=result.rows,
            predicted=result.predicted,
            challenger=document.challenger_version,
            champion=document.champion_version,
            look=document.look,
        )

    def _compared(self, inputs: Inputs, trial: Trial) -> ChallengeResult:
        from mlcore.components.scoring import about
        from mlcore.components.served import Rival, paired
        from mlcore.evaluation.challenge import ChallengeResult, Progress, judge_challenger
        from mlcore.evaluation.challenge_file import ChallengeOutcome

        problems = [one.artifact for one in inputs["challenger_predictions"] if PROBLEM in one.artifact.properties]
        if problems:
            return ChallengeResult(outcome=ChallengeOutcome.REFUSED, reasons=(_in_words(problems),), spent=trial.spent)
        model = inputs.one("model").path
        both = paired(
            self.config,
            inputs.paths("examples"),
            Rival(model=model, predictions=inputs["challenger_predictions"]),
            Rival(model=inputs.one("champion").path, predictions=inputs["champion_predictions"]),
        )
        judged = both.judged
        if not judged.rows.num_rows:
            return ChallengeResult(outcome=ChallengeOutcome.NONE, reasons=("no row has a label yet",))
        progress = Progress(over=trial.over, spent=trial.spent, long_enough=trial.long_enough, earlier=trial.earlier)
        result = judge_challenger(
            judged.labels,
            both.first,
            both.second,
            progress,
            columns=judged.rows,
            config=self.config.evaluation,
            rollout=self._rollout,
            **about(self.config, judged, model),
        )
        result = replace(result, predicted=both.predicted)
        if not trial.passed:
            return result
        reasons = (f"passed before: {trial.passed}",)
        return replace(result, outcome=ChallengeOutcome.PASSED, reasons=reasons, spent=trial.spent)

    def summary(self, outputs: Inputs) -> str:
        properties = outputs.one("challenge").artifact.properties
        reasons = properties["reasons"]
        first = reasons[0] if isinstance(reasons, list) and reasons else ""
        who = f"version {properties['challenger']} beside {properties['champion']}, " if properties["look"] else ""
        return f"{who}{str(properties['outcome']).lower()}: {first}"


def _in_words(problems: Sequence[Artifact]) -> str:
    first = problems[0]
    span = first.span.label if first.span else ""
    many = f"{len(problems)} spans, the first of them {span}" if len(problems) > 1 else span
    return f"the challenger could not predict {many}: {first.properties[PROBLEM]}"
