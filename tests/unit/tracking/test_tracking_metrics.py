from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlcore.core.types import ArtifactType
from mlcore.tracking.metrics import metric_key, metrics_of, tracked
from mlcore.training.tune import TrialResult, Tuned, write_tuned


@given(st.text(max_size=400))
def test_every_name_becomes_one_that_mlflow_takes(name: str) -> None:
    """Whatever a category is called: allowed characters, a length, and no path that goes up."""
    key = metric_key(name)
    assert re.fullmatch(r"[\w\-. :/]*", key, re.ASCII)
    assert len(key) <= 250
    assert ".." not in key.split("/")


@given(st.lists(st.text(min_size=1, max_size=20), unique=True, max_size=8))
def test_names_that_differ_stay_so(names: list[str]) -> None:
    """What had to be changed is told apart."""
    assert len({metric_key(name) for name in names}) == len(names)


def test_what_is_not_finite_is_left_out_and_the_order_is_of_names_and_steps() -> None:
    """MLflow has no number for what is unknown."""
    found = tracked([("b", 1, 2.0), ("b", 0, 1.0), ("a", 0, float("nan")), ("c", 0, float("inf"))], 7)
    assert [(one.key, one.step, one.value, one.timestamp) for one in found] == [("b", 0, 1.0, 7), ("b", 1, 2.0, 7)]


def test_each_trial_of_a_search_is_a_step(tmp_path: Path) -> None:
    """Those that failed have no number."""
    trials = [
        TrialResult(number=0, params={}, state="COMPLETE", values=(0.5, 0.3), value=0.4),
        TrialResult(number=1, params={}, state="FAIL", values=(), reason="no"),
        TrialResult(number=2, params={}, state="COMPLETE", values=(0.2, 0.4), value=0.3),
    ]
    write_tuned(tmp_path, Tuned(objective="log_loss", params={}, value=0.3, trials=tuple(trials)))
    found = metrics_of(ArtifactType.HYPER_PARAMETERS, tmp_path, 0)
    assert [(one.key, one.step, one.value) for one in found] == [
        ("tuning/log_loss", 0, 0.4),
        ("tuning/log_loss", 2, 0.3),
    ]


@pytest.mark.parametrize("kind", [ArtifactType.MODEL, ArtifactType.SCHEMA])
def test_other_artifacts_have_no_numbers(kind: ArtifactType, tmp_path: Path) -> None:
    """They are files to look at."""
    assert metrics_of(kind, tmp_path, 0) == ()
