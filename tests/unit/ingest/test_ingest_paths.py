from __future__ import annotations

import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import fsspec
import pytest

from mlcore.config.sources import CsvSource
from mlcore.core.patterns import fill
from mlcore.core.window import Grain, Interval, Months, Span, parse_moment
from mlcore.errors import ConfigError
from mlcore.ingest.paths import find_place, holds_many, span_missing, span_path

WEEK = Interval(start=parse_moment("2013-01-01T00:00Z"), end=parse_moment("2013-01-08T00:00Z"))


def source(path: str) -> CsvSource:
    return CsvSource(type="csv", path=path)


def test_the_pattern_is_filled_from_the_start_of_the_span() -> None:
    """Placeholders may repeat; a relative pattern starts at the root, a URL nowhere."""
    hour = Span(start=parse_moment("2013-01-02T05:00Z"), end=parse_moment("2013-01-02T06:00Z"))
    pattern = "in/{YYYY}/{MM}/{YYYY}{MM}{DD}T{HH}.csv.gz"
    assert span_path(source(pattern), hour, Path("/data")) == "/data/in/2013/01/20130102T05.csv.gz"
    assert span_path(source(f"s3://b/{pattern}"), hour, Path("/data")) == "s3://b/in/2013/01/20130102T05.csv.gz"
    assert span_path(source("file:///x/{YYYY}.csv"), hour, Path("/data")) == "/x/2013.csv"
    assert span_path(source("{YYYY}/*.csv"), hour, Path("/da[1]ta")) == "/da[[]1]ta/2013/*.csv"


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("{YYYY}-{mm}-{DD}.csv", r"\{mm\}"),
        ("{YYYY:2}.csv", r"\{YYYY:2\}"),
        ("{SPAN:0}.csv", "no digits"),
        ("{SPAN}/{VERSION}/{VERSION}.csv", "more than once"),
        ("{SPAN}*/{VERSION}/x.csv", "wildcard"),
    ],
)
def test_a_pattern_that_cannot_be_is_refused(pattern: str, says: str) -> None:
    """It would be looked for as it stands, and no file would ever be there."""
    with pytest.raises(ValueError, match=says):
        source(pattern)
    first = next(WEEK.spans(timedelta(days=1)))
    with pytest.raises(ConfigError, match=says) as caught:
        fill(pattern, first, key="data.complete.marker")
    assert caught.value.where == "data.complete.marker"


def test_a_span_has_the_number_of_its_day_as_in_tfx() -> None:
    """Days since 1970-01-01, as wide as the pattern asks for; a width that is too small is refused."""
    first = next(WEEK.spans(timedelta(days=1)))
    assert span_path(source("span-{SPAN}/{SPAN:8}.csv"), first, Path("/d")) == "/d/span-15706/00015706.csv"
    with pytest.raises(ConfigError, match="15706"):
        span_path(source("{SPAN:4}.csv"), first, Path("/d"))


def test_the_highest_version_is_the_newest(tmp_path: Path) -> None:
    """Versions are compared as numbers; what does not fit the pattern is no version."""
    for name in ("d-v2.csv", "d-v10.csv", "d-vx.csv", "d-v11.csv.tmp"):
        (tmp_path / name).touch()
    place = find_place(str(tmp_path / "d-v{VERSION}.csv"))
    assert place is not None
    assert (place.path, place.version) == (str(tmp_path / "d-v10.csv"), 10)
    assert find_place(str(tmp_path / "d-v{VERSION:3}.csv")) is None
    assert find_place(str(tmp_path / "no" / "d-v{VERSION}.csv")) is None


@pytest.mark.parametrize("remote", [False, True])
def test_a_version_may_be_a_folder_of_files(tmp_path: Path, remote: bool) -> None:
    """The highest one that holds a file: one that was begun and is empty is none."""
    root = f"memory://{tmp_path.name}" if remote else str(tmp_path)
    for name in ("v1/a.csv", "v2/b.csv", "v2/a.csv", "v2/_tmp.csv", "v3/_started"):
        with fsspec.open(f"{root}/d/{name}", "wb", auto_mkdir=True) as file:
            file.write(b"x")
    for pattern in ("d/v{VERSION}/*.csv", "d/v{VERSION}", "d/v{VERSION}/"):
        place = find_place(f"{root}/{pattern}")
        assert place is not None
        assert place.version == 2
        assert [Path(file.path).name for file in place.files] == ["a.csv", "b.csv"]


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


def test_missing_spans_are_named_and_counted() -> None:
    """The first missing spans are named, the rest counted, and the first place looked for is given."""
    spans = list(WEEK.spans(timedelta(days=1)))[1:]
    error = span_missing([(span, f"/d/{span.label}.csv") for span in spans], asked=7)
    assert re.match(r"6 of 7 .*2013-01-02.* and 1 more", error.what)
    assert error.where == "/d/2013-01-02.csv"


def test_finding_files_imports_nothing_heavy() -> None:
    """Windows are resolved where pyarrow must not be imported."""
    code = "import sys, mlcore.ingest.paths; sys.exit('pyarrow' in sys.modules or 'numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
