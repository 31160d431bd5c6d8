"""A model with its blessings to the champion alias."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlcore.components.base import Component, Inputs, Outputs
from mlcore.components.evaluator import GATE as EVALUATION
from mlcore.components.infra_validator import GATE as INFRA
from mlcore.core.digests import canonical_json
from mlcore.core.types import ArtifactType, Json
from mlcore.core.window import parse_moment

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mlcore.deployment.push import PushDecision

FILE_NAME = "push.json"
GATES = (EVALUATION, INFRA)


class Pusher(Component):
    """Moves the champion alias to a model that every gate blessed, in the transaction that records the push.

    Where a person has to approve (``push.approval``) and has not said anything, the model is registered and waits.
    Where it is to be tried beside the champion first (``push.rollout``), it becomes its challenger.
    """

    inputs = {
        "model": ArtifactType.MODEL,
        "evaluation": ArtifactType.EVALUATION,
        "evaluation_blessing": ArtifactType.BLESSING,
        "infra_blessing": ArtifactType.BLESSING,
        "schema": ArtifactType.SCHEMA,
        "approval": ArtifactType.BLESSING,
    }
    outputs = {"push": ArtifactType.PUSHED_MODEL}
    code = ("deployment.push", "registry", "evaluation.blessing")

    @property
    def parameters(self) -> Mapping[str, Json]:
        rollout = self.config.push.rollout
        asking: dict[str, Json] = {"approval": True} if self.config.push.approval else {}
        trying: dict[str, Json] = {"rollout": rollout.newer} if rollout else {}
        return {"force_push": self.request.force_push, **asking, **trying}

    @property
    def cacheable(self) -> bool:
        """A forced push is an act, not a computation: it is done as often as it is asked for."""
        return not self.request.force_push

    def run(self, inputs: Inputs, outputs: Outputs) -> None:
        decision = self._decide(inputs)
        blocked = [reason for reason in decision.reasons if ": blocked: " in reason]
        verdict = "blessed" if decision.push else "not pushed: " + "; ".join(blocked)
        document: dict[str, Json] = {
            "model": inputs.one("model").artifact.digest,
            "push": decision.push,
            "forced": decision.forced,
            "reasons": list(decision.reasons),
        }
        (outputs["push"].path / FILE_NAME).write_bytes(canonical_json(document))
        outputs["push"].properties.update(pushed=decision.push, verdict=verdict, reasons=list(decision.reasons))

    def commit(self, connection: Connection, inputs: Inputs) -> None:
        """Register the model and move the alias, unless the champion was trained on newer data (rule 8)."""
        from mlcore.registry.push import promote
        from mlcore.registry.records import Candidate

        decision = self._decide(inputs)
        if not decision.push:
            return
        model, evaluation = inputs.one("model").artifact, inputs.one("evaluation").artifact
        rollout = self.config.push.rollout
        promote(
            connection,
            Candidate(
                pipeline=self.config.name,
                artifact_id=model.id,
                evaluation_id=evaluation.id,
                digest=model.digest,
                train_start=parse_moment(str(model.properties["train_start"])),
                train_end=parse_moment(str(model.properties["train_end"])),
                window_end=parse_moment(str(evaluation.properties["end"])),
                run=self.request.run,
                reason=self.request.reason or "blessed by every gate",
                schema_id=inputs.one("schema").artifact.id,
                # Addresses of alerts may hold secrets; ${NAME} elsewhere stands as it is written.
                config=self.config.model_dump(mode="json", exclude={"alerts"}, exclude_unset=True),
                needs_approval=self.config.push.approval,
                challenges=rollout is not None,
                waits=rollout is not None and rollout.newer == "wait",
                force=self.request.force_push,
                evidence={
                    "evaluation": evaluation.id,
                    "blessings": [inputs.one(key).artifact.id for key in ("evaluation_blessing", "infra_blessing")],
                    "baseline": evaluation.properties.get("baseline"),
                    "reasons": list(decision.reasons),
                },
            ),
        )

    def _decide(self, inputs: Inputs) -> PushDecision:
        from mlcore.deployment.push import decide_push
        from mlcore.evaluation.blessing import read_blessing

        blessings = [read_blessing(inputs.one(key).path) for key in ("evaluation_blessing", "infra_blessing")]
        model_digest = inputs.one("model").artifact.digest
        return decide_push(model_digest, blessings, gates=GATES, force=self.request.force_push)

    def summary(self, outputs: Inputs) -> str:
        return str(outputs.one("push").artifact.properties["verdict"])
