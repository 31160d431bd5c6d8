"""Airflow's own writing of logs and tracebacks leaves out what our tasks' environment and pipelines hold of secrets."""

import json

import pytest
import structlog
from airflow.sdk._shared.secrets_masker import reset_secrets_masker
from airflow.sdk.log import mask_logs

from mlcore import masking
from mlcore.airflow.secrecy import task_settings
from mlcore.config.loader import load_pipeline
from mlcore.errors import ComponentFailed

PIPELINE = "config/pipelines/flight_delays.yaml"
SECRETS = {"HOOK": "https://hooks.example.com/T0/Xq3jT9aaaaaaaaaaaaaa2b", "SHOP_PASSWORD": "pl4nted p@ss"}


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch):
    """A process that was told of no secret."""
    monkeypatch.setattr(masking, "_concealed", frozenset())
    monkeypatch.setattr(masking, "_pattern", None)
    yield
    reset_secrets_masker()


def logged():
    """A failed task's entry in its log: our error, and below it what a library said."""
    try:
        try:
            raise ConnectionError(
                f"no answer of {SECRETS['HOOK']} with {SECRETS['SHOP_PASSWORD']!r}, url: /T0/Xq3jT9aaaaaaaaaaaaaa2b"
            )
        except ConnectionError as error:
            raise ComponentFailed("it failed") from error
    except ComponentFailed as failed:
        traceback = structlog.tracebacks.ExceptionDictTransformer(use_rich=False, show_locals=False)
        entry = {"event": "Task failed", "error_detail": traceback((type(failed), failed, failed.__traceback__))}
    return json.dumps(mask_logs(None, "error", entry))


def test_the_traceback_of_a_library_in_a_tasks_log_holds_no_secret(monkeypatch, pytestconfig, tmp_path):
    """Before a task has read its settings Airflow knows of nothing; then neither value nor part of it is written."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    path = tmp_path / "flight_delays.yaml"
    text = (pytestconfig.rootpath / PIPELINE).read_text()
    path.write_text(text.replace("alerts: {urls: []}", 'alerts: {urls: ["${HOOK}"]}'))
    assert "Xq3jT9" in logged()
    assert "pl4nted" in logged()
    task_settings(load_pipeline(path))
    written = logged()
    assert "Xq3jT9" not in written
    assert "pl4nted" not in written
    assert "no answer of ***" in written
