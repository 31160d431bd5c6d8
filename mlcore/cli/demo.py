"""``mlcore demo``: the whole loop on real flights, under Airflow, from an empty folder."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from mlcore.cli.context import console, notes, settings
from mlcore.cli.runs import run_table
from mlcore.config.settings import Settings
from mlcore.core.window import iso
from mlcore.errors import PlatformError
from mlcore.platform.databases import with_driver
from mlcore.runtime import history
from mlcore.runtime.reports import DriftReport, list_reports
from mlcore.runtime.session import Session, open_session

if TYPE_CHECKING:
    from mlcore.demo.airflow_client import AirflowClient, DagRun

PIPELINE = "flight_delays"
MONITOR = "flight_delays_monitor"
FIRST_WEEK, LAST_WEEK = date(2013, 3, 4), date(2013, 4, 29)
WEEKS = 9
_AFTER_ALL = date(2014, 1, 2)
"""The day after the last one that has flights, in UTC."""
_MONITORED_WEEKS = 8
_WAIT_SECONDS = 900.0
_POLL_SECONDS = 0.5


def register(app: typer.Typer) -> None:
    app.command()(demo)


def demo(
    port: Annotated[int, typer.Option(min=1, max=65535, help="For the Airflow UI.")] = 8080,
    data_only: Annotated[
        bool, typer.Option("--data-only", help="Lay out all flights of 2013 as daily files, and start nothing.")
    ] = False,
) -> None:
    """Lay out real data, start the platform, backfill nine weeks, watch the weeks after; leave it running."""
    if data_only:
        _lay_out(settings(), until=_AFTER_ALL)
        notes.print(f"now: mlcore run {PIPELINE} --at 2013-03-18T06:00Z", highlight=False)
        return
    from mlcore.demo.airflow_client import AirflowClient
    from mlcore.platform import control
    from mlcore.platform.credentials import ADMIN, load_credentials
    from mlcore.platform.layout import Layout

    found = settings()
    with _step("starting the platform") as tell:
        started = control.up(found, port, os.environ, tell)
    if started.state.port != port:
        notes.print(f"port {port} is taken: the UI is on {started.state.port}")
    secrets = load_credentials(Layout.of(found.home))
    _lay_out(found, until=LAST_WEEK + timedelta(days=7))
    client = AirflowClient(started.state.url, ADMIN, secrets.admin_password)
    try:
        _backfill(client)
        with open_session(replace(found, database_url=_database_url(found))) as stores:
            report = _watch(client, found, stores)
            rows = _newest_of_each_window(history.list_runs(stores, PIPELINE, limit=100))
            champion = stores.registry.champion(PIPELINE)
            place = stores.artifacts.path(stores.metadata.artifacts([report.artifact_id])[0].uri) if report else None
    finally:
        client.close()
    console.print(run_table(rows))
    console.print(f"champion      version {champion.version if champion else 'none'}", highlight=False)
    if report is not None:
        console.print(f"drift report  {place}", soft_wrap=True, highlight=False)
        console.print(f"              as of {iso(report.as_of)}: {report.reasons[0]}", soft_wrap=True, highlight=False)
    console.print(f"Airflow       {started.state.url}  login {ADMIN} / {secrets.admin_password}", highlight=False)
    console.print("everything keeps running; stop it with: make stop", highlight=False)


def _newest_of_each_window(rows: Sequence[history.RunRow]) -> list[history.RunRow]:
    """The retraining runs in the order of their windows; of several on one window the newest."""
    newest: dict[str, history.RunRow] = {}
    for row in rows:
        if row.trained:
            newest.setdefault(row.trained, row)
    return sorted(newest.values(), key=lambda row: row.trained)


def _lay_out(found: Settings, until: date) -> None:
    from mlcore.demo.flights import lay_out

    with _step(f"the flights up to {until} arrive as daily files") as tell:
        lay_out(
            found.project / "data" / "flights", until=until, progress=lambda done, total: tell(f"{done} of {total}")
        )


def _backfill(client: AirflowClient) -> None:
    """Nine weekly runs, oldest first and one at a time, as each is compared with the champion of the one before."""
    with _step("Airflow reads the DAGs") as tell:
        _wait(lambda: client.is_parsed(PIPELINE) and client.is_parsed(MONITOR), tell, "waiting for the DAG processor")
        client.unpause(PIPELINE)
        client.unpause(MONITOR)
    with _step(f"backfill of {WEEKS} weekly runs") as tell:
        runs = _backfilled(client)
        if len(runs) < WEEKS or any(run.state == "failed" for run in runs.values()):
            client.backfill(PIPELINE, FIRST_WEEK.isoformat(), LAST_WEEK.isoformat(), max_active_runs=1)

        def done() -> bool:
            found = _backfilled(client)
            ended = sum(run.ended for run in found.values())
            tell(f"{ended} of {WEEKS} runs" + _current(client, found))
            return ended >= WEEKS

        _wait(done, tell, "")
    failed = [run.run_id for run in _backfilled(client).values() if run.state == "failed"]
    if failed:
        raise PlatformError(
            f"{len(failed)} of {WEEKS} runs failed, the first is {failed[0]}",
            where=PIPELINE,
            next_step=f"mlcore runs list {PIPELINE} says why",
        )


def _backfilled(client: AirflowClient) -> dict[str, DagRun]:
    return {run_id: run for run_id, run in client.runs(PIPELINE).items() if run_id.startswith("backfill__")}


def _current(client: AirflowClient, runs: dict[str, DagRun]) -> str:
    running = sorted(run.run_id for run in runs.values() if run.state == "running")
    if not running:
        return ""
    done, total = client.tasks_done(PIPELINE, running[0])
    return f", {done} of {total} tasks of {running[0].removeprefix('backfill__')[:10]}"


def _watch(client: AirflowClient, found: Settings, stores: Session) -> DriftReport | None:
    """A week's files arrive, the monitor looks at them; until it asks for retraining, and that has run."""
    report = None
    for week in range(1, _MONITORED_WEEKS + 1):
        monday = LAST_WEEK + timedelta(days=7 * (week + 1))
        as_of = iso(datetime(monday.year, monday.month, monday.day, 7, tzinfo=UTC))
        _lay_out(found, until=monday)
        with _step(f"monitor as of {as_of}") as tell:
            _run(client, MONITOR, f"demo__{as_of}", {"as_of": as_of}, tell)
            report = next((r for r in list_reports(stores, pipeline=PIPELINE) if iso(r.as_of) == as_of), None)
            tell("" if report is None else ("retrain: " if report.retrain else "no retraining: ") + report.reasons[0])
        if report is not None and report.retrain:
            _await_retraining(client, as_of)
            break
    return report


def _await_retraining(client: AirflowClient, as_of: str) -> None:
    from mlcore.airflow.naming import RETRAIN_PREFIX

    run_id = f"{RETRAIN_PREFIX}{as_of}"
    with _step("the retraining that the monitor asked for") as tell:
        _wait(lambda: (run := client.runs(PIPELINE).get(run_id)) is not None and run.ended, tell, run_id)


def _run(client: AirflowClient, dag_id: str, run_id: str, conf: dict[str, str], tell: Callable[[str], None]) -> None:
    client.trigger(dag_id, run_id, conf)

    def done() -> bool:
        run = client.runs(dag_id)[run_id]
        ended, total = client.tasks_done(dag_id, run_id)
        tell(f"{ended} of {total} tasks")
        return run.ended

    _wait(done, tell, "")
    if client.runs(dag_id)[run_id].state == "failed":
        raise PlatformError(
            f"run {run_id} of {dag_id} failed", where=dag_id, next_step="its log in the Airflow UI says why"
        )


def _wait(done: Callable[[], bool], tell: Callable[[str], None], doing: str) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    if doing:
        tell(doing)
    while not done():
        if time.monotonic() > deadline:
            raise PlatformError(
                f"nothing came of it in {_WAIT_SECONDS:.0f} s", where=doing, next_step="mlcore status, mlcore logs"
            )
        time.sleep(_POLL_SECONDS)


@contextmanager
def _step(name: str) -> Iterator[Callable[[str], None]]:
    """One line a step: what it is, what it is at, how long it took."""
    began = time.monotonic()
    said = ""
    with notes.status(name) as status:

        def tell(doing: str) -> None:
            nonlocal said
            said = doing or said
            status.update(f"{name}: {said}")

        yield tell
    notes.print(
        f"{time.monotonic() - began:6.1f} s  {name}" + (f": {said}" if said else ""),
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def _database_url(found: Settings) -> str:
    from mlcore.platform.postgres import MLCORE_DATABASE, EmbeddedPostgres

    if found.database_url:
        return with_driver(found.database_url)
    return EmbeddedPostgres(found.home).url(MLCORE_DATABASE)
