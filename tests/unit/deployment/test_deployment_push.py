"""A push needs a positive verdict of every gate on this very model."""

import pytest

from mlcore.deployment.push import decide_push
from mlcore.errors import BlessingMissing, MlcoreError
from mlcore.evaluation.blessing import Blessing

MODEL, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64
GATES = ("evaluation", "infra")


def blessing(gate, blessed=True, digest=MODEL):
    return Blessing(model_digest=digest, gate=gate, blessed=blessed, reasons=(f"because of {gate}",))


def test_all_blessings_push():
    """Two positive verdicts push, and their reasons are kept with the gate's name."""
    decision = decide_push(MODEL, [blessing("evaluation"), blessing("infra")], gates=GATES)
    assert decision.push
    assert decision.reasons == ("evaluation: because of evaluation", "infra: because of infra")


def test_negative_verdict_does_not_push():
    """One negative verdict is no push and no error."""
    decision = decide_push(MODEL, [blessing("evaluation", blessed=False), blessing("infra")], gates=GATES)
    assert not decision.push
    assert "evaluation: because of evaluation" in decision.reasons


@pytest.mark.parametrize("force", [False, True])
def test_silence_is_an_error(force):
    """A gate that said nothing is an error, also under force."""
    with pytest.raises(BlessingMissing, match="'infra'"):
        decide_push(MODEL, [blessing("evaluation")], gates=GATES, force=force)


def test_blessing_of_another_model_is_an_error():
    """A verdict on another model's bytes says nothing of this one."""
    with pytest.raises(BlessingMissing, match="another model"):
        decide_push(MODEL, [blessing("evaluation"), blessing("infra", digest=OTHER)], gates=GATES)


def test_two_verdicts_of_one_gate_are_an_error():
    """A gate speaks once."""
    with pytest.raises(MlcoreError, match="twice"):
        decide_push(MODEL, [blessing("infra"), blessing("infra", blessed=False)], gates=("infra",))


def test_force_pushes_and_says_so():
    """Force pushes against a negative verdict, and the decision remembers it."""
    blessings = [blessing("evaluation", blessed=False), blessing("infra")]
    decision = decide_push(MODEL, blessings, gates=GATES, force=True)
    assert decision.push
    assert decision.forced
    assert "by force" in decision.reasons[0]


def test_force_without_need_is_no_force():
    """A model that all gates bless is not pushed by force, whatever was asked."""
    assert not decide_push(MODEL, [blessing(gate) for gate in GATES], gates=GATES, force=True).forced
