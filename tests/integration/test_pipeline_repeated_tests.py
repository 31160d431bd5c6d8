"""Every further challenger of one champion has to be surer than the one before it."""

from __future__ import annotations

from support.project import Project


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
