"""Tuning inside a whole pipeline: what is found is trained with, and searched again on its own schedule only."""

from __future__ import annotations

import os
from pathlib import Path

from support.project import Project

from mlcore.core.types import ArtifactType
from mlcore.runtime.gc import collect
from mlcore.training.model import read_metadata
from mlcore.training.tune import read_tuned

MODEL = "params: {max_iter: 10, random_state: 7}"
TUNE = """params: {random_state: 7}
      tune:
        trials: 3
        folds: 2
        every: P7D
        search: {max_iter: {low: 2, high: 12}, learning_rate: [0.1, 0.3]}
"""


def test_hyperparameters_are_found_once_a_period_and_trained_with(project: Project) -> None:
    """The model's parameters are the best trial's; the next day's run reuses them, and the next period's does not."""
    project.replace("start_date: 2024-01-08", "start_date: 2024-01-10")
    project.replace(MODEL, TUNE.rstrip().replace("\n      ", "\n  "))
    first = project.run()
    assert project.states(first)["tuner"] == "COMPLETE"
    with project.session() as session:
        (found,) = session.metadata.outputs(first["tuner"].execution_id)["hyper_parameters"]
        (model,) = session.metadata.outputs(first["trainer"].execution_id)["model"]
        tuned = read_tuned(session.artifacts.path(found.uri))
        params = read_metadata(session.artifacts.path(model.uri)).params
        upward = session.metadata.lineage(model.id, "up")
        assert not list(session.scratch.glob("*/*"))
    assert len(tuned.trials) == 3
    assert params == {"random_state": 7, **tuned.params}
    assert found.id in {node.artifact.id for node in upward}
    assert found.type is ArtifactType.HYPER_PARAMETERS
    assert project.states(project.run("2024-01-11T06:00Z", name="next"))["tuner"] == "CACHED"


def test_work_that_nobody_went_on_with_is_garbage(project: Project) -> None:
    """Scratch of a week ago is collected, dry-run first; newer one is kept for the next attempt."""
    old, new = project.settings.home / "scratch" / "old", project.settings.home / "scratch" / "new"
    for folder in (old, new):
        folder.mkdir(parents=True)
        (folder / "trials.jsonl").write_text("x")
    for path in (old / "trials.jsonl", old):
        os.utime(path, (0, 0))
    with project.session() as session:
        (garbage,) = collect(session.artifacts, session.metadata, dry_run=True, scratch=session.scratch)
        assert Path(garbage.uri) == old
        assert old.exists()
        collect(session.artifacts, session.metadata, dry_run=False, scratch=session.scratch)
    assert new.exists()
    assert not old.exists()
