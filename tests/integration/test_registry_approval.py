from __future__ import annotations

import json

import pytest
from support.project import AS_OF, LATER, Project

from mlcore.config.pipeline import PipelineConfig
from mlcore.core.types import ArtifactType
from mlcore.errors import MetadataError
from mlcore.evaluation.blessing import read_blessing
from mlcore.registry.records import PushOutcome, Verdict
from mlcore.runtime.history import list_runs
from mlcore.runtime.release.approval import answer, decide


@pytest.fixture
def asking(ran: Project) -> Project:
    """The project after its first run, from now on with a person's approval."""
    ran.replace("push: {infra:", "push: {approval: true, infra:")
    return ran


def test_a_model_waits_for_a_person_who_then_makes_it_champion(asking: Project) -> None:
    """Until somebody says yes it is the challenger; then one transaction blesses, records and promotes it."""
    asking.run(LATER, name="later")
    with asking.session() as session:
        registry = session.registry
        assert registry.aliases("tiny") == {"challenger": 2, "champion": 1}
        assert [one.version for one in registry.pending("tiny")] == [2]
        assert registry.pushes("tiny")[-1].outcome is PushOutcome.PENDING
        verdicts = {row.run: row.verdict for row in list_runs(session, "tiny")}
        assert verdicts["later"] == "blessed, awaiting approval: mlcore models approve tiny 2 --reason <why>"
        with pytest.raises(MetadataError, match="version 2 of tiny waits for approval"):
            registry.promote("tiny", 2, actor="bob", reason="now")
    told = asking.cli("models", "approve", "tiny", "2", "--reason", "looks good", "--json")
    assert json.loads(told.stdout)["outcome"] == "PROMOTED", told.stderr
    with asking.session() as session:
        registry = session.registry
        assert registry.aliases("tiny") == {"champion": 2, "previous": 1}
        asked, said = registry.approvals("tiny")
        assert (asked.verdict, asked.actor) == (Verdict.REQUESTED, "later")
        assert (said.verdict, said.reason) == (Verdict.APPROVED, "looks good")
        move = registry.history("tiny", "champion")[-1]
        assert (move.actor, move.reason) == (said.actor, f"approved by {said.actor}: looks good")
        assert move.evidence["approval"] == said.artifact_id
        (blessing,) = session.metadata.artifacts([said.artifact_id or 0])
        content = read_blessing(session.artifacts.path(blessing.uri))
        assert (content.gate, content.blessed, content.model_digest) == ("approval", True, asked.digest)
        up = {node.artifact.type for node in session.metadata.lineage(blessing.id, "up")}
        assert {ArtifactType.MODEL, ArtifactType.EVALUATION} <= up
        with pytest.raises(MetadataError, match="was approved by"):
            decide(session, "tiny", 2, approved=False, actor="bob", reason="late")


def test_a_rejected_model_is_not_pushed_by_the_next_run_either(asking: Project) -> None:
    """No is recorded with who and why; the same model again is withheld, and only a person by name promotes it."""
    asking.run(LATER, name="later")
    with asking.session() as session:
        push = decide(session, "tiny", 2, approved=False, actor="bob", reason="odd slices")
        assert (push.outcome, push.reason) == (PushOutcome.WITHHELD, "withheld: rejected by bob: odd slices")
        assert session.registry.aliases("tiny") == {"champion": 1}
    asking.run(LATER, name="again")
    with asking.session() as session:
        assert session.registry.pushes("tiny")[-1].reason == "withheld: rejected by bob: odd slices"
        assert session.registry.promote("tiny", 2, actor="eve", reason="they are fine")[1].version == 2


def test_what_was_said_before_the_push_decides_it(asking: Project) -> None:
    """A run whose model was approved, as Airflow's task does it, pushes at once; a second answer is refused."""
    asking.run(LATER, name="later", until="infra_validator")
    with asking.session() as session:
        (model,) = session.metadata.find_artifacts(type=ArtifactType.MODEL, run="later", pipeline="tiny")
        (evaluation,) = session.metadata.find_artifacts(type=ArtifactType.EVALUATION, run="later", pipeline="tiny")
        blessing = answer(session, model, evaluation, run="later", approved=True, actor="ana", reason="fine")
        with pytest.raises(MetadataError, match="was approved by ana before"):
            answer(session, model, evaluation, run="later", approved=False, actor="bob", reason="no")
    results = asking.run(LATER, name="later")
    with asking.session() as session:
        assert session.registry.aliases("tiny")["champion"] == 2
        read = session.metadata.inputs(results["pusher"].execution_id)
        assert [one.id for one in read["approval"]] == [blessing]


def test_approval_moves_nothing_that_a_push_would_not(asking: Project) -> None:
    """A pinned champion stays, and so does one that was trained on newer data: the approval alone is recorded."""
    asking.run(LATER, name="later")
    with asking.session() as session:
        session.registry.pin("tiny", actor="ana", reason="audit")
        push = decide(session, "tiny", 2, approved=True, actor="bob", reason="fine")
        assert (push.outcome, push.reason) == (PushOutcome.WITHHELD, "withheld: ana pinned version 1: audit")
        assert session.registry.approvals("tiny")[-1].verdict is Verdict.APPROVED
        session.registry.unpin("tiny", actor="ana", reason="done")
        assert session.registry.promote("tiny", 2, actor="bob", reason="as approved")[1].version == 2
    asking.replace("max_iter: 10", "max_iter: 11")
    asking.run(AS_OF, name="of the past")
    with asking.session() as session:
        assert session.registry.pending("tiny") == ()
        assert "trained on data up to" in session.registry.pushes("tiny")[-1].reason


def test_force_is_no_approval(asking: Project) -> None:
    """A missing verdict stays missing whoever starts the run; a negative one can be forced against, by name."""
    asking.run(LATER, name="forced", force_push=True)
    with asking.session() as session:
        assert session.registry.aliases("tiny") == {"challenger": 2, "champion": 1}
        decide(session, "tiny", 2, approved=False, actor="bob", reason="no")
    asking.run(LATER, name="forced again", force_push=True)
    with asking.session() as session:
        assert session.registry.aliases("tiny")["champion"] == 2


def test_a_version_keeps_the_settings_and_the_schema_it_was_registered_with(asking: Project) -> None:
    """The file as it was can be read again; addresses of alerts, which may hold secrets, are left out."""
    asking.replace("monitor:", "alerts: {urls: ['json://user:s3cret@127.0.0.1/']}\nmonitor:")
    asking.run(LATER, name="later")
    with asking.session() as session:
        version = session.registry.find("tiny", 2)
        assert "s3cret" not in json.dumps(version.config)
        assert PipelineConfig.model_validate(version.config).push.approval
        (schema,) = session.metadata.artifacts([version.schema_id or 0])
        assert schema.type is ArtifactType.SCHEMA
