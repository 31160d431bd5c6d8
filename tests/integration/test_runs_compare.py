"""What ``mlcore runs compare`` tells of runs that real pipelines made."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from rich.console import Console
from support.project import Project

from mlcore.cli.runs_compare import tables
from mlcore.core.types import NewExecution
from mlcore.errors import MetadataError
from mlcore.evaluation.files import read_comparison
from mlcore.runtime.comparison import compare_runs, newest_runs, pipeline_of


def test_two_runs_side_by_side(ran_twice: Project) -> None:
    """A moved window is shown with its data; the paired difference is that of the second run's evaluation."""
    told = ran_twice.cli("runs", "compare", "r", "later", "--json")
    assert told.returncode == 0, told.stderr
    document = json.loads(told.stdout)
    first, second = document["runs"]
    assert (first["run"], second["run"]) == ("r", "later")
    assert first["window"]["train_end"] == "2024-01-05T00:00:00Z"
    assert second["window"]["train_end"] == "2024-01-06T00:00:00Z"
    assert first["data"]["train"] != second["data"]["train"]
    assert document["parameters"] == document["features"] == {}
    with ran_twice.session() as session:
        (evaluation,) = [each.evaluation for each in compare_runs(session, "tiny", ["r", "later"]).runs[1:]]
        stored = read_comparison(session.artifacts.path(evaluation.uri))
        assert newest_runs(session, "tiny", 5) == ("r", "later")
        backwards = compare_runs(session, "tiny", ["later", "r"]).differences[0]
    assert stored is not None
    difference = document["differences"]["later"]
    assert (difference["from"], difference["rows_of"]) == ("r", "later")
    value = stored.overall.metrics["log_loss"]
    assert difference["metrics"]["log_loss"] == {"value": value.value, "low": value.lower, "high": value.upper}
    assert (backwards.rows_of, backwards.metrics.metrics["log_loss"].lower) == ("later", -value.upper)


def test_what_differs_is_shown_in_a_hundred_columns(ran: Project) -> None:
    """Another parameter and another feature are named with both values; the rest is left out."""
    ran.replace("max_iter: 10", "max_iter: 20")
    ran.replace("scale_to_z_score", "numeric")
    ran.run(name="changed", until="evaluator")
    page = StringIO()
    with ran.session() as session:
        found = compare_runs(session, "tiny", newest_runs(session, "tiny", 2))
    for table in tables(found):
        Console(file=page, width=100).print(table)
    lines = page.getvalue().splitlines()
    assert max(map(len, lines)) <= 100
    assert "..." not in page.getvalue()
    shown = " ".join(page.getvalue().split())
    assert "model.params.max_iter 10 20" in shown
    assert "size.transform scale_to_z_score numeric" in shown
    assert "random_state" not in shown
    assert "as A" in shown
    assert "not pushed: the run did not come to it" in shown


def test_runs_that_cannot_be_compared_are_named(ran: Project) -> None:
    """Unknown ones, those without an evaluation, a single one, and those of two pipelines."""
    with ran.session() as session:
        for pipeline, run in (("tiny", "stopped"), ("other", "theirs"), ("other", "r")):
            new = NewExecution(component="ExampleGen", pipeline=pipeline, run=run, fingerprint=None)
            session.metadata.fail(session.metadata.begin(new, {}).id, "no file\n  next: wait")
        assert pipeline_of(session, ["stopped"]) == "tiny"
        for names, said in (
            (["r", "nobody"], "there is no run 'nobody'"),
            (["stopped", "theirs"], "different pipelines: stopped is of tiny, theirs is of other"),
            (["r"], "other, tiny have runs of these names"),
        ):
            with pytest.raises(MetadataError, match=said):
                pipeline_of(session, names)
        with pytest.raises(
            MetadataError, match=r"'stopped' of tiny evaluated no model.*ExampleGen, is FAILED: no file"
        ):
            compare_runs(session, "tiny", ["r", "stopped"])
        with pytest.raises(MetadataError, match="1 run is nothing to compare"):
            compare_runs(session, "tiny", ["r", "r"])
        with pytest.raises(MetadataError, match="1 of the newest runs of tiny evaluated a model"):
            newest_runs(session, "tiny", 3)
    refused = ran.cli("runs", "compare", "r", "--last", "2")
    assert refused.returncode == 1
    assert "mlcore runs compare --pipeline NAME --last 3" in refused.stderr
