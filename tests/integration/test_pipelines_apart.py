"""Two pipelines that differ in nothing but their names."""

from __future__ import annotations

from support.project import AS_OF, Project


def test_a_pipeline_of_equal_content_has_a_champion_and_outputs_of_its_own(ran: Project) -> None:
    """It is pushed in its own name, and uses nothing of the other's: what that one needs no more may be removed."""
    text = (ran.settings.pipelines / "tiny.yaml").read_text(encoding="utf-8")
    (ran.settings.pipelines / "other.yaml").write_text(text.replace("name: tiny", "name: other"), encoding="utf-8")
    done = ran.cli("run", "other", "--at", AS_OF)
    assert done.returncode == 0, done.stderr
    with ran.session() as session:
        one, other = (session.registry.champion(name) for name in ("tiny", "other"))
        assert one is not None
        assert other is not None
        assert one.digest == other.digest
        (run,) = session.metadata.runs("other")
        executions = session.metadata.executions("other", run.run)
        outputs = session.metadata.outputs_of([execution.id for execution in executions])
        assert {artifact.pipeline for keys in outputs.values() for made in keys.values() for artifact in made} == {
            "other"
        }
