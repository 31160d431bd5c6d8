"""The stored statistics of a pipeline: slices, weights, bad rows, and the version of a span that a moment knew."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pytest
from support.project import AS_OF, LATER, Project
from typer.testing import CliRunner, Result

from mlcore.cli.main import app
from mlcore.config.loader import load_pipeline
from mlcore.core.types import ArtifactType, SplitName
from mlcore.core.window import parse_moment
from mlcore.errors import SpanMissing, WindowError
from mlcore.runtime.statistics import IntervalStatistics, interval_statistics, trained_interval


def profile(project: Project, as_of: str = AS_OF, run: str = "r") -> str:
    """Run the pipeline as far as its statistics; what StatisticsGen says of it."""
    return project.run(as_of, name=run, until="statistics_gen")["statistics_gen"].summary


def stored(project: Project, at: str = AS_OF, *, as_of: datetime | None = None) -> IntervalStatistics:
    config = load_pipeline(project.settings.pipelines / "tiny.yaml")
    interval = trained_interval(config, parse_moment(at))
    with project.session() as session:
        return interval_statistics(session, config, interval, as_of=as_of or datetime.now(UTC), slices=True)


def told(project: Project, *arguments: str) -> Any:
    done = call(project, "stats", *arguments)
    assert done.exit_code == 0, done.exception
    return json.loads(done.stdout) if "--json" in arguments else done.stdout


def call(project: Project, *arguments: str) -> Result:
    """The command line, in this process."""
    return CliRunner().invoke(app, ["data", *arguments], env={**project.environ})


def sizes(path: Path) -> list[float]:
    return list(pyarrow.csv.read_csv(path)["size"].to_pylist())


def test_a_window_is_sliced_and_weighted_as_its_pipeline_says(project: Project, tmp_path: Path) -> None:
    """Slices and weights of the merged spans are those of the files' rows; terminal, JSON and page show them."""
    project.replace("window:", "statistics: {slices: [[], [colour]], weight: size}\nwindow:")
    assert profile(project) == "8 spans, 8 new"
    assert profile(project, run="again") == "8 spans, none new"
    rows = pa.concat_tables([pyarrow.csv.read_csv(project.data(day)) for day in range(1, 5)])
    found = told(project, f"tiny@{AS_OF}", "--by", "colour", "--json")
    assert found["weight"] == pytest.approx(sum(rows["size"].to_pylist()), abs=0.001)
    colours = rows["colour"].to_pylist()
    assert {each["value"]: each["rows"] for each in found["slices"]} == {
        colour: colours.count(colour) for colour in ("blue", "green", "red")
    }
    red = next(each for each in found["slices"] if each["value"] == "red")["features"]["size"]
    of_red = [size for size, colour in zip(rows["size"].to_pylist(), colours, strict=True) if colour == "red"]
    assert red["mean"] == pytest.approx(sum(of_red) / len(of_red))
    assert red["weighted"]["mean"] == pytest.approx(sum(size * size for size in of_red) / sum(of_red), abs=1e-5)
    page = tmp_path / "page.html"
    shown = told(project, f"tiny@{AS_OF}", "--by", "colour")
    assert "colour = red" in shown
    assert "of weight" in shown
    told(project, f"tiny@{AS_OF}", "--by", "colour", "--html", str(page))
    assert "colour = red" in page.read_text(encoding="utf-8")
    assert "sliced by colour" in told(project, f"tiny@{AS_OF}")
    refused = call(project, "stats", f"tiny@{AS_OF}", "--by", "size")
    assert "slice by one of: colour" in refused.stderr


def test_slices_that_some_spans_do_not_have_are_not_shown_as_if_all_had(ran: Project) -> None:
    """What a pipeline declares later is counted by its next run, as the command says till then, and kept."""
    project = ran
    project.replace("window:", "statistics: {slices: [[colour]]}\nwindow:")
    refused = call(project, "stats", f"tiny@{AS_OF}", "--by", "colour")
    assert "not sliced by 'colour' yet" in refused.stderr
    assert profile(project, run="again") == "8 spans, 8 new"
    assert len(told(project, f"tiny@{AS_OF}", "--by", "colour", "--json")["slices"]) == 3
    project.replace("slices: [[colour]]", "weight: size")
    assert profile(project, run="weighed") == "8 spans, 8 new"
    project.replace("weight: size", "slices: [[colour]]")
    assert len(told(project, f"tiny@{AS_OF}", "--by", "colour", "--json")["slices"]) == 3


@pytest.mark.parametrize("split", ["", "split: {by: hash, evaluation: 0.3}"])
def test_bad_rows_are_counted_in_a_window_s_statistics(project: Project, split: str) -> None:
    """By reason, over all spans, whatever splits the rows; JSON, terminal and comparison tell them."""
    if split:
        project.replace("window: {train: P4D, eval: P4D}", "window: {train: P8D}")
    project.replace("  span: P1D\n", f"  span: P1D\n  max_bad_fraction: 0.1\n  {split}\n")
    for day, bad in ((2, "not,a,row\n"), (3, "not,a,row\n7,2024-01-03T00:00:00Z,red,large,0.5\n")):
        path = project.data(day)
        path.write_text(path.read_text() + bad)
    profile(project)
    found = told(project, "tiny", "--span", "2024-01-01..2024-01-05", "--json")
    assert found["rows"] == 480
    assert found["bad_rows"] == {"count": 3, "reasons": {"ragged": 2, "unparsable": 1}, "first": []}
    shown = told(project, "tiny", "--span", "2024-01-01..2024-01-05")
    assert "3 more rows are in quarantine (2 ragged, 1 unparsable): mlcore data quarantine tiny" in shown
    if split:
        parts = [told(project, "tiny@2024-01-01..2024-01-05", "--split", part, "--json") for part in SplitName]
        assert sum(part["rows"] for part in parts) == 480
        assert min(part["rows"] for part in parts) > 80
    else:
        refused = call(project, "stats", "tiny@2024-01-01..2024-01-05", "--split", "train")
        assert "split by time" in refused.stderr
    compared = call(project, "compare", "tiny@2024-01-01..2024-01-03", "tiny@2024-01-03..2024-01-05", "--json")
    sides = json.loads(compared.stdout)
    assert [sides[side]["bad_rows"]["count"] for side in ("first", "second")] == [1, 2]


def test_statistics_are_of_the_version_that_a_moment_knew(ran: Project) -> None:
    """A correction counts from when it was delivered; an earlier moment, and one that a model settled, keep theirs."""
    project = ran
    before = datetime.now(UTC)
    old = stored(project).dataset.columns["size"]
    path = project.data(3)
    path.write_text("\n".join([*path.read_text().splitlines()[:-1], ""]))
    with_correction = sum(len(sizes(project.data(day))) for day in range(1, 5))
    assert stored(project).dataset.rows == 480  # nobody has seen it yet
    assert profile(project, LATER, run="later") == "8 spans, 2 new"
    assert stored(project).dataset.rows == with_correction == 479
    known = stored(project, as_of=before)
    assert known.dataset.rows == 480
    assert known.dataset.columns["size"].total.fraction() == old.total.fraction()
    shown = told(project, "tiny@2024-01-01..2024-01-05", "--as-of", before.isoformat(), "--json")
    assert shown["rows"] == 480
    assert told(project, "tiny@2024-01-01..2024-01-05", "--json")["rows"] == 479
    path.write_text(path.read_text() + "9,2024-01-03T00:00:00Z,red,0.5,0.5\n")
    profile(project, LATER, run="third")
    with project.session() as session:  # the newest version's statistics are lost: no other takes their place
        newest = session.metadata.find_artifacts(type=ArtifactType.STATISTICS, pipeline="tiny")[0]
        assert newest.span is not None
        assert newest.span.label == "2024-01-03"
        with session.metadata.begun() as connection:
            connection.exec_driver_sql(f"UPDATE artifact SET state = 'DELETED' WHERE id = {newest.id}")
    with pytest.raises(SpanMissing, match=r"1 of 4 spans have no statistics yet, the first is 2024-01-03, whose ver"):
        stored(project)


def test_a_window_is_shown_without_the_spans_that_its_pipeline_does_without(project: Project) -> None:
    """As many as a run may miss, and they are named; one more is an error."""
    project.replace("eval: P4D}", "eval: P4D, min_spans: 0.75}")
    project.data(2).unlink()
    assert profile(project) == "7 spans, 7 new, without 2024-01-02"
    assert stored(project).without == ("2024-01-02",)
    assert "2024-01-04, without 2024-01-02: 360 rows" in told(project, f"tiny@{AS_OF}")
    project.replace("min_spans: 0.75", "min_spans: 1.0")
    with pytest.raises(SpanMissing, match="1 of 4 spans have no statistics yet, the first is 2024-01-02"):
        stored(project)


def test_a_restored_file_s_statistics_are_its_first_ones(ran: Project) -> None:
    """A version that is back at its place is the newest again; no moment knows of spans that end after it."""
    project = ran
    with pytest.raises(WindowError, match="ends after 2024-01-03"):
        stored(project, as_of=parse_moment("2024-01-03T00:00Z"))
    path = project.data(3)
    first = path.read_text()
    path.write_text("\n".join([*first.splitlines()[:-1], ""]))
    profile(project, LATER, run="second")
    assert stored(project).dataset.rows == 479
    path.write_text(first)
    assert profile(project, LATER, run="third") == "8 spans, none new"
    assert stored(project).dataset.rows == 480
