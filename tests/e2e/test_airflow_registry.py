"""A person's answer under Airflow decides a push, and what people do to models they do from a form."""

import time

from mlcore.registry.records import Verdict
from mlcore.runtime.session import open_session

AS_OF = "2013-01-11T06:00:00Z"


def test_a_person_approves_in_the_page_and_pins_from_a_form(platform):
    """The run waits without a worker, the page says how the model did, and the history names the Airflow user."""
    platform.wait_for_dag("approved")
    platform.trigger("approved", "asked", as_of=AS_OF)
    platform.until(lambda: platform.tasks("approved", "asked").get("approval") == "awaiting_input", 300, "the question")
    path = "/api/v2/dags/approved/dagRuns/asked/taskInstances/approval/-1/hitlDetails"
    asked = platform.client.get(path).json()
    assert "passed every gate and asks to become the champion" in asked["body"]
    assert "| roc\\_auc |" in asked["body"]
    assert asked["defaults"] == ["Reject"]
    with open_session(platform.settings) as session:
        assert session.registry.champion("approved") is None
    time.sleep(3)  # a person reads first: nobody answers while the process that asks is still ending
    answer = {"chosen_options": ["Approve"], "params_input": {"comment": "better in every slice"}}
    platform.client.patch(path, json=answer).raise_for_status()
    assert platform.finished("approved", "asked", 120) == "success", platform.tasks("approved", "asked")
    user = platform.client.get(path).json()["responded_by_user"]["name"]
    with open_session(platform.settings) as session:
        (said,) = session.registry.approvals("approved")
        assert (said.verdict, said.actor, said.reason) == (Verdict.APPROVED, user, "better in every slice")
        (move,) = session.registry.history("approved")
        assert move.evidence["approval"] == said.artifact_id
    platform.wait_for_dag("models_pin")
    platform.trigger("models_pin", "pin", pipeline="approved", reason="audit")
    assert platform.finished("models_pin", "pin", 60) == "success"
    with open_session(platform.settings) as session:
        pin = session.registry.pinned("approved")
        assert (pin.version, pin.actor, pin.reason) == (1, "admin", "audit")
