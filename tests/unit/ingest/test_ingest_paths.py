from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from mlcore.config.pipeline import CsvSource
from mlcore.core.window import Interval, Span, parse_moment
from mlcore.errors import ConfigError, SpanMissing
from mlcore.ingest.paths import existing_paths, span_path

WEEK = Interval(start=parse_moment("2013-01-01T00:00Z"), end=parse_moment("2013-01-08T00:00Z"))


def source(path: str) -> CsvSource:
    return CsvSource(type="csv", path=path)


def test_the_pattern_is_filled_from_the_start_of_the_span() -> None:
    """Placeholders may repeat; a relative pattern starts at the root."""
    hour = Span(start=parse_moment("2013-01-02T05:00Z"), end=parse_moment("2013-01-02T06:00Z"))
    pattern = source("in/{YYYY}/{MM}/{YYYY}{MM}{DD}T{HH}.csv.gz")
    assert span_path(pattern, hour, Path("/data")) == Path("/data/in/2013/01/20130102T05.csv.gz")


@pytest.mark.parametrize(("pattern", "says"), [("{YYYY}-{MM}.csv", "one file"), ("{YYYY}-{mm}-{DD}.csv", "{mm}")])
def test_a_pattern_that_cannot_work_is_refused(pattern: str, says: str) -> None:
    """One file for two spans would be read twice; an unknown placeholder would be looked for as it stands."""
    first = next(WEEK.spans(timedelta(days=1)))
    with pytest.raises(ConfigError, match=says) as caught:
        span_path(source(pattern), first, Path())
    assert caught.value.where == "data.source.path"


def test_missing_files_are_named_and_counted(tmp_path: Path) -> None:
    """The first missing spans are named, the rest counted, and the first file looked for is given."""
    pattern = source("{YYYY}-{MM}-{DD}.csv")
    spans = list(WEEK.spans(timedelta(days=1)))
    (tmp_path / "2013-01-01.csv").touch()
    with pytest.raises(SpanMissing, match=r"6 of 7 .*2013-01-02.* and 1 more") as caught:
        existing_paths(pattern, spans, tmp_path)
    assert caught.value.where == str(tmp_path / "2013-01-02.csv")
    assert existing_paths(pattern, spans[:1], tmp_path) == (tmp_path / "2013-01-01.csv",)


def test_finding_files_imports_nothing_heavy() -> None:
    """Windows are resolved where pyarrow must not be imported."""
    code = "import sys, mlcore.ingest.paths; sys.exit('pyarrow' in sys.modules or 'numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
