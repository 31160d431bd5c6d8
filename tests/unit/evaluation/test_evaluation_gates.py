"""Gates read intervals, never bare estimates, and say why in words."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlcore.config.evaluation import ChampionCriterion, ValueCriterion
from mlcore.core.digests import canonical_json
from mlcore.errors import ArtifactCorrupt, ArtifactMissing, ConfigError, MlcoreError
from mlcore.evaluation.blessing import Blessing, read_blessing, write_blessing
from mlcore.evaluation.gates import decide
from mlcore.evaluation.holm import holm
from mlcore.evaluation.intervals import Spread
from mlcore.evaluation.spending import spent
from mlcore.evaluation.values import SliceResult, Slices, estimate
from mlcore.evaluation.verdict import from_document, to_document

DIGEST = "sha256:" + "a" * 64


def one(name, value, error, limits=(0.0, 1.0), missing=None):
    metrics = {name: estimate(value, Spread(error=error), rows=900, confidence=0.95, limits=limits)}
    result = SliceResult(
        key=(), rows=900, positives=300, metrics={} if missing else metrics, missing={name: missing} if missing else {}
    )
    return Slices(confidence=0.95, results=(result,))


def difference(name, value, error):
    return one(name, value, error, limits=(None, None))


NOTHING = Slices(confidence=0.95, results=(SliceResult(key=(), rows=0, positives=0),))


@pytest.mark.parametrize(("error", "blessed"), [(0.01, True), (0.06, False)])
def test_threshold_holds_at_the_safe_bound(error, blessed):
    """An area of 0.7 passes 0.6 only when the lower end of its interval does."""
    verdict = decide([ValueCriterion(metric="roc_auc", threshold=0.6)], one("roc_auc", 0.7, error), None)
    assert verdict.blessed is blessed
    assert verdict.reasons[0].startswith("passed: roc_auc 0.7000 [" if blessed else "blocked: roc_auc 0.7000 [")


def test_threshold_of_a_loss_is_an_upper_bound():
    """A loss must stay below its threshold with the upper end of its interval."""
    criterion = ValueCriterion(metric="log_loss", threshold=0.5)
    assert decide([criterion], one("log_loss", 0.45, 0.01), None).blessed
    assert not decide([criterion], one("log_loss", 0.45, 0.05), None).blessed


def test_confidence_is_the_criterions():
    """The same evaluation passes at a low confidence and not at a high one."""
    evaluation = one("roc_auc", 0.7, 0.045)
    assert decide([ValueCriterion(metric="roc_auc", threshold=0.6, confidence=0.9)], evaluation, None).blessed
    assert not decide([ValueCriterion(metric="roc_auc", threshold=0.6, confidence=0.99)], evaluation, None).blessed


def test_worse_than_the_champion_is_told_with_interval():
    """A loss that may be worse by more than allowed blocks, with difference, interval and allowance."""
    criterion = ChampionCriterion(metric="log_loss", against="champion", max_regression=0.002)
    verdict = decide([criterion], NOTHING, difference("log_loss", 0.004, 0.0015))
    assert not verdict.blessed
    assert verdict.reasons == (
        "blocked: log_loss worse by 0.0040 [0.0011, 0.0069] than the champion's, allowed to be worse by 0.002",
    )


@pytest.mark.parametrize(
    ("metric", "value", "blessed", "word"),
    [
        ("roc_auc", -0.02, False, "worse by 0.0200 [0.0180, 0.0220]"),
        ("roc_auc", 0.02, True, "better by 0.0200 [0.0180, 0.0220]"),
        ("log_loss", -0.02, True, "better by 0.0200 [0.0180, 0.0220]"),
        ("log_loss", 0.0, True, "better by 0.0000 [-0.0020, 0.0020]"),
    ],
)
def test_direction_is_the_metrics(metric, value, blessed, word):
    """More is better for an area, worse for a loss."""
    criterion = ChampionCriterion(metric=metric, against="champion", max_regression=0.01)
    verdict = decide([criterion], NOTHING, difference(metric, value, 0.00102))
    assert verdict.blessed is blessed
    assert word in verdict.reasons[0]


@pytest.mark.parametrize(("value", "blessed"), [(-0.02, True), (-0.001, False), (0.01, False)])
def test_without_a_champion_a_constant_prediction_must_be_beaten(value, blessed):
    """The first model passes only where it is surely better than the prediction that is the same for every row."""
    verdict = decide(
        [ChampionCriterion(metric="log_loss", against="champion")],
        NOTHING,
        None,
        dummy=difference("log_loss", value, 0.001),
    )
    assert verdict.blessed is blessed
    assert "no champion yet; log_loss" in verdict.reasons[0]
    assert "than a constant prediction's" in verdict.reasons[0]


def test_constant_prediction_without_the_metric_is_beaten_in_another():
    """A constant prediction has no precision: it is beaten in log loss instead."""
    criterion = ChampionCriterion(metric="precision", against="champion")
    verdict = decide([criterion], NOTHING, None, dummy=difference("log_loss", -0.02, 0.001))
    assert verdict.blessed
    assert "log_loss better by 0.0200" in verdict.reasons[0]
    assert not decide([criterion], NOTHING, None).blessed


def by_origin(name, values, error=0.001, limits=(None, None), small=()):
    """A result of all rows and of some values of origin."""
    results = []
    for key, value in {(): 0.0, **{(("origin", origin),): value for origin, value in values.items()}}.items():
        found = {name: estimate(value, Spread(error=error), rows=500, confidence=0.95, limits=limits)}
        results.append(SliceResult(key=key, rows=500, positives=100, metrics=found))
    for origin in small:
        reason = {name: "insufficient data: 9 rows"}
        results.append(SliceResult(key=(("origin", origin),), rows=9, positives=1, missing=reason))
    return Slices(confidence=0.95, results=tuple(results))


def test_a_bad_slice_blocks_and_is_named():
    """A slice that may be worse than allowed blocks, though all rows together are fine."""
    criterion = ChampionCriterion(metric="log_loss", against="champion", max_regression=0.002, slices=[["origin"]])
    verdict = decide([criterion], NOTHING, by_origin("log_loss", {"EWR": -0.001, "JFK": -0.002, "LGA": 0.004}))
    assert not verdict.blessed
    assert verdict.reasons[0].startswith("blocked: log_loss on origin=LGA worse by 0.0040 [")
    assert verdict.reasons[1] == "passed: log_loss on 2 of 3 slices"
    assert verdict.findings[0].slice == (("origin", "LGA"),)


def test_holm_asks_more_of_many_slices():
    """A slice that would pass alone is not sure enough among ten, unless the others are surer still."""
    criterion = ChampionCriterion(metric="log_loss", against="champion", max_regression=0.002, slices="all")
    margin = -0.0001  # 2.1 standard errors below the limit: sure at 0.964, not at 0.995
    sliced = criterion.model_copy(update={"slices": (("origin",),)})
    assert decide([sliced], NOTHING, by_origin("log_loss", {"A": margin})).blessed
    alike = by_origin("log_loss", dict.fromkeys("ABCDEFGHIJ", margin))
    assert not decide([criterion], NOTHING, alike).blessed
    surer = by_origin("log_loss", {**dict.fromkeys("BCDEFGHIJ", -0.004), "A": margin})
    assert decide([sliced], NOTHING, surer).blessed


def test_block_on_worse_blocks_proven_harm_only():
    """With block_on: worse an unsure slice passes, and one that is surely worse than allowed blocks."""
    criterion = ChampionCriterion(
        metric="log_loss", against="champion", max_regression=0.002, slices=[["origin"]], block_on="worse"
    )
    assert decide([criterion], NOTHING, by_origin("log_loss", {"EWR": 0.003, "JFK": 0.0})).blessed
    verdict = decide([criterion], NOTHING, by_origin("log_loss", {"EWR": 0.02, "JFK": 0.0}))
    assert not verdict.blessed
    assert "log_loss on origin=EWR worse by 0.0200" in verdict.reasons[0]


@pytest.mark.parametrize(
    ("policy", "blessed", "word"), [("block", False, "blocked"), ("pass", True, "passed"), ("warn", True, "warned")]
)
def test_too_small_a_slice_is_a_stated_verdict(policy, blessed, word):
    """What becomes of a slice with too few rows is what the criterion says, and it is told."""
    criterion = ValueCriterion(metric="brier", threshold=0.5, slices="all", insufficient_data=policy)
    verdict = decide([criterion], by_origin("brier", {"EWR": 0.1}, limits=(0.0, 1.0), small=("OO",)), None)
    assert verdict.blessed is blessed
    assert verdict.reasons[0] == f"{word}: brier on origin=OO is not known: insufficient data: 9 rows"


@pytest.mark.parametrize("mode", ["enabled", "dry_run"])
def test_very_many_slices_are_ten_sentences_and_a_number(mode):
    """Of 10,000 slices that fail, or of which nothing is known, ten are named and the others counted."""
    criterion = ValueCriterion(metric="brier", threshold=0.2, slices="all", mode=mode)
    small = tuple(f"S{number:04}" for number in range(300))
    failing = {f"F{number:04}": 0.4 for number in range(300)}
    verdict = decide([criterion], by_origin("brier", failing, limits=(0.0, 1.0), small=small), None)
    assert verdict.blessed is (mode == "dry_run")
    word = "blocked" if mode == "enabled" else "dry run, would be blocked"
    assert len(verdict.reasons) == 23
    assert verdict.reasons[-1] == "passed: brier on 1 of 301 slices"
    assert f"{word}: brier on 290 more slices is not known" in verdict.reasons
    assert f"{word}: brier on 290 more slices" in verdict.reasons


def test_a_metric_that_nobody_measured_is_a_stated_verdict():
    """A criterion on a metric that is not among the evaluation's is not known, and not silently passed over."""
    verdict = decide([ValueCriterion(metric="recall", threshold=0.1)], one("roc_auc", 0.9, 0.01), None)
    assert verdict.reasons == ("blocked: recall is not known: it is not among evaluation.metrics",)


def test_dry_run_tells_and_does_not_block():
    """A criterion on trial says what it would do; one that is disabled says that it is."""
    failing = {"metric": "roc_auc", "threshold": 0.9}
    criteria = [ValueCriterion(**failing, mode="dry_run"), ValueCriterion(**failing, mode="disabled")]
    verdict = decide(criteria, one("roc_auc", 0.7, 0.01), None)
    assert verdict.blessed
    assert verdict.reasons[0].startswith("dry run, would be blocked: roc_auc 0.7000 [")
    assert verdict.reasons[1] == "disabled: the criterion on roc_auc"


@pytest.mark.parametrize(("value", "blessed"), [(0.02, True), (0.011, False), (0.005, False)])
def test_superiority_is_better_by_more_than_the_margin(value, blessed):
    """min_improvement asks that the challenger is surely better by more than it."""
    criterion = ChampionCriterion(metric="roc_auc", against="champion", min_improvement=0.01, repeated_tests="ignore")
    verdict = decide([criterion], NOTHING, difference("roc_auc", value, 0.001))
    assert verdict.blessed is blessed
    assert "needs to be better by more than 0.01" in verdict.reasons[0]


def test_later_challengers_must_be_surer():
    """What is better beyond doubt for the first challenger of a champion is not for the fiftieth."""
    criterion = ChampionCriterion(metric="roc_auc", against="champion", min_improvement=0.0)
    found = difference("roc_auc", 0.0027, 0.001)
    assert decide([criterion], NOTHING, found).blessed
    late = decide([criterion], NOTHING, found, earlier_tests=49)
    assert not late.blessed
    assert late.reasons[0].endswith("(test 50)")
    assert decide([criterion.model_copy(update={"repeated_tests": "ignore"})], NOTHING, found, earlier_tests=49).blessed


@given(st.floats(0.001, 0.5), st.integers(1, 400))
def test_all_that_is_spent_is_no_more_than_there_is(alpha, tests):
    """However many tests there are, their chances of error sum to less than alpha, and each has some."""
    shares = [spent(alpha, earlier) for earlier in range(tests)]
    assert min(shares) > 0
    assert sum(shares) < alpha
    assert shares == sorted(shares, reverse=True)


@pytest.mark.parametrize(
    ("levels", "expected"),
    [([0.01, 0.02, 0.04], [True, True, True]), ([0.01, 0.03, 0.04], [True, False, False]), ([0.2], [False])],
)
def test_holm_rejects_step_by_step(levels, expected):
    """The smallest level is held to alpha over all, the next to alpha over the rest, until one fails."""
    assert holm(levels, 0.05)[0] == expected


def test_calibration_between_two_numbers():
    """A ratio that is best at 1 has a criterion with two ends."""
    criterion = ValueCriterion(metric="calibration", between=(0.9, 1.1))
    assert decide([criterion], one("calibration", 1.02, 0.01, limits=(0.0, None)), None).blessed
    assert not decide([criterion], one("calibration", 1.02, 0.06, limits=(0.0, None)), None).blessed
    with pytest.raises(ConfigError, match="neither better nor worse"):
        decide([ValueCriterion(metric="calibration", threshold=1.0)], NOTHING, None)


def test_verdict_round_trip():
    """A verdict is read as it was written."""
    criterion = ChampionCriterion(metric="log_loss", against="champion", max_regression=0.002, slices=[["origin"]])
    verdict = decide([criterion], NOTHING, by_origin("log_loss", {"EWR": -0.001, "LGA": 0.004}))
    assert from_document(json.loads(canonical_json(to_document(verdict)))) == verdict


def test_what_is_not_known_blesses_nothing():
    """A metric that was not asked for, or had too few rows, blocks and says so."""
    criteria = [ValueCriterion(metric="brier", threshold=0.5)]
    assert decide(criteria, NOTHING, None).reasons == (
        "blocked: brier is not known: it is not among evaluation.metrics",
    )
    verdict = decide(criteria, one("brier", 0.1, 0.1, missing="insufficient data: 3 rows"), None)
    assert not verdict.blessed
    assert "insufficient data: 3 rows" in verdict.reasons[0]


def test_one_blocked_criterion_blocks():
    """All criteria must hold; every one of them has its sentence."""
    criteria = [ValueCriterion(metric="roc_auc", threshold=0.6), ValueCriterion(metric="roc_auc", threshold=0.9)]
    verdict = decide(criteria, one("roc_auc", 0.7, 0.01), None)
    assert not verdict.blessed
    assert [reason.split(":")[0] for reason in verdict.reasons] == ["passed", "blocked"]


def test_no_criteria_bless():
    """Without criteria every model is blessed, in words."""
    assert decide([], NOTHING, None).reasons == ("passed: no criteria are set",)


def test_unknown_metric_in_a_criterion():
    """A criterion on an unknown metric is a configuration error."""
    with pytest.raises(ConfigError, match="did you mean brier"):
        decide([ValueCriterion(metric="brierr", threshold=0.5)], NOTHING, None)


def test_blessing_round_trip(tmp_path):
    """A blessing is read as it was written."""
    blessing = Blessing(model_digest=DIGEST, gate="evaluation", blessed=False, reasons=("blocked: <b>",))
    write_blessing(tmp_path, blessing)
    assert read_blessing(tmp_path) == blessing


def test_blessing_of_no_model():
    """A blessing names a model by its digest."""
    with pytest.raises(MlcoreError, match="digest"):
        Blessing(model_digest="latest", gate="evaluation", blessed=True, reasons=())


def test_missing_and_damaged_blessings(tmp_path):
    """No file, and a file that says neither yes nor no, are errors: silence is not a blessing."""
    with pytest.raises(ArtifactMissing):
        read_blessing(tmp_path)
    (tmp_path / "blessing.json").write_text(
        f'{{"model_digest": "{DIGEST}", "gate": "infra", "blessed": "yes", "reasons": []}}'
    )
    with pytest.raises(ArtifactCorrupt):
        read_blessing(tmp_path)
