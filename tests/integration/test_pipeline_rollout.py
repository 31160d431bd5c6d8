from __future__ import annotations

import json

import pytest
from support.looks import FIRST_LOOK, LAST_LOOK, NEXT_LOOK, ROLLOUT, look, trying
from support.project import LATER, Project

from mlcore.config.loader import load_pipeline
from mlcore.core.types import ArtifactType
from mlcore.core.window import iso
from mlcore.evaluation.challenge_file import ChallengeOutcome, read_challenge
from mlcore.registry.challenge import LookVerdict
from mlcore.registry.records import MoveKind, PushOutcome
from mlcore.runtime.challenges import ChallengeReport, report_challenge
from mlcore.runtime.history import list_runs


def worse(project: Project) -> None:
    """The next model learns hardly anything; the gates allow it, the rollout does not. Rows are independent here."""
    trying(project, ", criteria: [{metric: log_loss, against: champion, max_regression: 0.02}]")
    project.replace("max_iter: 10", "max_iter: 1")
    project.replace("min_slice_rows: 20", "min_slice_rows: 20\n  cluster: id")


def shown(project: Project) -> str:
    """The page that the command line writes."""
    path = project.folder / "challenge.html"
    done = project.cli("models", "compare", "tiny", "--html", str(path))
    assert done.returncode == 0, done.stderr
    state = reported(project).state
    assert state in " ".join(done.stderr.split())
    assert json.loads(project.cli("models", "compare", "tiny", "--json").stdout)["state"] == state
    return path.read_text(encoding="utf-8")


def reported(project: Project) -> ChallengeReport:
    with project.session() as session:
        return report_challenge(session, load_pipeline(project.settings.pipelines / "tiny.yaml"))


def test_a_blessed_model_challenges_and_is_promoted_once_labels_show_that_it_may(ran: Project) -> None:
    """The push makes it challenger; the next look on rows neither has seen makes it champion, with the evidence."""
    trying(ran)
    ran.run(LATER, name="later")
    with ran.session() as session:
        assert session.registry.aliases("tiny") == {"challenger": 2, "champion": 1}
        assert session.registry.pushes("tiny")[-1].outcome is PushOutcome.CHALLENGER
        verdicts = {row.run: row.verdict for row in list_runs(session, "tiny")}
        assert verdicts["later"] == "blessed, challenges champion 1: mlcore models compare tiny"
    assert look(ran, "2024-01-11T07:00Z", "too early") == "challenger none: there is nothing new to compare"
    seen = ran.run(FIRST_LOOK, name="first", monitor=True)
    assert "version 2 beside 1, passed" in seen["challenger_evaluator"].summary
    with ran.session() as session:
        registry = session.registry
        assert registry.aliases("tiny") == {"champion": 2, "previous": 1}
        (taken,) = registry.looks("tiny")
        assert (taken.verdict, taken.rows, taken.look, taken.challenger) == (LookVerdict.PASSED, 120, 1, 2)
        assert taken.spent == pytest.approx(1 / 9)
        move = registry.history("tiny", "champion")[-1]
        assert (move.kind, move.actor, move.evidence["challenge"]) == (MoveKind.PUSH, "first", taken.artifact_id)
        (challenge,) = session.metadata.artifacts([taken.artifact_id])
        document = read_challenge(session.artifacts.path(challenge.uri))
        assert (document.outcome, document.rows) == (ChallengeOutcome.PASSED, 120)
        judged = {
            node.artifact.span.label
            for node in session.metadata.lineage(challenge.id, "up")
            if node.artifact.type is ArtifactType.EXAMPLES and node.artifact.span and node.depth == 1
        }
        assert judged == {"2024-01-10"}
        assert {row.run: row.verdict for row in list_runs(session, "tiny")}["later"] == "pushed"
    assert look(ran, FIRST_LOOK, "first") == "challenger none: there is nothing new to compare"
    with ran.session() as session:
        assert len(session.registry.history("tiny", "champion")) == 2


def test_a_worse_challenger_is_refused_and_does_not_come_back_by_itself(ran: Project) -> None:
    """What is surely worse than allowed loses the alias with the reason; the same model again is withheld."""
    worse(ran)
    ran.run(LATER, name="later")
    look(ran, FIRST_LOOK, "first")
    look(ran, NEXT_LOOK, "next")
    with ran.session() as session:
        registry = session.registry
        assert registry.aliases("tiny") == {"champion": 1}
        seen = registry.looks("tiny")[-1]
        assert seen.verdict is LookVerdict.REFUSED
        assert "surely not within what is allowed" in seen.reason
        gone = registry.history("tiny", "challenger")[-1]
        assert (gone.kind, gone.reason) == (MoveKind.REMOVE, seen.reason)
    ran.replace("slices: [[], [colour]]", "slices: [[]]")  # so that the run is not merely reused
    ran.run(LATER, name="again")
    with ran.session() as session:
        assert session.registry.aliases("tiny") == {"champion": 1}
        push = session.registry.pushes("tiny")[-1]
        assert push.outcome is PushOutcome.WITHHELD
        assert "version 2 was the challenger before" in push.reason


def test_time_that_is_over_refuses_what_nothing_is_proven_of(ran: Project) -> None:
    """Looks spend the chance of error by the time that is over, all of it at the end; then silence is a no."""
    trying(ran, ", criteria: [{metric: log_loss, against: champion, min_improvement: 0.0}]")
    ran.run(LATER, name="later")
    assert "not looked at yet" in shown(ran)
    look(ran, FIRST_LOOK, "first")
    page, report = shown(ran), reported(ran)
    assert "<td>1 of at most 3</td>" in page
    assert "undecided" in page
    assert "<td>33.33% of the chance of error</td>" in page
    assert "log_loss: challenger less champion" in page
    following = report.following
    assert following is not None
    assert (iso(following.until), iso(following.as_of)) == ("2024-01-12T00:00:00Z", "2024-01-13T00:00:00Z")
    look(ran, NEXT_LOOK, "next")
    (difference,) = reported(ran).looks[-1].differences
    assert difference.confidence == pytest.approx(following.confidences["log_loss"])
    assert not difference.holds
    look(ran, LAST_LOOK, "last")
    page, report = shown(ran), reported(ran)
    assert "Nobody challenges the champion of tiny" in page
    assert [(one.looks, one.last.verdict) for one in report.ended] == [(3, LookVerdict.REFUSED)]
    with ran.session() as session:
        looks = session.registry.looks("tiny")
        assert [one.look for one in looks] == [1, 2, 3]
        assert [one.spent for one in looks] == pytest.approx([1 / 9, 4 / 9, 1.0])
        assert [one.rows for one in looks] == [120, 240, 360]
        assert looks[-1].verdict is LookVerdict.REFUSED
        assert session.registry.aliases("tiny") == {"champion": 1}
    assert look(ran, NEXT_LOOK, "of the past").startswith("challenger none")
    with ran.session() as session:
        assert len(session.registry.looks("tiny")) == 3


def test_a_challenger_that_passed_waits_for_a_pin_and_for_a_person(ran: Project) -> None:
    """It stays challenger while the champion is pinned, then waits for approval; a yes makes it champion."""
    ran.replace("push: {infra:", ROLLOUT.replace("push: {", "push: {approval: true, ") % "")
    ran.run(LATER, name="later")
    with ran.session() as session:
        assert session.registry.pending("tiny") == ()
        session.registry.pin("tiny", actor="ana", reason="audit")
    look(ran, FIRST_LOOK, "first")
    with ran.session() as session:
        assert session.registry.aliases("tiny") == {"challenger": 2, "champion": 1}
        assert session.registry.pushes("tiny")[-1].reason == "withheld: ana pinned version 1: audit"
        session.registry.unpin("tiny", actor="ana", reason="done")
    look(ran, NEXT_LOOK, "next")
    with ran.session() as session:
        assert [one.version for one in session.registry.pending("tiny")] == [2]
        assert len(session.registry.looks("tiny")) == 1
    told = ran.cli("models", "approve", "tiny", "2", "--reason", "fine", "--json")
    assert json.loads(told.stdout)["outcome"] == "PROMOTED", told.stderr
    with ran.session() as session:
        assert session.registry.aliases("tiny") == {"champion": 2, "previous": 1}
