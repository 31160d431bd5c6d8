"""Blessings to a decision: a push needs a positive verdict of every gate on this very model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mlcore.errors import BlessingMissing, MlcoreError, quoted


class BlessingLike(Protocol):
    """A gate's verdict on one model digest."""

    @property
    def model_digest(self) -> str: ...
    @property
    def gate(self) -> str: ...
    @property
    def blessed(self) -> bool: ...
    @property
    def reasons(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class PushDecision:
    """Whether the model becomes the champion, and why.

    Attributes:
        forced: Whether a person asked for it against a gate's verdict.
    """

    push: bool
    reasons: tuple[str, ...]
    forced: bool = False


def decide_push(
    model_digest: str, blessings: Sequence[BlessingLike], *, gates: Sequence[str], force: bool = False
) -> PushDecision:
    """Decide on one model.

    Args:
        model_digest: Of the model that would be pushed.
        blessings: What the gates said.
        gates: All of these must have said something.
        force: Push against a negative verdict; a missing one stays an error.

    Raises:
        BlessingMissing: A gate said nothing, or spoke of another model.
        MlcoreError: A gate spoke twice.
    """
    for blessing in blessings:
        if blessing.model_digest != model_digest:
            raise BlessingMissing(
                f"the verdict of gate {quoted(blessing.gate)} is on another model",
                where=f"verdict on {blessing.model_digest}, model {model_digest}",
                next_step=f"run {blessing.gate} on this model",
            )
    spoken = [blessing.gate for blessing in blessings]
    silent = [gate for gate in gates if gate not in spoken]
    if silent:
        raise BlessingMissing(
            f"there is no verdict of {', '.join(map(quoted, silent))}",
            where=f"model {model_digest}",
            next_step="run the missing gates: silence is not a blessing",
        )
    if len(set(spoken)) < len(spoken):
        raise MlcoreError("a gate spoke twice", where=", ".join(spoken), next_step="give one verdict for each gate")
    reasons = tuple(f"{blessing.gate}: {reason}" for blessing in blessings for reason in blessing.reasons)
    blessed = all(blessing.blessed for blessing in blessings)
    if force and not blessed:
        return PushDecision(push=True, forced=True, reasons=("pushed by force, against a gate's verdict", *reasons))
    return PushDecision(push=blessed, reasons=reasons)
