"""Model cards: what stands in them, and that nothing from data is markup."""

import re
from html.parser import HTMLParser

import numpy as np
import pyarrow as pa
import pytest

from mlcore.config.evaluation import Evaluation as EvaluationConfig
from mlcore.evaluation.card.content import Subject
from mlcore.evaluation.card.html import to_html
from mlcore.evaluation.card.markdown import to_markdown
from mlcore.evaluation.judge import judge

HOSTILE = "</td><script>alert(1)</script>|`x`"


@pytest.fixture(scope="module")
def subject():
    generator = np.random.default_rng(0)
    scores = generator.beta(2, 3, 800)
    columns = pa.table({"town": np.array(["Ulm", HOSTILE])[generator.integers(0, 2, 800)]})
    config = EvaluationConfig(
        slices=["town"],
        fairness={"columns": ["town"]},
        validation_criteria=[
            {"metric": "roc_auc", "threshold": 0.99},
            {"metric": "log_loss", "against": "champion", "slices": "all", "insufficient_data": "pass"},
        ],
    )
    labels = pa.array((generator.random(800) < scores).astype(np.int8))
    judgement = judge(labels, scores, np.full(800, 0.4), columns=columns, config=config, is_champion=False)
    return Subject(
        title="Model card: delays",
        description=f"Will it be late? {HOSTILE}",
        facts={"trained on": "2013-01-01 to 2013-03-02", "owner": HOSTILE},
        features={"distance": f"Miles {HOSTILE}"},
        judgement=judgement,
    )


class _Texts(HTMLParser):
    """The elements and the texts of a page."""

    def __init__(self):
        super().__init__()
        self.elements, self.texts, self.open = [], [], []

    def handle_starttag(self, tag, attributes):
        self.elements.append(tag)

    def handle_data(self, data):
        self.texts.append(data)


def test_html_card_tells_and_escapes(subject):
    """The page has the windows, verdicts, metrics and charts; values from data are text, and nothing is fetched."""
    text = to_html(subject)
    page = _Texts()
    page.feed(text)
    assert "script" not in page.elements
    assert page.elements.count("svg") == 2
    assert "http" not in re.sub(r"http-equiv", "", text)
    told = " ".join(page.texts)
    for expected in ("Not blessed.", "roc_auc", "2013-01-01 to 2013-03-02", "demographic parity", f"town={HOSTILE}"):
        assert expected in told, expected
    assert "than a constant prediction's" in told


def test_markdown_card_tells_and_escapes(subject):
    """The same as Markdown: every row of a table has as many cells as its heading, and no value is markup."""
    text = to_markdown(subject)
    assert "# Model card: delays" in text
    assert "## Verdict" in text
    assert re.search(r"(?<!\\)<", text) is None
    columns = None
    for line in text.splitlines():
        cells = len(re.findall(r"(?<!\\)\|", line))
        columns = (columns or cells) if cells else None
        assert cells == (columns or 0), line
