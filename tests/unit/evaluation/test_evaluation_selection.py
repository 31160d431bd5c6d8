"""Which of several candidates is chosen, what is told of all of them, and that choosing costs the gates nothing."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from mlcore.config.evaluation import ChampionCriterion
from mlcore.config.evaluation import Evaluation as EvaluationConfig
from mlcore.errors import ArtifactCorrupt, ArtifactMissing, ConfigError, DataError
from mlcore.evaluation.candidates import Candidates, read_choice, with_choice, write_choice
from mlcore.evaluation.compare import compare
from mlcore.evaluation.gates import Outcome, Verdict, decide
from mlcore.evaluation.predictions import PredictionsAbout, read_predictions, write_predictions
from mlcore.evaluation.selection import Choice, measure_candidates, select
from mlcore.evaluation.task import Task
from mlcore.evaluation.values import SliceResult, Slices

CONFIG = EvaluationConfig(metrics=("roc_auc", "log_loss"))
NOTHING = Slices(confidence=0.95, results=(SliceResult(key=(), rows=0, positives=0),))


def columns(rows: int) -> pa.Table:
    return pa.table({"x": pa.nulls(rows)})


def scored(rows: int, errors: dict[str, float], seed: int = 1) -> tuple[pa.Array, dict[str, np.ndarray]]:
    """Labels, and models that know each row's chance up to an error of their own."""
    generator = np.random.default_rng(seed)
    logit = generator.normal(-0.5, 1.2, rows)
    labels = (generator.random(rows) < 1 / (1 + np.exp(-logit))).astype(np.float64)
    scores = {name: 1 / (1 + np.exp(-(logit + error * generator.normal(size=rows)))) for name, error in errors.items()}
    return pa.array(labels), scores


def chosen(labels: pa.Array, scores: dict[str, np.ndarray], metric: str | None = None) -> Choice:
    constant = np.full(len(labels), np.mean(labels.to_numpy()))
    return select(labels, scores, constant, metric=metric, columns=columns(len(labels)), config=CONFIG)


def test_the_best_by_the_metric_is_chosen_and_the_reason_says_so() -> None:
    """The sentence names metric, rows and all candidates; differences from the chosen one are of the same rows."""
    labels, scores = scored(900, {"poor": 1.5, "good": 0.1, "fair": 0.6})
    choice = chosen(labels, scores, "log_loss")
    assert (choice.chosen, choice.metric, choice.beats_dummy) == ("good", "log_loss", True)
    assert choice.reason.startswith("good has the best log_loss on the 900 rows held back from training: 0.")
    assert "poor 0." in choice.reason
    assert "dummy 0." in choice.reason
    by_name = {each.name: each for each in choice.candidates}
    assert list(by_name) == ["poor", "good", "fair", "dummy"]
    assert by_name["good"].difference is None
    poor = by_name["poor"]
    assert poor.difference is not None
    assert poor.difference.metrics["log_loss"].value == pytest.approx(
        poor.metrics.metrics["log_loss"].value - by_name["good"].metrics.metrics["log_loss"].value
    )
    assert poor.difference.metrics["log_loss"].lower > 0


def test_by_default_the_first_metric_of_the_evaluation_decides() -> None:
    """More of it is better where the metric says so."""
    labels, scores = scored(600, {"poor": 2.0, "good": 0.1})
    assert chosen(labels, scores).metric == "roc_auc"
    assert chosen(labels, scores).chosen == "good"


def test_of_equals_the_first_is_chosen() -> None:
    """The file's order decides, and the order of the rows does not."""
    labels, scores = scored(300, {"one": 0.3})
    both = {"b": scores["one"], "a": scores["one"]}
    assert chosen(labels, both).chosen == "b"
    backwards = {name: each[::-1] for name, each in both.items()}
    assert chosen(pa.array(labels.to_numpy()[::-1]), backwards) == chosen(labels, both)


def test_where_a_constant_prediction_is_as_good_nothing_is_blessed() -> None:
    """The verdict on the best candidate is blocked whatever its criteria say, in words that name all of them."""
    labels, scores = scored(300, {"one": 0.0, "two": 0.0})
    noise = np.random.default_rng(3).random((2, 300))
    choice = chosen(labels, dict(zip(scores, noise, strict=True)), "log_loss")
    assert not choice.beats_dummy
    verdict = with_choice(Verdict(blessed=True, reasons=("passed: no criteria are set",)), choice)
    assert not verdict.blessed
    assert verdict.findings[0].outcome is Outcome.BLOCKED
    assert verdict.reasons[0].startswith(
        "blocked: no model is better than a constant prediction in log_loss on the 300 rows held back"
    )
    assert verdict.reasons[0].endswith(": nothing is pushed")
    assert verdict.reasons[1] == "passed: no criteria are set"


def test_a_metric_that_a_constant_has_no_value_of_is_not_what_it_is_beaten_in() -> None:
    """Precision is unknown where nothing is predicted positive: the constant is compared in log loss."""
    labels, scores = scored(400, {"good": 0.1, "shy": 0.1})
    scores["shy"] = scores["shy"] * 0.4
    config = EvaluationConfig(metrics=("precision",))
    constant = np.full(400, 0.3)
    choice = select(labels, scores, constant, metric=None, columns=columns(400), config=config)
    assert choice.chosen == "good"
    assert choice.beats_dummy
    assert "shy unknown" in choice.reason
    assert set(choice.candidates[0].metrics.metrics) == {"precision"}
    only = {"shy": scores["shy"]}
    with pytest.raises(DataError, match="precision has no value on the 400 rows"):
        select(labels, only, constant, metric=None, columns=columns(400), config=config)


def test_a_metric_that_is_neither_better_nor_worse_chooses_nothing() -> None:
    """The message names the key to change."""
    labels, scores = scored(100, {"one": 0.1})
    with pytest.raises(ConfigError, match="neither better nor worse") as error:
        chosen(labels, scores, "mean_prediction")
    assert error.value.where == "selection.metric"


def test_candidates_of_classes_and_of_amounts() -> None:
    """Shares of several classes and numbers are chosen by just as probabilities are."""
    generator = np.random.default_rng(4)
    labels = generator.integers(0, 3, 300)
    right, wrong = np.full((300, 3), 0.2), np.full((300, 3), 1 / 3)
    right[np.arange(300), labels] = 0.6
    choice = select(
        pa.array(labels.astype(str)), {"wrong": wrong, "right": right}, wrong, metric=None, columns=columns(300),
        config=EvaluationConfig(), task=Task.MULTICLASS, classes=["0", "1", "2"],
    )  # fmt: skip
    assert (choice.chosen, choice.metric, choice.beats_dummy) == ("right", "log_loss", True)
    amounts = generator.normal(size=300)
    near = select(
        pa.array(amounts), {"near": amounts + 0.1, "far": amounts + 3}, np.zeros(300), metric="mae",
        columns=columns(300), config=EvaluationConfig(), task=Task.REGRESSION,
    )  # fmt: skip
    assert (near.chosen, near.beats_dummy) == ("near", True)


def test_what_is_kept_is_read_as_it_was(tmp_path) -> None:
    """A choice, candidates and predictions come back equal; lost or broken files are named."""
    labels, scores = scored(200, {"one": 0.1, "two": 0.5})
    choice = chosen(labels, scores)
    evaluated = measure_candidates(labels, scores, chosen="one", metric="log_loss", columns=columns(200), config=CONFIG)
    kept = Candidates(choice=choice, evaluated=evaluated)
    assert Candidates.from_document(json.loads(json.dumps(kept.to_document()))) == kept
    with pytest.raises(ArtifactMissing, match="selection"):
        read_choice(tmp_path)
    write_choice(tmp_path, choice)
    assert read_choice(tmp_path) == choice
    (tmp_path / "selection.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ArtifactCorrupt):
        read_choice(tmp_path)
    about = PredictionsAbout(classes=("a", "b"), fitted=("d1", "d2"), judged=("d4", "d5"))
    with pytest.raises(ArtifactMissing):
        read_predictions(tmp_path)
    write_predictions(tmp_path, scores["one"], about)
    read, told = read_predictions(tmp_path)
    assert (read.tobytes(), told) == (scores["one"].tobytes(), about)
    (tmp_path / "scores.npy").write_bytes(b"x")
    with pytest.raises(ArtifactCorrupt):
        read_predictions(tmp_path)


BETTER = ChampionCriterion(metric="log_loss", against="champion", min_improvement=0.0, repeated_tests="ignore")
ROUNDS, ROWS, EQUALS = 400, 250, 6


def test_the_best_of_equals_is_promoted_no_more_often_than_one() -> None:
    """Of 400 retrainings with six candidates as good as the champion at most 5 in 100 pass superiority.

    Chosen by the rows that the gate tests, the lucky one of the six passes more than twice as often as it may.
    """
    config = EvaluationConfig(metrics=("log_loss",), min_slice_rows=1)
    names = {"champion": 0.4, **{f"candidate{number}": 0.4 for number in range(EQUALS)}}
    honest = lucky = 0
    for round_ in range(ROUNDS):
        held, then = scored(ROWS, names, seed=2 * round_), scored(ROWS, names, seed=2 * round_ + 1)
        for by in (held, then):
            candidates = {name: each for name, each in by[1].items() if name != "champion"}
            best = select(
                by[0], candidates, np.full(ROWS, 0.4), metric=None, columns=columns(ROWS), config=config
            ).chosen
            found = compare(then[0], then[1][best], then[1]["champion"], columns=columns(ROWS), config=config)
            passed = decide([BETTER], NOTHING, found).blessed
            honest, lucky = honest + (passed and by is held), lucky + (passed and by is then)
    assert honest <= 0.05 * ROUNDS, honest
    assert lucky > 2 * 0.025 * ROUNDS, lucky
