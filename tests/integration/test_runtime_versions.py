"""Data that is corrected, late or missing: what a run knew then, and what it does without."""

from __future__ import annotations

import os
import re
import shutil
from datetime import date
from pathlib import Path

import pytest
from support.project import LATER, Project, day_file

from mlcore.core.types import ArtifactType
from mlcore.errors import AnomaliesFound, DataError, SpanMissing, VersionGone
from mlcore.ingest import places
from mlcore.ingest.formats import stream


def correct(path: Path) -> None:
    """Another size in the first row of a file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[1] = re.sub(r",[^,]*,([^,]*)$", r",0.5000,\1", lines[1])
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def model_digest(project: Project, run: str) -> str:
    with project.session() as session:
        (model,) = session.metadata.find_artifacts(type=ArtifactType.MODEL, pipeline="tiny", run=run)
    return model.digest


def test_a_moment_keeps_what_it_knew_and_a_later_one_knows_the_correction(ran: Project) -> None:
    """A run and its rerun give one model though a day was corrected in between; the next moment reads the new day."""
    correct(ran.data(6))
    correct(ran.data(3))
    again = ran.run(name="rerun")
    assert set(ran.states(again).values()) == {"CACHED"}
    assert model_digest(ran, "rerun") == model_digest(ran, "r")
    later = ran.run(LATER, name="later")
    assert later["example_gen"].summary == "8 spans, 3 new"
    assert set(ran.states(ran.run(name="third")).values()) == {"CACHED"}
    assert set(ran.states(ran.run(LATER, name="fourth")).values()) == {"CACHED"}


def test_of_a_file_of_many_days_only_days_whose_rows_changed_are_new(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A month's file that is written anew, with a day more and one corrected, is read once; what it held is kept."""
    month = project.folder / "data" / "2024-01.csv"

    def deliver(days: range) -> None:
        texts = [day_file(date(2024, 1, day)).splitlines() for day in days]
        month.write_text("\n".join([texts[0][0], *(line for text in texts for line in text[1:])]), encoding="utf-8")

    reads: list[str] = []
    opened = places.open_binary
    for module in (places, stream):
        monkeypatch.setattr(module, "open_binary", lambda path, **kw: reads.append(path) or opened(path, **kw))
    project.replace("{YYYY}-{MM}-{DD}.csv", "{YYYY}-{MM}.csv")
    deliver(range(1, 9))
    assert project.run(name="first", until="trainer")["example_gen"].summary == "8 spans, 8 new"
    assert reads == [str(month)]
    made = model_digest(project, "first")
    deliver(range(1, 10))
    month.write_text(re.sub("(2024-01-03T00:00:00Z,[^,]*),[^,]*", r"\1,0.5", month.read_text("utf-8")), "utf-8")
    later = project.run(LATER, name="later", until="statistics_gen")
    assert later["example_gen"].summary == "8 spans, 2 new"
    assert later["statistics_gen"].summary == "8 spans, 2 new"
    assert reads == [str(month)] * 2
    deliver(range(1, 11))  # the third is what it was
    again = project.run(LATER, name="again", until="example_gen")
    assert again["example_gen"].summary == "8 spans, none new"
    assert reads == [str(month)] * 3
    assert project.states(project.run(name="rerun", until="trainer"))["trainer"] == "CACHED"
    assert model_digest(project, "rerun") == made
    assert reads == [str(month)] * 4  # for the first day, which no other run asked for


def test_an_overwritten_version_whose_examples_are_gone_is_a_clear_error(ran: Project) -> None:
    """Neither at its source nor in the artifact store: the error names the span and what can be done."""
    made = model_digest(ran, "r")
    old = ran.data(3).read_bytes()
    correct(ran.data(3))
    shutil.rmtree(ran.settings.artifacts)
    with pytest.raises(VersionGone, match="2024-01-03") as error:
        ran.run(name="rerun")
    assert "--at" in error.value.next_step
    ran.data(3).write_bytes(old)
    assert ran.states(ran.run(name="restored", until="trainer"))["trainer"] == "COMPLETE"
    assert model_digest(ran, "restored") == made


def test_a_run_that_was_stopped_by_bad_data_reads_the_corrected_file(project: Project) -> None:
    """Nothing was made of the bad version: the same moment run again takes what was delivered in its place."""
    good = project.data(8).read_text(encoding="utf-8")
    project.data(8).write_text(re.sub(r",(red|green|blue),", ",,", good), encoding="utf-8")
    project.data(7).write_text(
        re.sub(r",(red|green|blue),", ",,", project.data(7).read_text(encoding="utf-8")), encoding="utf-8"
    )
    with pytest.raises(AnomaliesFound):
        project.run(name="stopped")
    for day in (7, 8):
        project.data(day).write_text(day_file(date(2024, 1, day)), encoding="utf-8")
    results = project.run(name="stopped")
    assert results["example_gen"].summary == "8 spans, 2 new"
    again = project.run(name="again")
    assert set(project.states(again).values()) == {"CACHED"}


def test_a_change_that_keeps_size_and_modification_time_is_seen(project: Project) -> None:
    """What a copy restores of a file's times does not hide that its bytes are others."""
    project.run(until="example_gen")
    path = project.data(3)
    before = path.stat()
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("red", "der", 1), encoding="utf-8")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    results = project.run(LATER, name="later", until="example_gen")
    assert results["example_gen"].summary == "8 spans, 2 new"


def test_a_run_does_without_a_late_span_where_the_pipeline_allows_it(project: Project) -> None:
    """With seven of eight spans the run goes on, and its summary and its outputs say which one is not there."""
    project.replace("eval: P4D}", "eval: P4D, min_spans: {train: 1.0, eval: 0.75}}")
    project.data(8).unlink()
    late = project.data(7).read_bytes()
    project.data(7).unlink()
    with pytest.raises(SpanMissing, match="2 of 8 spans have no file: 2024-01-07, 2024-01-08"):
        project.run(name="too early")
    project.data(7).write_bytes(late)
    results = project.run()
    assert results["example_gen"].summary == "7 spans, 7 new, without 2024-01-08"
    assert results["evaluator"].summary.endswith("without 2024-01-08")
    with project.session() as session:
        (evaluation,) = session.metadata.find_artifacts(type=ArtifactType.EVALUATION)
        (model,) = session.metadata.find_artifacts(type=ArtifactType.MODEL)
    assert evaluation.properties["without"] == ["2024-01-08"]
    assert model.properties["without"] == []
    project.data(7).unlink()  # what was read once is not needed again
    assert set(project.states(project.run(name="again")).values()) == {"CACHED"}


def test_a_span_is_there_when_its_marker_is(project: Project) -> None:
    """A file without its marker is not read; with it, it is."""
    project.replace("span: P1D", 'span: P1D\n  complete: {marker: "data/{YYYY}-{MM}-{DD}.done"}')
    for day in range(1, 8):
        project.data(day).with_suffix(".done").touch()
    with pytest.raises(SpanMissing, match=r"1 of 8 spans are not complete \(no marker file\): 2024-01-08"):
        project.run()
    project.data(8).with_suffix(".done").touch()
    assert project.run(name="again", until="example_gen")["example_gen"].summary == "8 spans, 8 new"


def test_a_span_of_too_few_rows_is_waited_for(project: Project) -> None:
    """A half-delivered file stops ExampleGen; when the rest arrives, the same moment reads it."""
    project.replace("span: P1D", "span: P1D\n  complete: {min_rows: 100}")
    whole = project.data(8).read_text(encoding="utf-8")
    project.data(8).write_text("\n".join(whole.splitlines()[:50]) + "\n", encoding="utf-8")
    with pytest.raises(SpanMissing, match="2024-01-08"):
        project.run(name="r")
    project.data(8).write_text(whole, encoding="utf-8")
    results = project.run(name="r")
    assert results["example_gen"].summary == "8 spans, 1 new"
    assert results["pusher"].state.value == "COMPLETE"


def test_yesterdays_file_under_todays_name_is_not_todays(ran: Project) -> None:
    """What was made of a span is of that span: equal bytes in another's place are read, and refused."""
    shutil.copy(ran.data(8), ran.data(9))
    with pytest.raises(DataError, match=r"lies outside the span .*; 120 of 120 rows are bad"):
        ran.run(LATER, name="copied")
