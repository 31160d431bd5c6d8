"""``mlcore models diff``: two versions side by side."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from mlcore.cli.context import console, notes, session, settings
from mlcore.cli.output import print_json, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlcore.core.types import Json
    from mlcore.deployment.divergence import Divergence
    from mlcore.runtime.release.diff import Change, DataChange, VersionDiff

_SHOWN = 12


def register(models: typer.Typer) -> None:
    models.command()(diff)


def diff(
    pipeline: Annotated[str, typer.Argument(help="Name of the pipeline.")],
    first: Annotated[str, typer.Argument(help="Number of the version that is compared with, or an alias.")],
    second: Annotated[str, typer.Argument(help="The other one's.")],
    as_json: Annotated[bool, typer.Option("--json", help="A JSON document on stdout.")] = False,
) -> None:
    """What two versions were made from, how good they are on the same rows, and where their predictions differ most."""
    from mlcore.config.loader import find_pipeline
    from mlcore.runtime.release.diff import diff as compare

    config = find_pipeline(settings().pipelines, pipeline)
    with notes.status("asking both versions"), session() as stores:
        versions = [stores.registry.find(pipeline, wanted) for wanted in (first, second)]
        found = compare(stores, config, *versions)
    if as_json:
        print_json(found.to_document())
        return
    _show(found)


def _show(found: VersionDiff) -> None:
    if found.first.digest == found.second.digest:
        console.print("the two are one model")
        return
    names = (f"version {found.first.version}", f"version {found.second.version}")
    console.print(_about(found, names))
    for title, changes in (
        ("features", found.features),
        ("estimator and parameters", found.parameters),
        ("settings", found.settings),
    ):
        if changes:
            console.print(_changes(title, changes, names))
    for title, lines in (("code changed of", found.code), ("environment", found.libraries)):
        for line in lines[:_SHOWN]:
            console.print(Text(f"{title}: {printable(line, 200)}"), soft_wrap=True)
        if len(lines) > _SHOWN:
            console.print(f"{title}: and {len(lines) - _SHOWN} more (--json has all)", highlight=False)
    _answers(found, names)


def _about(found: VersionDiff, names: tuple[str, str]) -> Table:
    table = Table("", *names, box=None)
    both = (found.first, found.second)
    table.add_row(
        "trained on", *(f"{one.train_start:%Y-%m-%d %H:%M} to {one.train_end:%Y-%m-%d %H:%M}" for one in both)
    )
    table.add_row("digest", *(one.digest[:19] for one in both))
    if found.data is not None:
        _data(table, found.data)
    first, second = found.first_metrics.overall.metrics, found.second_metrics.overall.metrics
    for name in dict.fromkeys([*first, *second]):
        table.add_row(Text(f"{name}, own rows"), *(Text(str(one.get(name, ""))) for one in (first, second)))
    return table


def _data(table: Table, data: DataChange) -> None:
    table.add_row("training rows", f"{data.first_rows:,}", f"{data.second_rows:,}")
    table.add_row("spans", f"{data.first_spans:,}", f"{data.second_spans:,}")
    table.add_row("spans of its own", _named(data.only_first), _named(data.only_second))
    if data.corrected:
        table.add_row("corrected between", "", _named(data.corrected))


def _named(spans: Sequence[str]) -> str:
    if not spans:
        return "none"
    return spans[0] if len(spans) == 1 else f"{len(spans)}, {spans[0]} to {spans[-1]}"


def _spans(spans: Sequence[str]) -> str:
    return spans[0] if len(spans) == 1 else f"{len(spans)} spans, {spans[0]} to {spans[-1]}"


def _changes(title: str, changes: Sequence[Change], names: tuple[str, str]) -> Table:
    table = Table(title, *names, box=None)
    for one in changes[:_SHOWN]:
        table.add_row(*(Text(printable(_word(value), 60)) for value in (one.name, one.first, one.second)))
    if len(changes) > _SHOWN:
        table.caption = f"... and {len(changes) - _SHOWN} more: --json has all"
    return table


def _word(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _answers(found: VersionDiff, names: tuple[str, str]) -> None:
    answers = found.answers
    if answers.paired is None or answers.divergence is None:
        console.print(Text(f"not compared on the same rows: {printable(answers.reason, 400)}"), soft_wrap=True)
        return
    heading = f"{answers.rows:,} rows that neither was trained on, of {_spans(answers.spans)}"
    console.print(Text(heading), soft_wrap=True)
    table = Table(box=None)
    for name in ("metric", f"{names[1]} less {names[0]}", "interval"):
        table.add_column(name)
    for metric, value in answers.paired.overall.metrics.items():
        table.add_row(metric, f"{value.value:+.4g}", f"{value.lower:+.4g} to {value.upper:+.4g}")
    console.print(table)
    _divergence(answers.divergence, answers.classes, names)


def _divergence(found: Divergence, classes: Sequence[str], names: tuple[str, str]) -> None:
    shares = ", ".join(f"{share:.0%} of the rows at most {size:.3g}" for share, size in found.quantiles)
    mean = f"differ by {found.mean:+.3g}"
    if classes:  # a distance of distributions has no sign
        mean = f"are {found.mean:.3g} apart (0: equal probabilities, 1: nothing in common)"
    console.print(
        f"predictions {mean} on average, {shares}, {found.most:.3g} at most; {found.equal:,} are equal",
        highlight=False,
        soft_wrap=True,
    )
    table = Table("where", "rows", "mean difference", box=None)
    for group in found.groups:
        table.add_row(
            Text(f"{printable(group.feature)}: {printable(group.value)}"), f"{group.rows:,}", f"{group.mean:+.3g}"
        )
    console.print(table)
    rows = Table("differs most", *names, box=None)
    for one in found.largest:
        shown = ", ".join(f"{name}={_cell(value)}" for name, value in one.row.items())
        rows.add_row(
            Text(printable(shown, 160)), *(Text(_answer(answer, classes)) for answer in (one.first, one.second))
        )
    console.print(rows)


def _answer(answer: Sequence[float], classes: Sequence[str]) -> str:
    if not classes:
        return " ".join(f"{each:.4g}" for each in answer)
    return ", ".join(f"{printable(name)} {each:.3g}" for name, each in zip(classes, answer, strict=True))


def _cell(value: Json) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
