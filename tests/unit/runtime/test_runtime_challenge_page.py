from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

from mlcore.evaluation.card.html import document
from mlcore.evaluation.challenge_file import Difference
from mlcore.registry.challenge import Look, LookVerdict
from mlcore.runtime.challenge_page import content, title
from mlcore.runtime.challenges import ChallengeReport, Ended, LookReport

HOSTILE = "</td></table><script>alert(1)</script><img src=x onerror=alert(1)> \"quoted\" 'too' & more"
LOOK = Look(
    move_id=3, challenger=2, champion=1, look=1, verdict=LookVerdict.REFUSED, until=datetime(2024, 1, 11, tzinfo=UTC),
    rows=1200, spent=0.25, artifact_id=9, reason=HOSTILE, run="r",
)  # fmt: skip
FOUND = Difference(metric=HOSTILE, value=0.01, lower=-0.02, upper=0.04, confidence=0.98, bound=0.02, higher=False)
KNOWN = {
    "html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "span", "div", "table", "thead", "tbody", "tr",
    "th", "td", "figure", "figcaption", "svg", "line", "circle", "text",
}  # fmt: skip


class Elements(HTMLParser):
    """The names of a page's elements and attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def test_what_comes_from_people_and_data_is_text() -> None:
    """Reasons, metrics and names that look like markup are shown as they are, and make no element of their own."""
    looks = (LookReport(look=LOOK, predicted=7, differences=(FOUND, replace(FOUND, metric="log_loss"))),)
    report = ChallengeReport(
        pipeline=HOSTILE, challenge=None, rollout=None, looks=looks, ended=(Ended(looks=1, last=LOOK),)
    )
    found = Elements(document(title(report), content(report)))
    assert found.names <= KNOWN
    assert not any(name.startswith("on") or name in ("href", "src") for name in found.attributes)
    assert found.text.count(HOSTILE) >= 5
    assert "+0.0100 [-0.0200, +0.0400] (98.00%), to be below +0.02" in found.text
