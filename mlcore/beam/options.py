"""A pipeline's ``beam:`` block as Beam's own options: the runner is always named, every option is known."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING

from mlcore.beam.quiet import import_beam
from mlcore.config.beam import Beam
from mlcore.errors import ConfigError, quoted

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

WHERE = "beam.options"
_NO_FREEZE = "disable_logging_submission_environment"
"""Beam would run pip, which need not be there, to stage a list of packages that nobody reads."""
LOCAL = Beam()
"""In this process, without threads of its own: the portable runner's semantics at the least cost."""

# Beam's default would try to download a runner first.
_DEFAULTS: dict[str, dict[str, str]] = {"FnApiRunner": {"direct_running_mode": "in_memory"}}
_NEEDED = {
    "DataflowRunner": ("project", "region", "temp_location"),
    "PortableRunner": ("job_endpoint", "environment_type"),
}
# What the Java side of a runner knows and Python's does not, as job servers describe it; Beam hands these on to them.
_JAVA_ONLY = {
    "FlinkRunner": (
        "allow_non_restored_state", "attached_mode", "auto_balance_write_files_sharding_enabled",
        "auto_watermark_interval", "bundle_processor_cache_timeout", "checkpoint_timeout_millis",
        "checkpointing_interval", "checkpointing_mode", "disable_metrics", "enable_stable_input_drain",
        "environment_expiration_millis", "execution_mode_for_batch", "execution_retry_delay",
        "externalized_checkpoints_enabled", "fail_on_checkpointing_errors", "faster_copy",
        "file_input_split_max_size_m_b", "finish_bundle_before_checkpointing", "flink_conf_dir",
        "force_unaligned_checkpoint_enabled", "job_check_interval_in_secs", "latency_tracking_interval",
        "load_balance_bundles", "max_bundle_size", "max_bundle_time_mills", "min_pause_between_checkpoints",
        "num_concurrent_checkpoints", "number_of_execution_retries", "object_reuse", "operator_chaining",
        "re_iterable_group_by_key_result", "report_checkpoint_duration",
        "retain_externalized_checkpoints_on_cancellation", "savepoint_path", "semi_persist_dir",
        "shutdown_sources_after_idle_ms", "state_backend", "state_backend_factory", "state_backend_storage_path",
        "unaligned_checkpoint_enabled", "use_data_stream_for_batch",
    ),
    "SparkRunner": (
        "batch_interval_millis", "bundle_processor_cache_timeout", "bundle_size", "cache_disabled", "checkpoint_dir",
        "checkpoint_duration_millis", "enable_spark_metric_sinks", "environment_expiration_millis",
        "load_balance_bundles", "max_records_per_batch", "min_read_time_millis", "read_time_percentage",
        "semi_persist_dir", "storage_level", "streaming_timeout_ms", "use_active_spark_session",
    ),
}  # fmt: skip


def pipeline_options(engine: Beam) -> PipelineOptions:
    """Beam's options, every one of them checked by Beam's own parsers before anything runs.

    Raises:
        ConfigError: An option is unknown, has a value that Beam refuses, or is missing.
    """
    import_beam()
    from apache_beam.options.pipeline_options import PipelineOptions

    _check_names(engine)
    _check_needed(engine)
    java = {name: _java(engine.options[name]) for name in engine.options if name in _JAVA_ONLY.get(engine.runner, ())}
    python = {name: _python(value) for name, value in engine.options.items() if name not in java}
    python = {"runner": engine.runner, **_DEFAULTS.get(engine.runner, {}), **python}
    python["experiments"] = [*_given_experiments(python), _NO_FREEZE]
    with _refusals_raised():
        PipelineOptions.from_dictionary(python).get_all_options()  # a view parses its own only when it is asked
        return PipelineOptions.from_dictionary(python | java)


def _check_needed(engine: Beam) -> None:
    for name in _NEEDED.get(engine.runner, ()):
        if not engine.options.get(name):
            raise ConfigError(
                f"{engine.runner} needs the option {name!r}",
                where=f"{WHERE}.{name}",
                next_step="write it in the beam block; docs/how-to.md has a whole one for every runner",
            )


def _check_names(engine: Beam) -> None:
    if "runner" in engine.options:
        raise ConfigError(
            "the runner is named twice", where=f"{WHERE}.runner", next_step="name it in beam.runner, and only there"
        )
    allowed = _known_to_python() | set(_JAVA_ONLY.get(engine.runner, ()))
    unknown = [name for name in engine.options if name not in allowed]
    if unknown:
        guess = get_close_matches(unknown[0], sorted(allowed), n=1)
        raise ConfigError(
            f"unknown option {quoted(unknown[0])} for {engine.runner}",
            where=f"{WHERE}.{unknown[0][:60]}",
            next_step=f"did you mean {guess[0]!r}?" if guess else "Beam's documentation lists the runner's options",
        )


def _known_to_python() -> set[str]:
    from apache_beam.options.pipeline_options import PipelineOptions

    with _refusals_raised():
        return set(PipelineOptions([]).get_all_options())


def _given_experiments(python: Mapping[str, object]) -> list[object]:
    given = python.get("experiments", [])
    return list(given) if isinstance(given, list) else [given]


def _python(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _java(value: object) -> object:
    """As Java reads it: Beam would drop a switch that is off, and here its default may be on."""
    return str(value).lower() if isinstance(value, bool) else _python(value)


@contextlib.contextmanager
def _refusals_raised() -> Iterator[None]:
    """Beam's parsers print and leave the process; here a refusal is an error like any other."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            yield
    except SystemExit as error:
        reason = said.getvalue().strip().rsplit("error: ", 1)[-1]
        raise ConfigError(
            f"Beam refuses an option: {quoted(reason, 300)}", where=WHERE, next_step="correct its value"
        ) from error
