"""A task whose spans are late gives its worker back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowRescheduleException

from mlcore.airflow.operators import airflow_errors
from mlcore.config.loader import load_pipeline
from mlcore.errors import MalformedData, SpanMissing, SpansAwaited

PIPELINE = Path(__file__).parents[3] / "config" / "pipelines" / "flight_delays.yaml"


def test_late_spans_reschedule_the_task() -> None:
    """Airflow starts it again at the next look, within the wait; the other errors stay what they were."""
    config = load_pipeline(PIPELINE)
    until = datetime.now(UTC) + timedelta(hours=6)
    with pytest.raises(AirflowRescheduleException) as again, airflow_errors(config):
        raise SpansAwaited("1 of 67 spans have no file", until=until)
    assert datetime.now(UTC) < again.value.reschedule_date < until
    with pytest.raises(SpanMissing), airflow_errors(config):
        raise SpanMissing("1 of 67 spans have no file")
    with pytest.raises(AirflowFailException), airflow_errors(config):
        raise MalformedData("bad")
