"""The pages inside Airflow's UI: drift reports, and the challenge of a champion.

Everything on them is rendered here, escaped, without a script. A report itself holds values from data and scripts of
its own, so it is shown in a sandboxed frame under a policy that also holds when it is opened by itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from mlcore.airflow.auth import DagReader, User, readable_dags
from mlcore.airflow.naming import RETRAIN_PREFIX, kind_of, pipeline_of, run_name
from mlcore.airflow.rendering import rendered_report
from mlcore.config.loader import find_pipeline, pipeline_names
from mlcore.config.settings import Settings
from mlcore.core.types import GraphKind
from mlcore.core.window import iso
from mlcore.errors import ArtifactMissing, MlcoreError
from mlcore.runtime.challenge_page import content
from mlcore.runtime.challenges import report_challenge
from mlcore.runtime.reports import DriftReport, find_report, list_reports
from mlcore.runtime.session import Session, open_session

REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; connect-src 'none'; frame-ancestors 'self'; base-uri 'none'; "
    "form-action 'none'"
)
PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; frame-ancestors 'self'; base-uri 'none'; "
    "form-action 'none'"
)
_HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "private, no-cache"}

_templates = Environment(loader=PackageLoader("mlcore.airflow"), autoescape=True, undefined=StrictUndefined)
_templates.filters["iso"] = iso


def create_app() -> FastAPI:
    """The app that the plugin mounts. Every route asks ``mlcore.airflow.auth`` first."""
    app = FastAPI(title="mlcore", openapi_url=None)
    app.add_api_route("/reports", all_reports, response_class=HTMLResponse)
    of_dag = "/dags/{dag_id}"
    for path, endpoint in (
        (f"{of_dag}/reports", reports_of_dag),
        (f"{of_dag}/runs/{{run_id:path}}/reports", reports_of_run),
        (f"{of_dag}/reports/{{report_id}}", one_report),
        (f"{of_dag}/reports/{{report_id}}/html", report_content),
        (f"{of_dag}/challenge", challenge_of_dag),
    ):
        app.add_api_route(path, endpoint, response_class=HTMLResponse, dependencies=[DagReader])
    app.add_exception_handler(MlcoreError, _show_error)
    return app


def all_reports(request: Request, user: User) -> HTMLResponse:
    """The newest reports of every pipeline the user may read."""
    settings = _settings()
    readable = readable_dags(user)
    with open_session(settings) as session:
        found = {
            name: list_reports(session, pipeline=name, limit=10)
            for name in pipeline_names(settings.pipelines)
            if name in readable
        }
    return _page(request, "overview.html", title="Drift reports", pipelines=found)


def reports_of_dag(request: Request, dag_id: str) -> HTMLResponse:
    """All reports of a DAG's pipeline."""
    with _pipeline_session(dag_id) as (pipeline, session):
        found = list_reports(session, pipeline=pipeline) if pipeline else ()
    return _page(
        request,
        "reports.html",
        title=f"Drift reports of {pipeline or dag_id}",
        dag_id=dag_id,
        pipeline=pipeline,
        run_id=None,
        reports=found,
    )


def reports_of_run(request: Request, dag_id: str, run_id: str) -> HTMLResponse:
    """The report a monitoring run made; for a retraining run, the one that asked for it."""
    with _pipeline_session(dag_id) as (pipeline, session):
        found = _of_run(session, pipeline, run_id, kind=kind_of(dag_id, pipeline)) if pipeline else ()
    return _page(
        request,
        "reports.html",
        title=f"Drift reports of {run_id}",
        dag_id=dag_id,
        pipeline=pipeline,
        run_id=run_id,
        reports=found,
    )


def one_report(request: Request, dag_id: str, report_id: int) -> HTMLResponse:
    """One report: its verdict, and its pictures in a sandboxed frame."""
    with _pipeline_session(dag_id) as (pipeline, session):
        _, report = find_report(session, report_id, pipeline=pipeline or dag_id)
    return _page(request, "report.html", title=f"Drift report {report_id}", dag_id=dag_id, report=report)


def report_content(dag_id: str, report_id: int) -> FileResponse:
    """The report's own page, never to run as the viewer."""
    with _pipeline_session(dag_id) as (pipeline, session):
        artifact, _ = find_report(session, report_id, pipeline=pipeline or dag_id)
    path: Path = rendered_report(artifact, _settings())
    return FileResponse(path, media_type="text/html", headers={**_HEADERS, "Content-Security-Policy": REPORT_POLICY})


def challenge_of_dag(request: Request, dag_id: str) -> HTMLResponse:
    """How the challenger of a DAG's pipeline compares with the champion, and those before it."""
    with _pipeline_session(dag_id) as (pipeline, session):
        report = report_challenge(session, find_pipeline(_settings().pipelines, pipeline)) if pipeline else None
    return _page(
        request,
        "challenge.html",
        title=f"Challenge of {pipeline or dag_id}",
        dag_id=dag_id,
        pipeline=pipeline,
        body=content(report) if report else "",
    )


def _settings() -> Settings:
    return Settings.from_environ(os.environ)


@contextmanager
def _pipeline_session(dag_id: str) -> Iterator[tuple[str | None, Session]]:
    settings = _settings()
    with open_session(settings) as session:
        yield pipeline_of(dag_id, settings), session


def _of_run(session: Session, pipeline: str, run_id: str, *, kind: GraphKind) -> tuple[DriftReport, ...]:
    if kind is not GraphKind.RETRAINING or not run_id.startswith(RETRAIN_PREFIX):
        return list_reports(session, pipeline=pipeline, run=run_name(run_id, kind=kind))
    asked_at = run_id.removeprefix(RETRAIN_PREFIX)
    return tuple(report for report in list_reports(session, pipeline=pipeline) if iso(report.as_of) == asked_at)


def _page(request: Request, template: str, *, status_code: int = 200, **values: object) -> HTMLResponse:
    html = _templates.get_template(template).render(root=request.scope.get("root_path", ""), **values)
    return HTMLResponse(html, status_code, headers={**_HEADERS, "Content-Security-Policy": PAGE_POLICY})


def _show_error(request: Request, error: Exception) -> HTMLResponse:
    status_code = 404 if isinstance(error, ArtifactMissing) else 503
    return _page(request, "error.html", status_code=status_code, title="mlcore has no answer", message=str(error))
