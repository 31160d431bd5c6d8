"""Numbers, bools, dates and moments of CSV files that are not written as a program would."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mlcore.config.sources import CsvSource
from mlcore.ingest.columns import arrow_type
from mlcore.ingest.file_reader import csv_options
from mlcore.ingest.formats.csv_format import read_csv

BERLIN = {"timezone": "Europe/Berlin"}


def read(folder: Path, kind: str, cells: list[str], **written: Any) -> tuple[list[Any], list[str]]:
    """Good values of a column, and what is said of the others."""
    path = folder / "t.csv"
    path.write_text("".join(f"{cell}\n" for cell in ("a;b", *(f"{cell};x" for cell in cells))), encoding="utf-8")
    source = CsvSource(type="csv", path=str(path), delimiter=";", **written)
    blocks = list(read_csv(str(path), csv_options(source), {"a": arrow_type(kind), "b": pa.string()}))
    good = [row["a"] for block in blocks for row in block.rows.to_pylist()]
    return good, [bad.message for block in blocks for bad in block.bad]


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("kind", "written", "cells", "values", "wrong", "said"),
    [
        ("float64", {"decimal": ","}, ["1,5", "-0,25", "+3", "1e3", "", "inf"],
         [1.5, -0.25, 3, 1000, None, float("inf")],
         "1.5", "is not a number with a , before its decimals"),
        ("decimal(6,2)", {"decimal": ","}, ["1234,50", "7"], [Decimal("1234.50"), Decimal("7.00")], "1234.50",
         "2 of them behind the point with a , before its decimals"),
        ("int64", {"decimal": ","}, ["7", "-1"], [7, -1], "7,0", "is not a whole number of 64 bits"),
        ("bool", {"true_values": ["ja"], "false_values": ["nein"]}, ["ja", "nein", ""], [True, False, None], "true",
         "is not one of ja, nein"),
        ("date", {"formats": {"a": "%d.%m.%Y"}}, ["29.02.2024", "1.3.1969", ""],
         [date(2024, 2, 29), date(1969, 3, 1), None],
         "30.02.2024", "is not written as %d.%m.%Y"),
        ("timestamp", {"formats": {"a": "%m/%d/%Y %I:%M %p %z"}}, ["03/01/2024 01:05 PM +0100"],
         [utc(2024, 3, 1, 12, 5)],
         "13/01/2024 01:05 PM +0100", "is not written as"),
        ("timestamp", {"formats": {"a": "%d.%m.%Y %H:%M:%S.%f"}, **BERLIN},
         ["1.7.2024 12:00:00.25", "1.1.2024 12:00:00.0"],
         [utc(2024, 7, 1, 10, 0, 0, 250000), utc(2024, 1, 1, 11)], "2024-07-01T12:00:00Z", "is not written as"),
        ("timestamp", BERLIN, ["2024-07-01T12:00:00", "2024-07-01 12:00:00+00:00", "2024-07-01", ""],
         [utc(2024, 7, 1, 10), utc(2024, 7, 1, 12), utc(2024, 6, 30, 22), None],
         "01.07.2024", "is not a moment like 2013-01-31T10:00:00"),
    ],
)  # fmt: skip
def test_values_are_read_as_the_source_says_they_are_written(
    tmp_path: Path, kind: str, written: dict[str, Any], cells: list[str], values: list[Any], wrong: str, said: str
) -> None:
    """A block of good rows and one with a bad row have equal values; the bad row's message says what was expected."""
    assert read(tmp_path, kind, cells, **written) == (values, [])
    good, (message,) = read(tmp_path, kind, [*cells, wrong], **written)
    assert good == values
    assert repr(wrong) in message
    assert said in message


def test_an_hour_that_the_clock_shows_twice_is_its_first_and_one_it_skips_is_none(tmp_path: Path) -> None:
    """In Berlin: 27 October 2024 has two of 02:30, 31 March none."""
    good, bad = read(tmp_path, "timestamp", ["2024-10-27T02:30:00", "2024-03-31T02:30:00"], **BERLIN)
    assert good == [utc(2024, 10, 27, 0, 30)]
    assert len(bad) == 1


def test_without_a_zone_a_moment_needs_an_offset(tmp_path: Path) -> None:
    """Whose clock it was is never guessed."""
    good, bad = read(tmp_path, "timestamp", ["2024-07-01T12:00:00", "2024-07-01T12:00:00+02:00"])
    assert good == [utc(2024, 7, 1, 10)]
    assert "with an offset" in bad[0]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"timezone": "Europe/Bärlin"}, "there is no time zone 'Europe/Bärlin'; write one like Europe/Berlin"),
        ({"formats": {"a": "DD.MM.YYYY"}}, "a: 'DD.MM.YYYY' is no format of dates"),
        ({"formats": {"a": "%d.%m.%Q"}}, "a: '%d.%m.%Q' is no format of dates"),
        ({"true_values": ["x", "y"], "false_values": ["y"]}, "'y' is in true_values and in false_values"),
        ({"true_values": []}, "true_values"),
        ({"decimal": ";"}, "decimal"),
    ],
)
def test_a_notation_that_cannot_be_is_refused_by_its_key(written: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said.replace(".", r"\.").replace("%", "%")):
        CsvSource.model_validate({"type": "csv", "path": "x.csv", **written})


@pytest.mark.parametrize(
    ("formats", "said"),
    [
        ({"a": "%H:%M"}, "'a' is no date or timestamp of data.columns"),
        ({"nothing": "%d.%m.%Y"}, "'nothing' is no date or timestamp"),
        ({"at": "%d.%m.%Y"}, r"formats.at: no offset \(%z\) is read, so timezone must say whose clock it was"),
    ],
)
def test_a_format_is_of_a_column_of_moments(formats: dict[str, str], said: str) -> None:
    source = CsvSource(type="csv", path="x.csv", formats=formats)
    with pytest.raises(ValueError, match=said):
        source.check_formats({"a": "string", "at": "timestamp", "on": "date"})
