"""``mlcore data stats``: the statistics of a file, or of a window of a pipeline.

Exit code 0: told. 2: it could not be read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from mlcore.cli.context import console
from mlcore.cli.data import data
from mlcore.cli.data.bad_rows import MOST_BAD, MaxBadFraction, bad_rows_document
from mlcore.cli.data.exits import answering
from mlcore.cli.data.output import bad_rows, number, percent, shape
from mlcore.cli.output import print_json, printable, write_page
from mlcore.core.types import SplitName

if TYPE_CHECKING:
    from rich.console import JustifyMethod, OverflowMethod

    from mlcore.cli.data.datasets import Dataset
    from mlcore.statistics.summary import ColumnSummary, StatisticsSummary

_CUT = {"column": 12, "distribution": 12}
"""Columns whose cells may be cut, and to what width before figures are left out."""
_OVERFLOW: Mapping[str, OverflowMethod] = {"column": "fold", "distribution": "ellipsis"}
_GAP = 2
_HEADINGS = (
    "column", "type", "missing", "distinct", "zeros", "mean", "std", "min", "median", "max", "distribution",
)  # fmt: skip
_FIRST_TO_GO = ("zeros", "std", "mean", "distinct", "distribution", "min", "max")
_SLICES = 30


@data.command()
def stats(
    source: Annotated[
        str, typer.Argument(help="A file or address (CSV, JSON Lines, Parquet), or a pipeline: NAME or NAME@WINDOW.")
    ],
    by: Annotated[
        str | None, typer.Option(help="A column: statistics of the rows with each of its values, too.")
    ] = None,
    label: Annotated[str | None, typer.Option(help="Of a file: say what each column tells of this one.")] = None,
    weight: Annotated[
        str | None, typer.Option(help="Of a file: a column of weights; all is also given by weight.")
    ] = None,
    null: Annotated[
        list[str] | None, typer.Option(help="Of CSV: a text that means missing, e.g. NA; repeatable.")
    ] = None,
    max_bad_fraction: MaxBadFraction = MOST_BAD,
    at: Annotated[str | None, typer.Option(help="Of a pipeline: what it trains on as of this moment.")] = None,
    span: Annotated[str | None, typer.Option(help="Of a pipeline: from..to, dates or moments.")] = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            help="Of a pipeline: as its spans were known at this moment; by default --at, or now."
            " Of a file: times from this moment on are counted as future."
        ),
    ] = None,
    split: Annotated[
        SplitName | None, typer.Option(help="Of a pipeline that splits the rows of its spans: only of these.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON document on stdout.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write a page that needs no network.")] = None,
) -> None:
    """Counts, moments, quantiles and top values of every column: exit code 0, or 2 where it could not be read."""
    from mlcore.cli.data.datasets import open_dataset
    from mlcore.cli.data.pages import statistics_page
    from mlcore.statistics.document import to_document
    from mlcore.statistics.extract import describe

    with answering():
        dataset = open_dataset(
            source,
            at=at,
            span=span,
            as_of=as_of,
            split=split,
            by=by,
            label=label,
            weight=weight,
            nulls=null or (),
            max_bad_fraction=max_bad_fraction,
        )
        if html is not None:
            write_page(html, statistics_page(dataset, by))
    if as_json:
        document = to_document(describe(dataset.statistics))
        print_json({**document, "bad_rows": bad_rows_document(dataset.bad_rows, dataset.first_bad)})
    elif html is None:
        _show(dataset, describe(dataset.statistics), by)


def _show(dataset: Dataset, summary: StatisticsSummary, by: str | None) -> None:
    weight = "" if summary.weight is None else f" of weight {number(summary.weight)}"
    size = f"{summary.rows:,} rows{weight}, {len(summary.columns):,} columns"
    console.print(_table(f"{dataset.name}: {size}", summary.columns))
    if dataset.bad_rows:
        first = f": first {dataset.first_bad[0].place}" if dataset.first_bad else ""
        show = f": mlcore data quarantine {dataset.pipeline} shows them" if dataset.pipeline else first
        console.print(Text(f"{bad_rows(dataset.bad_rows, dataset.pipeline)}{show}", style="red"), soft_wrap=True)
    if dataset.slices and by is None:
        console.print(Text(f"sliced by {', '.join(dataset.slices)}: --by shows one of them"), soft_wrap=True)
    if summary.associations:
        console.print(_associations(summary))
    slices = [part for part in summary.slices if part.column == by]
    for part in slices[:_SLICES]:
        value = "(missing)" if part.value is None else printable(part.value)
        columns = [column for column in part.columns if column.name != by]
        console.print(_table(f"{printable(by)} = {value}: {part.rows:,} rows", columns))
    if len(slices) > _SLICES:
        console.print(f"... and {len(slices) - _SLICES} more values of {printable(by)}: --json has all", markup=False)


def _table(title: str, columns: Sequence[ColumnSummary]) -> Table:
    """A line a column; where the terminal is too narrow for all of them, some figures are left to ``--json``."""
    rows = [_cells(column) for column in columns]
    natural = {name: max([len(name), *(row[name].cell_len for row in rows)]) for name in _HEADINGS}
    widths = {name: min(width, _CUT.get(name, width)) for name, width in natural.items()}
    for name in _FIRST_TO_GO:
        if _taken(widths) > console.width:
            del widths[name]
    for name in _CUT:  # what is left over goes to the names first
        if name in widths:
            widths[name] += max(0, min(natural[name] - widths[name], console.width - _taken(widths)))
    table = Table(title=Text(title), title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.caption_justify = "left"
    if left := [name for name in _HEADINGS if name not in widths]:
        table.caption = f"no room for {', '.join(left)}: --json has all"
    for name, width in widths.items():
        justify: JustifyMethod = "left" if name in ("type", *_CUT) else "right"
        table.add_column(
            name, width=width, justify=justify, overflow=_OVERFLOW.get(name, "crop"), no_wrap=name != "column"
        )
    for row in rows:
        table.add_row(*(row[name] for name in widths))
    return table


def _taken(widths: Mapping[str, int]) -> int:
    return sum(widths.values()) + _GAP * (len(widths) - 1)


def _cells(column: ColumnSummary) -> dict[str, Text]:
    missing = column.missing / column.rows if column.rows else 0.0
    distinct = f"{'' if column.distinct_exact else '~'}{column.distinct:,}"
    style = "red" if missing > 0.5 else ""
    cells = [Text(printable(column.name)), Text(column.type), Text(percent(missing), style), Text(distinct)]
    cells += [*(Text(text) for text in _numbers(column)), Text(shape(column))]
    return dict(zip(_HEADINGS, cells, strict=True))


def _numbers(column: ColumnSummary) -> tuple[str, ...]:
    numeric, time = column.numeric, column.time
    if time is not None:
        form = "%Y-%m-%d" if column.type == "date" else "%Y-%m-%d %H:%M"
        return ("", "", "", *(moment.strftime(form) for moment in (time.minimum, time.median, time.maximum)))
    if numeric is None or column.type == "bool":
        return ("",) * 6
    moments = (numeric.mean, numeric.std, numeric.minimum, numeric.median, numeric.maximum)
    return (percent(numeric.zeros / column.count), *(number(each) for each in moments))


def _associations(summary: StatisticsSummary) -> Table:
    table = Table(title="what each column tells of the label", title_justify="left", title_style="bold", box=None)
    table.add_column("column", overflow="fold")
    table.add_column("of the label", justify="right")
    table.add_column("measure")
    for each in summary.associations:
        strength = Text(percent(each.strength), style="red" if each.strength > 0.9 else "")
        table.add_row(Text(printable(each.column)), strength, each.kind.replace("_", " "))
    return table
