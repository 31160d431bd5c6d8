"""The pages of ``mlcore data`` in a real browser: hostile data, filters, sorting, the keyboard, a thousand features."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mlcore.statistics.accumulate import DatasetAccumulator
from mlcore.statistics.pages.html import render
from mlcore.statistics.pages.model import FeatureDifference, Page, Side

HOSTILE = "</script><script>window.hacked=1</script>"
IMAGE = "<img src=x onerror=window.hacked=2>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium of this machine."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = [path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))]
    if not found:
        pytest.skip("there is no Chromium or Chrome on this machine")
    with sync_api.sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-dev-shm-usage"]  # for containers
        chromium = playwright.chromium.launch(executable_path=found[0], args=arguments)
        yield chromium
        chromium.close()


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
    """All can be found at once; the charts of the last are drawn when they come into view."""
    columns = {f"feature_{index:04}": [float(index), 2.5, None, 7.25] for index in range(1_000)}
    page = opened(Page(title="t", sides=(side("one", columns),)))
    assert page.locator("article").count() == 1_000
    assert page.locator("figure").count() < 50
    page.locator("article").last.scroll_into_view_if_needed()
    page.wait_for_selector("article:last-child figure")
    assert page.locator("figure").count() < 100
    assert page.errors == []
