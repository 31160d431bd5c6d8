"""``mlcore data compare``: two files, or two windows, side by side.

Exit code 0: compared. 1: ``--fail-above`` was exceeded. 2: it could not be compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from mlcore.cli.context import console, notes
from mlcore.cli.data import data
from mlcore.cli.data.bad_rows import MOST_BAD, MaxBadFraction, bad_rows_document
from mlcore.cli.data.exits import answering
from mlcore.cli.data.output import bad_rows, number, percent, sparkline, text_of
from mlcore.cli.output import print_json, printable, write_page
from mlcore.core.types import Json, SplitName
from mlcore.errors import ConfigError

if TYPE_CHECKING:
    from mlcore.cli.data.datasets import Dataset
    from mlcore.components.differences import Difference
    from mlcore.statistics.summary import ColumnSummary

EXCEEDED = 1
_HALF = 10
_SLICES = 30
_SLICE_COLUMNS = 10


@data.command()
def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="A file, an address, or NAME@WINDOW of a pipeline.")],
    second: Annotated[str, typer.Argument(metavar="B", help="What it is compared with, likewise.")],
    as_json: Annotated[bool, typer.Option("--json", help="A JSON document on stdout.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write a page that needs no network.")] = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            help="Of pipelines: as their spans were known at this moment; by default that of NAME@MOMENT, or now."
        ),
    ] = None,
    null: Annotated[
        list[str] | None, typer.Option(help="Of CSV: a text that means missing, e.g. NA; repeatable.")
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="A column: the rows with each of its values are compared, too.")
    ] = None,
    split: Annotated[
        SplitName | None, typer.Option(help="Of pipelines that split the rows of their spans: only of these.")
    ] = None,
    max_bad_fraction: MaxBadFraction = MOST_BAD,
    fail_above: Annotated[
        float | None,
        typer.Option(
            min=0.0, max=1.0, help="Exit with 1 where a column's difference, or change of its missing share, is more."
        ),
    ] = None,
) -> None:
    """Every column of two datasets, most different first: exit code 0, 1 above --fail-above, 2 could not compare."""
    with answering():
        sides = _opened((first, second), as_of=as_of, split=split, by=by, nulls=null or (), most_bad=max_bad_fraction)
        found = _compared(sides, html, by=by, as_json=as_json)
    if fail_above is None:
        return
    exceeded = [name for name, each in found.items() if each.largest > fail_above]
    if exceeded:
        names = ", ".join(printable(name) for name in exceeded[:_HALF])
        more = f" and {len(exceeded) - _HALF} more" if len(exceeded) > _HALF else ""
        notes.print(f"above {fail_above:g}: {names}{more}", style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(EXCEEDED)


def _opened(
    sources: tuple[str, str],
    *,
    as_of: str | None,
    split: SplitName | None,
    by: str | None,
    nulls: Sequence[str],
    most_bad: float,
) -> tuple[Dataset, Dataset]:
    from mlcore.cli.data.datasets import is_window, open_dataset

    windows = [is_window(source) for source in sources]
    for option, given in (("--as-of", as_of), ("--split", split)):
        if given is not None and not any(windows):
            raise ConfigError(f"{option} is for windows of pipelines: these are files", next_step=f"leave out {option}")
    first, second = (
        open_dataset(
            source,
            as_of=as_of if window else None,
            split=split if window else None,
            by=by,
            nulls=nulls,
            max_bad_fraction=most_bad,
        )
        for source, window in zip(sources, windows, strict=True)
    )
    return first, second


def _compared(
    sides: tuple[Dataset, Dataset], html: Path | None, *, by: str | None, as_json: bool
) -> dict[str, Difference]:
    from mlcore.cli.data.pages import comparison_page
    from mlcore.components.differences import differences

    found = differences(sides[0].statistics, sides[1].statistics)
    order = {name: place for place, name in enumerate(found)}
    found = dict(sorted(found.items(), key=lambda item: (-(item[1].distance or 0.0), order[item[0]])))
    slices = _slices(sides, by)
    if html is not None:
        write_page(html, comparison_page(sides, found, order))
    if as_json:
        print_json(_document(sides, found, slices))
    elif html is None:
        _show(sides, found)
        _show_slices(slices)
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class _Slice:
    """The rows with one value of a column, on both sides.

    Attributes:
        found: Of the other columns, most different first; none where a side has no such rows.
    """

    column: str
    value: Json
    rows: tuple[int, int]
    found: Mapping[str, Difference]


def _slices(sides: tuple[Dataset, Dataset], by: str | None) -> list[_Slice]:
    """By value, as either side has them; missing first."""
    from mlcore.components.differences import differences

    first, second = ({key: part for key, part in side.statistics.slices.items() if key.column == by} for side in sides)
    made = []
    for key in sorted({**first, **second}, key=lambda key: key.order()):
        parts = (first.get(key), second.get(key))
        rows = tuple(0 if part is None else part.rows for part in parts)
        found = differences(parts[0], parts[1]) if parts[0] is not None and parts[1] is not None else {}
        ordered = sorted(found.items(), key=lambda item: -(item[1].distance or 0.0))
        kept = {name: each for name, each in ordered if name != by}
        made.append(_Slice(column=key.column, value=key.value, rows=(rows[0], rows[1]), found=kept))
    return made


def _document(
    sides: tuple[Dataset, Dataset], found: Mapping[str, Difference], slices: Sequence[_Slice]
) -> dict[str, Json]:
    from mlcore.statistics.document import feature_document
    from mlcore.statistics.extract import summarise

    columns = [{column.name: column for column in summarise(side.statistics)} for side in sides]
    parts: list[Json] = [
        {
            "feature": part.column,
            "value": part.value,
            "first_rows": part.rows[0],
            "second_rows": part.rows[1],
            "features": {name: dict(_measured(each)) for name, each in part.found.items()},
        }
        for part in slices
    ]
    return {
        **{
            key: {
                "name": side.name,
                "rows": side.statistics.rows,
                "bad_rows": bad_rows_document(side.bad_rows, side.first_bad),
            }
            for key, side in zip(("first", "second"), sides, strict=True)
        },
        "features": {
            name: {
                **_measured(each),
                "first": feature_document(columns[0][name]) if name in columns[0] else None,
                "second": feature_document(columns[1][name]) if name in columns[1] else None,
            }
            for name, each in found.items()
        },
        "slices": parts,
    }


def _measured(each: Difference) -> dict[str, Json]:
    return {
        "difference": each.distance,
        "measure": each.measure.value,
        "value": each.value,
        "missing_change": each.missing,
    }


def _show_slices(slices: Sequence[_Slice]) -> None:
    for part in slices[:_SLICES]:
        value = "(missing)" if part.value is None else printable(part.value)
        title = f"{printable(part.column)} = {value}: A {part.rows[0]:,} rows, B {part.rows[1]:,} rows"
        console.print(Text(title, style="bold"), soft_wrap=True)
        if not part.found:
            continue
        table = Table(box=None, pad_edge=False)
        table.add_column("column", overflow="fold")
        table.add_column("difference", justify="right")
        table.add_column("missing", justify="right")
        for name, each in list(part.found.items())[:_SLICE_COLUMNS]:
            distance = "" if each.distance is None else f"{each.distance:.3f}"
            missing = Text(f"{each.missing:+.1%}" if each.missing else "", style=_colour(abs(each.missing)))
            table.add_row(Text(printable(name)), Text(distance, style=_colour(each.distance)), missing)
        console.print(table)
    if len(slices) > _SLICES:
        console.print(f"... and {len(slices) - _SLICES} more values: --json has all", markup=False)


def _show(sides: tuple[Dataset, Dataset], found: Mapping[str, Difference]) -> None:
    from mlcore.statistics.distributions import distribution
    from mlcore.statistics.extract import summarise

    columns = [{column.name: column for column in summarise(side.statistics)} for side in sides]
    for letter, side in zip("AB", sides, strict=True):
        rows = f"{letter}  {printable(side.name, 100)}: {side.statistics.rows:,} rows"
        bad = f"; {bad_rows(side.bad_rows, side.pipeline)}" if side.bad_rows else ""
        console.print(f"{rows}{bad}", markup=False, highlight=False, soft_wrap=True)
    table = Table(box=None, pad_edge=False)
    table.add_column("column", overflow="fold")
    table.add_column("difference", justify="right")
    table.add_column("measure", overflow="fold")
    table.add_column("missing", justify="right")
    table.add_column("median, or what changed most", justify="right", overflow="fold")
    table.add_column("A", no_wrap=True)
    table.add_column("B", no_wrap=True)
    for name, each in found.items():
        first, second = columns[0].get(name), columns[1].get(name)
        bins = distribution([side.statistics.columns.get(name) for side in sides])
        chosen = bins.middle or bins.bins
        lines = ["", ""] if chosen is None else [sparkline(_fewer(counts)) for counts in chosen.counts]
        table.add_row(
            Text(printable(name)),
            Text("" if each.distance is None else f"{each.distance:.3f}", style=_colour(each.distance)),
            Text(each.measure.value),
            Text(_arrow(_missing(first), _missing(second)), style=_colour(abs(each.missing))),
            Text(_centre(each, first, second)),
            *(Text(line) for line in lines),
        )
    console.print(table)


def _colour(distance: float | None) -> str:
    return "" if distance is None or distance < 0.1 else "yellow" if distance < 0.3 else "red"


def _fewer(counts: tuple[int, ...]) -> list[int]:
    """Every two bins as one."""
    return [sum(counts[place : place + 2]) for place in range(0, len(counts), 2)]


def _missing(column: ColumnSummary | None) -> str:
    return "" if column is None else percent(column.missing / column.rows if column.rows else 0.0)


def _arrow(first: str, second: str) -> str:
    return first if first == second else f"{first or '-'} → {second or '-'}"


def _centre(each: Difference, first: ColumnSummary | None, second: ColumnSummary | None) -> str:
    if each.value is not None and each.distance:
        shares = [_share(column, each.value) for column in (first, second)]
        return f"{printable(each.value, 24)} {_arrow(*shares)}"
    return _arrow(*(_median(column) for column in (first, second)))


def _share(column: ColumnSummary | None, value: str) -> str:
    if column is None or not column.count:
        return ""
    rows = next((count for found, count in column.top if text_of(found) == value), None)
    return "rare" if rows is None else percent(rows / column.count)


def _median(column: ColumnSummary | None) -> str:
    if column is None:
        return ""
    if column.time is not None:
        return column.time.median.strftime("%Y-%m-%d %H:%M")
    return number(column.numeric.median) if column.numeric and column.type != "bool" else ""
