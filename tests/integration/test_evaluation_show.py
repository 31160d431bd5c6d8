"""What ``mlcore evaluate show`` tells of a model that a real run made, and its card."""

from __future__ import annotations

import json

from support.project import Project


def test_the_verdicts_and_the_card_of_a_champion(ran: Project) -> None:
    """The champion's verdicts are printed in words, its evaluation as JSON, and its card as Markdown and HTML."""
    shown = ran.cli("evaluate", "show", "tiny")
    assert shown.returncode == 0, shown.stderr
    assert "passed: roc_auc" in shown.stdout
    assert "passed: no champion yet; log_loss better by" in shown.stdout
    assert "colour=red" in shown.stdout
    assert "what features are worth: roc_auc worse without, on 480 rows" in shown.stdout
    page = ran.folder / "card.html"
    told = ran.cli("evaluate", "show", "tiny", "--run", "r", "--json", "--card", str(page))
    document = json.loads(told.stdout)
    assert document["verdict"]["blessed"]
    worth = {each["name"]: each["value"]["value"] for each in document["importance"]["features"]}
    assert worth["size"] > 0.2 > abs(worth["colour"])  # the outcome depends on the size and on chance
    assert document["dummy"]["slices"][0]["metrics"]["log_loss"]["upper"] < 0
    assert "<h1>Model card: tiny, run r</h1>" in page.read_text(encoding="utf-8")
    assert 'aria-label="roc_auc worse without each feature"' in page.read_text(encoding="utf-8")
    missing = ran.cli("evaluate", "show", "tiny", "--version", "9")
    assert missing.returncode == 1
    assert "there is no version 9" in missing.stderr
