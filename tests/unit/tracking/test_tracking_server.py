from __future__ import annotations

import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from mlcore.config.loader import load_pipeline
from mlcore.config.pipeline import PipelineConfig
from mlcore.config.tracking import Mlflow, Tracking
from mlcore.errors import ConfigError, TrackingError
from mlcore.tracking.flavour import archive_of
from mlcore.tracking.server import Names, masked, names_of, reach

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def config() -> PipelineConfig:
    """A pipeline that is mirrored to where MLFLOW_TRACKING_URI says."""
    found = load_pipeline(ROOT / "config" / "pipelines" / "flight_delays.yaml")
    return found.model_copy(update={"tracking": Tracking(mlflow=Mlflow())})


def test_runs_and_models_are_named_after_the_pipeline(config: PipelineConfig) -> None:
    """Where the file says nothing else; the address is the environment's."""
    names = names_of(config, {"MLFLOW_TRACKING_URI": "http://me:secret@host:5000"})
    assert names is not None
    assert (names.experiment, names.model) == ("flight_delays", "flight_delays")
    assert names.uri == "http://me:secret@host:5000"
    assert names.shown == "http://***@host:5000"
    assert "secret" not in repr(names)


def test_a_pipeline_without_tracking_is_not_mirrored(config: PipelineConfig) -> None:
    """Setting MLFLOW_TRACKING_URI for other things starts no mirror."""
    assert names_of(config.model_copy(update={"tracking": Tracking()}), {"MLFLOW_TRACKING_URI": "http://host"}) is None


def test_a_variable_that_is_not_set_is_named(config: PipelineConfig) -> None:
    """With what to set it for."""
    with pytest.raises(ConfigError, match="MLFLOW_TRACKING_URI is not set"):
        names_of(config, {})


def test_a_password_in_the_file_is_refused_a_variable_is_not() -> None:
    """Secrets stand in the environment."""
    with pytest.raises(ValidationError, match="uri holds a password"):
        Mlflow(uri="https://me:hunter2@host")
    assert Mlflow(uri="https://me:${PASSWORD}@host").model is None


@pytest.mark.parametrize(
    "text", ["no answer from http://me:hunter2@host:1/x", "https://:hunter2@host", "'x://a:hunter2@b'"]
)
def test_secrets_of_addresses_are_masked(text: str) -> None:
    """User and password are gone from every message, the host stays."""
    assert "hunter2" not in masked(text)
    assert "***@" in masked(text)


def test_a_server_that_does_not_answer_is_told_before_mlflow_is_imported() -> None:
    """At once, without the password, and with what to do when it is back."""
    names = Names(pipeline="shop", uri="http://me:hunter2@127.0.0.1:9", experiment="shop", model="shop")
    with pytest.raises(TrackingError) as caught:
        reach(names)
    assert "hunter2" not in str(caught.value)
    assert "mlcore mlflow sync shop" in str(caught.value)


def test_the_archive_beside_a_model_has_the_same_bytes_for_the_same_code() -> None:
    """Equal models are equal files, whenever they were written."""
    assert archive_of(ROOT / "mlcore") == archive_of(ROOT / "mlcore")


def test_that_mlflow_is_not_installed_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra: a pipeline that names a server without it hears so in words."""
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(TrackingError, match="not installed") as caught:
        reach(Names(pipeline="shop", uri="http://host", experiment="shop", model="shop"))
    assert "mlcore[mlflow]" in caught.value.next_step
