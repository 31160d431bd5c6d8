"""``mlcore run``, ``mlcore monitor``, ``mlcore infer`` and ``mlcore runs list|show``."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Column, Table
from rich.text import Text

from mlcore.cli.context import console, notes, session, settings
from mlcore.cli.mlflow import mirror_after
from mlcore.cli.output import printable
from mlcore.cli.runs_compare import compare
from mlcore.cli.runs_show import show
from mlcore.config.fields import parse_length
from mlcore.config.loader import find_pipeline
from mlcore.core.request import RunRequest
from mlcore.core.types import ExecutionState, GraphKind
from mlcore.core.window import Grain, iso, parse_moment
from mlcore.errors import WindowError, quoted
from mlcore.runtime import history
from mlcore.runtime.checks import check_pipeline
from mlcore.runtime.graphs.graph import Graph
from mlcore.runtime.graphs.inference import inference_graph
from mlcore.runtime.graphs.monitoring import monitoring_graph
from mlcore.runtime.graphs.retraining import retraining_graph
from mlcore.runtime.interop.courier import telling
from mlcore.runtime.launch import LaunchResult
from mlcore.runtime.local import run_graph
from mlcore.runtime.session import Session

_AHEAD = timedelta(days=1)
"""A clock may be a little wrong; a year that is mistyped would be waited for, or fix what its moment knows."""
_VERDICT = 100
"""So much of a verdict is shown among many; ``runs show`` has all of it."""

runs = typer.Typer(help="Runs and their executions.", no_args_is_help=True)
runs.command()(show)
runs.command()(compare)

PipelineName = Annotated[str, typer.Argument(help="Name of the pipeline: a file of config/pipelines.")]
At = Annotated[str, typer.Option("--at", help="The moment the run may know of (as_of), ISO 8601 with an offset.")]


def register(app: typer.Typer) -> None:
    app.command()(run)
    app.command()(monitor)
    app.command()(infer)
    app.add_typer(runs, name="runs")


def run(
    pipeline: PipelineName,
    at: At,
    train: Annotated[str | None, typer.Option(help="Length of the training window, ISO 8601, e.g. P30D.")] = None,
    eval_: Annotated[str | None, typer.Option("--eval", help="Length of the evaluation window.")] = None,
    force_push: Annotated[bool, typer.Option(help="Move the champion whatever the gates say; needs --reason.")] = False,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
) -> None:
    """Train, evaluate, gate and push for one moment, in this process."""
    if force_push and not reason:
        raise typer.BadParameter("say why with --reason: a forced push is kept in the champion's history")
    config = find_pipeline(settings().pipelines, pipeline)
    request = _request(
        pipeline,
        at,
        force_push=force_push,
        reason=reason,
        train=_duration(train, "--train"),
        eval=_duration(eval_, "--eval"),
    )
    with notes.status("checking the pipeline file"):  # a typo is told before hours of work on data, not after
        check_pipeline(config)
    _run(pipeline, retraining_graph(config), request)


def monitor(pipeline: PipelineName, at: At) -> None:
    """Report drift and decay as of one moment, and say whether to retrain."""
    config = find_pipeline(settings().pipelines, pipeline)
    _run(pipeline, monitoring_graph(config), _request(pipeline, at))


def infer(pipeline: PipelineName, at: At) -> None:
    """Predict the newest spans as of one moment with the champion of then, and deliver what it says."""
    config = find_pipeline(settings().pipelines, pipeline)
    _run(pipeline, inference_graph(config), _request(pipeline, at))


def _request(
    pipeline: str,
    at: str,
    *,
    force_push: bool = False,
    reason: str = "",
    train: Grain | None = None,
    eval: Grain | None = None,
) -> RunRequest:
    as_of = parse_moment(at, name="--at")
    if as_of > datetime.now(UTC) + _AHEAD:
        raise WindowError(
            f"--at {iso(as_of)} is in the future: nobody knows yet what will be known then",
            next_step="correct the date, or this machine's clock; a run may know of no more than has happened",
        )
    return RunRequest(
        pipeline=pipeline,
        run=f"cli__{iso(as_of)}__{secrets.token_hex(3)}",
        as_of=as_of,
        force_push=force_push,
        reason=reason,
        train=train,
        eval=eval,
        origin={"host": socket.gethostname(), "pid": os.getpid()},
    )


def _duration(text: str | None, option: str) -> Grain | None:
    if text is None:
        return None
    try:
        return parse_length(text)
    except ValueError as error:
        raise WindowError(
            f"{option} {quoted(text)} is not an ISO 8601 duration", next_step="write it like P60D"
        ) from error


def _run(pipeline: str, graph: Graph, request: RunRequest) -> None:
    config = find_pipeline(settings().pipelines, pipeline)
    with session() as stores:
        try:
            with telling(stores, config, settings().home), LiveRun(graph, request) as live:
                run_graph(stores, config, graph, request=request, observer=live)
            if graph.kind is GraphKind.RETRAINING:
                _say_champion(stores, pipeline)
        except KeyboardInterrupt:
            notes.print("\ninterrupted: what was complete is kept, and the same command goes on from there")
            raise
        finally:
            mirror_after(config)  # a run that failed, too


def _say_champion(stores: Session, pipeline: str) -> None:
    """Which version is the champion now, whatever became of the run's own, and who is waited for."""
    champion = stores.registry.champion(pipeline)
    if champion is None:
        console.print(f"{pipeline} has no champion yet", highlight=False)
    else:
        trained = f"{champion.train_start:%Y-%m-%d} to {champion.train_end:%Y-%m-%d}"
        console.print(f"champion of {pipeline}: version {champion.version}, trained on {trained}", highlight=False)
    for one in stores.registry.pending(pipeline):
        asked = f"mlcore models approve|reject {pipeline} {one.version} --reason <why>"
        console.print(f"version {one.version} waits for a person: {asked}", highlight=False, soft_wrap=True)


class LiveRun:
    """The run as a table of its nodes, redrawn while it goes on; plain lines where there is no terminal."""

    def __init__(self, graph: Graph, request: RunRequest) -> None:
        self._nodes = [node.name for node in graph.nodes]
        self._title = f"{request.pipeline} as of {iso(request.as_of)}: {request.run}"
        self._done: dict[str, LaunchResult] = {}
        self._current: str | None = None
        self._since = 0.0
        self._live = Live(get_renderable=self._render, console=console, refresh_per_second=8)

    def __enter__(self) -> LiveRun:
        if console.is_terminal:
            self._live.start()
        else:
            console.print(self._title, highlight=False)
        return self

    def __exit__(self, *exc: object) -> None:
        if console.is_terminal:
            self._live.stop()

    def started(self, node: str) -> None:
        self._current, self._since = node, time.monotonic()

    def finished(self, result: LaunchResult) -> None:
        self._done[result.node] = result
        if not console.is_terminal:
            line = f"{result.node:<20} {result.state.value:<9} {result.seconds:6.1f} s  {result.summary}"
            console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _render(self) -> Table:
        table = Table(title=self._title, title_justify="left", box=None, pad_edge=False)
        for column in ("component", "state", "seconds", "result"):
            table.add_column(column, justify="right" if column == "seconds" else "left")
        for node in self._nodes:
            table.add_row(*self._row(node))
        return table

    def _row(self, node: str) -> tuple[Text | Spinner, ...]:
        result = self._done.get(node)
        if result is not None:
            colour = "green" if result.state is ExecutionState.COMPLETE else "cyan"
            state = Text(result.state.value, style=colour)
            return Text(node), state, Text(f"{result.seconds:.1f}"), Text(result.summary)
        if node == self._current:
            return Text(node), Spinner("dots", "running"), Text(f"{time.monotonic() - self._since:.1f}"), Text("")
        return Text(node, style="dim"), Text(""), Text(""), Text("")


@runs.command("list")
def list_runs(pipeline: PipelineName, limit: Annotated[int, typer.Option(min=1, max=1000)] = 20) -> None:
    """The newest runs of a pipeline and what became of them."""
    find_pipeline(settings().pipelines, pipeline)
    with session() as stores:
        found = history.list_runs(stores, pipeline, limit=limit)
    if not found:
        notes.print(f"no run of {pipeline} yet; start one with: mlcore run {pipeline} --at <moment>", highlight=False)
        return
    console.print(run_table(found))


def run_table(rows: Sequence[history.RunRow]) -> Table:
    """Runs with their windows, metrics, verdicts and versions."""
    run = Column("run", no_wrap=True)  # other commands ask for the whole name
    table = Table(run, "state", "trained on", "rows", "metric", "verdict", "version", box=None)
    for row in rows:
        table.add_row(
            Text(row.run),
            Text(row.state.value, style="red" if row.state is ExecutionState.FAILED else ""),
            Text(row.trained),
            "" if row.rows is None else f"{row.rows:,}",
            Text(row.metric),
            Text(printable(row.error or row.verdict, _VERDICT)),
            "" if row.version is None else str(row.version),
        )
    return table
