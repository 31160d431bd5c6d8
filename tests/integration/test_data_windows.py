"""``mlcore data stats`` and ``compare`` of a pipeline's windows: what runs stored, merged; nothing is read again."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.csv
import pytest
from support.project import AS_OF, Project

from mlcore.config.loader import load_pipeline
from mlcore.core.window import Interval, parse_moment
from mlcore.errors import SpanMissing, WindowError
from mlcore.runtime.statistics import interval_statistics, trained_interval
from mlcore.statistics.extract import describe


def test_windows_are_merged_from_what_runs_stored(project: Project) -> None:
    """Equal to the files' own numbers, although the files are gone; what is unknown or half a span is told."""
    project.run(until="statistics_gen")
    config = load_pipeline(project.settings.pipelines / "tiny.yaml")
    interval = trained_interval(config, parse_moment(AS_OF))
    sizes = pa.concat_tables([pa.csv.read_csv(project.data(day)) for day in range(1, 5)])["size"]
    for day in range(1, 15):
        project.data(day).unlink()
    with project.session() as session:
        merged = interval_statistics(session, config, interval, as_of=parse_moment(AS_OF)).dataset
        late = Interval(start=parse_moment("2024-01-08T00:00Z"), end=parse_moment("2024-01-10T00:00Z"))
        with pytest.raises(SpanMissing, match="1 of 2 spans"):
            interval_statistics(session, config, late, as_of=parse_moment(AS_OF))
        half = Interval(start=parse_moment("2024-01-02T12:00Z"), end=parse_moment("2024-01-03T12:00Z"))
        with pytest.raises(WindowError, match="start and end with spans"):
            interval_statistics(session, config, half, as_of=parse_moment(AS_OF))
    size = next(column for column in describe(merged).columns if column.name == "size")
    assert size.rows == len(sizes) == 480
    assert size.numeric is not None
    assert size.numeric.mean == pytest.approx(sum(sizes.to_pylist()) / len(sizes))

    told = project.cli("data", "stats", "tiny", "--at", AS_OF, "--json")
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["features"]["size"]["mean"] == size.numeric.mean
    by_span = project.cli("data", "stats", "tiny", "--span", "2024-01-01..2024-01-05", "--json")
    assert by_span.stdout == told.stdout

    page = project.folder / "c.html"
    pair = ("tiny@2024-01-01..2024-01-05", "tiny@2024-01-05..2024-01-09")
    compared = project.cli("data", "compare", *pair, "--json", "--html", str(page))
    assert compared.returncode == 0, compared.stderr
    second = json.loads(compared.stdout)["second"]
    assert (second["name"], second["rows"]) == ("tiny, 2024-01-05 to 2024-01-08", 480)
    assert page.exists()

    unclear = project.cli("data", "stats", "tiny")
    assert unclear.returncode == 2
    assert "say of which window" in unclear.stderr
    assert project.cli("data", "compare", "tiny", pair[1]).returncode == 2
