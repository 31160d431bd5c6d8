"""Every further challenger of one champion has to be surer than the one before it."""

from __future__ import annotations

from support.project import AS_OF, Project

from mlcore.metadata.removals import remove


def test_challengers_of_one_champion_are_counted(project: Project) -> None:
    """Windows that were judged against the same champion before count, each once, and a later one never."""
    project.replace(
        "{metric: log_loss, against: champion, max_regression: 0.5}",
        "{metric: log_loss, against: champion, min_improvement: 0.5}",
    )
    project.run()
    tests = {}
    for day in (11, 12, 11):
        results = project.run(f"2024-01-{day}T06:00Z", name=f"day {day}")
        with project.session() as session:
            judged = session.metadata.execution(results["evaluator"].execution_id)
            (blessing,) = session.metadata.outputs(judged.id)["blessing"]
        tests.setdefault(day, []).append((judged.parameters["earlier_tests"], blessing.properties["blessed"]))
    assert tests == {11: [(0, False), (0, False)], 12: [(1, False)]}


def test_a_champion_that_was_made_again_is_the_same_champion(project: Project) -> None:
    """Removed and made again in between, it was compared with as often as before, under whichever of its two ids."""
    project.replace(
        "{metric: log_loss, against: champion, max_regression: 0.5}",
        "{metric: log_loss, against: champion, min_improvement: 0.5}",
    )
    project.run()

    def earlier(day: int) -> object:
        results = project.run(f"2024-01-{day}T06:00Z", name=f"day {day}")
        with project.session() as session:
            return session.metadata.execution(results["evaluator"].execution_id).parameters["earlier_tests"]

    assert earlier(11) == 0
    with project.session() as session:
        (model,) = session.metadata.artifacts([session.registry.find("tiny", "champion").artifact_id])
        with session.metadata.begun() as connection:
            remove(connection, [model.id], "retention: a test")
        session.artifacts.delete(model.uri)
    project.run(AS_OF, name="again")
    assert [earlier(day) for day in (12, 13)] == [1, 2]
