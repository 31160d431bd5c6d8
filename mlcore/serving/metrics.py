"""What a server counts, for Prometheus; of several workers together where they share a folder."""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable by which prometheus_client knows the folder that workers share."""
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 256, 1024, 4096)


class Metrics:
    """The counters of one worker.

    Args:
        pipeline: A label of every one of them.
    """

    def __init__(self, pipeline: str) -> None:
        self._registry = CollectorRegistry()
        self._pipeline = pipeline
        self._requests = Counter(
            "mlcore_requests", "Requests by status", ("pipeline", "status", "version", "role"), registry=self._registry
        )
        self._seconds = Histogram(
            "mlcore_request_seconds", "From the last byte of a request to its answer",
            ("pipeline", "version", "role"), buckets=_SECONDS, registry=self._registry,
        )  # fmt: skip
        self._rows = Histogram(
            "mlcore_batch_rows", "Rows that were answered together", ("pipeline",), buckets=_ROWS,
            registry=self._registry,
        )  # fmt: skip
        self._version = Gauge(
            "mlcore_model_version", "The version that is served; 0 for no challenger", ("pipeline", "role"),
            registry=self._registry, multiprocess_mode="livemin",
        )  # fmt: skip
        self._challenger_seconds = Histogram(
            "mlcore_challenger_seconds", "From asking a challenger to its answer", ("pipeline", "version"),
            buckets=_SECONDS, registry=self._registry,
        )  # fmt: skip
        self._challenger_failures = Counter(
            "mlcore_challenger_failures", "Requests that a challenger did not answer, and loads that failed",
            ("pipeline", "version", "reason"), registry=self._registry,
        )  # fmt: skip
        shadow_rows = Counter(
            "mlcore_shadow_rows", "Rows that a shadow answered", ("pipeline",), registry=self._registry
        )
        shadow_dropped = Counter(
            "mlcore_shadow_dropped", "Rows that a shadow had no time for", ("pipeline",), registry=self._registry
        )
        failures = Counter(
            "mlcore_refresh_failures", "Failed looks at the registry", ("pipeline",), registry=self._registry
        )
        dropped = Counter(
            "mlcore_request_log_dropped", "Rows that the request log had no time for", ("pipeline",),
            registry=self._registry,
        )  # fmt: skip
        looked = Gauge(
            "mlcore_looked_timestamp_seconds", "When the registry was last asked and answered", ("pipeline",),
            registry=self._registry, multiprocess_mode="livemin",
        )  # fmt: skip
        self._looked = looked.labels(pipeline)
        self.refresh_failures = failures.labels(pipeline)
        self.dropped = dropped.labels(pipeline)
        self.shadow_rows = shadow_rows.labels(pipeline)
        self.shadow_dropped = shadow_dropped.labels(pipeline)

    def answered(self, status: int, version: int | None, role: str, seconds: float) -> None:
        """One request, by the version that answered it and what that is: ``champion`` or ``challenger``."""
        number = "" if version is None else str(version)
        self._requests.labels(self._pipeline, str(status), number, role).inc()
        self._seconds.labels(self._pipeline, number, role).observe(seconds)

    def challenger_answered(self, version: int, seconds: float) -> None:
        """One request that a challenger was asked, as a canary or as a shadow."""
        self._challenger_seconds.labels(self._pipeline, str(version)).observe(seconds)

    def challenger_failed(self, version: int, reason: str) -> None:
        """One that it did not answer, or that it could not be loaded."""
        self._challenger_failures.labels(self._pipeline, str(version), reason).inc()

    def together(self, rows: int) -> None:
        """One call of the model."""
        self._rows.labels(self._pipeline).observe(rows)

    def looked(self) -> None:
        """The registry has answered."""
        self._looked.set_to_current_time()

    def serves(self, version: int, role: str) -> None:
        """Which version is served from now on, in what role."""
        self._version.labels(self._pipeline, role).set(version)

    def text(self) -> bytes:
        """In the text format of Prometheus."""
        if SHARED_FOLDER not in os.environ:
            return generate_latest(self._registry)
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return generate_latest(together)
