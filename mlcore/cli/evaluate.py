"""``mlcore evaluate file|show``: how good scores are, with or without a pipeline.

Exit code 0: told. 2: a file could not be evaluated.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mlcore.cli.context import console, notes, session, settings
from mlcore.cli.output import print_json, printable
from mlcore.config.loader import find_pipeline
from mlcore.errors import ConfigError, MlcoreError, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlcore.evaluation.importance import Importances
    from mlcore.evaluation.scored import ScoredEvaluation
    from mlcore.evaluation.selection import CandidateResult
    from mlcore.evaluation.values import Slices

_LOG = logging.getLogger(__name__)
COULD_NOT = 2
_SHOWN = 60
_SHOWN_FEATURES = 20

evaluate = typer.Typer(help="How good scores are: metrics with intervals, by slice, and gates.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(evaluate, name="evaluate")


@evaluate.command("file")
def evaluate_file(
    file: Annotated[str, typer.Argument(help="CSV, JSON Lines or Parquet: a file, glob, folder or URL.")],
    label: Annotated[str, typer.Option(help="Column of what happened: 0 or 1, a number, or a class.")],
    score: Annotated[list[str], typer.Option(help="Column of the prediction; of several classes one each, in order.")],
    baseline_score: Annotated[
        list[str] | None, typer.Option(help="Column of another model's prediction: paired differences from it, too.")
    ] = None,
    slice_: Annotated[
        list[str] | None,
        typer.Option("--slice", help="COL, COL,COL (a cross), COL[0,10] (ranges), COL[month] (time); repeatable."),
    ] = None,
    metric: Annotated[
        list[str] | None, typer.Option(help="By default all: e.g. roc_auc, precision(threshold=0.3); repeatable.")
    ] = None,
    weight: Annotated[str | None, typer.Option(help="Column: how much each row counts.")] = None,
    cluster: Annotated[str | None, typer.Option(help="Column: rows with equal values are not independent.")] = None,
    query: Annotated[str | None, typer.Option(help="Of a ranking: column of what is ranked together.")] = None,
    task: Annotated[
        str | None, typer.Option(help="binary, multiclass, regression or ranking; by default what the columns say.")
    ] = None,
    class_: Annotated[
        list[str] | None, typer.Option("--class", help="Of several classes: the label of each --score, in order.")
    ] = None,
    min_slice_rows: Annotated[int, typer.Option(min=1, help="Smaller slices are left out, and named.")] = 1,
    confidence: Annotated[float, typer.Option(help="Of the intervals.")] = 0.95,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON document on stdout.")] = False,
) -> None:
    """Every metric of every slice of scored rows, with its interval: exit code 0 told, 2 could not."""
    try:
        if not 0.0 < confidence < 1.0:
            raise ConfigError(f"--confidence is {confidence:g}", next_step="give a number between 0 and 1, as 0.95")
        from mlcore.evaluation.scored import ScoredFile, evaluate_table
        from mlcore.ingest.tables import open_table

        asked = ScoredFile(
            label=label,
            scores=tuple(score),
            baseline=tuple(baseline_score or ()),
            slices=tuple(_terms(text) for text in slice_ or ()),
            metrics=tuple(metric or ()),
            weight=weight,
            cluster=cluster,
            query=query,
            task=task,
            classes=tuple(class_ or ()),
            min_slice_rows=min_slice_rows,
            confidence=confidence,
        )
        found = evaluate_table(open_table(file).read(), asked)
    except MlcoreError as error:
        _give_up(str(error))
    except Exception as error:
        _LOG.exception("the evaluation of %s broke", file)
        _give_up(f"the file could not be evaluated: {type(error).__name__}: {quoted(str(error))}")
    if as_json:
        print_json(found.to_document())
    else:
        _show(found, file)


@evaluate.command()
def show(
    pipeline: Annotated[str, typer.Argument(help="Name of the pipeline.")],
    version: Annotated[int | None, typer.Option(help="Model version; the champion by default.", min=1)] = None,
    run: Annotated[str | None, typer.Option(help="The model of this run, pushed or not.")] = None,
    card: Annotated[
        Path | None, typer.Option(help="Write the model card: Markdown (.md) or one HTML file (.html).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON document on stdout.")] = False,
) -> None:
    """What the gates said of a model, in plain words, and its metrics with intervals."""
    from mlcore.cli.model_card import EvaluatedModel, find_evaluated, write_card
    from mlcore.evaluation.files import read_judgement
    from mlcore.runtime.kept import kept_folder

    config = find_pipeline(settings().pipelines, pipeline)
    if card is not None and card.suffix not in (".md", ".html"):
        raise ConfigError(f"a card is no {quoted(card.suffix)} file", next_step="name it .md or .html")
    with session() as stores:
        found: EvaluatedModel = find_evaluated(stores, pipeline, version, run)
        judgement = read_judgement(kept_folder(stores, found.evaluation))
        if card is not None:
            write_card(card, config, found, judgement)
            notes.print(f"wrote {card}", highlight=False, markup=False)
    if as_json:
        print_json(judgement.to_document())
        return
    for reason in () if judgement.verdict is None else judgement.verdict.reasons:
        bad = reason.startswith("blocked")
        console.print(Text(printable(reason, 400), style="red" if bad else ""), soft_wrap=True)
    if judgement.candidates is not None:
        told = judgement.candidates
        console.print(_candidates("on the rows held back, by which one was chosen", told.choice.candidates))
        console.print(_candidates("on the evaluation rows, which decided nothing among them", told.evaluated))
    console.print(_table(f"{pipeline}: {found.name}", judgement.evaluation))
    if judgement.comparison is not None:
        console.print(_table("difference from the champion of its time, on the same rows", judgement.comparison))
    if judgement.dummy is not None:
        console.print(_table("difference from a constant prediction", judgement.dummy))
    if judgement.importances is not None:
        _show_importances(judgement.importances)
    for gap in judgement.gaps:
        text = f"{gap.notion}: {gap.rate} of {gap.column}={gap.more} above {gap.less} by {gap.value}"
        console.print(Text(printable(text, 200)))


def _terms(text: str) -> tuple[str, ...]:
    """``month,origin`` is a cross; the commas within brackets belong to their ranges."""
    terms, depth = [""], 0
    for mark in text:
        depth += (mark == "[") - (mark == "]")
        if mark == "," and not depth:
            terms.append("")
        else:
            terms[-1] += mark
    return tuple(term.strip() for term in terms if term.strip())


def _show(found: ScoredEvaluation, file: str) -> None:
    console.print(_table(f"{file}: {found.evaluation.overall.rows:,} rows", found.evaluation))
    if found.differences is not None:
        console.print(_table("difference from the baseline, on the same rows", found.differences))


def _table(title: str, results: Slices) -> Table:
    table = Table(title=Text(printable(title, 100)), title_justify="left", title_style="bold", box=None, pad_edge=False)
    for heading in ("slice", "rows", "metric", "value", f"{results.confidence:.4g} interval"):
        table.add_column(heading, justify="right" if heading in ("rows", "value") else "left", overflow="fold")
    for result in results.results[:_SHOWN]:
        first = (printable(result.name, 60), f"{result.rows:,}")
        for name, value in result.metrics.items():
            interval = f"{value.lower:.4g} to {value.upper:.4g}"
            table.add_row(*map(Text, (*first, name, f"{value.value:.4g}", interval)))
            first = ("", "")
        for name, reason in result.missing.items():
            table.add_row(*map(Text, (*first, name, "", reason)))
            first = ("", "")
    if len(results.results) > _SHOWN:
        table.caption = f"... and {len(results.results) - _SHOWN} more slices: --json has all"
    return table


def _candidates(title: str, candidates: Sequence[CandidateResult]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for heading in ("candidate", "metric", "value", "interval", "less the chosen one's"):
        table.add_column(heading, justify="right" if heading == "value" else "left", overflow="fold")
    for each in candidates:
        first = each.name if each.difference else f"{each.name} (chosen)"
        for name, value in each.metrics.metrics.items():
            other = each.difference.metrics.get(name) if each.difference else None
            interval = f"{value.lower:.4g} to {value.upper:.4g}"
            table.add_row(*map(Text, (first, name, f"{value.value:.4g}", interval, str(other or ""))))
            first = ""
        for name, reason in each.metrics.missing.items():
            table.add_row(*map(Text, (first, name, "", reason, "")))
            first = ""
    return table


def _show_importances(found: Importances) -> None:
    title = f"what features are worth: {found.metric} worse without, on {found.rows:,} rows"
    console.print(Text(title, style="bold"), soft_wrap=True)
    table = Table(box=None, pad_edge=False)
    for heading in ("feature", "worse by", "interval"):
        table.add_column(heading, justify="right" if heading == "worse by" else "left", overflow="fold")
    for each in found.features[:_SHOWN_FEATURES]:
        value = each.value
        interval = f"{value.lower:.4f} to {value.upper:.4f}"
        table.add_row(*map(Text, (printable(each.name, 60), f"{value.value + 0.0:.4f}", interval)))
    if len(found.features) > _SHOWN_FEATURES:
        table.caption = f"... and {len(found.features) - _SHOWN_FEATURES} more features: --json has all"
    console.print(table)


def _give_up(message: str) -> NoReturn:
    Console(stderr=True, soft_wrap=True).print(f"error: {message}", style="red", markup=False, highlight=False)
    raise typer.Exit(COULD_NOT)
