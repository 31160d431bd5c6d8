"""Gates read intervals, never bare estimates, and say why in words."""

import pytest

from mlcore.config.evaluation import ChampionCriterion, ValueCriterion
from mlcore.errors import ArtifactCorrupt, ArtifactMissing, ConfigError, MlcoreError
from mlcore.evaluation.blessing import Blessing, read_blessing, write_blessing
from mlcore.evaluation.gates import decide
from mlcore.evaluation.values import SliceResult, Slices, estimate

DIGEST = "sha256:" + "a" * 64


def one(name, value, error, limits=(0.0, 1.0), missing=None):
    metrics = {name: estimate(value, standard_error=error, clusters=None, rows=900, confidence=0.95, limits=limits)}
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


def test_no_champion_passes_and_says_so():
    """The first model has no champion to be worse than."""
    verdict = decide([ChampionCriterion(metric="log_loss", against="champion")], NOTHING, None)
    assert verdict.blessed
    assert verdict.reasons == ("passed: no champion to compare log_loss with",)


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
