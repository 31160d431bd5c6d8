"""``mlcore runs compare``: parameters, features, windows, data and metrics of runs side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from mlcore.cli.context import console, session, settings
from mlcore.cli.output import print_json, printable
from mlcore.config.loader import find_pipeline
from mlcore.core.types import Json
from mlcore.errors import ConfigError

if TYPE_CHECKING:
    from mlcore.evaluation.values import MetricValue, SliceResult
    from mlcore.runtime.comparison import EvaluatedRun, RunComparison

_MOST = 26
_CELL = 60


def compare(
    names: Annotated[list[str] | None, typer.Argument(metavar="RUN...", help="Names of two or more runs.")] = None,
    pipeline: Annotated[str | None, typer.Option(help="Whose runs; by default the one that has them.")] = None,
    last: Annotated[
        int | None, typer.Option(min=2, max=_MOST, help="Instead of names: so many of a --pipeline's newest.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON document on stdout.")] = False,
) -> None:
    """What differs between runs of one pipeline, and how good their models were."""
    from mlcore.runtime.comparison import compare_runs, newest_runs, pipeline_of

    if bool(names) == (last is not None) or (last is not None and pipeline is None):
        raise ConfigError(
            "runs are named, or counted from a pipeline's newest",
            next_step="write: mlcore runs compare RUN RUN, or: mlcore runs compare --pipeline NAME --last 3",
        )
    if names and len(set(names)) > _MOST:
        raise ConfigError(f"{len(set(names))} runs are too many", next_step=f"compare at most {_MOST} at once")
    if pipeline is not None:
        find_pipeline(settings().pipelines, pipeline)
    with session() as stores:
        of = pipeline or pipeline_of(stores, names or ())
        found = compare_runs(stores, of, names or newest_runs(stores, of, last or 0))
    if as_json:
        print_json(to_document(found))
        return
    for table in tables(found):
        console.print(table)


def to_document(found: RunComparison) -> dict[str, Json]:
    """All of it, for programs."""
    return {
        "pipeline": found.pipeline,
        "runs": [_run_document(run) for run in found.runs],
        "parameters": {key: _by_run(found, values) for key, values in found.parameters.items()},
        "features": {name: _by_run(found, values) for name, values in found.features.items()},
        "differences": {
            each.run: {"from": found.runs[0].run, "rows_of": each.rows_of, "metrics": _metrics(each.metrics)}
            for each in found.differences
        },
    }


def _run_document(run: EvaluatedRun) -> Json:
    told = run.judgement.candidates
    candidates: dict[str, Json] = {} if told is None else {
        each.name: {"held_back": _metrics(each.metrics), "evaluation": _metrics(judged.metrics)}
        for each, judged in zip(told.choice.candidates, told.evaluated, strict=True)
    }  # fmt: skip
    return {
        "run": run.run,
        "verdict": run.verdict,
        "model": run.model.digest,
        "window": dict(run.window),
        "data": dict(run.data),
        "metrics": _metrics(run.judgement.evaluation.overall),
        "chosen": run.candidate or None,
        "candidates": candidates,
    }


def _by_run(found: RunComparison, values: Sequence[Json]) -> Json:
    return {run.run: value for run, value in zip(found.runs, values, strict=True)}


def _metrics(result: SliceResult) -> dict[str, Json]:
    return {
        name: {"value": value.value, "low": value.lower, "high": value.upper} for name, value in result.metrics.items()
    }


def tables(found: RunComparison) -> Iterator[Table]:
    """For people: runs are called A, B, ... so that their columns are narrow."""
    letters = [chr(ord("A") + place) for place in range(len(found.runs))]
    yield _legend(found, letters)
    yield _windows(found, letters)
    yield _differing("parameters that differ", found.parameters, letters)
    yield _differing("features that differ", found.features, letters)
    yield _metric_table(found, letters)
    if any(run.candidate for run in found.runs):
        yield _candidates(found, letters)


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _legend(found: RunComparison, letters: Sequence[str]) -> Table:
    table = _table(f"runs of {found.pipeline}", "", "run", "model", "verdict")
    for letter, run in zip(letters, found.runs, strict=True):
        model = run.model.digest.removeprefix("sha256:")[:12]
        chosen = f" ({run.candidate})" if run.candidate else ""
        table.add_row(*map(Text, (letter, printable(run.run, 100), model + chosen, printable(run.verdict, 200))))
    return table


def _windows(found: RunComparison, letters: Sequence[str]) -> Table:
    table = _table("windows", "", "trained on", "rows", "data", "evaluated on", "rows", "data")
    for letter, run in zip(letters, found.runs, strict=True):
        cells = [letter]
        for part in ("train", "evaluation"):
            start, end, rows = (run.window[f"{part}_{what}"] for what in ("start", "end", "rows"))
            first = next(
                other for other, each in zip(letters, found.runs, strict=True) if each.data[part] == run.data[part]
            )
            digest = run.data[part].removeprefix("sha256:")[:8] if first == letter else f"as {first}"
            cells += [f"{_moment(start)} to {_moment(end)}", f"{rows:,}" if isinstance(rows, int) else "", digest]
        table.add_row(*map(Text, cells))
    return table


def _moment(value: Json) -> str:
    """A day, where it begins one."""
    text = str(value)
    return text[:10] if text.endswith("T00:00:00Z") else text


def _differing(title: str, found: Mapping[str, Sequence[Json]], letters: Sequence[str]) -> Table:
    table = _table(title if found else f"{title}: none", *(("", *letters) if found else ()))
    for key, values in found.items():
        table.add_row(Text(printable(key, _CELL)), *(Text(printable(_written(value), _CELL)) for value in values))
    return table


def _written(value: Json) -> str:
    return "-" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _metric_table(found: RunComparison, letters: Sequence[str]) -> Table:
    table = _table("metrics over all evaluation rows", "metric", "run", "value", "interval", f"less {letters[0]}'s")
    differences = {each.run: each for each in found.differences}
    names = dict.fromkeys(name for run in found.runs for name in run.judgement.evaluation.overall.metrics)
    for name in names:
        first = name
        for letter, run in zip(letters, found.runs, strict=True):
            value = run.judgement.evaluation.overall.metrics.get(name)
            paired = differences.get(run.run)
            difference = paired.metrics.metrics.get(name) if paired else None
            table.add_row(*map(Text, (first, letter, *_value(value), "" if difference is None else str(difference))))
            first = ""
    if differences:
        table.caption = (
            "Differences are of both models on the same rows: those of the run whose champion the other was."
        )
    else:
        table.caption = f"No run's model was compared with that of {letters[0]} on the same rows."
    return table


def _value(value: MetricValue | None) -> tuple[str, str]:
    if value is None:
        return "", "unknown"
    return f"{value.value:.4g}", f"{value.lower:.4g} to {value.upper:.4g}"


def _candidates(found: RunComparison, letters: Sequence[str]) -> Table:
    table = _table("candidates", "run", "candidate", "metric", "on rows held back", "on evaluation rows")
    for letter, run in zip(letters, found.runs, strict=True):
        told = run.judgement.candidates
        if told is None:
            continue
        metric, first = told.choice.metric, letter
        for each, judged in zip(told.choice.candidates, told.evaluated, strict=True):
            values = (result.metrics.metrics.get(metric) for result in (each, judged))
            name = f"{each.name} (chosen)" if each.name == run.candidate else each.name
            table.add_row(*map(Text, (first, name, metric, *(str(value or "unknown") for value in values))))
            first = ""
    return table
