from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from mlcore.config.monitor import Drift, Monitor, Retrain
from mlcore.errors import ArtifactCorrupt, ArtifactMissing
from mlcore.monitoring.decay import Answers, Estimate, Performance, compare
from mlcore.monitoring.decision import FILE_NAME, decide, read_decision, write_decision
from mlcore.monitoring.drift import FeatureDrift

CONFIG = Monitor(schedule="@daily", drift=Drift(max_features=1), retrain=Retrain(max_age=timedelta(days=35)))


def estimate(value: float, half: float, rows: int = 7000) -> Estimate:
    return Estimate(value=value, low=value - half, high=value + half, rows=rows)


def performance(push: float, now: float, half: float = 0.01) -> Performance:
    return compare(
        "roc_auc", at_push=estimate(push, half), now=estimate(now, half), higher_is_better=True, max_decay=0.05
    )


def feature(name: str, distance: float, *, drifted: bool) -> FeatureDrift:
    return FeatureDrift(
        feature=name,
        distance=distance,
        null_median=0.05,
        null_max=0.1,
        p_value=0.001,
        drifted=drifted,
        change="'UA'",
        share_before=0.1,
        share_now=0.4,
    )


@pytest.mark.parametrize(
    ("push", "now", "half", "decayed"),
    [(0.72, 0.65, 0.01, True), (0.72, 0.68, 0.01, False), (0.72, 0.65, 0.06, False), (0.65, 0.72, 0.01, False)],
)
def test_decay_must_be_large_and_certain(push: float, now: float, half: float, decayed: bool) -> None:
    """Quality decayed when it is worse by more than allowed and the interval of the difference excludes zero."""
    assert performance(push, now, half).decayed is decayed


def test_the_interval_of_the_difference_uses_the_sides_that_matter() -> None:
    """The distances towards each other, squared and added; the outer sides do not count."""
    push = Estimate(value=0.70, low=0.67, high=0.99, rows=1)
    now = Estimate(value=0.60, low=0.01, high=0.64, rows=1)
    made = compare("roc_auc", at_push=push, now=now, higher_is_better=True, max_decay=0.05)
    assert made.worse_by == pytest.approx(0.10)
    assert made.worse_by_at_least == pytest.approx(0.05)


def test_a_loss_decays_upwards() -> None:
    """Where less is better, more is worse."""
    made = compare(
        "log_loss", at_push=estimate(0.4, 0.01), now=estimate(0.5, 0.01), higher_is_better=False, max_decay=0.05
    )
    assert made.decayed
    assert made.worse_by == pytest.approx(0.1)


def test_an_estimate_lies_in_its_interval() -> None:
    """An interval that does not hold its value is a bug of whoever made it."""
    with pytest.raises(ValueError, match="between"):
        Estimate(value=0.5, low=0.6, high=0.7, rows=1)


def test_nothing_wrong_means_no_retraining_and_says_what_was_looked_at() -> None:
    """The reasons of a quiet day are the checks that passed."""
    made = decide([feature("a", 0.05, drifted=False)], performance(0.72, 0.71), timedelta(days=3), CONFIG)
    assert not made.retrain
    assert made.reasons[0] == "none of 1 features drifted"
    assert "not worse by more than 0.05" in made.reasons[1]
    assert "3 days ago" in made.reasons[2]


def test_drift_counts_only_beyond_the_features_allowed() -> None:
    """One feature may drift here; two may not, and the one that moved most is named first."""
    one, two = feature("a", 0.3, drifted=True), feature("b", 0.5, drifted=True)
    assert not decide([one], None, None, CONFIG).retrain
    made = decide([one, two, feature("c", 0.1, drifted=False)], None, None, CONFIG)
    assert made.retrain
    (reason,) = made.reasons
    assert reason.startswith("2 of 3 features drifted, more than 1: b: distance 0.500, usual up to 0.100; 'UA' went")


def test_decay_and_age_are_reasons_of_their_own() -> None:
    """Every cause is listed, nothing else."""
    made = decide([], performance(0.72, 0.6), timedelta(days=36), CONFIG)
    assert made.retrain
    assert len(made.reasons) == 2
    assert "worse by 0.120" in made.reasons[0]
    assert "36 days ago, more than 35 days" in made.reasons[1]
    assert not decide([], None, timedelta(days=35), CONFIG).retrain


def test_drift_that_is_no_cause_by_itself_is_told_beside_one() -> None:
    """What may explain a decay is named after it."""
    decay = performance(0.72, 0.6)
    made = decide([feature("a", 0.3, drifted=True), feature("b", 0.1, drifted=False)], decay, None, CONFIG)
    assert made.retrain
    assert "worse by 0.120" in made.reasons[0]
    assert made.reasons[1].startswith("1 of 2 features drifted, no more than the 1 allowed: a: distance 0.300")
    assert len(decide([feature("b", 0.1, drifted=False)], decay, None, CONFIG).reasons) == 1


def test_too_few_labels_are_no_verdict() -> None:
    """Quality that was not measured is said to be so."""
    not_measured = compare("roc_auc", at_push=estimate(0.7, 0.01), now=None, higher_is_better=True, max_decay=0.05)
    for given in (None, not_measured):
        made = decide([], given, None, CONFIG)
        assert not made.retrain
        assert any("not measured" in reason for reason in made.reasons)


def test_a_decision_survives_its_file(tmp_path: Path) -> None:
    """The verdict and the figures it stands on are read back; silence is no decision."""
    with pytest.raises(ArtifactMissing):
        read_decision(tmp_path)
    served = replace(performance(0.72, 0.6), answers=Answers(predicted=7, scored=2, missing=1))
    for figures in (None, performance(0.72, 0.6), served):
        made = decide([], figures, timedelta(days=36), CONFIG)
        write_decision(tmp_path, made, figures)
        assert read_decision(tmp_path) == (made, figures)
    (tmp_path / FILE_NAME).write_text("{}")
    with pytest.raises(ArtifactCorrupt):
        read_decision(tmp_path)
