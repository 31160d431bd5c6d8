from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlcore.core.types import ArtifactType
from mlcore.evaluation.candidates import write_choice
from mlcore.evaluation.selection import CandidateResult, Choice
from mlcore.evaluation.values import MetricValue, SliceResult
from mlcore.monitoring.decay import Estimate, Performance
from mlcore.monitoring.decision import RetrainDecision, write_decision
from mlcore.monitoring.drift import FeatureDrift, write_drift
from mlcore.tracking.metrics import metric_key, metrics_of, metrics_of_candidate, tracked
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


def test_a_candidate_has_its_own_numbers_on_the_rows_it_was_chosen_by(tmp_path: Path) -> None:
    """With their intervals; those of the others are theirs."""
    value = MetricValue(value=0.7, lower=0.6, upper=0.8, confidence=0.95, rows=9, standard_error=0.05)
    results = [
        CandidateResult(
            name=name, metrics=SliceResult(key=(), rows=9, positives=None, metrics={"auc": each}), difference=None
        )
        for name, each in (("flat", value), ("deep", replace(value, value=0.75)))
    ]
    choice = Choice(metric="auc", chosen="deep", beats_dummy=True, reason="best", candidates=tuple(results))
    write_choice(tmp_path, choice)
    found = metrics_of_candidate(None, tmp_path, "flat", 0)
    assert {one.key: one.value for one in found} == {
        "held_back/auc": 0.7, "held_back/auc.lower": 0.6, "held_back/auc.upper": 0.8,
    }  # fmt: skip


def test_a_drift_report_is_a_number_a_feature_and_the_decision(tmp_path: Path) -> None:
    """Distances, how many drifted, whether to retrain, and the metric of now with its interval."""
    drifted = FeatureDrift(
        feature="colour", distance=0.4, null_median=0.1, null_max=0.2, p_value=0.01, drifted=True, change="red",
        share_before=0.1, share_now=0.5,
    )  # fmt: skip
    performance = Performance(
        metric="roc_auc",
        at_push=Estimate(value=0.8, low=0.7, high=0.9, rows=9),
        now=Estimate(value=0.6, low=0.5, high=0.7, rows=9),
        worse_by=0.2,
        worse_by_at_least=0.1,
        decayed=True,
    )
    write_drift(tmp_path, [drifted, replace(drifted, feature="size", distance=0.1, drifted=False)])
    write_decision(tmp_path, RetrainDecision(retrain=True, reasons=("it decayed",)), performance)
    found = {one.key: one.value for one in metrics_of(ArtifactType.DRIFT_REPORT, tmp_path, 0)}
    assert found["drift/colour"] == 0.4
    assert (found["drifted_features"], found["retrain"]) == (1.0, 1.0)
    assert found["roc_auc.lower"] == 0.5 < found["roc_auc"] == 0.6
