"""What a look at the challenger comes to: it goes on, takes the champion's place, or loses its alias."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlcore.components.base import Component, Inputs, Outputs
from mlcore.core.digests import canonical_json
from mlcore.core.types import ArtifactType
from mlcore.core.window import iso, parse_moment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from mlcore.core.types import Json
    from mlcore.evaluation.challenge_file import ChallengeDocument

FILE_NAME = "push.json"


class ChallengerPusher(Component):
    """Records the look and moves the aliases, in the transaction that records the push.

    A challenger that passed becomes champion by the rules of every push: a pin, a champion that was trained on newer
    data, or a missing approval (``push.approval``) keep it from that.
    """

    inputs = {"challenge": ArtifactType.CHALLENGE}
    outputs = {"push": ArtifactType.PUSHED_MODEL}
    code = ("registry", "evaluation.challenge_file")

    @property
    def parameters(self) -> Mapping[str, Json]:
        # What a pin or a missing approval keeps waiting is asked for again at the next moment, on the same comparison.
        return {"as_of": iso(self.request.as_of), **({"approval": True} if self.config.push.approval else {})}

    def run(self, inputs: Inputs, outputs: Outputs) -> None:
        from mlcore.evaluation.challenge_file import ChallengeOutcome

        found = self._found(inputs)
        push = found.outcome is ChallengeOutcome.PASSED
        verdict = f"challenger {found.outcome.value.lower()}: {'; '.join(found.reasons)}"
        document: dict[str, Json] = {"model": found.challenger, "push": push, "reasons": list(found.reasons)}
        (outputs["push"].path / FILE_NAME).write_bytes(canonical_json(document))
        outputs["push"].properties.update(pushed=push, verdict=verdict, reasons=list(found.reasons))

    def commit(self, connection: Connection, inputs: Inputs) -> None:
        """Record the look where it is the next one, and do what it comes to."""
        from mlcore.registry.challenge import Look, LookVerdict, conclude

        found = self._found(inputs)
        if not found.look:
            return
        look = Look(
            move_id=found.move_id,
            challenger=found.challenger_version,
            champion=found.champion_version,
            look=found.look,
            verdict=LookVerdict(found.outcome.value),
            until=parse_moment(found.until),
            rows=found.rows,
            spent=found.spent,
            artifact_id=inputs.one("challenge").artifact.id,
            reason="; ".join(found.reasons),
            run=self.request.run,
        )
        conclude(connection, self.config.name, look, needs_approval=self.config.push.approval)

    def _found(self, inputs: Inputs) -> ChallengeDocument:
        from mlcore.evaluation.challenge_file import read_challenge

        return read_challenge(inputs.one("challenge").path)

    def summary(self, outputs: Inputs) -> str:
        return str(outputs.one("push").artifact.properties["verdict"])
