from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from mlcore.config.sources import CsvSource
from mlcore.core.window import Grain, Interval, Months, Span, parse_moment
from mlcore.errors import ConfigError, SpanMissing
from mlcore.ingest.paths import existing_paths, holds_many, newest_file, span_path

WEEK = Interval(start=parse_moment("2013-01-01T00:00Z"), end=parse_moment("2013-01-08T00:00Z"))


def source(path: str) -> CsvSource:
    return CsvSource(type="csv", path=path)


def test_the_pattern_is_filled_from_the_start_of_the_span() -> None:
    """Placeholders may repeat; a relative pattern starts at the root."""
    hour = Span(start=parse_moment("2013-01-02T05:00Z"), end=parse_moment("2013-01-02T06:00Z"))
    pattern = source("in/{YYYY}/{MM}/{YYYY}{MM}{DD}T{HH}.csv.gz")
    assert span_path(pattern, hour, Path("/data")) == Path("/data/in/2013/01/20130102T05.csv.gz")


def test_an_unknown_placeholder_is_refused() -> None:
    """It would be looked for as it stands, and no file would ever be there."""
    first = next(WEEK.spans(timedelta(days=1)))
    with pytest.raises(ConfigError, match=r"\{mm\}") as caught:
        span_path(source("{YYYY}-{mm}-{DD}.csv"), first, Path())
    assert caught.value.where == "data.source.path"


def test_a_span_has_the_number_of_its_day_as_in_tfx() -> None:
    """Days since 1970-01-01, as wide as the pattern asks for."""
    first = next(WEEK.spans(timedelta(days=1)))
    assert span_path(source("span-{SPAN}/{SPAN:8}.csv"), first, Path("/d")) == Path("/d/span-15706/00015706.csv")


def test_the_highest_version_is_the_newest_file(tmp_path: Path) -> None:
    """Versions are compared as numbers; what does not fit the pattern is no version."""
    for name in ("d-v2.csv", "d-v10.csv", "d-vx.csv", "d-v11.csv.tmp"):
        (tmp_path / name).touch()
    assert newest_file(tmp_path / "d-v{VERSION}.csv") == (tmp_path / "d-v10.csv", 10)
    assert newest_file(tmp_path / "d-v{VERSION:3}.csv") is None
    assert newest_file(tmp_path / "no" / "d-v{VERSION}.csv") is None


@pytest.mark.parametrize(
    ("pattern", "grain", "many"),
    [
        ("{YYYY}-{MM}.csv", timedelta(days=1), True),
        ("all.csv", Months(1), True),
        ("{YYYY}-{MM}-{DD}.csv", timedelta(hours=1), True),
        ("{YYYY}{MM}{DD}{HH}.csv", timedelta(hours=1), False),
        ("{SPAN}.csv", timedelta(days=7), False),
    ],
)
def test_a_pattern_coarser_than_the_grain_holds_many_spans(pattern: str, grain: Grain, many: bool) -> None:
    """Its rows are then divided by their moments."""
    assert holds_many(pattern, grain) is many


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
