"""Gaps between groups: which two differ most, by how much, and how sure that is."""

import numpy as np
import pyarrow as pa
import pytest

from mlcore.config.evaluation import Evaluation as EvaluationConfig
from mlcore.errors import ConfigError
from mlcore.evaluation import files
from mlcore.evaluation.fairness import Notion
from mlcore.evaluation.judge import judge
from mlcore.evaluation.task import Task


def judged(shift, rows=3000, seed=0, **about):
    """A model whose scores of group c are moved by ``shift``."""
    generator = np.random.default_rng(seed)
    group = generator.integers(0, 3, rows)
    chance = generator.beta(2, 2, rows)
    labels = (generator.random(rows) < chance).astype(np.float64)
    scores = np.clip(chance + shift * (group == 2), 0, 1)
    columns = pa.table({"group": pa.array(np.array(["a", "b", "c"])[group]), "day": pa.array(group * 0)})
    config = (
        EvaluationConfig(metrics=("brier",), fairness={"columns": ["group"]})
        if "task" not in about
        else (EvaluationConfig(metrics=("mae",), fairness={"columns": ["group"]}))
    )
    found = judge(pa.array(labels), scores, scores, columns=columns, config=config, is_champion=True, **about)
    return found, labels, scores > 0.5, group


def test_the_groups_that_differ_most():
    """Each notion names the two groups that differ most in its rate, and the difference of their rates."""
    found, labels, said, group = judged(0.2)
    by_notion = {gap.notion: gap for gap in found.gaps}
    assert set(by_notion) == set(Notion)
    shares = [said[group == each].mean() for each in range(3)]
    parity = by_notion[Notion.DEMOGRAPHIC_PARITY]
    assert parity.more == "c"
    assert parity.value.value == pytest.approx(max(shares) - min(shares))
    assert parity.value.lower > 0
    recalls = [said[(group == each) & (labels == 1)].mean() for each in range(3)]
    assert by_notion[Notion.EQUAL_OPPORTUNITY].value.value == pytest.approx(max(recalls) - min(recalls))
    false = [said[(group == each) & (labels == 0)].mean() for each in range(3)]
    odds = by_notion[Notion.EQUALISED_ODDS]
    assert odds.more == "c"
    assert odds.value.value == pytest.approx(max(np.ptp(recalls), np.ptp(false)))


def test_equal_groups_rarely_have_a_sure_gap():
    """Of 100 models that treat groups alike at most a few have a gap whose interval leaves out 0."""
    sure = sum(any(gap.value.lower > 0 for gap in judged(0.0, rows=900, seed=seed)[0].gaps[:1]) for seed in range(100))
    assert sure <= 8


def test_gaps_are_kept(tmp_path):
    """What was found is read back from the evaluation's folder."""
    found, *_ = judged(0.2)
    files.write(tmp_path, found)
    assert files.read_judgement(tmp_path) == found


def test_numbers_have_no_such_gaps():
    """Fairness of decisions has no meaning for predicted numbers."""
    with pytest.raises(ConfigError, match="yes-or-no decisions"):
        judged(0.0, task=Task.REGRESSION)
