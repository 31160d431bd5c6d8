"""What a task knows of its run that other tools call it by."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.api.datamodels._generated import DagRun
from openlineage.client.uuid import generate_static_uuid

from mlcore.airflow.operators import airflow_run
from mlcore.tracking.openlineage.ids import airflow_run_id

MOMENT = datetime(2024, 1, 10, 6, tzinfo=UTC)
LATER = datetime(2024, 1, 10, 7, tzinfo=UTC)


def a_run(logical_date: datetime | None) -> Any:
    return DagRun.model_construct(
        dag_id="tiny", run_id="manual__1", logical_date=logical_date, data_interval_end=None, run_after=LATER,
        clear_number=1, run_type="manual",
    )  # fmt: skip


@pytest.mark.parametrize(("logical_date", "moment"), [(MOMENT, MOMENT), (None, LATER)])
def test_a_run_is_called_as_airflows_provider_calls_it(logical_date: datetime | None, moment: datetime) -> None:
    """By its logical date, or where it has none by when it may start, and by how often it was cleared."""
    context: Any = {
        "dag_run": a_run(logical_date), "ti": SimpleNamespace(task_id="trainer", try_number=1), "params": {},
    }  # fmt: skip
    found = airflow_run(context)
    assert (found.moment, found.clear_number) == (moment, 1)
    theirs = str(generate_static_uuid(moment, b"default.tiny.1"))
    assert airflow_run_id("default", "tiny", moment, found.clear_number) == theirs
