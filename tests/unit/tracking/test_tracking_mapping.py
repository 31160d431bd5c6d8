from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mlcore.core.types import Artifact, ArtifactState, ArtifactType, Execution, ExecutionState
from mlcore.core.window import Span
from mlcore.tracking.mapping import PARAM_LIMIT, RunFacts, newest, state_of, status_of, tracked_runs
from mlcore.tracking.records import RunStatus

BEGAN = datetime(2024, 1, 10, 6, tzinfo=UTC)
DONE, FAILED = ExecutionState.COMPLETE, ExecutionState.FAILED


def execution(number: int, component: str, node: str | None = None, state: Any = DONE, **more: Any) -> Execution:
    at = BEGAN + timedelta(minutes=number)
    return Execution(
        id=number,
        component=component,
        pipeline="shop",
        run="r",
        fingerprint=None,
        state=state,
        started_at=at,
        finished_at=None if state is ExecutionState.RUNNING else at + timedelta(seconds=30),
        origin={"as_of": "2024-01-10T06:00:00Z", **({"node": node} if node else {})},
        **more,
    )


def artifact(number: int, kind: ArtifactType, state: ArtifactState = ArtifactState.DELETED, **more: Any) -> Artifact:
    return Artifact(
        id=number, type=kind, uri=f"shop/{number}", digest=f"sha256:{number:064}", pipeline="shop", state=state,
        created_at=BEGAN, **more,
    )  # fmt: skip


def facts(*executions: Execution, outputs: Any = (), inputs: Any = ()) -> RunFacts:
    return RunFacts(
        pipeline="shop",
        run="r",
        executions=executions,
        outputs=dict(outputs),
        inputs=dict(inputs),
        version=None,
        folder=lambda one: Path("nowhere", str(one.id)),
    )


def test_of_each_node_the_newest_execution_counts_also_where_it_gathers_spans() -> None:
    """A node that failed before it had inputs says its node, what gathers its spans later does not."""
    failed, gathered = execution(1, "ExampleGen", "example_gen", FAILED), execution(2, "ExampleGen")
    first, other = execution(3, "Trainer", "trainer_a"), execution(4, "Trainer", "trainer_b")
    assert newest([other, gathered, first, failed]) == (gathered, first, other)


@pytest.mark.parametrize(
    ("executions", "status"),
    [
        ([execution(1, "ExampleGen")], RunStatus.RUNNING),
        ([execution(1, "ExampleGen"), execution(2, "Pusher", "pusher")], RunStatus.FINISHED),
        ([execution(1, "ExampleGen"), execution(2, "DriftMonitor", "drift_monitor")], RunStatus.FINISHED),
        ([execution(1, "Trainer", "trainer", FAILED)], RunStatus.FAILED),
        ([execution(1, "Trainer", "trainer", ExecutionState.CANCELED)], RunStatus.KILLED),
        ([execution(1, "Pusher", "pusher", ExecutionState.RUNNING)], RunStatus.RUNNING),
    ],
)
def test_a_run_is_finished_when_its_last_node_is(executions: list[Execution], status: RunStatus) -> None:
    """Between its nodes it is running; one that failed or was canceled makes the run so."""
    assert status_of(executions) is status


def test_the_state_changes_with_every_execution_and_version() -> None:
    """What a run was written from is told apart by executions, their states and the registered version."""
    one, again = execution(1, "ExampleGen"), execution(2, "ExampleGen")
    failed = execution(1, "ExampleGen", state=FAILED)
    assert len({state_of([one], None), state_of([again], None), state_of([failed], None), state_of([one], 1)}) == 4
    assert state_of([one], 1) == state_of([one], 1)


def test_a_run_that_failed_says_why_in_one_line() -> None:
    """The first line of the newest error, and the run has ended."""
    begun = execution(1, "ExampleGen")
    failed = execution(2, "Trainer", "trainer", FAILED, error="too few rows\n  next: widen the window")
    (run,) = tracked_runs(facts(begun, failed))
    assert run.status is RunStatus.FAILED
    assert run.tags["mlcore.error"] == "too few rows"
    assert run.finished_at == failed.finished_at


def test_one_model_is_tracked_with_its_run_several_below_it() -> None:
    """A candidate's entry is named after it, says its own parameters and digest, and hangs below the run's."""
    trainers = [
        execution(number, "Trainer", f"trainer_{name}", parameters={"model": {"estimator": f"a.{name}", "params": {}}})
        for number, name in ((2, "flat"), (3, "deep"))
    ]
    model = [artifact(number, ArtifactType.MODEL, properties={"rows": 9}) for number in (20, 30)]
    outputs = {
        2: {"model": [model[0]]},
        3: {"model": [model[1]]},
        4: {"candidate_flat": [model[0]], "model": [model[1]]},
    }
    selector = execution(4, "ModelSelector", "model_selector")
    run, flat, deep = tracked_runs(facts(execution(1, "ExampleGen"), *trainers, selector, outputs=outputs))
    assert run.tags["mlcore.digest"] == deep.tags["mlcore.digest"] == model[1].digest
    assert run.params["model.estimator"] == deep.params["model.estimator"] == "a.deep"
    assert (flat.key, flat.parent, flat.params["candidate"]) == ("r/trainer_flat", "r", "flat")
    assert flat.state == run.state
    assert not flat.whole
    (alone,) = tracked_runs(facts(execution(1, "ExampleGen"), trainers[0], outputs=outputs))
    assert alone.params["model.estimator"] == "a.flat"


def test_data_sets_are_told_by_the_content_of_their_spans() -> None:
    """Training and evaluation rows, with first and last moment; a digest that fits into MLflow's 36 characters."""
    spans = [Span(start=BEGAN + timedelta(days=day), end=BEGAN + timedelta(days=day + 1)) for day in range(2)]
    examples = [artifact(number, ArtifactType.EXAMPLES, span=span) for number, span in enumerate(spans)]
    run = execution(1, "Trainer", "trainer"), execution(2, "Evaluator", "evaluator")
    (tracked,) = tracked_runs(facts(*run, inputs={1: {"examples": examples}, 2: {"examples": examples[1:]}}))
    training, evaluation = tracked.datasets
    assert (training.context, training.profile, evaluation.profile) == ("training", {"spans": 2}, {"spans": 1})
    assert training.source["tags"]["mlcore.end"] == "2024-01-12T06:00:00Z"
    assert training.digest != evaluation.digest
    assert len(training.digest) <= 36


def test_long_parameters_are_cut_to_what_mlflow_takes() -> None:
    """Nothing is refused for its length."""
    trainer = execution(1, "Trainer", "trainer", parameters={"model": {"estimator": "x" * 9000}})
    (run,) = tracked_runs(facts(trainer))
    assert len(run.params["model.estimator"]) == PARAM_LIMIT
