"""``mlcore data stats``: the statistics of a file, or of a window of a pipeline.

Exit code 0: told. 2: it could not be read.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    from mlcore.cli.data.datasets import Dataset
    from mlcore.statistics.summary import ColumnSummary, StatisticsSummary

_NAME_WIDTH = 12
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
    table = Table(title=Text(title), title_justify="left", title_style="bold", box=None, pad_edge=False)
    longest = max((len(column.type) for column in columns), default=0)
    for heading, least in (("column", _NAME_WIDTH), ("type", longest)):  # a narrow terminal cuts numbers, not names
        table.add_column(heading, overflow="fold", min_width=least)
    for heading in ("missing", "distinct", "zeros", "mean", "std", "min", "median", "max"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("distribution", overflow="ellipsis", no_wrap=True)
    for column in columns:
        table.add_row(*_cells(column))
    return table


def _cells(column: ColumnSummary) -> tuple[Text, ...]:
    missing = column.missing / column.rows if column.rows else 0.0
    distinct = f"{'' if column.distinct_exact else '~'}{column.distinct:,}"
    style = "red" if missing > 0.5 else ""
    cells = [Text(printable(column.name)), Text(column.type), Text(percent(missing), style), Text(distinct)]
    return (*cells, *(Text(text) for text in _numbers(column)), Text(shape(column)))


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
