"""The pages of ``mlcore data`` in a real browser: hostile data, filters, sorting, the keyboard, a thousand features."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mlcore.statistics.accumulate import DatasetAccumulator
from mlcore.statistics.pages.html import render
from mlcore.statistics.pages.model import FeatureDifference, Page, Side, Slice

HOSTILE = "</script><script>window.hacked=1</script>"
IMAGE = "<img src=x onerror=window.hacked=2>"


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """Opens a page; what it asked for and complained of is kept."""
    context = browser.new_context(color_scheme="dark")

    def open_(page: Page) -> Any:
        (tmp_path / "page.html").write_text(render(page), encoding="utf-8")
        made = context.new_page()
        made.requests, made.errors = [], []
        made.on("request", lambda request: made.requests.append(request.url))
        made.on("pageerror", lambda error: made.errors.append(str(error)))
        made.on("console", lambda message: made.errors.append(message.text))
        made.goto((tmp_path / "page.html").as_uri())
        made.wait_for_selector("html[data-ready=yes]")
        return made

    yield open_
    context.close()


def side(name: str, columns: dict[str, Any]) -> Side:
    return Side(name=name, dataset=DatasetAccumulator.of(pa.table(columns).to_batches()))


def headings(page: Any) -> list[str]:
    return list(page.locator("article h2").all_text_contents())


def test_hostile_names_and_values_are_shown_as_texts(opened: Any) -> None:
    """No script of the data runs, nothing is fetched, and the names are there to read, opened details too."""
    columns = {HOSTILE: [HOSTILE, IMAGE, "a"], IMAGE: [1.0, 2.5, None], "a\u202eb": [True, False, True]}
    page = opened(Page(title=HOSTILE, sides=(side(HOSTILE, columns), side(IMAGE, columns))))
    for summary in page.locator("summary").all():
        summary.click()
    assert page.evaluate("window.hacked") is None
    assert page.errors == []
    assert len(page.requests) == 1
    assert headings(page) == [HOSTILE, IMAGE, "a\\u202eb"]
    assert IMAGE in page.locator("details td.text").all_text_contents()
    assert page.locator("h1").text_content() == HOSTILE
    assert page.locator("img").count() == 0


def test_features_are_sorted_filtered_and_reached_by_keyboard(opened: Any) -> None:
    """Most different first; by name in both directions; by a part of a value; / j k and Escape."""
    first = side("one", {"b": [1.0, 2.5], "a": ["x", "Rome"], "c": [1.0, None]})
    distances = {"b": 0.1, "a": 0.9, "c": 0.3}
    differences = {
        name: FeatureDifference(distance=distance, measure="m", value=None, missing=0.0)
        for name, distance in distances.items()
    }
    page = opened(Page(title="t", sides=(first, first), differences=differences))
    assert headings(page) == ["a", "c", "b"]
    page.select_option("#sort", "name")
    assert headings(page) == ["a", "b", "c"]
    page.click("#direction")
    assert headings(page) == ["c", "b", "a"]
    page.select_option("#sort", "missing")
    assert headings(page)[0] == "c"
    page.locator("#direction").blur()
    page.keyboard.press("/")
    page.keyboard.type("rome")
    assert headings(page) == ["a"]
    page.keyboard.press("Escape")
    assert len(headings(page)) == 3
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    assert page.evaluate("document.activeElement.querySelector('h2').textContent") == headings(page)[0]
    page.select_option("#type", "string")
    assert headings(page) == ["a"]
    assert page.errors == []


def test_of_a_thousand_features_only_what_is_seen_is_drawn(opened: Any) -> None:
    """More follow when the page is scrolled, or the keyboard gets there; the filter and the order know all of them."""
    columns = {f"feature_{index:04}": [float(index), 2.5, None, 7.25] for index in range(1_000)}
    page = opened(Page(title="t", sides=(side("one", columns),)))
    assert page.locator("#shown").text_content() == "1,000 features"
    assert page.locator("figure").count() < 50
    first = page.locator("article").count()
    assert first < 200
    page.locator("article").last.scroll_into_view_if_needed()
    page.wait_for_selector(f"article:nth-child({first}) figure")
    page.wait_for_selector(f"article:nth-child({first + 1})", state="attached")
    page.locator("article").last.focus()
    page.locator("article").last.press("j")
    assert page.locator("article").count() > first
    page.select_option("#sort", "name")
    page.click("#direction")
    assert headings(page)[0] == "feature_0999"
    page.fill("#filter", "feature_0777")
    assert headings(page) == ["feature_0777"]
    page.fill("#filter", "feature_07")
    assert page.locator("#end").text_content() == "40 more features follow"
    page.locator("article").last.scroll_into_view_if_needed()
    page.wait_for_selector("article:nth-child(100)", state="attached")
    assert page.locator("#end").is_hidden()
    assert page.errors == []


def test_slices_are_looked_at_beside_all_rows(opened: Any) -> None:
    """Choosing one compares it with the whole, most different first; back again, nothing is compared."""
    columns = {"colour": ["red", "red", "blue", HOSTILE], "x": [1.0, 1.5, 30.5, None], "y": [1.5, 2.5, 1.5, 2.5]}
    whole = side("all", columns)
    blue = side(f"colour = {HOSTILE}", {"colour": ["blue"], "x": [30.5], "y": [1.5]})
    differences = {
        name: FeatureDifference(distance=distance, measure="m", value=None, missing=0.0)
        for name, distance in (("colour", 0.2), ("x", 0.9), ("y", 0.1))
    }
    page = opened(Page(title="t", sides=(whole,), slices=(Slice(side=blue, differences=differences),)))
    assert headings(page) == ["colour", "x", "y"]
    assert page.locator("#view option").all_text_contents() == ["all rows", f"colour = {HOSTILE}"]
    page.select_option("#view", "1")
    assert headings(page) == ["x", "colour", "y"]
    assert "0.900" in page.locator("article").first.text_content()
    assert page.locator(".side").all_text_contents()[1].startswith(f"B  colour = {HOSTILE}1 rows")
    page.select_option("#view", "0")
    assert headings(page) == ["colour", "x", "y"]
    assert page.locator(".difference").count() == 0
    assert page.errors == []


def test_bad_rows_are_told_beside_the_good_ones(opened: Any) -> None:
    """How many, and why."""
    plain = side("one", {"x": [1.0]})
    shown = opened(Page(title="t", sides=(replace(plain, bad_rows={"ragged": 2, "duplicate_key": 1}),)))
    assert "3 bad rows left out (2 ragged, 1 duplicate key)" in shown.locator("#sides").text_content()
    assert "bad rows" not in opened(Page(title="t", sides=(plain,))).locator("#sides").text_content()
